# SPDX-License-Identifier: Apache-2.0
"""The strict peer itself, checked with the aws CLI and boto3 as clients."""
import base64
import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from cloud import BUCKET, Peer, boto, env_of
from conftest import PATIENCE

pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")
from botocore.exceptions import ClientError  # noqa: E402

AWKWARD = ["a//b", "a/../b", "./x", "..", "a b", "a+b", "a%2Fb", "é", "~t", "a?b#c", "x/",
           "(1)*!'", "a\x01b", "new\nline", "k" * 1024, "&<>\"'"]


@pytest.fixture(scope="session")
def aws_cli():
    """The aws CLI that works here, first of the distribution."""
    for path in ("/usr/bin/aws", shutil.which("aws")):
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    pytest.skip("the aws CLI is not installed")


def run_aws(aws_cli, peer, *args, check=True, **more):
    # before 2.13 the CLI does not know AWS_ENDPOINT_URL and would dial AWS
    done = subprocess.run([aws_cli, "--endpoint-url", peer.url, *args], env=env_of(peer, **more),
                          capture_output=True, text=True, timeout=PATIENCE)
    assert not check or done.returncode == 0, done.stderr
    return done


def refusal(call, **args):
    with pytest.raises(ClientError) as caught:
        call(**args)
    reply = caught.value.response
    return reply["ResponseMetadata"]["HTTPStatusCode"], reply["Error"]["Code"]


def test_put_get_list_delete(peer):
    s3 = boto("s3", peer)
    put = s3.put_object(Bucket=BUCKET, Key="a/b", Body=b"hello", Metadata={"who": "me"})
    got = s3.get_object(Bucket=BUCKET, Key="a/b")
    assert got["Body"].read() == b"hello"
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert got["Metadata"] == {"who": "me"}
    s3.put_object(Bucket=BUCKET, Key="c", Body=b"")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["a/b", "c"]
    s3.delete_object(Bucket=BUCKET, Key="a/b")
    assert refusal(s3.get_object, Bucket=BUCKET, Key="a/b") == (404, "NoSuchKey")
    assert refusal(s3.head_object, Bucket=BUCKET, Key="a/b") == (404, "404")
    assert list(peer.objects()) == ["c"]


def test_aws_cli_moves_files_both_ways(peer, aws_cli, tmp_path):
    data = os.urandom(20 << 20)  # three parts
    (tmp_path / "big").write_bytes(data)
    (tmp_path / "small").write_text("x")
    run_aws(aws_cli, peer, "s3", "sync", str(tmp_path), f"s3://{BUCKET}/d")
    assert peer.get("d/big") == data and peer.get("d/small") == b"x"
    assert "UploadPart" in peer.operations() and peer.uploads() == []
    run_aws(aws_cli, peer, "s3", "cp", f"s3://{BUCKET}/d/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    assert run_aws(aws_cli, peer, "s3", "ls", f"s3://{BUCKET}/d/").stdout.count("\n") == 2


@pytest.mark.parametrize("key", AWKWARD)
def test_awkward_keys(peer, key):
    s3 = boto("s3", peer)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [key]
    assert list(peer.objects()) == [key]


def test_key_of_1025_bytes_is_refused(peer):
    assert refusal(boto("s3", peer).put_object, Bucket=BUCKET, Key="k" * 1025) == (
        400, "KeyTooLongError")


def test_conditions(peer):
    s3 = boto("s3", peer)
    first = s3.put_object(Bucket=BUCKET, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    lost = (412, "PreconditionFailed")
    assert refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"2", IfNoneMatch="*") == lost
    assert refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"2", IfMatch='"0"') == lost
    assert peer.get("k") == b"1"
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"2", IfMatch=first)
    assert refusal(s3.get_object, Bucket=BUCKET, Key="k", IfMatch=first) == lost
    now = s3.head_object(Bucket=BUCKET, Key="k")["ETag"]
    assert refusal(s3.get_object, Bucket=BUCKET, Key="k", IfNoneMatch=now)[0] == 304


@pytest.mark.parametrize("span, body, shown", [
    ("bytes=0-0", b"0", "bytes 0-0/10"), ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-2", b"89", "bytes 8-9/10"), ("bytes=4-99", b"456789", "bytes 4-9/10")])
def test_ranges(peer, span, body, shown):
    peer.put("k", b"0123456789")
    got = boto("s3", peer).get_object(Bucket=BUCKET, Key="k", Range=span)
    assert (got["Body"].read(), got["ContentRange"]) == (body, shown)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_range_behind_the_end(peer):
    peer.put("k", b"0123456789")
    got = refusal(boto("s3", peer).get_object, Bucket=BUCKET, Key="k", Range="bytes=10-")
    assert got == (416, "InvalidRange")


def pages(s3, **args):
    """Keys and prefixes of all pages, and how many there were."""
    found, n = [], 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, **args):
        n += 1
        assert page["KeyCount"] == len(page.get("Contents", [])) + len(page.get("CommonPrefixes", []))
        found += [o["Key"] for o in page.get("Contents", [])]
        found += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return found, n


def test_lists_in_pages(peer):
    s3 = boto("s3", peer)
    peer.put_many({f"d/{n:04}": b"" for n in range(2500)} | {"a": b"", "e/1": b"", "e/2": b""})
    keys = ["a"] + [f"d/{n:04}" for n in range(2500)] + ["e/1", "e/2"]
    assert pages(s3) == (keys, 3)
    assert pages(s3, Prefix="d/", StartAfter="d/2000") == (keys[2002:2501], 1)
    assert pages(s3, Delimiter="/") == (["a", "d/", "e/"], 1)
    peer.options(max_keys=1)
    assert pages(s3, Delimiter="/") == (["a", "d/", "e/"], 3)
    assert pages(s3, Prefix="e/") == (["e/1", "e/2"], 2)
    assert pages(s3, Prefix="nothing") == ([], 1)


def test_delete_many(peer):
    s3 = boto("s3", peer)
    peer.put_many({"a": b"", "b": b"", "c": b""})
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a"}, {"Key": "c"}, {"Key": "x"}]})
    assert list(peer.objects()) == ["b"]
    with pytest.raises(ClientError):
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_kept_and_told(peer, algorithm):
    s3 = boto("s3", peer)
    put = s3.put_object(Bucket=BUCKET, Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"123456789"  # boto3 verifies it
    assert got["Checksum" + algorithm] == put["Checksum" + algorithm]
    assert got["ChecksumType"] == "FULL_OBJECT"


def test_checksum_of_the_check_string(peer):
    """CRC-64/NVME of "123456789" is ae8b14860a799888 in the catalogue of CRCs."""
    peer.put("k", b"123456789")
    assert peer.objects()["k"]["checksum"] == base64.b64encode(
        bytes.fromhex("ae8b14860a799888")).decode()


@pytest.mark.parametrize("args", [
    {"ChecksumCRC64NVME": "AAAAAAAAAAA="}, {"ChecksumSHA256": "A" * 43 + "="},
    {"ChecksumCRC32": "AAAAAA=="}, {"ContentMD5": "A" * 22 + "=="}])
def test_wrong_checksums_are_refused(peer, args):
    got = refusal(boto("s3", peer).put_object, Bucket=BUCKET, Key="k", Body=b"x", **args)
    assert got == (400, "BadDigest")
    assert peer.objects() == {}


def test_expected_owner(peer):
    s3 = boto("s3", peer)
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"", ExpectedBucketOwner="111122223333")
    got = refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"", ExpectedBucketOwner="1" * 12)
    assert got == (403, "AccessDenied")


def test_bucket_elsewhere(peer):
    """boto3 finds the right region by what the refusal says."""
    peer.bucket("far", region="eu-west-1")
    boto("s3", peer).put_object(Bucket="far", Key="k", Body=b"x")
    seen = [(entry["status"], entry["region"]) for entry in peer.log("PutObject")]
    assert seen == [(400, "us-east-1"), (200, "eu-west-1")]


def test_storage_class_that_cannot_be_read(peer):
    s3 = boto("s3", peer)
    s3.put_object(Bucket=BUCKET, Key="cold", Body=b"x", StorageClass="DEEP_ARCHIVE")
    assert refusal(s3.get_object, Bucket=BUCKET, Key="cold") == (403, "InvalidObjectState")
    assert s3.head_object(Bucket=BUCKET, Key="cold")["StorageClass"] == "DEEP_ARCHIVE"


def test_keys_that_may_only_be_created(peer):
    peer.bucket("once", create_once=["runs/*/outcome.json"])
    s3, key = boto("s3", peer), "runs/R/outcome.json"
    denied = (403, "AccessDenied")
    assert refusal(s3.put_object, Bucket="once", Key=key, Body=b"") == denied
    s3.put_object(Bucket="once", Key=key, Body=b"", IfNoneMatch="*")
    assert refusal(s3.delete_object, Bucket="once", Key=key) == denied
    gone = s3.delete_objects(Bucket="once", Delete={"Objects": [{"Key": key}]})
    assert gone["Errors"][0]["Code"] == "AccessDenied"
    s3.put_object(Bucket="once", Key="runs/R/other", Body=b"")
    assert set(peer.objects("once")) == {key, "runs/R/other"}


def test_what_it_does_not_play_is_said(peer):
    s3 = boto("s3", peer)
    assert refusal(s3.get_bucket_acl, Bucket=BUCKET) == (501, "NotImplemented")
    assert refusal(boto("sqs", peer).list_queues)[0] == 501


def test_the_standard_library_is_enough_and_it_ends_with_its_parent():
    """Without packages the checksums are computed in Python, and are the same."""
    bare = Peer(sys.executable, "-S", "-E")
    try:
        bare.reset()
        s3 = boto("s3", bare)
        for algorithm in ("CRC32C", "CRC64NVME"):
            s3.put_object(Bucket=BUCKET, Key=algorithm, Body=b"1234567", ChecksumAlgorithm=algorithm)
        assert len(bare.objects()) == 2
    finally:
        bare.stop()
    assert bare.process.returncode == 0
