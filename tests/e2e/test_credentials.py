# SPDX-License-Identifier: Apache-2.0
"""Where credentials come from, end to end: the verbs `credentials` and `whoami`."""
import concurrent.futures
import datetime
import hashlib
import json
import os
import socket
import stat
import subprocess
import time

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import PATIENCE

ROLE = "arn:aws:iam::111122223333:role/branchline"
ASSUME = "AssumeRoleWithWebIdentity"


def call(branchline, env, *args, check=True):
    """A verb in an environment that holds nothing of this machine's but PATH."""
    base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run([branchline, *map(str, args)], env=dict(base, **env), text=True,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def credentials(branchline, env, *args):
    got = json.loads(call(branchline, env, "credentials", *args).stdout)
    assert got["Version"] == 1
    return got


def ends_in(got):
    end = datetime.datetime.fromisoformat(got["Expiration"].replace("Z", "+00:00"))
    return end.timestamp() - time.time()


def config(tmp_path, text, name="config"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


# --- GitHub's OIDC ------------------------------------------------------------------------------

@pytest.mark.sample
def test_a_job_gets_credentials_by_two_requests(branchline, peer):
    got = credentials(branchline, peer.oidc_env())
    assert got["AccountId"] == "111122223333"
    assert 3500 < ends_in(got) <= 3600
    assert peer.operations() == ["Token", ASSUME]
    assume = peer.log(ASSUME)[0]
    assert "authorization" not in assume["headers"]
    assert assume["params"]["RoleArn"] == ROLE and assume["issued"] == got["AccessKeyId"]
    assert peer.sessions()


def test_role_options_reach_sts(branchline, peer):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}
    env = peer.oidc_env(GITHUB_RUN_ID="4711", GITHUB_JOB="train (a, b)",
                        GITHUB_REPOSITORY="acme/widgets")
    peer.role(arn="arn:aws:iam::111122223333:role/other", max_seconds=7200)
    credentials(branchline, env, "--role-arn", "arn:aws:iam::111122223333:role/other",
                "--duration", "2h", "--session-policy", json.dumps(policy, indent=4))
    params = peer.log(ASSUME)[0]["params"]
    assert params["RoleArn"].endswith("role/other")
    assert params["DurationSeconds"] == "7200"
    assert json.loads(params["Policy"]) == policy and "\n" not in params["Policy"]
    assert params["RoleSessionName"] == "branchline-4711-train-a,-b--acme-widgets"


def test_a_missing_permission_is_named(branchline, peer):
    env = dict(peer.bare_env(), GITHUB_ACTIONS="true", BRANCHLINE_LOG="human")
    named = call(branchline, env, "credentials", "--role-arn", ROLE, check=False)
    assert named.returncode == 4
    assert "`permissions: id-token: write`" in named.stderr and "forks" in named.stderr
    found = call(branchline, dict(env, AWS_ROLE_ARN=ROLE), "credentials", check=False)
    assert found.returncode == 4
    assert "`permissions: id-token: write`" in found.stderr
    assert peer.operations() == []


def test_a_trust_mismatch_is_final_and_shown(branchline, peer):
    peer.oidc(claims={"sub": "repo:acme/widgets:pull_request"})
    peer.jwt()  # its key is made at first use
    began = time.monotonic()
    refused = call(branchline, peer.oidc_env(), "credentials", check=False)
    assert time.monotonic() - began < 2
    assert refused.returncode == 4
    assert peer.operations() == ["Token", ASSUME]
    for part in ("sub repo:acme/widgets:pull_request", "aud sts.amazonaws.com",
                 "repository_id 5005", "repo:acme@1001/widgets@5005:pull_request"):
        assert part in refused.stderr, refused.stderr
    assert "PeerToken" not in refused.stderr and "eyJ" not in refused.stderr


def test_a_refused_token_is_renewed_once(branchline, peer):
    peer.script(operation=ASSUME, error="InvalidIdentityToken", status=400)
    credentials(branchline, peer.oidc_env())
    assert peer.operations() == ["Token", ASSUME] * 2
    after = len(peer.log())
    peer.script(operation=ASSUME, error="ExpiredTokenException", status=400, count=0)
    refused = call(branchline, peer.oidc_env(), "credentials", check=False)
    assert refused.returncode == 75
    assert peer.operations(after=after) == ["Token", ASSUME] * 2


def test_what_passes_is_waited_for(branchline, peer):
    peer.script({"service": "oidc", "operation": "Token", "status": 500, "count": 2},
                {"operation": ASSUME, "error": "IDPCommunicationError", "status": 400, "count": 2})
    credentials(branchline, peer.oidc_env())
    assert peer.operations() == ["Token"] * 3 + [ASSUME] * 3


def test_an_issuer_that_stays_away_is_named(branchline, peer):
    peer.script(service="oidc", operation="Token", status=503, count=0)
    gone = call(branchline, peer.oidc_env(), "credentials", check=False)
    assert gone.returncode == 75
    assert "GitHub identity token" in gone.stderr and "503" in gone.stderr
    assert peer.operations() == ["Token"] * 3


@pytest.mark.parametrize("args, text", [
    (["--duration", "899"], "900 to 43200"),
    (["--duration", "13h"], "900 to 43200"),
    (["--duration", "soon"], "soon"),
    (["--role-arn", "GitHubActions"], "arn:aws:iam::123456789012:role/NAME"),
    (["--session-policy", "{"], "session-policy"),
    (["--session-policy", json.dumps({"a": "x" * 2048})], "2048"),
    (["--profile", "absent"], "no profile 'absent'"),
])
def test_what_is_wrong_is_told_before_anybody_is_asked(branchline, peer, args, text):
    done = call(branchline, peer.oidc_env(), "credentials", *args, check=False)
    assert done.returncode == 2
    assert text in done.stderr
    assert peer.operations() == []


def test_a_session_longer_than_the_role_allows(branchline, peer):
    peer.role(arn=ROLE, max_seconds=3600)
    done = call(branchline, peer.oidc_env(), "credentials", "--duration", "2h", check=False)
    assert done.returncode == 2
    assert "MaxSessionDuration" in done.stderr
    assert len(peer.log(ASSUME)) == 1


def test_inputs_of_other_actions_do_not_count(branchline, peer):
    """credential_process runs within steps that have inputs of their own."""
    credentials(branchline, peer.oidc_env(INPUT_PROFILE="absent", INPUT_DURATION="x"))


# --- The cache ----------------------------------------------------------------------------------

def test_eight_callers_make_one_request(branchline, peer, tmp_path):
    cache = tmp_path / "held"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: credentials(branchline, peer.oidc_env(), "--cache", cache),
                            range(8)))
    assert len({g["AccessKeyId"] for g in got}) == 1
    assert peer.operations() == ["Token", ASSUME]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert credentials(branchline, peer.oidc_env(), "--cache", cache) == got[0]


def test_a_cache_serves_its_job_alone(branchline, peer, tmp_path):
    cache = tmp_path / "held"
    jobs = [{"GITHUB_RUN_ID": "1"}, {"GITHUB_RUN_ID": "2"},
            {"GITHUB_RUN_ID": "2", "GITHUB_RUN_ATTEMPT": "2"},
            {"GITHUB_RUN_ID": "2", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "b"}]
    keys = [credentials(branchline, peer.oidc_env(**job), "--cache", cache)["AccessKeyId"]
            for job in jobs]
    keys.append(credentials(branchline, peer.oidc_env(**jobs[-1]), "--cache", cache,
                            "--duration", "1800")["AccessKeyId"])
    assert len(set(keys)) == len(keys)
    assert len(peer.log(ASSUME)) == len(keys)


def test_a_cache_is_renewed_before_its_end(branchline, peer, tmp_path):
    """A session of 20 s is renewed in its last 5; while that fails, the old one serves."""
    cache = tmp_path / "held"
    peer.options(session_seconds=20)
    first = credentials(branchline, peer.oidc_env(), "--cache", cache)
    document = json.loads(cache.read_text())
    document["issued_wall_ms"] -= 16000
    document["expires_wall_ms"] -= 16000
    cache.write_text(json.dumps(document))
    peer.script(service="oidc", operation="Token", status=500, count=3)
    again = credentials(branchline, peer.oidc_env(), "--cache", cache)
    assert again["AccessKeyId"] == first["AccessKeyId"]
    assert len(peer.log("Token")) == 4 and len(peer.log(ASSUME)) == 1
    again = credentials(branchline, peer.oidc_env(), "--cache", cache)
    assert len(peer.log("Token")) == 4, "asked again at once"
    document["expires_wall_ms"] = int(time.time() * 1000) - 1
    cache.write_text(json.dumps(document))
    assert credentials(branchline, peer.oidc_env(), "--cache", cache)["AccessKeyId"] \
        != first["AccessKeyId"]


@pytest.mark.parametrize("make, text", [
    (lambda path: path.symlink_to("/dev/null"), "link"),
    (lambda path: (path.write_text("{}"), path.chmod(0o640)), "0600"),
    (lambda path: path.mkdir(), "regular file"),
    (lambda path: (path.write_text("{}"), path.chmod(0o600), os.chown(path, 12345, -1)),
     "another user"),
])
def test_a_cache_that_others_may_touch_is_refused(branchline, peer, tmp_path, make, text):
    cache = tmp_path / "held"
    try:
        make(cache)
    except PermissionError:
        pytest.skip("only root gives files away")
    done = call(branchline, peer.oidc_env(), "credentials", "--cache", cache, check=False)
    assert done.returncode == 4
    assert str(cache) in done.stderr and text in done.stderr
    assert peer.operations() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "x" * 100000])
def test_a_broken_cache_is_none(branchline, peer, tmp_path, text):
    cache = tmp_path / "held"
    cache.write_text(text)
    cache.chmod(0o600)
    got = credentials(branchline, peer.oidc_env(), "--cache", cache)
    assert credentials(branchline, peer.oidc_env(), "--cache", cache) == got
    assert len(peer.log(ASSUME)) == 1


# --- AWS's own sources --------------------------------------------------------------------------

def test_the_environment_comes_first_but_for_a_named_profile(branchline, peer, tmp_path):
    shared = config(tmp_path, "[default]\naws_access_key_id = AKIADEFAULT\n"
                              "aws_secret_access_key = s\n[dev]\naws_access_key_id = AKIADEV\n"
                              "aws_secret_access_key = s\naws_session_token = t\n")
    env = dict(peer.env(), AWS_SHARED_CREDENTIALS_FILE=shared)
    assert credentials(branchline, env)["AccessKeyId"] == peer.key_id
    assert credentials(branchline, dict(env, AWS_PROFILE="dev"))["AccessKeyId"] == peer.key_id
    got = credentials(branchline, env, "--profile", "dev")
    assert got == {"Version": 1, "AccessKeyId": "AKIADEV", "SecretAccessKey": "s",
                   "SessionToken": "t"}
    bare = dict(peer.bare_env(), AWS_SHARED_CREDENTIALS_FILE=shared)
    assert credentials(branchline, bare)["AccessKeyId"] == "AKIADEFAULT"


def test_half_a_pair_is_an_error(branchline, peer):
    env = dict(peer.env(), AWS_SECRET_ACCESS_KEY="")
    done = call(branchline, env, "credentials", check=False)
    assert done.returncode == 2 and "secret access key is missing" in done.stderr


def test_a_profile_chain_assumes_roles(branchline, peer, tmp_path):
    peer.role(arn="arn:aws:iam::111122223333:role/first", trust={})
    peer.role(arn="arn:aws:iam::111122223333:role/second", trust={}, external_id="x-1")
    path = config(tmp_path, f"""\
[profile base]
aws_access_key_id = {peer.key_id}
aws_secret_access_key = {peer.secret}
[profile first]
role_arn = arn:aws:iam::111122223333:role/first
source_profile = base
[profile second]
role_arn = arn:aws:iam::111122223333:role/second
source_profile = first
external_id = x-1
role_session_name = mine
duration_seconds = 1800
[profile loop]
role_arn = arn:aws:iam::111122223333:role/first
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::111122223333:role/first
source_profile = loop
[profile mfa]
role_arn = arn:aws:iam::111122223333:role/first
source_profile = base
mfa_serial = arn:aws:iam::111122223333:mfa/me
""")
    env = dict(peer.bare_env(), AWS_CONFIG_FILE=path)
    got = credentials(branchline, env, "--profile", "second")
    assert 1700 < ends_in(got) <= 1800
    asked = [entry["params"] for entry in peer.log("AssumeRole")]
    assert [params["RoleArn"].rpartition("/")[2] for params in asked] == ["first", "second"]
    assert asked[1]["RoleSessionName"] == "mine" and asked[1]["ExternalId"] == "x-1"
    loop = call(branchline, env, "credentials", "--profile", "loop", check=False)
    assert loop.returncode == 2 and "circle" in loop.stderr
    mfa = call(branchline, env, "credentials", "--profile", "mfa", check=False)
    assert mfa.returncode == 2 and "mfa_serial" in mfa.stderr


def test_a_web_identity_file_is_used(branchline, peer, tmp_path):
    token = config(tmp_path, peer.jwt() + "\n", "token")
    env = dict(peer.bare_env(), AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN=ROLE,
               AWS_ROLE_SESSION_NAME="by file")
    credentials(branchline, env)
    assert peer.log(ASSUME)[0]["params"]["RoleSessionName"] == "by-file"
    path = config(tmp_path, f"[profile w]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\n")
    credentials(branchline, dict(peer.bare_env(), AWS_CONFIG_FILE=path, AWS_PROFILE="w"))
    assert peer.operations() == [ASSUME] * 2


def test_a_process_gives_credentials(branchline, peer, tmp_path):
    document = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s",
                "SessionToken": "t", "Expiration": "2999-01-01T00:00:00+00:00"}
    answer = tmp_path / "an answer.json"
    answer.write_text(json.dumps(document))
    path = config(tmp_path, f"[profile p]\ncredential_process = cat \"{answer}\"\n")
    env = dict(peer.bare_env(), AWS_CONFIG_FILE=path, AWS_PROFILE="p")
    got = credentials(branchline, env)
    assert got["AccessKeyId"] == "AKIAPROCESS" and got["Expiration"] == "2999-01-01T00:00:00Z"
    for text, line, words in [
            (json.dumps(dict(document, Version=2)), f"cat '{answer}'", "Version is not 1"),
            ("x" * 70000, f"cat '{answer}'", "65536"),
            ("{}", "false", "exit status 1"),
            ("{}", "/nonexistent/program", "No such file")]:
        answer.write_text(text)
        config(tmp_path, f"[profile p]\ncredential_process = {line}\n")
        done = call(branchline, env, "credentials", check=False)
        assert done.returncode in (2, 4, 70) and words in done.stderr, done.stderr
        assert "credential_process of profile p" in done.stderr


def test_an_sso_login_gives_credentials(branchline, peer, tmp_path):
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    path = config(tmp_path, """\
[sso-session mine]
sso_start_url = https://acme.awsapps.com/start
sso_region = us-east-1
[profile new]
sso_session = mine
sso_account_id = 111122223333
sso_role_name = Train
[profile old]
sso_start_url = https://acme.awsapps.com/start
sso_region = us-east-1
sso_account_id = 111122223333
sso_role_name = Train
""")
    env = dict(peer.bare_env(), AWS_CONFIG_FILE=path, HOME=str(tmp_path))
    absent = call(branchline, env, "credentials", "--profile", "new", check=False)
    assert absent.returncode == 4 and "aws sso login --profile new" in absent.stderr

    def login(name, end):
        file = cache / (hashlib.sha1(name.encode()).hexdigest() + ".json")
        file.write_text(json.dumps({"accessToken": "peer-sso-token", "expiresAt": end}))

    login("mine", "2999-01-01T00:00:00Z")
    got = credentials(branchline, env, "--profile", "new")
    assert got["AccountId"] == "111122223333" and ends_in(got) > 0
    login("https://acme.awsapps.com/start", "2999-01-01T00:00:00UTC")
    credentials(branchline, env, "--profile", "old")
    login("mine", "2020-01-01T00:00:00Z")
    ended = call(branchline, env, "credentials", "--profile", "new", check=False)
    assert ended.returncode == 4 and "aws sso login --profile new" in ended.stderr
    assert peer.operations() == ["GetRoleCredentials"] * 2


def test_a_container_gives_credentials(branchline, peer, tmp_path):
    env = peer.container_env()
    credentials(branchline, env)
    token = config(tmp_path, env.pop("AWS_CONTAINER_AUTHORIZATION_TOKEN") + "\n", "token")
    credentials(branchline, dict(env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token))
    assert peer.operations() == ["Credentials"] * 2
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://example.com/credentials"
    far = call(branchline, env, "credentials", check=False)
    assert far.returncode == 2 and "plain http to example.com" in far.stderr


def test_an_instance_gives_credentials(branchline, peer):
    credentials(branchline, peer.imds_env())
    assert peer.operations() == ["Token", "Role", "Credentials"]
    assert all("x-aws-ec2-metadata-token" in entry["headers"]
               for entry in peer.log() if entry["operation"] != "Token")
    after = len(peer.log())
    peer.script(service="imds", operation="Role", status=401)
    credentials(branchline, peer.imds_env())
    assert peer.operations(after=after) == ["Token", "Role", "Token", "Role", "Credentials"]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_an_instance_without_imdsv2_is_refused(branchline, peer, status):
    peer.imds(refuses=status)
    done = call(branchline, peer.imds_env(), "credentials", check=False)
    assert done.returncode == 4 and f"HTTP {status}" in done.stderr
    assert peer.operations() == ["Token"]


def test_an_instance_says_why_it_has_none(branchline, peer):
    peer.script(service="imds", operation="Credentials", status=200,
                body=json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": "no trust"}))
    done = call(branchline, peer.imds_env(), "credentials", check=False)
    assert done.returncode == 4 and "AssumeRoleUnauthorizedAccess: no trust" in done.stderr


def test_an_absent_instance_is_told_within_three_seconds(branchline, peer):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = dict(peer.imds_env(),
                   AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        done = call(branchline, env, "credentials", check=False)
    assert time.monotonic() - began < 3.5
    assert done.returncode == 4 and "none found" in done.stderr
    assert "shared credentials file" in done.stderr and "EC2 metadata" in done.stderr


# --- whoami -------------------------------------------------------------------------------------

@pytest.mark.sample
def test_whoami_in_a_job(branchline, peer):
    text = call(branchline, peer.oidc_env(), "whoami").stdout
    for part in ("111122223333", "assumed-role/branchline/", "GitHub OIDC",
                 "repo:acme@1001/widgets@5005:ref:refs/heads/main"):
        assert part in text
    got = json.loads(call(branchline, peer.oidc_env(), "whoami", "--json").stdout)
    assert got["account"] == "111122223333" and got["source"] == "GitHub OIDC"
    assert got["claims"]["repository_id"] == "5005" and got["expires_at"].endswith("Z")


def test_whoami_shows_the_claims_when_refused(branchline, peer):
    peer.oidc(claims={"sub": "repo:evil/x:pull_request", "workflow": "\x1b[31mred"})
    refused = call(branchline, peer.oidc_env(), "whoami", check=False)
    assert refused.returncode == 4
    assert "repo:evil/x:pull_request" in refused.stdout and "\x1b" not in refused.stdout


def test_whoami_on_a_laptop(branchline, peer):
    got = json.loads(call(branchline, peer.env(), "whoami", "--json").stdout)
    assert got == {"schema": 1, "account": "111122223333",
                   "arn": "arn:aws:iam::111122223333:user/peer", "user_id": peer.key_id,
                   "source": "environment", "expires_at": None, "claims": None}
