# SPDX-License-Identifier: Apache-2.0
"""Credentials of a job, end to end: by GitHub's OIDC, from the cache, and whose they are."""
import concurrent.futures
import json
import os
import stat
import time

import pytest

from credential_runs import ASSUME, ROLE, call, credentials, ends_in


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
