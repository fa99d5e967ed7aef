# SPDX-License-Identifier: Apache-2.0
"""S3: objects. Lists are in s3_list.py, multipart uploads in s3_multipart.py."""
import re
from email.utils import formatdate

import checksums
import policy
import sigv4
from core import Problem, Reply, decode
from s3_list import S3List
from s3_multipart import S3Multipart
from s3_object import Bucket, Object, checksum_headers
from s3_xml import PROLOG, kept, malformed, parse, text, xml
from world import ACCOUNT

UNREADABLE = ("GLACIER", "DEEP_ARCHIVE")
# (method, flag of the query) -> operation, for a bucket and for an object
OF_BUCKET = {
    ("GET", "location"): "GetBucketLocation", ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "uploads"): "ListMultipartUploads", ("GET", "list-type"): "ListObjectsV2",
    ("POST", "delete"): "DeleteObjects", ("GET", None): "ListObjects",
    ("HEAD", None): "HeadBucket", ("PUT", None): "CreateBucket", ("DELETE", None): "DeleteBucket",
}
OF_OBJECT = {
    ("POST", "uploads"): "CreateMultipartUpload", ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload", ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts", ("GET", None): "GetObject", ("HEAD", None): "HeadObject",
    ("PUT", None): "PutObject", ("DELETE", None): "DeleteObject",
}
# flags of the query that do not change the operation
PLAIN = re.compile(r"X-Amz-.*|x-id|response-.*|list-type|prefix|delimiter|start-after|max-keys|"
                   r"continuation-token|encoding-type|fetch-owner|uploads|uploadId|partNumber|"
                   r"delete|location|versioning|marker|key-marker|upload-id-marker|max-uploads|"
                   r"part-number-marker|max-parts")


class S3(S3List, S3Multipart):
    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.buckets, self.finished = {}, {}

    def make_bucket(self, name, region="us-east-1", owner=ACCOUNT, create_once=()):
        self.buckets[name] = Bucket(name, region, owner, create_once)
        return self.buckets[name]

    # --- naming -----------------------------------------------------------------------------------

    def name_operation(self, request, stream):
        request.service = "s3"
        path = decode(request.path)[1:]
        host = self.host_bucket(request)
        request.bucket, _, request.key = (host, "", path) if host else path.partition("/")
        table = OF_OBJECT if request.key else OF_BUCKET
        flags = [name for name, _ in request.query]
        request.operation = "ListBuckets" if not request.bucket and request.method == "GET" else \
            next((said for (method, flag), said in table.items()
                  if method == request.method and (flag is None or flag in flags)), "Unknown")
        strange = [name for name in flags if not PLAIN.fullmatch(name)]
        if strange:
            request.operation = f"Unknown({request.method} ?{strange[0]})"
        if request.header("x-amz-copy-source"):
            request.operation = "CopyObject"

    @staticmethod
    def host_bucket(request):
        host = request.header("host", "").partition(":")[0]
        found = re.fullmatch(r"(.+)\.(localhost|s3[.-].*amazonaws\.com.*|s3[.-].*\.api\.aws)", host)
        return found.group(1) if found else None

    # --- every request ----------------------------------------------------------------------------

    def handle(self, request):
        call = getattr(self, "do_" + request.operation, None)
        if call is None:
            raise Problem(501, "NotImplemented", "A header or operation you provided implies "
                          f"functionality that is not implemented: {request.operation}")
        streams = request.header("x-amz-content-sha256") in sigv4.STREAMS
        if request.header("transfer-encoding") and not streams:
            raise Problem(501, "NotImplemented", "A header you provided implies functionality that "
                          "is not implemented", Header="Transfer-Encoding")
        if request.method == "PUT" and request.header("content-length") is None and not streams:
            raise Problem(411, "MissingContentLength",
                          "You must provide the Content-Length HTTP header.")
        if not sigv4.is_signed(request):
            raise Problem(403, "AccessDenied", "Access Denied")
        request.signer = sigv4.verify(self.world, request, "s3")
        request.body, trailers = checksums.unframe(request)
        request.entry["trailers"] = trailers
        request.chosen = checksums.verify(request, request.body, trailers)
        if not request.bucket:
            return self.reply(request, call(request))
        bucket = self.buckets.get(request.bucket)
        if bucket is None and request.operation != "CreateBucket":
            raise Problem(404, "NoSuchBucket", "The specified bucket does not exist",
                          BucketName=request.bucket)
        if bucket:
            self.check_access(request, bucket)
        with self.world.lock:
            return self.reply(request, call(request, bucket))

    def check_access(self, request, bucket):
        region = request.entry["region"]
        if region != bucket.region:
            host = request.header("host", "")
            moved = [("x-amz-bucket-region", bucket.region)]
            if ".amazonaws.com" in host and region in host:
                raise Problem(301, "PermanentRedirect", "The bucket you are attempting to access "
                              "must be addressed using the specified endpoint.", headers=moved,
                              Endpoint=f"{bucket.name}.s3.{bucket.region}.amazonaws.com",
                              Bucket=bucket.name)
            raise Problem(400, "AuthorizationHeaderMalformed", "The authorization header is "
                          f"malformed; the region '{region}' is wrong; expecting "
                          f"'{bucket.region}'", headers=moved, Region=bucket.region)
        owner = request.header("x-amz-expected-bucket-owner")
        if owner is not None and owner != bucket.owner:
            raise Problem(403, "AccessDenied", "Access Denied")
        if len((request.key or "").encode("utf-8", "replace")) > 1024:
            raise Problem(400, "KeyTooLongError", "Your key is too long", MaxSizeAllowed=1024)
        policy.check(self.world, "s3", request)

    def reply(self, request, reply):
        reply.header("x-amz-request-id", request.entry["request_id"])
        reply.header("x-amz-id-2", request.entry["request_id"][::-1] + "/peer=")
        reply.header("Server", "AmazonS3")
        return reply

    def error(self, request, problem):
        members = dict(problem.members)
        if problem.code in ("NoSuchKey", "AccessDenied"):
            members.setdefault("Key", request.key or "")
        members["RequestId"] = request.entry["request_id"]
        members["HostId"] = request.entry["request_id"][::-1] + "/peer="
        body = (f"{PROLOG}<Error><Code>{problem.code}</Code><Message>{text(problem.message)}"
                "</Message>" + "".join(f"<{k}>{text(str(v))}</{k}>" for k, v in members.items()) +
                "</Error>")
        return self.reply(request, Reply(problem.status, [("Content-Type", "application/xml"),
                                                          *problem.headers], body))

    # --- buckets ----------------------------------------------------------------------------------

    def do_CreateBucket(self, request, bucket):
        if bucket:
            raise Problem(409, "BucketAlreadyOwnedByYou", "Your previous request to create the "
                          "named bucket succeeded and you already own it.")
        self.make_bucket(request.bucket, request.entry["region"])
        return Reply(200, [("Location", "/" + request.bucket)])

    def do_DeleteBucket(self, request, bucket):
        if bucket.objects:
            raise Problem(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[bucket.name]
        return Reply(204)

    def do_HeadBucket(self, request, bucket):
        return Reply(200, [("x-amz-bucket-region", bucket.region)])

    def do_GetBucketLocation(self, request, bucket):
        return xml("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)

    def do_GetBucketVersioning(self, request, bucket):
        return xml("VersioningConfiguration", "")

    def do_ListBuckets(self, request):
        inner = "".join(f"<Bucket><Name>{text(b.name)}</Name><CreationDate>2026-01-01T00:00:00.000Z"
                        "</CreationDate></Bucket>" for b in self.buckets.values())
        return xml("ListAllMyBucketsResult", f"<Owner><ID>{ACCOUNT}</ID></Owner>"
                   f"<Buckets>{inner}</Buckets>")

    # --- objects ----------------------------------------------------------------------------------

    def check_write(self, request, bucket):
        """Conditions of a write, and the bucket policy that lets some keys be created only."""
        only_new = request.header("if-none-match")
        have = bucket.objects.get(request.key)
        if bucket.is_created_once(request.key) and only_new is None:
            raise Problem(403, "AccessDenied", "User: " + request.signer.credential.arn +
                          " is not authorized to perform: s3:PutObject with an explicit deny in a "
                          "resource-based policy")
        if only_new is not None and only_new != "*":
            raise Problem(501, "NotImplemented", "A header you provided implies functionality that "
                          "is not implemented", Header="If-None-Match")
        wanted = request.header("if-match")
        if (only_new and have) or (wanted and have and have.etag.strip('"') != wanted.strip('"')):
            raise Problem(412, "PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold",
                          Condition="If-None-Match" if only_new else "If-Match")
        if wanted and not have:
            raise Problem(404, "NoSuchKey", "The specified key does not exist.")

    def do_PutObject(self, request, bucket):
        self.check_write(request, bucket)
        made = Object(request.body, self.world.now(), kept(request),
                      request.header("x-amz-storage-class", "STANDARD")).digested(request.chosen)
        bucket.put(request.key, made)
        return Reply(200, [("ETag", made.etag), *checksum_headers(made)])

    def readable(self, request, bucket):
        have = bucket.objects.get(request.key)
        if have is None:
            raise Problem(404, "NoSuchKey", "The specified key does not exist.")
        etag = have.etag.strip('"')
        wanted, other = request.header("if-match"), request.header("if-none-match")
        if wanted and wanted != "*" and wanted.strip('"') != etag:
            raise Problem(412, "PreconditionFailed", "At least one of the pre-conditions you "
                          "specified did not hold", Condition="If-Match")
        if other and (other == "*" or other.strip('"') == etag):
            raise Problem(304, "NotModified")
        return have

    def object_headers(self, request, have, whole):
        headers = [("Last-Modified", formatdate(have.modified, usegmt=True)), ("ETag", have.etag),
                   ("Accept-Ranges", "bytes"), *have.headers]
        if have.storage_class != "STANDARD":
            headers.append(("x-amz-storage-class", have.storage_class))
        if whole and request.header("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers += checksum_headers(have)
        return headers

    def do_HeadObject(self, request, bucket):
        have = self.readable(request, bucket)
        return Reply(200, [*self.object_headers(request, have, True),
                           ("Content-Length", len(have.body))])

    def do_GetObject(self, request, bucket):
        have = self.readable(request, bucket)
        if have.storage_class in UNREADABLE:
            raise Problem(403, "InvalidObjectState", "The operation is not valid for the object's "
                          "storage class", StorageClass=have.storage_class)
        size, span = len(have.body), span_of(request.header("range"), len(have.body))
        if span is None:
            return Reply(200, self.object_headers(request, have, True), have.body)
        first, last = span
        headers = self.object_headers(request, have, False)
        headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return Reply(206, headers, have.body[first:last + 1])

    def check_delete(self, bucket, key):
        if bucket.is_created_once(key):
            raise Problem(403, "AccessDenied", "Access Denied")

    def do_DeleteObject(self, request, bucket):
        self.check_delete(bucket, request.key)
        bucket.remove(request.key)
        return Reply(204)

    def do_DeleteObjects(self, request, bucket):
        if not request.chosen and not request.header("content-md5"):
            raise Problem(400, "InvalidRequest", "Missing required header for this request: "
                          "Content-MD5 OR x-amz-checksum-*")
        document = parse(request.body)
        keys = [item.findtext("Key") for item in document if item.tag == "Object"]
        if not 1 <= len(keys) <= 1000 or None in keys:
            raise malformed()
        quiet = document.findtext("Quiet") == "true"
        out = []
        for key in keys:
            try:
                self.check_delete(bucket, key)
            except Problem as problem:
                out.append(f"<Error><Key>{text(key)}</Key><Code>{problem.code}</Code><Message>"
                           f"{problem.message}</Message></Error>")
                continue
            bucket.remove(key)
            if not quiet:
                out.append(f"<Deleted><Key>{text(key)}</Key></Deleted>")
        return xml("DeleteResult", "".join(out))


def span_of(header, size):
    """(first, last) of a Range header; None: the whole."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if not found or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        first, last = max(0, size - int(last)), size - 1
    first, last = int(first), min(int(last) if last != "" else size - 1, size - 1)
    if first >= size or first > last:
        raise Problem(416, "InvalidRange", "The requested range is not satisfiable",
                      RangeRequested=header, ActualObjectSize=size)
    return first, last
