# SPDX-License-Identifier: Apache-2.0
"""actions/assume-role: later steps have the role, for the whole job."""
import configparser
import errno
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import time

import pytest

from cloud import peer, peer_process  # noqa: F401
from composite import Job, actions_with, read_entries
from conftest import PATIENCE, ROOT, until

ROLE = "arn:aws:iam::111122223333:role/branchline"
ASSUME = "AssumeRoleWithWebIdentity"


def find_aws():
    """Versions before 2.13 know no AWS_ENDPOINT_URL: it is named again to all."""
    return shutil.which("aws") or pytest.skip("no aws CLI on this machine")


@pytest.fixture
def actions(bin_dir, tmp_path):
    return actions_with(bin_dir, tmp_path / "acme branchline" / "actions")


@pytest.fixture
def job(peer, tmp_path):
    return Job(tmp_path, peer.oidc_env())


def wait_for_end(peer):
    """All sessions so far have run out, by the clock that the programs read, too."""
    end = max(session["expires"] for session in peer.sessions())
    until(lambda: time.time() > end, "the session's end")


@pytest.mark.sample
def test_later_steps_have_a_profile(job, actions, peer):
    step = job.uses(actions / "assume-role")
    assert step.outputs == {"account": "111122223333", "profile": "branchline"}
    assert "::add-mask::" not in step.stdout
    config = pathlib.Path(job.env["AWS_CONFIG_FILE"])
    assert config.is_relative_to(job.temp / "branchline")
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    for path in config.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(config)
    assert dict(ini["profile branchline"])["region"] == "us-east-1"
    assert job.env["AWS_PROFILE"] == "branchline" and job.env["AWS_REGION"] == "us-east-1"
    assert pathlib.Path(job.env["AWS_SHARED_CREDENTIALS_FILE"]).read_bytes() == b""
    assert not pathlib.Path(job.env["HOME"]).exists(), "nothing goes to ~/.aws"
    assert "AWS_ACCESS_KEY_ID" not in job.env
    assert peer.operations() == ["Token", ASSUME], "asked at once, and held"


def test_the_profile_outlives_its_first_credential(job, actions, peer):
    aws = find_aws()
    peer.options(session_seconds=3)
    job.uses(actions / "assume-role")
    first = peer.log(ASSUME)[0]["issued"]
    wait_for_end(peer)
    step = job.run(f"{aws} --endpoint-url $AWS_ENDPOINT_URL sts get-caller-identity --output json")
    assert json.loads(step.stdout)["Arn"].startswith(
        "arn:aws:sts::111122223333:assumed-role/branchline/branchline-4711-train")
    asked = peer.log("GetCallerIdentity")[0]
    assert asked["status"] == 200 and asked["access_key"] != first
    assert len(peer.log(ASSUME)) >= 2


def test_sdks_and_our_own_programs_use_the_profile(job, actions, peer, branchline):
    pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")
    job.uses(actions / "assume-role")
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    step = job.run(f"'{sys.executable}' -c \"{script}\"")
    assert "assumed-role/branchline" in step.stdout
    job.env.pop("AWS_ROLE_ARN")
    who = json.loads(job.run(f"'{branchline}' whoami --json").stdout)
    assert who["source"] == "credential_process of profile branchline"
    assert len(peer.log(ASSUME)) == 1, "held for all of them"


def test_what_would_win_is_emptied(job, actions, peer):
    aws = find_aws()
    home = pathlib.Path(job.env["HOME"], ".aws")
    home.mkdir(parents=True)
    (home / "credentials").write_text("[branchline]\naws_access_key_id = AKIAOTHER\n"
                                      "aws_secret_access_key = x\n")
    job.env.pop("AWS_SHARED_CREDENTIALS_FILE")
    job.env.update(AWS_ACCESS_KEY_ID="AKIAOTHER", AWS_SECRET_ACCESS_KEY="x",
                   AWS_WEB_IDENTITY_TOKEN_FILE="/nonexistent")
    step = job.uses(actions / "assume-role")
    assert "::warning" in step.stderr and "AWS_ACCESS_KEY_ID was set" in step.stderr
    assert job.env["AWS_ACCESS_KEY_ID"] == "" and job.env["AWS_WEB_IDENTITY_TOKEN_FILE"] == ""
    who = json.loads(job.run(f"{aws} --endpoint-url $AWS_ENDPOINT_URL sts get-caller-identity --output json").stdout)
    assert "assumed-role/branchline" in who["Arn"]


def test_two_roles_in_one_job_keep_apart(job, actions, peer):
    peer.role(arn="arn:aws:iam::111122223333:role/other")
    job.uses(actions / "assume-role")
    first = dict(job.env)
    job.uses(actions / "assume-role", role_arn="arn:aws:iam::111122223333:role/other")
    assert first["AWS_CONFIG_FILE"] != job.env["AWS_CONFIG_FILE"]
    assert "role/other" not in pathlib.Path(first["AWS_CONFIG_FILE"]).read_text()


def test_options_hold_for_later_sessions(job, actions, peer, branchline):
    peer.options(session_seconds=3)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::it's a \"bucket\"/*"}]})
    job.uses(actions / "assume-role", session_policy=policy, duration="15m", region="eu-west-1",
             audience="sts.amazonaws.com", allowed_account_ids="999999999999, 111122223333")
    wait_for_end(peer)
    job.env.pop("AWS_ROLE_ARN")
    job.run(f"'{branchline}' credentials >/dev/null")
    for entry in peer.log(ASSUME):
        assert json.loads(entry["params"]["Policy"]) == json.loads(policy)
        assert entry["params"]["DurationSeconds"] == "900"
    assert len(peer.log(ASSUME)) == 2


def test_mode_env_masks_before_it_exports(job, actions, peer):
    step = job.uses(actions / "assume-role", mode="env")
    keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    assert job.masks == [job.env[key] for key in keys]
    assert job.env["AWS_ACCESS_KEY_ID"] == peer.log(ASSUME)[0]["issued"]
    assert step.outputs == {"account": "111122223333", "profile": ""}
    assert step.stdout.splitlines()[:3] == ["::add-mask::" + mask for mask in job.masks]
    for mask in job.masks:
        assert mask not in step.shown
        for path in job.temp.rglob("*"):
            assert path.is_dir() or mask not in path.read_text(), "a copy on disk"
    shown = job.run("env").shown
    assert "AWS_SECRET_ACCESS_KEY=***" in shown


@pytest.mark.parametrize("inputs, env, status, text", [
    ({"allowed_account_ids": "999999999999"}, {}, 4, "111122223333"),
    ({"allowed_account_ids": "11112222333, 1111222233334"}, {}, 4, "allowed-account-ids"),
    ({"role_arn": "GitHubActions"}, {}, 2, "arn:aws:iam::123456789012:role/NAME"),
    ({"mode": "both"}, {}, 2, "neither profile nor env"),
    ({"duration": "60"}, {}, 2, "900 to 43200"),
    ({"region": "eu west"}, {}, 2, "not a region's name"),
    ({"session_policy": "no"}, {}, 2, "session-policy"),
    ({}, {"AWS_ROLE_ARN": ""}, 2, "role-arn is missing"),
    ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, 2, "region is missing"),
    ({}, {"RUNNER_TEMP": ""}, 2, "RUNNER_TEMP"),
    ({}, {"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, 4, "`permissions: id-token: write`"),
])
def test_a_refusal_is_one_error_before_anybody_is_asked(job, actions, peer, inputs, env, status,
                                                        text):
    job.env.update(env)
    before = dict(job.env)
    step = job.uses(actions / "assume-role", check=False, **inputs)
    assert step.returncode == status
    errors = [line for line in (step.stdout + step.stderr).splitlines() if line]
    assert len(errors) == 1 and errors[0].startswith("::error title=")
    assert text in errors[0]
    assert peer.operations() == [] and job.env == before


def test_a_denied_role_fails_this_step(job, actions, peer):
    peer.oidc(claims={"sub": "repo:acme/widgets:pull_request"})
    before = dict(job.env)
    step = job.uses(actions / "assume-role", check=False)
    assert step.returncode == 4
    assert "repo:acme@1001/widgets@5005:pull_request" in step.stderr
    assert job.env == before


def test_an_action_without_its_program_says_so(job, peer, tmp_path):
    folder = tmp_path / "actions" / "assume-role"
    shutil.copytree(ROOT / "actions" / "assume-role", folder)
    step = job.uses(folder, check=False)
    assert step.returncode == 2
    assert step.stdout.count("\n") == 1 and step.stdout.startswith("::error title=assume-role::")
    assert "release tag" in step.stdout and not step.stderr


def test_an_action_with_another_program_does_not_run(job, actions, peer):
    program = next((actions / "bin").glob("linux-*/branchline"))
    with program.open("ab") as file:
        file.write(b"x")
    step = job.uses(actions / "assume-role", check=False)
    assert step.returncode == 70
    assert "::error title=assume-role::" in step.stdout and "SHA256SUMS" in step.stdout
    assert peer.operations() == []


def test_an_awkward_path_is_refused_or_quoted(job, bin_dir, peer, tmp_path):
    odd = actions_with(bin_dir, tmp_path / "it's" / "actions")
    step = job.uses(odd / "assume-role", check=False)
    assert step.returncode == 2 and "cannot be written into a profile" in step.stderr


def test_entries_read_back_what_was_written():
    assert read_entries("A=1\nB<<x\n1\n2\nx\nC=<<\n") == {"A": "1", "B": "1\n2", "C": "<<"}


def test_the_readme_lists_the_inputs_and_outputs():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not in the tests' environment")
    folder = ROOT / "actions" / "assume-role"
    document = yaml.safe_load((folder / "action.yml").read_text())
    readme = (folder / "README.md").read_text()
    listed = [line.split("`")[1] for line in readme.split("## Outputs")[0].splitlines()
              if line.startswith("| `")]
    assert listed == list(document["inputs"])
    assert all(f"`{name}`" in readme for name in document["outputs"])
    assert all(entry["default"] == "" for entry in document["inputs"].values()), "empty is unset"
    mapped = document["runs"]["steps"][0]["env"]
    assert mapped == {"INPUT_" + name.upper().replace("-", "_"): "${{ inputs.%s }}" % name
                      for name in document["inputs"]}


# --- The real host of actions -------------------------------------------------------------------

WORKFLOW = """\
on: push
jobs:
  train:
    runs-on: ubuntu-latest
    permissions: {id-token: write}
    steps:
      - uses: acme/branchline/actions/assume-role@v1
        id: role
      - run: |
          cat "$GATE"
          aws --endpoint-url "$AWS_ENDPOINT_URL" sts get-caller-identity --output text --query Arn
          echo "account is ${{ steps.role.outputs.account }}"
"""


def find_act():
    for place in (shutil.which("act"), ROOT / "build" / "tools" / "act"):
        if place and os.access(place, os.X_OK):
            return str(place)
    pytest.skip("no act in PATH or build/tools (tools/peers.sh act builds it)")


def opened(gate):
    """Whether somebody read from it: with its end, they go on."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        assert error.errno == errno.ENXIO
        return False
    return True


def test_a_workflow_of_two_steps(bin_dir, peer, tmp_path, processes):
    """The second step waits until the first credential has expired."""
    act = find_act()
    find_aws()
    repo, home, gate = tmp_path / "repo", tmp_path / "home", tmp_path / "gate"
    (repo / ".github" / "workflows").mkdir(parents=True)
    (repo / ".github" / "workflows" / "w.yml").write_text(WORKFLOW)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@e",
                                                  "commit", "-q", "-m", "w"]):
        subprocess.run(["git", *words], cwd=repo, check=True)
    home.mkdir()
    os.mkfifo(gate)
    action = actions_with(bin_dir, tmp_path / "branchline" / "actions").parent
    peer.options(session_seconds=3)
    env = dict(peer.oidc_env(), GATE=str(gate))
    words = [act, "push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server",
             "--local-repository", f"acme/branchline@v1={action}",
             "--secret", "GITHUB_TOKEN=no-token-of-github"]
    for name, value in env.items():
        words += ["--env", f"{name}={value}"]
    running = subprocess.Popen(words, cwd=repo, env={"PATH": os.environ["PATH"], "HOME": str(home)},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    processes.append(running)
    until(lambda: peer.sessions() or running.poll() is not None, "the first step")
    if running.poll() is not None:
        pytest.fail(running.stdout.read())
    wait_for_end(peer)
    until(lambda: opened(gate) or running.poll() is not None, "the second step")
    told = running.communicate(timeout=2 * PATIENCE)[0]
    assert running.returncode == 0, told
    assert "assumed-role/branchline/" in told and "account is 111122223333" in told
    assert peer.log("GetCallerIdentity")[0]["access_key"] != peer.log(ASSUME)[0]["issued"]
