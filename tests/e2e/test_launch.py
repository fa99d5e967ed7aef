# SPDX-License-Identifier: Apache-2.0
"""launch: what is bought, and what later steps and readers find."""
import json
import os

import pytest

from cloud import peer, peer_process  # noqa: F401
from cloud_ec2 import TEMPLATE
from github_fake import REPOSITORY, REPOSITORY_ID, github, github_process  # noqa: F401
from launches import NUMBER, YAML, launches  # noqa: F401
from test_schemas import check, parse, schema_of


@pytest.mark.sample
def test_a_labelled_pull_request_gets_one_machine(launches):  # noqa: F811
    env = launches.job()
    done = launches(env=env)
    box = launches.one_box()
    assert done.outputs["instance"] == box["id"] and done.outputs["type"] == box["type"]
    assert done.outputs["store"] == f"s3://peer-bucket/runs/{done.run}/"
    assert done.outputs["market"] == "spot" and float(done.outputs["price-per-hour"]) > 0
    assert float(done.outputs["estimate"]) > 0 and done.stdout.strip() == done.run
    spec = launches.document(done.run, "run.json")
    assert spec["kind"] == "cloud" and spec["pr"] == NUMBER and spec["labeller"] == "alice"
    assert spec["repository"]["id"] == str(REPOSITORY_ID) and spec["git"]["branch"] == "topic"
    assert spec["image"]["digest"].startswith("sha256:") and spec["compute"]["types"]
    assert spec["actions"]["url"] == "https://github.com/octo/demo/actions/runs/1001"
    assert box["tags"]["branchline:run"] == done.run
    assert box["tags"]["branchline:key"] == spec["compute"]["launch_key"]
    assert box["tags"]["branchline:host"] == spec["versions"]["host_sha256"]
    assert f"host/{spec['versions']['host_sha256']}/branchline-runner" in launches.peer.objects()
    assert launches.has(done.run, "attempts/001.started.json")
    with open(f"{env['RUNNER_TEMP']}/branchline/run.json") as kept:
        assert json.load(kept)["run"] == done.run
    assert done.run in launches.github.sticky(NUMBER)["body"]


def test_documents_are_as_their_schemas_say(launches):  # noqa: F811
    launches(env=launches.dispatch())
    seen = set()
    for key in launches.peer.objects():
        name = schema_of(key, "x-key")
        assert name or key.startswith("host/"), key
        if name:
            check(name, parse(launches.peer.get(key).decode()), key)
            seen.add(name)
    assert seen == {"run", "launch", "claim", "try", "started"}


def test_what_people_see(launches):  # noqa: F811
    env = launches.job()
    done = launches(env=env)
    lines = done.stderr.splitlines()
    assert lines.count("::endgroup::") == 2 and lines[0].startswith("::group::launch")
    for phase in ("event", "config", "stack", "run", "data", "image", "types", "account", "prices", "budget",
                  "host", "store"):
        told = [line for line in lines if line.startswith(f"branchline: {phase:7} ")]
        assert len(told) == 1 and told[0].endswith(" s)"), phase
    assert any("g4dn.xlarge" in line and "us-east-1b" in line and "62 %" in line for line in lines)
    assert "minutes of the job that waits" in done.stderr
    with open(env["GITHUB_STEP_SUMMARY"]) as summary:
        assert "| type | zone | GPU |" in summary.read()


def test_dispatch_inputs_win_over_the_file(launches):  # noqa: F811
    env = launches.dispatch(INPUT_HYPERPARAMETERS="lr=0.5", INPUT_INSTANCE_TYPES="g6.xlarge",
                            INPUT_MARKET="on-demand", INPUT_MAX_RUNTIME="30m", INPUT_JOB="")
    done = launches(env=env)
    assert launches.one_box()["type"] == "g6.xlarge" and done.outputs["market"] == "on-demand"
    spec = launches.document(done.run, "run.json")
    assert spec["config"]["hyperparameters"]["lr"] == 0.5 and spec["pr"] is None
    assert spec["limits"]["max_runtime_ms"] == 30 * 60 * 1000 and spec["git"]["branch"] == "main"
    bad = launches(env=dict(env, INPUT_MAX_RUNTIME="soon", GITHUB_RUN_ID="7"), code=2)
    assert "INPUT_MAX_RUNTIME" in bad.stderr


def test_spot_then_on_demand_falls_through(launches):  # noqa: F811
    launches.commit(YAML + "market: spot-then-on-demand\n")
    launches.image(name="second")
    launches.peer.capacity(market="spot")
    done = launches(env=launches.dispatch())
    assert done.outputs["market"] == "on-demand" and not launches.one_box()["spot"]
    assert len(launches.peer.fleets()) == 2


def test_only_templates_whose_driver_serves_the_image(launches):  # noqa: F811
    launches.stack(templates=[
        {"id": "lt-0123456789abcdef0", "version": 1, "arch": "x86_64", "types": ["g4dn.xlarge"],
         "driver": "470.1.1", "cuda_max": "11.4"},
        {"id": TEMPLATE, "version": 3, "arch": "x86_64", "types": ["g6.xlarge"], "driver": "550.54.15",
         "cuda_max": "12.4"}])
    launches.commit(YAML, other="1")
    launches.image(["NVIDIA_REQUIRE_CUDA=cuda>=12.4"], name="cuda")
    done = launches(env=launches.dispatch())
    assert done.outputs["type"] == "g6.xlarge" and "requires 'cuda>=12.4'" in done.stderr
    # the other is not even there: nobody has asked for it
    assert launches.peer.operations().count("DescribeLaunchTemplateVersions") == 1


def test_capacity_that_comes_later_is_waited_for(launches):  # noqa: F811
    """One pause is 15 s, so no more than none at all is waited for here."""
    launches.peer.capacity()
    done = launches("--wait-for-capacity", "1s", env=launches.dispatch(), code=3)
    assert launches.outcome(launches.runs()[0])["class"] == "capacity" and not launches.peer.instances()
    assert "wait_for_capacity" in done.stderr


def test_from_a_laptop(launches):  # noqa: F811
    done = launches("--json")
    told = json.loads(done.stdout)
    assert told["instance"] == launches.one_box()["id"] and not told["adopted"]
    assert not [key for key in launches.peer.objects() if key.startswith("index/")]
    launches.repo.git("remote", "set-url", "origin", f"git@github.com:{REPOSITORY}.git")
    again = json.loads(launches("--json").stdout)
    assert again["run"] != told["run"], "each launch of a person is a run"
    one, other = (launches.document(run["run"], "run.json")["repository"] for run in (told, again))
    assert one == other and one["name"] == f"github.com/{REPOSITORY}", "however the clone was made"


def test_no_secret_is_kept_or_shown(launches):  # noqa: F811
    """Not of the remote, the environment or AWS; of a job's secrets the names alone."""
    launches.repo.git("remote", "set-url", "origin", f"https://me:ghp_hush@github.com/{REPOSITORY}.git")
    launches.commit(YAML + "secrets: {HF_TOKEN: branchline/hub#token}\n")
    launches.image(name="secret")
    env = launches.env({"GITHUB_TOKEN": "ghs_hush", "HF_TOKEN": "hf_hush"})
    shown = launches(verb="plan", env=env).stdout + launches("--json", verb="plan", env=env).stdout
    done = launches(env=env)
    kept = "".join(launches.peer.get(key).decode(errors="replace") for key in launches.peer.objects()
                   if not key.startswith("host/"))
    for text in (shown, kept, done.stdout + done.stderr, json.dumps(launches.peer.instances())):
        assert "hush" not in text and env["AWS_SECRET_ACCESS_KEY"] not in text
    assert "branchline/hub#token" in kept


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_machine_that_could_not_be_told_is_not_forgotten(launches, name):  # noqa: F811
    """The purchase stands: later steps and people know the run, and the job that is run again finds it."""
    env = launches.job()
    lost = launches.finish(launches.start(env=dict(env, **{name: "/nonexistent/file"})), env)
    run, = launches.runs()
    assert lost.code == (70 if name == "GITHUB_OUTPUT" else 0) and name in lost.stderr, lost
    if lost.code:
        assert f"branchline wait {run}" in lost.stderr and f"branchline cancel {run}" in lost.stderr
    with open(f"{env['RUNNER_TEMP']}/branchline/run.json") as kept:
        assert json.load(kept)["run"] == run
    assert launches(env=env).run == run and launches.one_box()["tags"]["branchline:run"] == run


def test_what_cannot_be_remembered_is_not_bought(launches):  # noqa: F811
    env = launches.dispatch()
    kept = f"{env['RUNNER_TEMP']}/branchline/run.json"
    os.makedirs(f"{kept}/in-the-way")
    done = launches(env=env, code=70)
    assert "run.json" in done.stderr and not launches.peer.instances()
    os.rmdir(f"{kept}/in-the-way")
    os.rmdir(kept)
    launches(env=env)
    assert len(launches.runs()) == 1 and launches.one_box()


def test_guard_that_left_the_event_alone_is_quiet(launches):  # noqa: F811
    env = launches.job()
    launches.guard(env, accepted=False, launched=False, reason="another label")
    done = launches(env=env)
    assert not done.outputs and not done.stdout and not launches.peer.instances()


def test_one_session_signs_for_all(launches):  # noqa: F811
    """GitHub's issuer and STS are asked once, whatever is asked of AWS."""
    env = {name: value for name, value in launches.dispatch().items()
           if not name.startswith(("AWS_ACCESS", "AWS_SECRET"))}
    launches(env=dict(env, **launches.peer.oidc_env()))
    assert len(launches.peer.log("AssumeRoleWithWebIdentity")) == 1
    assert launches.one_box()["type"]


def test_long_runs_on_spot_without_checkpoints_are_warned_of(launches):  # noqa: F811
    launches.commit(YAML + "checkpoints: none\n")
    launches.image(name="none")
    assert "an interruption starts the run over" in launches(env=launches.dispatch()).stderr
    quick = launches("--max-runtime", "30m", env=launches.dispatch(GITHUB_RUN_ID="2"))
    assert "starts the run over" not in quick.stderr
