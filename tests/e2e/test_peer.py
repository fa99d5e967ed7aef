# SPDX-License-Identifier: Apache-2.0
"""The strict peer itself, checked with the aws CLI and boto3 as clients."""
import base64
import hashlib
import os
import shutil
import subprocess

import pytest

from cloud import BUCKET, boto, env_of
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
    done = subprocess.run([aws_cli, "--endpoint-url", peer.url, *args], env=env_of(peer, **more), capture_output=True, text=True,
                          timeout=PATIENCE)
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
