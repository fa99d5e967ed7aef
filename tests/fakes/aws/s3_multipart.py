# SPDX-License-Identifier: Apache-2.0
"""S3's multipart uploads, with the rules that S3 has for them."""
import hashlib
import secrets

import checksums
from core import Problem, Reply
from s3_list import Page
from s3_object import Object
from s3_xml import kept, malformed, parse, stamp, text, xml

# what an upload may be asked for; the first is the default
TYPES = {
    "crc64nvme": ("FULL_OBJECT",), "crc32": ("COMPOSITE", "FULL_OBJECT"),
    "crc32c": ("COMPOSITE", "FULL_OBJECT"), "sha1": ("COMPOSITE",), "sha256": ("COMPOSITE",),
}


class Upload:
    def __init__(self, key, request, now):
        self.id, self.key, self.began = secrets.token_urlsafe(32), key, now
        self.headers, self.parts = kept(request), {}
        self.storage_class = request.header("x-amz-storage-class", "STANDARD")
        asked = request.header("x-amz-checksum-algorithm")
        self.algorithm, self.asked = (asked or "crc64nvme").lower(), asked is not None
        if self.algorithm not in TYPES:
            raise Problem(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
        kinds = TYPES[self.algorithm]
        self.type = request.header("x-amz-checksum-type", kinds[0])
        if self.type not in kinds:
            raise Problem(400, "InvalidRequest", f"The {self.type} checksum type cannot be used "
                          f"with the {self.algorithm} checksum algorithm.")


class Part:
    def __init__(self, body, algorithm, now):
        self.body, self.modified = body, now
        self.etag = f'"{hashlib.md5(body).hexdigest()}"'
        self.checksum = checksums.digest(algorithm, body)


class S3Multipart:
    def do_CreateMultipartUpload(self, request, bucket):
        if bucket.is_created_once(request.key) and request.header("if-none-match"):
            raise Problem(400, "InvalidArgument", "If-None-Match belongs to CompleteMultipartUpload")
        made = Upload(request.key, request, self.world.now())
        bucket.uploads[made.id] = made
        reply = xml("InitiateMultipartUploadResult", f"<Bucket>{text(bucket.name)}</Bucket>"
                    f"<Key>{text(made.key)}</Key><UploadId>{made.id}</UploadId>")
        if made.asked:
            reply.header("x-amz-checksum-algorithm", made.algorithm.upper())
            reply.header("x-amz-checksum-type", made.type)
        return reply

    def upload(self, request, bucket):
        found = bucket.uploads.get(request.arg("uploadId"))
        if found is None or found.key != request.key:
            raise Problem(404, "NoSuchUpload", "The specified upload does not exist. The upload ID "
                          "may be invalid, or the upload may have been aborted or completed.",
                          UploadId=request.arg("uploadId"))
        return found

    def do_UploadPart(self, request, bucket):
        upload = self.upload(request, bucket)
        number = request.arg("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= 10000:
            raise Problem(400, "InvalidArgument", "Part number must be an integer between 1 and "
                          "10000, inclusive", ArgumentName="partNumber", ArgumentValue=number)
        if request.chosen and request.chosen != upload.algorithm:
            raise Problem(400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum "
                          f"Type: {upload.algorithm}, actual checksum Type: {request.chosen}")
        if upload.asked and upload.type == "COMPOSITE" and not request.chosen:
            raise Problem(400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum "
                          f"Type: {upload.algorithm}, actual checksum Type: null")
        part = upload.parts[int(number)] = Part(request.body, upload.algorithm, self.world.now())
        headers = [("ETag", part.etag)]
        if upload.asked or request.chosen:
            headers.append(("x-amz-checksum-" + upload.algorithm, part.checksum))
        return Reply(200, headers)

    def do_AbortMultipartUpload(self, request, bucket):
        del bucket.uploads[self.upload(request, bucket).id]
        return Reply(204)

    def do_ListParts(self, request, bucket):
        upload = self.upload(request, bucket)
        after, room = int(request.arg("part-number-marker", "0")), int(request.arg("max-parts", "1000"))
        numbers = sorted(n for n in upload.parts if n > after)
        shown = numbers[:min(room, 1000)]
        inner = (f"<Bucket>{text(bucket.name)}</Bucket><Key>{text(upload.key)}</Key><UploadId>"
                 f"{upload.id}</UploadId><PartNumberMarker>{after}</PartNumberMarker>"
                 f"<NextPartNumberMarker>{shown[-1] if shown else 0}</NextPartNumberMarker>"
                 f"<MaxParts>{room}</MaxParts><IsTruncated>"
                 f"{'true' if len(shown) < len(numbers) else 'false'}</IsTruncated>")
        for number in shown:
            part = upload.parts[number]
            inner += (f"<Part><PartNumber>{number}</PartNumber><LastModified>{stamp(part.modified)}"
                      f"</LastModified><ETag>&quot;{part.etag[1:-1]}&quot;</ETag>"
                      f"<Size>{len(part.body)}</Size></Part>")
        return xml("ListPartsResult", inner)

    def do_ListMultipartUploads(self, request, bucket):
        page = Page(request, bucket, 1000)
        mark = (request.arg("key-marker", ""), request.arg("upload-id-marker", ""))
        room = int(request.arg("max-uploads", "1000"))
        found = sorted((u.key, u.id) for u in bucket.uploads.values()
                       if u.key.startswith(page.prefix))
        if mark[0]:
            found = [pair for pair in found
                     if (pair > mark if mark[1] else pair[0] > mark[0])]
        shown = found[:room]
        inner = (f"<Bucket>{text(bucket.name)}</Bucket><KeyMarker>{page.show(mark[0])}</KeyMarker>"
                 f"<UploadIdMarker>{mark[1]}</UploadIdMarker><Prefix>{page.show(page.prefix)}"
                 f"</Prefix><MaxUploads>{room}</MaxUploads>" + "".join(page.head()))
        if len(shown) < len(found):
            inner += (f"<NextKeyMarker>{page.show(shown[-1][0])}</NextKeyMarker>"
                      f"<NextUploadIdMarker>{shown[-1][1]}</NextUploadIdMarker>")
        inner += f"<IsTruncated>{'true' if len(shown) < len(found) else 'false'}</IsTruncated>"
        for key, number in shown:
            began = stamp(bucket.uploads[number].began)
            inner += (f"<Upload><Key>{page.show(key)}</Key><UploadId>{number}</UploadId><Initiated>"
                      f"{began}</Initiated><StorageClass>STANDARD</StorageClass></Upload>")
        return xml("ListMultipartUploadsResult", inner)

    # --- completion -------------------------------------------------------------------------------

    def do_CompleteMultipartUpload(self, request, bucket):
        key = (bucket.name, request.key, request.arg("uploadId"))
        if key in self.finished and not self.world.options["forget_uploads"]:
            return self.completed(request, bucket, self.finished[key])
        upload = self.upload(request, bucket)
        parts = self.chosen_parts(request, upload)
        made = self.join(request, upload, parts)
        self.check_write(request, bucket)
        bucket.put(upload.key, made)
        del bucket.uploads[upload.id]
        self.finished[key] = made
        return self.completed(request, bucket, made)

    def chosen_parts(self, request, upload):
        """The parts that the document names, if it is right about each."""
        document = parse(request.body)
        named = []
        for item in document:
            number = item.findtext("PartNumber")
            if item.tag != "Part" or not (number or "").isdigit():
                raise malformed()
            named.append((int(number), item))
        if document.tag != "CompleteMultipartUpload" or not named:
            raise malformed()
        numbers = [number for number, _ in named]
        if numbers != sorted(set(numbers)):
            raise Problem(400, "InvalidPartOrder", "The list of parts was not in ascending order. "
                          "Parts must be ordered by part number.")
        for number, item in named:
            self.check_part(upload, number, item)
        parts = [upload.parts[number] for number in numbers]
        smallest = self.world.options["min_part"]
        for number, part in list(zip(numbers, parts))[:-1]:
            if len(part.body) < smallest:
                raise Problem(400, "EntityTooSmall", "Your proposed upload is smaller than the "
                              "minimum allowed size", ProposedSize=len(part.body),
                              MinSizeAllowed=smallest, PartNumber=number, ETag=part.etag[1:-1])
        return parts

    @staticmethod
    def check_part(upload, number, item):
        part = upload.parts.get(number)
        if part is None or (item.findtext("ETag") or "").strip('"') != part.etag.strip('"'):
            raise Problem(400, "InvalidPart", "One or more of the specified parts could not be "
                          "found. The part may not have been uploaded, or the specified entity tag "
                          "may not match the part's entity tag.", PartNumber=number)
        said = item.findtext("Checksum" + upload.algorithm.upper())
        if said is None and upload.asked and upload.type == "COMPOSITE":
            raise Problem(400, "InvalidRequest", f"The upload was created using a {upload.algorithm} "
                          "checksum. The complete request must include the checksum for each part. "
                          f"It was missing for part {number} in the request.")
        if said is not None and said != part.checksum:
            raise Problem(400, "InvalidPart", "One or more of the specified parts could not be "
                          "found.", PartNumber=number)

    def join(self, request, upload, parts):
        body = b"".join(part.body for part in parts)
        md5s = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        made = Object(body, self.world.now(), upload.headers, upload.storage_class,
                      f'"{hashlib.md5(md5s).hexdigest()}-{len(parts)}"')
        if upload.type == "FULL_OBJECT":
            made.digested(upload.algorithm)
        else:
            made.algorithm, made.checksum_type = upload.algorithm, "COMPOSITE"
            made.checksum = checksums.composite(upload.algorithm, [p.checksum for p in parts])
        kind = request.header("x-amz-checksum-type")
        if kind and kind != upload.type:
            raise Problem(400, "InvalidRequest", f"The upload was created using the {upload.type} "
                          f"checksum mode. The complete request must use the same checksum mode.")
        whole = checksums.sent(request).get(upload.algorithm)
        if whole is not None and whole.partition("-")[0] != made.checksum.partition("-")[0]:
            raise Problem(400, "BadDigest", f"The {upload.algorithm} you specified did not match "
                          "the calculated checksum.")
        size = request.header("x-amz-mp-object-size")
        if size is not None and size != str(len(body)):
            raise Problem(400, "InvalidRequest", "The provided 'x-amz-mp-object-size' header does "
                          "not match what was computed")
        return made

    def completed(self, request, bucket, made):
        where = f"http://{request.header('host')}/{bucket.name}/{request.key}"
        tag = made.algorithm.upper()
        reply = xml("CompleteMultipartUploadResult", f"<Location>{text(where)}</Location><Bucket>"
                    f"{text(bucket.name)}</Bucket><Key>{text(request.key)}</Key><ETag>&quot;"
                    f"{made.etag[1:-1]}&quot;</ETag><Checksum{tag}>{made.checksum}</Checksum{tag}>"
                    f"<ChecksumType>{made.checksum_type}</ChecksumType>")
        # S3 keeps the connection alive with white space while it joins the parts
        prolog, _, rest = reply.body.partition(b"\n")
        reply.lead, reply.body = prolog + b"\n  \n", rest
        return reply
