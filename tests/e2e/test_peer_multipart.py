# SPDX-License-Identifier: Apache-2.0
"""The strict peer's multipart uploads, with boto3 as the client."""
import base64
import hashlib
import os

import pytest

from cloud import BUCKET, boto
from test_peer import refusal

PART = 5 << 20


class Upload:
    """One upload under way."""

    def __init__(self, peer, **args):
        self.s3 = boto("s3", peer, config={"request_checksum_calculation": "when_required"})
        self.id = self.s3.create_multipart_upload(Bucket=BUCKET, Key="k", **args)["UploadId"]
        self.names = dict(Bucket=BUCKET, Key="k", UploadId=self.id)
        self.parts = []

    def part(self, number, body, **args):
        put = self.s3.upload_part(**self.names, PartNumber=number, Body=body, **args)
        told = {k: v for k, v in put.items() if k.startswith("Checksum")}
        self.parts.append(dict(told, PartNumber=number, ETag=put["ETag"]))

    def complete(self, parts=None, **args):
        parts = self.parts if parts is None else parts
        return self.s3.complete_multipart_upload(**self.names, MultipartUpload={"Parts": parts},
                                                 **args)

    def refused(self, *args, **more):
        return refusal(lambda: self.complete(*args, **more))


def test_parts_become_one_object(peer):
    up = Upload(peer)
    first, last = os.urandom(PART), b"tail"
    up.part(2, last)
    up.part(1, first)
    up.parts.sort(key=lambda part: part["PartNumber"])
    assert peer.objects() == {} and peer.uploads()[0]["parts"] == [1, 2]
    done = up.complete(MpuObjectSize=len(first + last))
    assert peer.get("k") == first + last and peer.uploads() == []
    md5s = hashlib.md5(first).digest() + hashlib.md5(last).digest()
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-2"'
    assert done["ChecksumType"] == "FULL_OBJECT"
    # told again, as after a lost reply
    assert up.complete()["ETag"] == done["ETag"]
    peer.options(forget_uploads=True)
    assert up.refused() == (404, "NoSuchUpload")


def test_parts_that_do_not_fit(peer):
    up = Upload(peer)
    up.part(1, b"small")
    up.part(2, b"tail")
    assert up.refused() == (400, "EntityTooSmall")
    assert up.refused(up.parts[::-1]) == (400, "InvalidPartOrder")
    assert up.refused([dict(up.parts[0], ETag='"0"')]) == (400, "InvalidPart")
    assert up.refused([dict(up.parts[0], PartNumber=3)]) == (400, "InvalidPart")
    assert up.refused([]) == (400, "MalformedXML")
    assert up.refused(up.parts[:1], MpuObjectSize=4)[0] == 400
    assert up.refused(up.parts[:1], ChecksumCRC64NVME="AAAAAAAAAAA=") == (400, "BadDigest")
    for number in (0, 10001):
        got = refusal(up.s3.upload_part, **up.names, PartNumber=number, Body=b"")
        assert got == (400, "InvalidArgument")
    assert peer.objects() == {}
    peer.options(min_part=1)
    up.complete()
    assert peer.get("k") == b"smalltail"


def test_conditional_completion(peer):
    up = Upload(peer)
    up.part(1, b"mine")
    peer.put("k", b"theirs")
    assert up.refused(IfNoneMatch="*") == (412, "PreconditionFailed")
    assert peer.get("k") == b"theirs"
    peer.remove("k")
    up.complete(IfNoneMatch="*")
    assert peer.get("k") == b"mine"


def test_composite_checksums(peer):
    up = Upload(peer, ChecksumAlgorithm="SHA256")
    body = b"x" * PART
    assert refusal(up.s3.upload_part, **up.names, PartNumber=1, Body=body) == (400, "InvalidRequest")
    up.part(1, body, ChecksumAlgorithm="SHA256")
    up.part(2, b"y", ChecksumAlgorithm="SHA256")
    bare = [{k: v for k, v in part.items() if not k.startswith("Checksum")} for part in up.parts]
    assert up.refused(bare) == (400, "InvalidRequest")
    done = up.complete()
    digests = hashlib.sha256(body).digest() + hashlib.sha256(b"y").digest()
    assert done["ChecksumSHA256"] == base64.b64encode(
        hashlib.sha256(digests).digest()).decode() + "-2"


def test_full_object_checksum_is_compared(peer):
    up = Upload(peer, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    up.part(1, b"123456789", ChecksumAlgorithm="CRC64NVME")
    right = base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()
    assert up.refused(ChecksumCRC64NVME="AAAAAAAAAAA=", ChecksumType="FULL_OBJECT") == (
        400, "BadDigest")
    assert up.complete(ChecksumCRC64NVME=right, ChecksumType="FULL_OBJECT")[
        "ChecksumCRC64NVME"] == right


def test_abort_and_lists(peer):
    up, other = Upload(peer), Upload(peer)
    for number in range(1, 4):
        up.part(number, b"%d" % number)
    listed = up.s3.list_parts(**up.names, MaxParts=2)
    assert listed["IsTruncated"] and [p["PartNumber"] for p in listed["Parts"]] == [1, 2]
    rest = up.s3.list_parts(**up.names, PartNumberMarker=listed["NextPartNumberMarker"])
    assert [p["PartNumber"] for p in rest["Parts"]] == [3]
    found = up.s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": 1})
    assert {u["UploadId"] for page in found for u in page["Uploads"]} == {up.id, other.id}
    up.s3.abort_multipart_upload(**up.names)
    assert refusal(up.s3.abort_multipart_upload, **up.names) == (404, "NoSuchUpload")
    assert [u["id"] for u in peer.uploads()] == [other.id]


@pytest.mark.parametrize("kind, algorithm", [("COMPOSITE", "CRC64NVME"), ("FULL_OBJECT", "SHA256")])
def test_kinds_that_do_not_go_together(peer, kind, algorithm):
    got = refusal(boto("s3", peer).create_multipart_upload, Bucket=BUCKET, Key="k",
                  ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert got == (400, "InvalidRequest")
