# SPDX-License-Identifier: Apache-2.0
"""Each fault of the strict peer's script really happens: seen from a bare socket."""
import datetime
import socket
import threading
import time
import urllib.parse

import pytest

from cloud import BUCKET, boto
from conftest import PATIENCE

botocore = pytest.importorskip("botocore", reason="botocore is not in the tests' environment")
from botocore.auth import S3SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402


class Raw:
    """One exchange: what came, and how it ended ("end", "reset" or "open")."""

    def __init__(self, peer, method, path, body=b"", session=None, headers=None):
        request = AWSRequest(method, peer.url + path, data=body, headers=headers)
        pair = session or {"key_id": peer.key_id, "secret": peer.secret, "token": None}
        S3SigV4Auth(Credentials(pair["key_id"], pair["secret"], pair["token"]), "s3",
                    "us-east-1").add_auth(request)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {urllib.parse.urlsplit(peer.url).netloc}",
                 f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        self.told, self.end = b"", "open"
        with socket.create_connection(("127.0.0.1", int(peer.url.rpartition(":")[2]))) as sock:
            sock.settimeout(PATIENCE)
            sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            self.read(sock)
        self.head, _, self.body = self.told.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1]) if self.head else 0

    def read(self, sock):
        try:
            while piece := sock.recv(65536):
                self.told += piece
            self.end = "end"
        except ConnectionResetError:
            self.end = "reset"


def put(peer, body=b"hello"):
    return Raw(peer, "PUT", f"/{BUCKET}/k", body)


def get(peer, **more):
    return Raw(peer, "GET", f"/{BUCKET}/k", **more)


def test_errors_by_count(peer):
    peer.script(operation="PutObject", nth=2, count=2, error="SlowDown")
    replies = [put(peer) for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 503, 503, 200, 200]
    assert b"<Code>SlowDown</Code>" in replies[1].body and b"<RequestId>" in replies[1].body
    assert [entry["status"] for entry in peer.log("PutObject")] == [200, 503, 503, 200, 200]
    assert peer.pending() == []


def test_which_requests(peer):
    peer.put("k")
    peer.script(operation="GetObject", key="other/*", error="SlowDown")
    assert get(peer).status == 200
    assert len(peer.pending()) == 1


def test_a_reply_of_its_own(peer):
    peer.script(operation="GetObject", status=429, headers={"x-amz-retry-after": "7"}, body="no")
    got = get(peer)
    assert (got.status, got.body) == (429, b"no") and b"x-amz-retry-after: 7" in got.head


def test_html_and_for_ever(peer):
    peer.script(operation="GetObject", html502=True, count=0)
    for _ in range(3):
        got = get(peer)
        assert got.status == 502 and b"<html>" in got.body


@pytest.mark.parametrize("cut, committed", [("before", False), ("after", True)])
@pytest.mark.parametrize("how, end", [("reset", "reset"), ("close", "end")])
def test_cut_around_the_operation(peer, cut, committed, how, end):
    peer.script(operation="PutObject", cut=cut, how=how)
    got = put(peer)
    assert (got.told, got.end) == (b"", end)
    assert ("k" in peer.objects()) is committed


def test_error_after_it_was_done(peer):
    peer.script(operation="PutObject", error="InternalError", commit=True)
    assert put(peer).status == 500 and "k" in peer.objects()


def test_cut_in_the_reply(peer):
    peer.put("k", b"0123456789")
    peer.script({"operation": "GetObject", "cut": 3, "cut_from": "body", "how": "close"},
                {"operation": "GetObject", "cut": 20, "how": "close"})
    got = get(peer)
    assert got.body == b"012" and b"Content-Length: 10" in got.head
    assert get(peer).told == b"HTTP/1.1 200 OK\r\nDat"


def test_cut_in_the_request(peer):
    peer.script(operation="PutObject", read_cut=100)
    try:
        got = put(peer, b"x" * (4 << 20))
        assert got.end == "reset"
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert peer.objects() == {}


def test_truncated_but_consistent(peer):
    peer.put("k", b"0123456789")
    peer.script(operation="GetObject", truncate_at=4)
    got = get(peer)
    assert got.body == b"0123" and b"Content-Length: 4" in got.head


def test_a_flipped_bit_and_a_wrong_checksum(peer):
    peer.put("k", b"0123")
    ask = {"headers": {"x-amz-checksum-mode": "ENABLED"}}
    right = get(peer, **ask)
    peer.script({"operation": "GetObject", "flip_bit": 9},
                {"operation": "GetObject", "wrong_checksum": True})
    flipped, lied = get(peer, **ask), get(peer, **ask)
    assert flipped.body == b"0323" and flipped.head.count(b"crc64nvme") == 1
    assert lied.body == right.body
    of = [[line for line in reply.head.split(b"\r\n") if b"crc64nvme" in line]
          for reply in (right, flipped, lied)]
    assert of[0] == of[1] != of[2]


def test_a_stored_bit_rots(peer):
    put(peer)
    before = peer.objects()["k"]["checksum"]
    peer.corrupt("k", bit=8)
    assert get(peer).body == b"hdllo" and peer.objects()["k"]["checksum"] == before


def test_error_in_200_behind_white_space(peer):
    peer.script(operation="CompleteMultipartUpload", error_in_200="InternalError: try again",
                lead="   \n")
    got = Raw(peer, "POST", f"/{BUCKET}/k?uploadId=u", b"<x/>")
    assert got.status == 200 and b"Transfer-Encoding: chunked" in got.head
    assert got.body.startswith(b"4\r\n   \n\r\n") and b"<Code>InternalError</Code>" in got.body


def test_trickle_and_delay(peer):
    peer.put("k", b"0123456789")
    peer.script({"operation": "GetObject", "trickle": 50}, {"operation": "GetObject", "delay": 0.2})
    began = time.monotonic()
    assert get(peer).body == b"0123456789"
    assert time.monotonic() - began >= 0.18
    began = time.monotonic()
    assert get(peer).body == b"0123456789"
    assert time.monotonic() - began >= 0.2


def test_hold_until_told(peer):
    peer.put("k", b"x")
    peer.script(operation="GetObject", hold="gate")
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(get(peer)))
    waiting.start()
    peer.wait_log("GetObject", held="gate")
    assert replies == []
    peer.release("gate")
    waiting.join(PATIENCE)
    assert replies[0].body == b"x"


def test_session_ends_at_this_request(peer):
    peer.put("k", b"x")
    peer.script(operation="GetObject", nth=2, expire_session=True)
    session = peer.session()
    assert [get(peer, session=session).status for _ in range(3)] == [200, 400, 400]


def test_headers_changed_and_more_script(peer):
    peer.put("k", b"x")
    peer.script(operation="GetObject", headers={"ETag": '"other"'}, remove_headers=["Last-Modified"],
                then=[{"operation": "GetObject", "error": "SlowDown"}])
    got = get(peer)
    assert b'ETag: "other"' in got.head and b"Last-Modified" not in got.head
    assert [get(peer).status for _ in range(2)] == [503, 200]


def test_a_clock_that_is_off_is_in_the_date(peer):
    peer.clock(-21600)
    told = get(peer).head.split(b"Date: ")[1].split(b"\r\n")[0].decode()
    when = datetime.datetime.strptime(told, "%a, %d %b %Y %H:%M:%S GMT").replace(
        tzinfo=datetime.timezone.utc)
    assert abs(time.time() - 21600 - when.timestamp()) < 5


def test_nonsense_is_refused(peer):
    with pytest.raises(AssertionError, match="unknown fields"):
        peer.script(operation="GetObject", explode=True)


def test_other_servers_answer(peer, moto):
    assert boto("sts", moto).get_caller_identity()["Account"]
    bucket = moto.fresh_bucket()
    boto("s3", moto).put_object(Bucket=bucket, Key="k", Body=b"x")


def test_minio_answers(minio):
    bucket = minio.fresh_bucket()
    boto("s3", minio).put_object(Bucket=bucket, Key="k", Body=b"x")
