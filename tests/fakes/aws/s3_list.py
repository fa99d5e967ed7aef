# SPDX-License-Identifier: Apache-2.0
"""S3's lists: ListObjectsV2 and its elder."""
import base64
from urllib.parse import quote_plus

from core import Problem
from s3_xml import stamp, text, xml


def token(name):
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogateescape")).decode()


class S3List:
    def do_ListObjectsV2(self, request, bucket):
        if request.arg("list-type") != "2":
            raise Problem(400, "InvalidArgument", "Invalid list-type")
        start = request.arg("start-after", "")
        after, inclusive = start, False
        resume = request.arg("continuation-token")
        if resume is not None:
            after, inclusive = self.resume(resume)
        page = Page(request, bucket, self.world.options["max_keys"])
        page.fill(after, inclusive)
        show = page.show
        parts = [f"<Name>{text(bucket.name)}</Name><Prefix>{show(page.prefix)}</Prefix>",
                 f"<KeyCount>{page.count}</KeyCount><MaxKeys>{page.limit}</MaxKeys>",
                 f"<IsTruncated>{'true' if page.next else 'false'}</IsTruncated>", *page.head()]
        if start:
            parts.append(f"<StartAfter>{show(start)}</StartAfter>")
        if resume is not None:
            parts.append(f"<ContinuationToken>{text(resume)}</ContinuationToken>")
        if page.next:
            parts.append(f"<NextContinuationToken>{token(page.next)}</NextContinuationToken>")
        return xml("ListBucketResult", "".join(parts + page.items))

    @staticmethod
    def resume(text):
        try:
            kind, key = base64.urlsafe_b64decode(text).decode().split(":", 1)
        except ValueError:
            raise Problem(400, "InvalidArgument", "The continuation token provided is incorrect",
                          ArgumentName="continuation-token") from None
        return key, kind == "from"

    def do_ListObjects(self, request, bucket):
        page = Page(request, bucket, self.world.options["max_keys"])
        page.fill(request.arg("marker", ""), False)
        show = page.show
        parts = [f"<Name>{text(bucket.name)}</Name><Prefix>{show(page.prefix)}</Prefix>",
                 f"<Marker>{show(request.arg('marker', ''))}</Marker>",
                 f"<MaxKeys>{page.limit}</MaxKeys>",
                 f"<IsTruncated>{'true' if page.next else 'false'}</IsTruncated>", *page.head()]
        if page.next and page.delimiter:
            parts.append(f"<NextMarker>{show(page.last)}</NextMarker>")
        return xml("ListBucketResult", "".join(parts + page.items))


class Page:
    """One page: keys and folded prefixes in one order, both counted."""

    def __init__(self, request, bucket, cap):
        self.bucket = bucket
        self.prefix, self.delimiter = request.arg("prefix", ""), request.arg("delimiter", "")
        asked = request.arg("max-keys", "1000")
        if not asked.isdigit():
            raise Problem(400, "InvalidArgument", "Provided max-keys not an integer or within range")
        self.limit = min(int(asked), 1000)
        self.room = min(self.limit, cap)
        self.encoded = request.arg("encoding-type")
        if self.encoded not in (None, "url"):
            raise Problem(400, "InvalidArgument", "Invalid Encoding Method specified in Request")
        self.items, self.next, self.last, self.count = [], None, "", 0

    def show(self, value):
        if self.encoded:
            return quote_plus(value.encode("utf-8", "surrogateescape"), safe="/*-._")
        return text(value)

    def head(self):
        parts = []
        if self.delimiter:
            parts.append(f"<Delimiter>{self.show(self.delimiter)}</Delimiter>")
        if self.encoded:
            parts.append("<EncodingType>url</EncodingType>")
        return parts

    def fill(self, after, inclusive):
        if self.prefix > after:
            after, inclusive = self.prefix, True
        keys = self.bucket.keys_from(after, inclusive)
        at, folded = 0, after if self.delimiter and after.endswith(self.delimiter) else None
        while at < len(keys):
            key = keys[at]
            if not key.startswith(self.prefix):
                break
            at += 1
            cut = key.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
            group = key[:cut + len(self.delimiter)] if cut >= 0 else None
            if group is not None and group == folded:
                continue
            if self.count == self.room:
                # all of a folded prefix is behind us, so the next page begins with this key
                self.next = f"from:{key}" if self.room else None
                return
            self.count += 1
            self.last = group or key
            folded = group
            self.items.append(self.folded(group) if group is not None else self.item(key))

    def folded(self, group):
        return f"<CommonPrefixes><Prefix>{self.show(group)}</Prefix></CommonPrefixes>"

    def item(self, key):
        have = self.bucket.objects[key]
        return (f"<Contents><Key>{self.show(key)}</Key><LastModified>{stamp(have.modified)}"
                f"</LastModified><ETag>&quot;{have.etag.strip(chr(34))}&quot;</ETag>"
                f"<ChecksumAlgorithm>{have.algorithm.upper()}</ChecksumAlgorithm>"
                f"<ChecksumType>{have.checksum_type}</ChecksumType><Size>{len(have.body)}</Size>"
                f"<StorageClass>{have.storage_class}</StorageClass></Contents>")
