# SPDX-License-Identifier: Apache-2.0
"""The client of AWS against the strict peer: faults F01-F04, F07, F10-F12 and what heals itself."""
import json
import subprocess

import pytest

from cloud import BUCKET, env_of

OK, EEXIST, ENOENT, EDENIED, EIO, ETIMEOUT, ERETRY = 0, 4, 5, 6, 10, 12, 13


class Client:
    """`test_client --call`: one client of AWS for all calls."""

    def __init__(self, program, env, lot):
        self.process = subprocess.Popen([program, "--call", str(lot)], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def call(self, operation, path="", method="GET", bucket=BUCKET, **more):
        """What came of it; a list where it was done several times at once."""
        line = dict(more, operation=operation, path=f"/{bucket}{path}", method=method)
        if more.get("service", "s3") != "s3":
            line["path"] = "/"
        elif "host_prefix" in more:
            line["path"] = path
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        told = [self.process.stdout.readline() for _ in range(more.get("repeat", 1))]
        assert all(told), self.process.stderr.read()
        told = [json.loads(line) for line in told]
        return told if "repeat" in more else told[0]

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0, self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def client_of(bin_dir):
    program = bin_dir.parent / "tests" / "test_client"
    if not program.exists():
        pytest.skip(f"no {program}: built by make test, not by make dist")
    clients = []

    def start(env, lot=0):
        clients.append(Client(program, env, lot))
        return clients[-1]

    yield start
    for client in clients:
        client.stop()


@pytest.fixture
def client(client_of, peer):
    return client_of(env_of(peer))


def whoami(client, **more):
    return client.call("GetCallerIdentity", service="sts", protocol="query", method="POST",
                       body="Action=GetCallerIdentity&Version=2011-06-15", **more)


# --- What is sent -------------------------------------------------------------------------------


def test_what_is_sent_is_accepted_by_the_strict_peer(client, peer):
    peer.put("a b+c/é", b"text")
    got = client.call("GetObject", "/a%20b%2Bc/%C3%A9", hash="UNSIGNED-PAYLOAD")
    assert (got["error"], got["status"], got["body"], got["attempts"]) == (OK, 200, "text", 1)
    for read in (False, True):
        got = client.call("PutObject", "/k", "PUT", body="hello" * 10_000, read=read)
        assert got["error"] == OK, got
        assert peer.get("k") == b"hello" * 10_000
        got = client.call("PutObject", "/k2", "PUT", body="x", hash="UNSIGNED-PAYLOAD", read=read)
        assert got["error"] == OK, got
    # plain http: the real hash is sent where unsigned was asked
    sent = peer.log("PutObject")[-1]["headers"]
    assert sent["x-amz-content-sha256"].startswith("2d711642b726b044")
    assert sent["user-agent"].startswith("branchline/")
    assert "content-type" not in sent
    got = client.call("ListObjectsV2", query=[["list-type", "2"], ["prefix", "a b+"], ["uploads", None]][:2])
    assert "<Key>a b+c/é</Key>" in got["body"] or "a%20b%2Bc" in got["body"], got


def test_invocation_is_kept_and_attempts_are_counted(client, peer):
    peer.put("k", b"x")
    peer.script(operation="GetObject", count=2, error="InternalError")
    assert client.call("GetObject", "/k")["attempts"] == 3
    client.call("GetObject", "/k")
    sent = [entry["headers"] for entry in peer.log("GetObject")]
    assert [h["amz-sdk-request"] for h in sent] == [f"attempt={n}; max=3" for n in (1, 2, 3, 1)]
    ids = [h["amz-sdk-invocation-id"] for h in sent]
    assert len(set(ids[:3])) == 1 and ids[3] != ids[0] and len(ids[0]) == 36


def test_query_protocol(client, peer):
    got = whoami(client)
    assert got["error"] == OK and "<Account>" in got["body"]
    sent = peer.log("GetCallerIdentity")[0]["headers"]
    assert sent["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.sample
def test_streamed_both_ways_with_restart_and_progress(client, client_of, peer):
    peer.put("k", b"y" * 300_000)
    peer.script(operation="GetObject", cut=100_000, cut_from="body")
    got = client.call("GetObject", "/k", write=True)
    assert (got["error"], got["attempts"], got["restarts"]) == (OK, 2, 2)
    assert got["body"] == "y" * 300_000 and got["progress"] == 300_000
    # on a connection of its own: on one used before libcurl itself begins anew
    peer.script(operation="PutObject", read_cut=50_000)
    got = client_of(env_of(peer)).call("PutObject", "/up", "PUT", read=True, body="z" * 400_000)
    assert (got["error"], got["attempts"], got["progress"]) == (OK, 2, 400_000)
    assert peer.get("up") == b"z" * 400_000


# --- Retries ------------------------------------------------------------------------------------


def test_f01_slow_down_twice_then_success(client_of, peer):
    client = client_of(env_of(peer), lot=0.1)
    peer.put("k", b"x")
    peer.script(operation="GetObject", count=2, error="SlowDown")
    got = client.call("GetObject", "/k")
    assert (got["error"], got["attempts"]) == (OK, 3)
    began = [entry["began"] for entry in peer.log("GetObject")]
    # 0.1 x 1 s, then 0.1 x 2 s
    assert 0.09 < began[1] - began[0] < 1 and 0.19 < began[2] - began[1] < 1
    assert got["tokens"] == 500 - 5  # both cost 5, the last came back


def test_f02_failing_for_ever_names_the_request(client, peer):
    peer.script(operation="GetObject", count=0, error="InternalError", message="We broke.")
    got = client.call("GetObject", "/k")
    last = peer.log("GetObject")[-1]["request_id"]
    assert (got["error"], got["attempts"], got["code"]) == (ERETRY, 3, "InternalError")
    assert got["text"] == ("s3 GetObject: HTTP 500 InternalError: We broke. "
                           f"(request ID {last}, 3 attempts)")


def test_f03_a_long_run_of_failures_ends_in_single_attempts(client, peer):
    peer.script(operation="GetObject", count=0, error="InternalError")
    attempts = [client.call("GetObject", "/k")["attempts"] for _ in range(25)]
    # 500 / 14: 35 repeats, two a call
    assert attempts == [3] * 17 + [2] + [1] * 7
    assert len(peer.log("GetObject")) == 25 + 35


def test_max_attempts_of_the_environment(client_of, peer):
    peer.script(operation="GetObject", count=0, error="InternalError")
    assert client_of(env_of(peer, AWS_MAX_ATTEMPTS="5")).call("GetObject", "/k")["attempts"] == 5
    one = client_of(env_of(peer, AWS_MAX_ATTEMPTS="1")).call("GetObject", "/k")
    assert one["attempts"] == 1 and ", 1 attempt)" in one["text"]


@pytest.mark.parametrize("cut", ["before", "after", 10])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_f04_lost_replies_are_repeated_unless_unsafe(client_of, peer, cut, how):
    peer.script(operation="PutObject", cut=cut, how=how)
    got = client_of(env_of(peer)).call("PutObject", "/k", "PUT", body="x")
    assert (got["error"], got["attempts"]) == (OK, 2)
    client = client_of(env_of(peer))
    for n in (1, 2):  # on a new connection, and on one used before
        assert whoami(client)["error"] == OK
        before = len(peer.log("CreateMultipartUpload"))
        peer.script(operation="CreateMultipartUpload", cut=cut, how=how)
        got = client.call("CreateMultipartUpload", "/k", "POST", query=[["uploads", None]],
                          unsafe=True)
        assert (got["error"], got["attempts"], got["status"]) == (EIO, 1, 0)
        assert got["text"].startswith("s3 CreateMultipartUpload: ")
        assert "may have been carried out" in got["text"]
        assert len(peer.log("CreateMultipartUpload")) == before + 1


def test_f07_a_proxys_page_is_transient(client, peer):
    peer.put("k", b"x")
    peer.script(operation="GetObject", html502=True)
    assert client.call("GetObject", "/k")["attempts"] == 2
    peer.script(operation="GetObject", count=3, html502=True)
    got = client.call("GetObject", "/k")
    assert (got["error"], got["code"]) == (ERETRY, "")
    assert got["text"] == "s3 GetObject: HTTP 502 (3 attempts)"
    peer.script(operation="PutObject", html502=True)
    got = client.call("PutObject", "/k", "PUT", body="x", unsafe=True)
    assert (got["error"], got["attempts"]) == (EIO, 1)
    assert got["text"] == "s3 PutObject: HTTP 502 (1 attempt); it may have been carried out"


def test_f08_an_error_in_a_200(client, peer):
    more = dict(method="GET", body_may_fail=True, query=[["list-type", "2"]])
    peer.script(operation="ListObjectsV2", error_in_200="InternalError: later")
    assert client.call("ListObjectsV2", **more)["attempts"] == 2
    peer.script(operation="ListObjectsV2", count=3, error_in_200="InternalError: later")
    got = client.call("ListObjectsV2", **more)
    assert (got["error"], got["attempts"]) == (ERETRY, 3)
    assert got["text"].startswith("s3 ListObjectsV2: HTTP 200 InternalError: later (request ID ")
    peer.script(operation="ListObjectsV2", count=2, truncate_at=40)
    assert client.call("ListObjectsV2", **more)["attempts"] == 3


def test_final_errors_are_not_repeated(client, peer):
    got = client.call("GetObject", "/absent")
    assert (got["error"], got["status"], got["code"], got["attempts"]) == (ENOENT, 404, "NoSuchKey", 1)
    got = client.call("HeadObject", "/absent", "HEAD")
    assert (got["error"], got["status"], got["code"], got["attempts"]) == (ENOENT, 404, "", 1)
    got = client.call("PutObject", "/k", "PUT", body="x")
    got = client.call("PutObject", "/k", "PUT", body="x", headers=[["if-none-match", "*"]])
    assert (got["error"], got["code"], got["attempts"]) == (EEXIST, "PreconditionFailed", 1)


def test_retry_after_is_waited_for_within_bounds(client, peer):
    peer.put("k", b"x")
    for said, least, most in (("150", 0.14, 2), ("-5", 0, 0.1), ("soon", 0, 0.1)):
        peer.script(operation="GetObject", error="SlowDown", headers={"x-amz-retry-after": said})
        assert client.call("GetObject", "/k")["error"] == OK
        began = [entry["began"] for entry in peer.log("GetObject")][-2:]
        assert least <= began[1] - began[0] < most + 1, said


def test_no_attempt_begins_that_the_deadline_would_cut(client_of, peer):
    client = client_of(env_of(peer), lot=1)
    peer.script(operation="GetObject", count=0, error="SlowDown")
    got = client.call("GetObject", "/k", deadline_ms=700)
    assert (got["error"], got["attempts"]) == (ETIMEOUT, 1)
    assert "SlowDown" in got["text"] and "no time is left" in got["text"]
    assert got["took_ms"] < 650  # it does not wait for what cannot come
    peer.script(operation="PutObject", hold="gate")
    got = client.call("PutObject", "/k", "PUT", body="x", deadline_ms=300)
    peer.release("gate")
    assert (got["error"], got["attempts"]) == (ETIMEOUT, 1)
    assert 290 <= got["took_ms"] < 400 + 300


# --- What heals itself --------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-6 * 3600, 20 * 60])
@pytest.mark.parametrize("head", [False, True])
def test_f11_clock(client, peer, offset, head):
    peer.put("k", b"x")
    peer.clock(offset)
    got = client.call(*(("HeadObject", "/k", "HEAD") if head else ("GetObject", "/k")))
    assert (got["error"], got["attempts"]) == (OK, 2), got
    assert abs(got["skew"] - offset) <= 2
    # all later requests are right at once, also another service's
    assert client.call("GetObject", "/k")["attempts"] == 1
    assert whoami(client)["attempts"] == 1


def test_f11_a_skew_healed_in_vain_is_named(client, peer):
    peer.clock(7200)
    peer.script(operation="GetObject", count=0, error="RequestTimeTooSkewed", message="no")
    got = client.call("GetObject", "/k")
    assert (got["error"], got["attempts"]) == (EDENIED, 2)
    assert "this machine's clock is 7200 s behind AWS's" in got["text"] or "7199 s" in got["text"]
    assert got["next"]


@pytest.mark.sample
def test_f12_credentials_that_expire(client_of, peer):
    env = dict(env_of(peer), **peer.oidc_env())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        env.pop(name, None)
    client = client_of(env)
    peer.put("k", b"x")
    assert client.call("GetObject", "/k")["attempts"] == 1
    minted = len(peer.log("AssumeRoleWithWebIdentity"))
    peer.expire()
    told = client.call("GetObject", "/k", repeat=8)
    assert [got["error"] for got in told] == [OK] * 8
    # eight noticed, one mint
    assert len(peer.log("AssumeRoleWithWebIdentity")) == minted + 1
    peer.expire()
    got = client.call("HeadObject", "/k", "HEAD")  # its 400 has no body
    assert (got["error"], got["attempts"]) == (OK, 2), got
    # a credential that stays refused is refused once more, not for ever
    peer.script(operation="GetObject", count=0, error="ExpiredToken")
    got = client.call("GetObject", "/k")
    assert (got["error"], got["attempts"], got["code"]) == (EDENIED, 2, "ExpiredToken")


def test_f12_a_session_that_nobody_can_renew(client_of, peer):
    peer.put("k", b"x")
    client = client_of(dict(env_of(peer), **peer.env(peer.session(3600))))
    assert client.call("GetObject", "/k")["error"] == OK
    peer.expire()
    got = client.call("GetObject", "/k")
    assert (got["error"], got["code"]) == (EDENIED, "ExpiredToken"), got
    assert got["text"].startswith("s3 GetObject: HTTP 400 ExpiredToken: ") and got["next"]


@pytest.mark.parametrize("offset", [-6 * 3600, 6 * 3600])
def test_f11_minted_credentials_last_by_our_clock_too(client_of, peer, offset):
    env = dict(env_of(peer), **peer.oidc_env())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        env.pop(name, None)
    client = client_of(env)
    peer.put("k", b"x")
    peer.clock(offset)
    assert [client.call("GetObject", "/k")["attempts"] for _ in range(4)] == [2, 1, 1, 1]
    assert len(peer.log("AssumeRoleWithWebIdentity")) == 1


def test_region_of_the_bucket_is_learnt(client_of, peer):
    peer.bucket("far", region="eu-west-1")
    client = client_of(env_of(peer))
    peer.put("k", b"x", bucket="far")
    for n in (2, 1):
        got = client.call("GetObject", "/k", bucket="far")
        assert (got["error"], got["attempts"]) == (OK, n), got
    assert client.call("HeadObject", "/k", "HEAD", bucket="far")["attempts"] == 1
    got = client_of(env_of(peer)).call("HeadObject", "/k", "HEAD", bucket="far")
    assert (got["error"], got["attempts"]) == (OK, 2), got
    assert [entry["region"] for entry in peer.log(bucket="far")] == \
        ["us-east-1", "eu-west-1", "eu-west-1", "eu-west-1", "us-east-1", "eu-west-1"]


@pytest.mark.parametrize("location", ["http://b.s3.us-west-2.amazonaws.com/k",
                                      "https://amazonaws.com.example/k",
                                      "http://169.254.169.254/latest/", "file:///etc/passwd"])
def test_f10_a_redirect_elsewhere_is_refused(client, peer, location):
    peer.script(operation="GetObject", status=307, headers={"Location": location})
    got = client.call("GetObject", "/k")
    assert (got["error"], got["attempts"]) == (EDENIED, 1)
    assert got["text"].startswith("s3 GetObject: HTTP 307: a redirect to '"), got["text"]
    assert got["text"].endswith("which is not AWS over https, was refused")


def test_f10_a_redirect_within_aws_is_followed(client_of, peer, tmp_path):
    peer.bucket("far", region="eu-west-1")
    peer.put("k", b"far away", bucket="far")
    env = dict(env_of(peer), **peer.tls_env(tmp_path))
    env.pop("AWS_ENDPOINT_URL", None)
    client = client_of(env)
    for n in (2, 1):
        got = client.call("GetObject", "/k", hash="UNSIGNED-PAYLOAD", host_prefix="far.")
        assert (got["error"], got["body"], got["attempts"]) == (OK, "far away", n), got
    last = peer.log("GetObject")[-1]["headers"]
    assert last["host"] == "far.s3.eu-west-1.amazonaws.com"
    assert last["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
