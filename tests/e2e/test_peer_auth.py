# SPDX-License-Identifier: Apache-2.0
"""The strict peer's signatures, sessions, tokens and machines' credentials, seen from boto3."""
import http.client
import json
import time
import urllib.parse
import urllib.request

import pytest

from cloud import BUCKET, boto, env_of
from conftest import until
from test_peer import aws_cli, refusal, run_aws  # noqa: F401

boto3 = pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")


def fetch(url, method="GET", body=None, headers=()):
    """(status, body) without anybody's cleverness."""
    parts = urllib.parse.urlsplit(url)
    conn = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        conn.request(method, parts.path + ("?" + parts.query if parts.query else ""), body,
                     dict(headers))
        reply = conn.getresponse()
        return reply.status, reply.read().decode()
    finally:
        conn.close()


def of_session(service, peer, session):
    return boto(service, peer, aws_access_key_id=session["key_id"],
                aws_secret_access_key=session["secret"], aws_session_token=session["token"])


def of_credentials(service, peer, told):
    return boto(service, peer, aws_access_key_id=told["AccessKeyId"],
                aws_secret_access_key=told["SecretAccessKey"],
                aws_session_token=told["SessionToken"])


# --- signatures ---------------------------------------------------------------------------------


def test_wrong_keys(peer):
    put = dict(Bucket=BUCKET, Key="k", Body=b"x")
    wrong = boto("s3", peer, aws_secret_access_key="wrong")
    assert refusal(wrong.put_object, **put) == (403, "SignatureDoesNotMatch")
    nobody = boto("s3", peer, aws_access_key_id="AKIANOBODY")
    assert refusal(nobody.put_object, **put) == (403, "InvalidAccessKeyId")
    token = boto("s3", peer, aws_session_token="wrong")
    assert refusal(token.put_object, **put) == (400, "InvalidToken")
    assert fetch(f"{peer.url}/{BUCKET}/k", "PUT", b"x")[0] == 403
    assert peer.objects() == {}


@pytest.mark.parametrize("spoil, code", [
    (lambda r: r.headers.update({"x-amz-meta-late": "1"}), "AccessDenied"),
    (lambda r: r.headers.update({"Authorization": r.headers["Authorization"][:-1] + b"x"}),
     "SignatureDoesNotMatch"),
    (lambda r: r.headers.update({"Authorization": "AWS4-HMAC-SHA256 nonsense"}),
     "AuthorizationHeaderMalformed"),
    (lambda r: setattr(r, "url", r.url.replace("/k", "/l")), "SignatureDoesNotMatch"),
    (lambda r: setattr(r, "url", r.url + "?x-id=b"), "SignatureDoesNotMatch"),
    (lambda r: setattr(r, "body", b"other"), "XAmzContentSHA256Mismatch")])
def test_what_was_changed_after_signing(peer, spoil, code):
    s3 = boto("s3", peer)
    s3.meta.events.register("before-send.s3", lambda request, **_: spoil(request))
    status, said = refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"mine!")
    assert (status in (400, 403), said) == (True, code)
    assert peer.objects() == {}


@pytest.mark.parametrize("skew, fits", [(-840, True), (840, True), (960, False), (-960, False)])
def test_clock(peer, skew, fits):
    s3 = boto("s3", peer)
    peer.clock(skew)
    if fits:
        s3.list_objects_v2(Bucket=BUCKET)
        return
    s3.meta.events.register("needs-retry.s3", lambda **_: None)
    assert refusal(s3.list_objects_v2, Bucket=BUCKET) == (403, "RequestTimeTooSkewed")
    status, said = refusal(boto("sts", peer).get_caller_identity)
    assert (status, said) == (403, "SignatureDoesNotMatch")


def test_presigned(peer):
    s3 = boto("s3", peer)
    peer.put("a b+c", b"hello")
    get = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "a b+c"}, ExpiresIn=60)
    assert fetch(get) == (200, "hello")
    status, said = fetch(get[:-1] + ("0" if get[-1] != "0" else "1"))
    assert status == 403 and "SignatureDoesNotMatch" in said
    assert fetch(get + "&x-id=1")[0] == 403
    assert fetch(get, "PUT", b"x")[0] == 403
    peer.clock(61)
    status, said = fetch(get)
    assert status == 403 and "Request has expired" in said


@pytest.mark.parametrize("allowed", [True, False])
def test_unsigned_payloads_can_be_made_to_need_tls(peer, allowed):
    s3 = boto("s3", peer, config={"s3": {"payload_signing_enabled": False},
                                  "request_checksum_calculation": "when_required"})
    peer.options(unsigned_over_http=allowed)
    if allowed:
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    else:
        assert refusal(s3.put_object, Bucket=BUCKET, Key="k", Body=b"x") == (403, "AccessDenied")
    assert peer.log("PutObject")[0]["headers"]["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


def test_over_tls_with_awss_own_names(peer, tmp_path, monkeypatch):
    for name, value in peer.tls_env(tmp_path).items():
        monkeypatch.setenv(name, value)
    s3 = boto3.session.Session().client("s3")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x" * 100)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"x" * 100
    seen = peer.log("PutObject")[0]
    assert seen["tls"] and seen["headers"]["host"].startswith(BUCKET + ".s3.")
    assert seen["headers"]["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


# --- sessions and roles ---------------------------------------------------------------------------


def test_sessions_end(peer):
    session = peer.session(60)
    s3 = of_session("s3", peer, session)
    s3.list_objects_v2(Bucket=BUCKET)
    peer.clock(61)
    assert refusal(s3.list_objects_v2, Bucket=BUCKET) == (400, "ExpiredToken")
    assert refusal(of_session("sts", peer, session).get_caller_identity) == (403, "ExpiredToken")


def test_session_policy_holds(peer):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
         "Resource": f"arn:aws:s3:::{BUCKET}/runs/R/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}",
         "Condition": {"StringLike": {"s3:prefix": "runs/R/*"}}},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*/outcome.json",
         "Condition": {"Null": {"s3:if-none-match": "true"}}}]}
    s3 = of_session("s3", peer, peer.session(policy=json.dumps(policy)))
    s3.put_object(Bucket=BUCKET, Key="runs/R/a", Body=b"")
    denied = (403, "AccessDenied")
    assert refusal(s3.put_object, Bucket=BUCKET, Key="runs/Q/a", Body=b"") == denied
    assert refusal(s3.delete_object, Bucket=BUCKET, Key="runs/R/a") == denied
    s3.list_objects_v2(Bucket=BUCKET, Prefix="runs/R/")
    assert refusal(s3.list_objects_v2, Bucket=BUCKET, Prefix="runs/") == denied
    outcome = dict(Bucket=BUCKET, Key="runs/R/outcome.json")
    assert refusal(s3.put_object, **outcome) == denied
    s3.put_object(**outcome, IfNoneMatch="*")


def assume(peer, token=None, **more):
    return dict(dict(RoleArn=peer.told["role"], RoleSessionName="test",
                     WebIdentityToken=token or peer.jwt()), **more)


def test_web_identity(peer):
    sts = boto("sts", peer, aws_access_key_id="AKIAUNUSED")
    told = sts.assume_role_with_web_identity(**assume(peer, DurationSeconds=900))
    assert told["SubjectFromWebIdentityToken"] == "repo:acme/widgets:ref:refs/heads/main"
    life = told["Credentials"]["Expiration"].timestamp() - time.time()
    assert 890 < life <= 901
    who = of_credentials("sts", peer, told["Credentials"]).get_caller_identity()
    assert who["Arn"].endswith("assumed-role/branchline/test")
    assert who["Account"] == "111122223333"


@pytest.mark.parametrize("told, status, code", [
    ({"claims": {"sub": "repo:acme/other:ref:refs/heads/main"}}, 403, "AccessDenied"),
    ({"bad_signature": True}, 400, "InvalidIdentityToken"),
    ({"issuer": "https://evil.example"}, 400, "InvalidIdentityToken"),
    ({"life": -1}, 400, "ExpiredTokenException"),
    ({"claims": {"aud": "other"}}, 400, "InvalidIdentityToken")])
def test_tokens_that_are_refused(peer, told, status, code):
    peer.oidc(**told)
    assert refusal(boto("sts", peer).assume_role_with_web_identity,
                   **assume(peer)) == (status, code)
    assert peer.sessions() == []


@pytest.mark.parametrize("args, status, code", [
    ({"RoleArn": "arn:aws:iam::111122223333:role/other"}, 403, "AccessDenied"),
    ({"DurationSeconds": 899}, 400, "ValidationError"),
    ({"DurationSeconds": 7200}, 400, "ValidationError"),
    ({"RoleSessionName": "a b"}, 400, "ValidationError"),
    ({"Policy": "{}"}, 400, "MalformedPolicyDocument"),
    ({"Policy": "x" * 2049}, 400, "ValidationError"),
    ({"WebIdentityToken": "garbage"}, 400, "InvalidIdentityToken")])
def test_requests_that_are_refused(peer, args, status, code):
    sts = boto("sts", peer, config={"parameter_validation": False})
    assert refusal(sts.assume_role_with_web_identity, **assume(peer, **args)) == (status, code)


def test_trust_policies(peer):
    arn = "arn:aws:iam::111122223333:role/two"
    peer.role(arn=arn, max_seconds=43200, trust={
        "StringEquals": {"aud": "sts.amazonaws.com", "repository_id": "5005"},
        "StringLike": {"sub": ["repo:acme/*:environment:gpu", "repo:acme@1001/widgets@5005:*"]}})
    sts, args = boto("sts", peer), dict(RoleArn=arn, DurationSeconds=43200)
    call = sts.assume_role_with_web_identity
    assert refusal(call, **assume(peer, **args)) == (403, "AccessDenied")
    peer.oidc(claims={"sub": "repo:acme/widgets:environment:gpu"})
    call(**assume(peer, **args))
    peer.oidc(claims={"repository_id": None})
    assert refusal(call, **assume(peer, **args)) == (403, "AccessDenied")
    peer.oidc(claims={"repository_id": "5005", "sub": "repo:acme@1001/widgets@5005:pull_request"})
    call(**assume(peer, **args))


def test_issued_sessions_can_be_made_short(peer):
    peer.options(session_seconds=1)
    told = boto("sts", peer).assume_role_with_web_identity(**assume(peer))["Credentials"]
    s3 = of_credentials("s3", peer, told)

    def refused():
        try:
            s3.list_objects_v2(Bucket=BUCKET)
        except s3.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
    assert until(refused, "the session is over") == "ExpiredToken"


def test_assume_role(peer):
    arn = "arn:aws:iam::111122223333:role/chained"
    peer.role(arn=arn, external_id="secret")
    sts, args = boto("sts", peer), dict(RoleArn=arn, RoleSessionName="me")
    assert refusal(sts.assume_role, **args) == (403, "AccessDenied")
    told = sts.assume_role(**args, ExternalId="secret")
    of_credentials("s3", peer, told["Credentials"]).list_objects_v2(Bucket=BUCKET)
    assert refusal(boto("sts", peer, aws_secret_access_key="wrong").assume_role, **args) == (
        403, "SignatureDoesNotMatch")


# --- the issuer, machines -------------------------------------------------------------------------


def test_issuer(peer):
    url = peer.oidc_env()["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=sts.amazonaws.com"
    assert fetch(url)[0] == 401
    assert fetch(url, headers={"Authorization": "bearer wrong"})[0] == 401
    right = {"Authorization": "bearer " + peer.told["request_token"]}
    status, said = fetch(url, headers=right)
    assert status == 200 and json.loads(said)["value"].count(".") == 2
    peer.script(service="oidc", operation="Token", status=503, count=2)
    assert [fetch(url, headers=right)[0] for _ in range(3)] == [503, 503, 200]
    assert "jwks_uri" in fetch(peer.told["oidc"] + "/.well-known/openid-configuration")[1]


def test_imds(peer):
    url = peer.told["imds"] + "/latest/"
    assert fetch(url + "meta-data/instance-id")[0] == 401
    ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}
    assert fetch(url + "api/token", "PUT")[0] == 400
    assert fetch(url + "api/token", "PUT", headers=dict(ttl, **{"X-Forwarded-For": "1"}))[0] == 403
    token = {"x-aws-ec2-metadata-token": fetch(url + "api/token", "PUT", headers=ttl)[1]}
    assert fetch(url + "meta-data/instance-id", headers=token)[0] == 200
    assert fetch(url + "meta-data/spot/instance-action", headers=token)[0] == 404
    peer.imds(paths={"/latest/meta-data/spot/instance-action": "{}"})
    assert fetch(url + "meta-data/spot/instance-action", headers=token) == (200, "{}")
    peer.clock(61)
    assert fetch(url + "meta-data/instance-id", headers=token)[0] == 401
    peer.imds(refuses=403)
    assert fetch(url + "api/token", "PUT", headers=ttl)[0] == 403


@pytest.mark.parametrize("where", ["imds_env", "container_env"])
def test_machines_credentials_by_boto3(peer, where, monkeypatch):
    for name in env_of(peer):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name, raising=False)
    for name, value in getattr(peer, where)().items():
        monkeypatch.setenv(name, value)
    boto3.session.Session().client("s3").list_objects_v2(Bucket=BUCKET)
    assert peer.log("ListObjectsV2")[0]["access_key"] == peer.sessions()[0]["key_id"]


def test_aws_cli_knows_who_it_is(peer, aws_cli):  # noqa: F811
    who = json.loads(run_aws(aws_cli, peer, "sts", "get-caller-identity").stdout)
    assert who["Arn"] == "arn:aws:iam::111122223333:user/peer"
