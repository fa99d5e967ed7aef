# SPDX-License-Identifier: Apache-2.0
"""AWS's own sources of credentials, end to end: from the environment to the instance."""
import hashlib
import json
import socket
import time

import pytest

from credential_runs import ASSUME, ROLE, call, config, credentials, ends_in


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
