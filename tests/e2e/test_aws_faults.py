# SPDX-License-Identifier: Apache-2.0
"""What AWS and the network do wrong, played by the strict peer against `branchline sync`."""
import os
import time

import pytest

from cloud import BUCKET
from sync_runs import MIB, SOAK, caller, files, tree, waits  # noqa: F401

SLACK = 1.0  # of a loaded machine
CLOCK = 0.02  # the sender counts from when it has read the answer, the peer from after it was sent
BIG = 20 * MIB  # three parts


def statuses(peer, operation):
    return [entry["status"] for entry in peer.log(operation)]


# --- F01..F03: throttled and broken --------------------------------------------------------------


def test_f01_throttled_twice(peer, caller, tmp_path):  # noqa: F811
    """Success after three requests; waits of up to 1 s and 2 s; one invocation, its attempts told."""
    peer.script(operation="PutObject", count=2, error="SlowDown")
    caller.up(files(tmp_path / "src", {"a": b"1"}))
    seen = peer.log("PutObject")
    assert [entry["status"] for entry in seen] == [503, 503, 200]
    assert [entry["attempt"].split(";")[0] for entry in seen] == [f"attempt={n}" for n in (1, 2, 3)]
    assert all("max=3" in entry["attempt"] for entry in seen)
    assert len({entry["headers"]["amz-sdk-invocation-id"] for entry in seen}) == 1
    first, second = waits(seen)
    assert 0 <= first <= 1 + SLACK and 0 <= second <= 2 + SLACK
    assert peer.get("a") == b"1"


@pytest.mark.parametrize("asked_ms, least, most", [(1500, 1.5, 1.6), (60000, 5.0, 5.1), (-5, 0, 0.1)])
def test_f01_the_service_says_when(peer, caller, tmp_path, asked_ms, least, most):  # noqa: F811
    """x-amz-retry-after counts, within 5 s of the wait that would have been (50 ms at most)."""
    if asked_ms > 5000 and not SOAK:
        pytest.skip("five seconds of waiting: make soak")
    peer.script(operation="PutObject", error="InternalError",
                headers={"x-amz-retry-after": str(asked_ms)})
    caller.up(files(tmp_path / "src", {"a": b"1"}))
    waited, = waits(peer.log("PutObject"))
    assert least - CLOCK <= waited <= most + SLACK


def test_f02_broken_for_ever(peer, caller, tmp_path):  # noqa: F811
    peer.script(operation="PutObject", count=0, error="InternalError", message="We broke.")
    done = caller.up(files(tmp_path / "src", {"a": b"1"}), ok=False)
    seen = peer.log("PutObject")
    assert [entry["status"] for entry in seen] == [500] * 3
    assert seen[-1]["request_id"] in done.stderr
    for word in ("PutObject", "500", "InternalError", "We broke.", "3 attempts"):
        assert word in done.stderr, done.stderr
    assert done["failed"] == 1 and peer.objects() == {}


def test_f02_listing_broken_for_ever(peer, caller, tmp_path):  # noqa: F811
    """Nothing is deleted for want of a list."""
    kept = files(tmp_path / "dst", {"a": b"1"})
    peer.script(operation="ListObjectsV2", count=0, error="InternalError")
    done = caller.down(kept, "--delete", ok=False)
    assert statuses(peer, "ListObjectsV2") == [500] * 3
    assert peer.log("ListObjectsV2")[-1]["request_id"] in done.stderr
    assert tree(kept)["a"] == b"1" and done.exit == 75


def test_f03_the_bucket_of_retries_runs_dry(peer, caller, tmp_path):  # noqa: F811
    """35 retries in all, then one attempt for each call, until sync gives up on the whole."""
    peer.script(operation="PutObject", count=0, error="InternalError")
    done = caller.up(files(tmp_path / "src", {f"{i:03}": b"x" for i in range(60)}), ok=False)
    first = [e for e in peer.log("PutObject") if e["attempt"].startswith("attempt=1;")]
    assert len(peer.log("PutObject")) == len(first) + 35
    assert 16 < done["failed"] == len(first) and "16 in a row" in done.stderr


# --- F04, F05, F07: the network ------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["before", 20, 600, ("body", 0), ("body", 1000), ("body", 5 * MIB)])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_f04_download_cut(peer, caller, tmp_path, cut, how):  # noqa: F811
    """Before the headers, in them, in the body, after it."""
    body = os.urandom(5 * MIB)
    peer.put("a", body)
    where = {"cut": cut} if not isinstance(cut, tuple) else {"cut_from": cut[0], "cut": cut[1]}
    peer.script(operation="GetObject", how=how, **where)
    caller.down(tmp_path / "dst")
    assert tree(tmp_path / "dst")["a"] == body
    assert len(peer.log("GetObject")) in ((1, 2) if cut == ("body", 5 * MIB) else (2,))


@pytest.mark.parametrize("cut", ["before", "after", 30])
def test_f04_upload_cut(peer, caller, tmp_path, cut):  # noqa: F811
    peer.script(operation="PutObject", cut=cut)
    caller.up(files(tmp_path / "src", {"a": b"1" * 5000}))
    assert peer.get("a") == b"1" * 5000 and len(peer.log("PutObject")) == 2


def test_f04_upload_cut_in_the_request(peer, caller, tmp_path):  # noqa: F811
    body = os.urandom(4 * MIB)
    peer.script(operation="PutObject", read_cut=100000)
    caller.up(files(tmp_path / "src", {"a": body}))
    assert peer.get("a") == body and len(peer.log("PutObject")) == 2


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart",
                                       "CompleteMultipartUpload"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_f04_upload_in_parts_cut(peer, caller, tmp_path, operation, cut):  # noqa: F811
    body = os.urandom(BIG)
    peer.script(operation=operation, cut=cut)
    caller.up(files(tmp_path / "src", {"a": body}))
    assert peer.get("a") == body
    assert len(peer.log("UploadPart")) == 3 + (operation == "UploadPart")


def test_f04_completion_whose_reply_was_lost_is_not_there_twice(peer, caller, tmp_path):  # noqa: F811
    """S3 forgets a completed upload after a while: the object tells that it was."""
    body = os.urandom(BIG)
    peer.options(forget_uploads=True)
    peer.script(operation="CompleteMultipartUpload", cut="after")
    caller.up(files(tmp_path / "src", {"a": body}))
    assert peer.get("a") == body and peer.uploads() == []


def test_f05_one_byte_a_second_and_a_peer_that_stopped(peer, caller, tmp_path):  # noqa: F811
    if not SOAK:
        pytest.skip("30 s of silence before it is a stall: make soak")
    peer.put("a", b"x" * 1000)
    peer.script(operation="GetObject", hold="for ever")
    began = time.monotonic()
    caller.down(tmp_path / "dst", timeout=100)
    assert 29 < time.monotonic() - began < 45
    assert tree(tmp_path / "dst")["a"] == b"x" * 1000 and len(peer.log("GetObject")) == 2


@pytest.mark.parametrize("operation", ["ListObjectsV2", "GetObject"])
def test_f07_html_instead_of_xml(peer, caller, tmp_path, operation):  # noqa: F811
    peer.put("a", b"1")
    peer.script(operation=operation, html502=True)
    caller.down(tmp_path / "dst")
    assert tree(tmp_path / "dst")["a"] == b"1"
    assert statuses(peer, operation) == [502, 200]


def test_f07_html_for_ever(peer, caller, tmp_path):  # noqa: F811
    peer.script(operation="PutObject", html502=True, count=0)
    done = caller.up(files(tmp_path / "src", {"a": b"1"}), ok=False)
    assert "502" in done.stderr and "<html>" not in done.stderr
    assert statuses(peer, "PutObject") == [502] * 3


# --- F08: an error in a 200 -----------------------------------------------------------------------


def test_f08_completion_fails_once(peer, caller, tmp_path):  # noqa: F811
    body = os.urandom(BIG)
    peer.script(operation="CompleteMultipartUpload", error_in_200="InternalError: once", lead=" \n ")
    caller.up(files(tmp_path / "src", {"a": body}))
    assert peer.get("a") == body and len(peer.log("CompleteMultipartUpload")) == 2


def test_f08_completion_fails_for_ever(peer, caller, tmp_path):  # noqa: F811
    """Tried again, then the upload is ended: neither an object nor a part stays."""
    peer.script({"operation": "CompleteMultipartUpload", "count": 0, "status": 200, "body":
                 "<Error><Code>InternalError</Code><Message>no</Message></Error>"})
    done = caller.up(files(tmp_path / "src", {"a": os.urandom(BIG)}), ok=False)
    assert len(peer.log("CompleteMultipartUpload")) == 3
    assert peer.uploads() == [] and peer.objects() == {}
    assert "CompleteMultipartUpload" in done.stderr and "InternalError" in done.stderr


# --- F09: documents cut at every byte -------------------------------------------------------------


def positions(size, sample=12):
    """Every byte, or a few with both ends."""
    if SOAK:
        return range(size)
    return sorted({0, 1, size - 1} | {size * n // sample for n in range(sample)})


def test_f09_list_cut_anywhere(peer, caller, tmp_path):  # noqa: F811
    """Never taken for a short list: with --delete that would cost files."""
    peer.put_many({"a": b"1", "b": b"2"})
    kept = files(tmp_path / "dst", {"a": b"1", "b": b"2"})
    caller.down(kept)
    size = peer.log("ListObjectsV2")[-1]["sent"]
    for at in positions(size):
        peer.script(operation="ListObjectsV2", truncate_at=at)
        done = caller.down(kept, "--delete", ok=False, AWS_MAX_ATTEMPTS="1")
        assert f"list s3://{BUCKET}" in done.stderr, (at, done.stderr)
        assert {k: v for k, v in tree(kept).items() if k in "ab"} == {"a": b"1", "b": b"2"}, at


def test_f09_completion_cut_anywhere(peer, caller, tmp_path):  # noqa: F811
    src = files(tmp_path / "src", {"a": os.urandom(9 * MIB)})
    caller.up(src)
    size = peer.log("CompleteMultipartUpload")[-1]["sent"] - 40  # less the chunks' frame
    for at in positions(size, 4):
        peer.remove("a")
        peer.script(operation="CompleteMultipartUpload", truncate_at=at)
        done = caller.up(src, ok=False, AWS_MAX_ATTEMPTS="1")
        assert done["failed"] == 1, at


# --- F10, F11: elsewhere, at another time ---------------------------------------------------------


@pytest.fixture
def at_aws(caller, peer, tmp_path):  # noqa: F811
    """No endpoint named: AWS's own hosts over TLS."""
    folder = tmp_path / "tls"
    folder.mkdir()
    caller.env = peer.tls_env(folder)
    return caller


def hosts(peer, operation):
    return [entry["headers"]["host"] for entry in peer.log(operation)]


def test_f10_bucket_in_another_region(peer, at_aws, tmp_path):
    peer.bucket("far", region="eu-west-1")
    src = files(tmp_path / "src", {"a": b"1", "b": b"2"})
    at_aws.call("sync", src, "s3://far")
    assert hosts(peer, "ListObjectsV2") == ["far.s3.us-east-1.amazonaws.com",
                                            "far.s3.eu-west-1.amazonaws.com"]
    # remembered: the objects go there at once
    assert set(hosts(peer, "PutObject")) == {"far.s3.eu-west-1.amazonaws.com"}
    assert all(entry["tls"] for entry in peer.log())
    assert set(peer.objects("far")) == {"a", "b"}


def test_f10_redirect_within_aws(peer, at_aws, tmp_path):
    peer.bucket("far", region="eu-west-1")
    peer.script(operation="ListObjectsV2", error="TemporaryRedirect", status=307, headers={
        "Location": "https://far.s3.eu-west-1.amazonaws.com/"})
    at_aws.call("sync", files(tmp_path / "src", {"a": b"1"}), "s3://far")
    seen = peer.log("ListObjectsV2")
    assert [entry["status"] for entry in seen] == [307, 200]
    assert (seen[1]["region"], seen[1]["tls"]) == ("eu-west-1", True)


@pytest.mark.parametrize("where", [
    "https://evil.example/", "http://far.s3.eu-west-1.amazonaws.com/", "http://169.254.169.254/",
    "https://amazonaws.com.evil.example/", "file:///etc/passwd"])
def test_f10_redirect_out_of_aws(peer, at_aws, tmp_path, where):
    """Refused, and nobody there hears of us."""
    peer.script(operation="ListObjectsV2", error="TemporaryRedirect", status=307, count=0,
                headers={"Location": where})
    done = at_aws.call("sync", files(tmp_path / "src", {"a": b"1"}), f"s3://{BUCKET}", ok=False)
    assert done.returncode == 4 and "redirect" in done.stderr, done.stderr
    assert {entry["headers"]["host"] for entry in peer.log()} == {
        f"{BUCKET}.s3.us-east-1.amazonaws.com"}


@pytest.mark.parametrize("skew", [-21600, 1200])
def test_f11_clock(peer, caller, tmp_path, skew):  # noqa: F811
    """Signed once more with AWS's time, which is then kept."""
    peer.clock(skew)
    caller.up(files(tmp_path / "src", {f"{n}": b"1" for n in range(20)}))
    assert statuses(peer, "ListObjectsV2") == [403, 200]
    assert statuses(peer, "PutObject") == [200] * 20


def test_f11_clock_that_cannot_be_healed(peer, caller, tmp_path):  # noqa: F811
    peer.clock(-21600)
    peer.script(operation="ListObjectsV2", error="RequestTimeTooSkewed", count=0)
    done = caller.up(files(tmp_path / "src", {"a": b"1"}), ok=False)
    assert len(peer.log("ListObjectsV2")) == 2
    assert "clock" in done.stderr and "2160" in done.stderr and "ahead" in done.stderr, done.stderr


# --- bits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 100, 9 * MIB])
def test_a_flipped_bit_is_caught_and_fetched_again(peer, caller, tmp_path, size):  # noqa: F811
    body = os.urandom(size)
    peer.put("a", body)
    peer.script(operation="GetObject", flip_bit=int.from_bytes(os.urandom(4), "big"))
    caller.down(tmp_path / "dst")
    assert tree(tmp_path / "dst")["a"] == body


def test_a_bit_that_rotted_in_the_store_is_never_shown(peer, caller, tmp_path):  # noqa: F811
    peer.put("a", b"x" * 1000)
    peer.put("b", b"fine")
    peer.corrupt("a", bit=77)
    done = caller.down(tmp_path / "dst", ok=False)
    shown = {name: body for name, body in tree(tmp_path / "dst").items() if not name.startswith(".")}
    assert shown == {"b": b"fine"} and done["failed"] == 1
    assert f"s3://{BUCKET}/a: what came has the CRC64NVME" in done.stderr, done.stderr


def test_a_wrong_checksum_in_the_reply_to_an_upload(peer, caller, tmp_path):  # noqa: F811
    peer.script(operation="PutObject", wrong_checksum=True)
    caller.up(files(tmp_path / "src", {"a": b"1"}))
    assert peer.get("a") == b"1" and len(peer.log("PutObject")) == 2
