# SPDX-License-Identifier: Apache-2.0
"""The S3 part against other servers: moto for breadth, MinIO for signatures checked by strangers."""
import os

import pytest

from cloud import boto
from sync_runs import MIB, Caller, files, tree

NAMES = ["a", "a b", "a+b", "a%2Fb", "é", "~t", "(1)*!'", "d/e/f", "&<>\"'", "k" * 200]


@pytest.fixture(params=["moto", "minio"])
def other(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def bucket(other):
    return other.fresh_bucket()


@pytest.fixture
def caller(branchline, other, tmp_path):
    return Caller(branchline, other.env(), tmp_path)


def test_there_and_back(caller, other, bucket, tmp_path):
    sent = {name: name.encode() for name in NAMES} | {"empty": b"", "big": os.urandom(20 * MIB)}
    caller.call("sync", files(tmp_path / "src", sent), f"s3://{bucket}/d")
    s3 = boto("s3", other)
    assert {item["Key"]: item["Size"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {
        f"d/{name}": len(body) for name, body in sent.items()}
    caller.call("sync", f"s3://{bucket}/d", tmp_path / "dst")
    assert tree(tmp_path / "dst") == sent
    again = caller.totals("sync", f"s3://{bucket}/d", tmp_path / "dst", "--json")
    assert (again["moved"], again["equal"]) == (0, len(sent))


@pytest.mark.parametrize("other", ["minio"], indirect=True)
def test_checksums_are_stored(caller, other, bucket, tmp_path):
    """Those of the upload, as this server computes them."""
    caller.call("sync", files(tmp_path / "src", {"a": b"123456789"}), f"s3://{bucket}")
    told = boto("s3", other).head_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert told["ChecksumCRC64NVME"] == "rosUhgp5mIg="


@pytest.mark.parametrize("other", ["minio"], indirect=True)
def test_wrong_secret(caller, bucket, tmp_path):
    done = caller.call("sync", f"s3://{bucket}", tmp_path / "dst", ok=False,
                       AWS_SECRET_ACCESS_KEY="wrong")
    assert done.returncode == 4 and "SignatureDoesNotMatch" in done.stderr


def test_delete(caller, other, bucket, tmp_path):
    src = files(tmp_path / "src", {f"{n:04}": b"x" for n in range(30)})
    caller.call("sync", src, f"s3://{bucket}")
    for n in range(25):
        (src / f"{n:04}").unlink()
    done = caller.totals("sync", src, f"s3://{bucket}", "--delete", "--json")
    assert done["deleted"] == 25
    assert boto("s3", other).list_objects_v2(Bucket=bucket)["KeyCount"] == 5
