# SPDX-License-Identifier: Apache-2.0
"""The verb guard: whether an event may train, and what its pull request is told."""
import json
import os
import subprocess

import pytest

from conftest import PATIENCE, read_json
from github_fake import BASE_SHA, SHA

MOVED = "99" * 20
CONFIG = "version: 1\ncommand: [python, train.py]\nhyperparameters: {lr: 0.1}\n"
JOBS = CONFIG + "jobs: {small: {}, big: {gpus: 4}}\ndefault_job: small\n"


class Step:
    """What one call of guard did."""

    def __init__(self, done, folder):
        self.code, self.out, self.err, self.folder = done.returncode, done.stdout, done.stderr, folder
        self.summary = (folder / "summary").read_text()
        self.outputs = {}
        lines = iter((folder / "output").read_text().splitlines())
        for line in lines:
            name, _, delimiter = line.partition("<<")
            value = []
            for line in lines:
                if line == delimiter:
                    break
                value.append(line)
            self.outputs[name] = "\n".join(value)
        path = folder / "runner-temp" / "branchline" / "guard.json"
        self.kept = read_json(path) if path.exists() else None
        if self.kept:
            assert path.stat().st_mode & 0o777 == 0o600

    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("::error")]


@pytest.fixture
def guard(branchline, github, tmp_path):
    def call(event_name="pull_request", event=None, folder="step", **more):
        folder = tmp_path / folder
        if event is None:
            event = github.pull_event(12)
        sender = event.get("sender", {}).get("login", "alice")
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("GITHUB_", "BRANCHLINE_", "INPUT_", "AWS_", "ACTIONS_"))}
        env.update(github.job_env(event_name, event, folder, sender=sender),
                   BRANCHLINE_TEST_WRITES_AT_ONCE="1")
        for name, value in more.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        done = subprocess.run([branchline, "guard"], cwd=folder, env=env, text=True,
                              capture_output=True, timeout=PATIENCE)
        return Step(done, folder)
    return call


def accepted(step, **kept):
    assert step.code == 0, step.err
    assert step.outputs["launched"] == "true"
    assert step.kept["schema"] == 1 and step.kept["accepted"] and step.kept["launched"]
    for name, value in kept.items():
        assert step.kept[name] == value, (name, step.kept[name])


def refused(step, words, code=4):
    """One annotation with cause and cure."""
    assert step.code == code, step.err
    assert len(step.errors()) == 1 and words in step.errors()[0], step.err
    assert step.errors()[0].startswith("::error title=guard::") and "%0A" in step.errors()[0]
    assert step.outputs["launched"] == "false" and not step.outputs["sha"]
    assert not step.kept["accepted"] and not step.kept["launched"]


def neutral(step, github, words, after):
    assert step.code == 0 and "not for us" in step.err and words in step.err, step.err
    assert step.outputs["launched"] == "false" and not step.kept["accepted"]
    assert github.operations(after=after) == [], "it costs no request"
    assert github.comments() == [] and step.summary == ""


def seen(github):
    return len(github.log())


def test_a_label_is_accepted(guard, github):
    github.pull(12, labels=["train"])
    github.content(SHA, "branchline.yaml", CONFIG)
    event, before = github.pull_event(12), seen(github)
    step = guard(event=event)
    accepted(step, sha=SHA, job="", pr=12, key="default", label="train", labeller="alice",
             actor="alice", base_sha=BASE_SHA, event="pull_request")
    comment = github.sticky(12, key="default")
    assert step.kept["comment_id"] == comment["id"] == int(step.outputs["comment-id"])
    assert step.outputs["sha"] == SHA and step.outputs["pull-request"] == "12"
    assert "Accepted: `" + SHA[:7] + "` will be trained" in comment["body"]
    assert "actions/runs/1001" in comment["body"]
    assert github.reactions() == ["eyes"] and github.labels() == ["train"]
    asked = github.operations(after=before)
    assert asked.count("CreateComment") == 1 and len(asked) <= 7, asked


def test_again_is_one_comment(guard, github):
    github.pull(12, labels=["train"])
    first = guard()
    again = guard(folder="again")
    accepted(again)
    assert len(github.comments()) == 1 and again.kept["comment_id"] == first.kept["comment_id"]
    assert github.reactions() == ["eyes"]


def test_the_label_names_a_job(guard, github):
    github.pull(12, labels=["train:big"])
    github.content(SHA, "branchline.yaml", JOBS)
    step = guard(event=github.pull_event(12, label="train:big"))
    accepted(step, job="big", key="big")
    assert step.outputs["job"] == "big"
    github.sticky(12, key="big")


def test_the_default_job_has_its_name(guard, github):
    github.pull(12)
    github.content(SHA, "branchline.yaml", JOBS)
    step = guard()
    accepted(step, job="", key="small")
    github.sticky(12, key="small")


def test_a_job_that_is_not_there(guard, github):
    github.pull(12)
    github.content(SHA, "branchline.yaml", JOBS)
    step = guard(event=github.pull_event(12, label="train:bog"))
    refused(step, "there is no job 'bog'", code=2)
    assert "did you mean" in github.sticky(12, key="bog")["body"]


def test_a_file_that_is_wrong(guard, github):
    github.pull(12)
    github.content(SHA, "branchline.yaml", CONFIG + "max_runtme: 2h\n")
    step = guard()
    assert step.code == 2 and "max_runtime" in step.errors()[0]
    assert f"{SHA[:7]}:branchline.yaml:4:1" in step.errors()[0]
    assert "**Next:** branchline config" in github.sticky(12)["body"]


@pytest.mark.parametrize("label", ["bug", "training", "train-soon"])
def test_other_labels(guard, github, label):
    github.pull(12)
    event, before = github.pull_event(12, label=label), seen(github)
    neutral(guard(event=event), github, "the label is another", before)


@pytest.mark.parametrize("action", ["opened", "unlabeled", "synchronize", "closed"])
def test_other_actions(guard, github, action):
    github.pull(12)
    event, before = github.pull_event(12, action=action), seen(github)
    neutral(guard(event=event), github, "no label was set", before)


def test_dependabot(guard, github):
    github.pull(12)
    event, before = github.pull_event(12), seen(github)
    neutral(guard(event=event, GITHUB_ACTOR="dependabot[bot]"), github, "Dependabot", before)


@pytest.mark.parametrize("head", ["mallory/demo", None])
@pytest.mark.parametrize("event_name", ["pull_request", "pull_request_target"])
def test_forks(guard, github, head, event_name):
    """A fork's token may write nothing: the job's page says it."""
    github.pull(12, head_repository=head)
    github.permissions(pull_requests="read", issues="read", contents="read")
    step = guard(event_name, github.pull_event(12))
    refused(step, "fork")
    assert github.comments() == []
    assert "Not trained" in step.summary and "push the branch to this repository" in step.summary


def test_a_fork_where_the_token_may_write(guard, github):
    github.pull(12, head_repository="mallory/demo")
    refused(guard("pull_request_target", github.pull_event(12)), "fork")
    assert "Not trained: pull requests from forks" in github.sticky(12)["body"]


def test_no_identity_token(guard, github):
    github.pull(12)
    step = guard(ACTIONS_ID_TOKEN_REQUEST_URL=None)
    refused(step, "no identity token")
    assert "id-token: write" in github.sticky(12)["body"]
    accepted(guard(folder="keys", ACTIONS_ID_TOKEN_REQUEST_URL=None, AWS_ACCESS_KEY_ID="AKIA"))


def test_the_branch_moved(guard, github):
    github.pull(12, labels=["train", "bug"])
    event = github.pull_event(12)
    github.pull(12, head_sha=MOVED)
    refused(guard(event=event), "set on commit " + SHA[:7])
    body = github.sticky(12)["body"]
    assert MOVED[:7] in body and "set the label again" in body
    assert github.labels() == ["bug"]


@pytest.mark.parametrize("who", ["tina", "ray", "mallory"])
def test_labellers_who_may_not_write(guard, github, who):
    github.pull(12, labels=["train"])
    step = guard(event=github.pull_event(12, sender=who), GITHUB_ACTOR="alice")
    refused(step, f"{who} may not write")
    assert "ask somebody who may write" in github.sticky(12)["body"]
    assert f"@{who}" not in github.sticky(12)["body"]


@pytest.mark.parametrize("who", ["octo", "mona"])
def test_labellers_who_may(guard, github, who):
    github.pull(12)
    accepted(guard(event=github.pull_event(12, sender=who)), labeller=who)


def test_bots(guard, github):
    github.pull(12)
    event = github.pull_event(12, sender="helper[bot]")
    refused(guard(event=event), "helper[bot] is a bot")
    assert "allow-bots" in github.sticky(12)["body"]
    accepted(guard(event=event, folder="allowed", INPUT_ALLOW_BOTS="true"), labeller="helper[bot]")


def test_a_permission_that_cannot_be_checked(guard, github):
    github.pull(12)
    event = github.pull_event(12)
    github.script(operation="GetPermission", status=502, html502=True, count=20)
    step = guard(event=event)
    refused(step, "what alice may do cannot be checked", code=75)
    assert "cannot be checked" in github.sticky(12)["body"]


@pytest.mark.parametrize("fault", [{"status": 403, "headers": {"Retry-After": "3600"}, "body": {
    "message": "You have exceeded a secondary rate limit."}}, {"status": 502, "html502": True}])
def test_a_comment_that_cannot_be_written(guard, github, fault):
    """The run is not refused for it; later steps try again."""
    github.pull(12)
    event = github.pull_event(12)
    github.script(operation="CreateComment", count=50, **fault)
    step = guard(event=event)
    accepted(step, comment_id=0)
    assert github.comments() == [] and "::warning title=guard::the comment on" in step.err


def test_no_permission_to_comment(guard, github):
    github.pull(12)
    event = github.pull_event(12)
    github.permissions(pull_requests="read", issues="read")
    step = guard(event=event)
    accepted(step)
    assert "pull-requests: write" in step.err and not step.errors()


def test_a_comment_waits_for_the_secondary_limit(guard, github):
    github.pull(12)
    event = github.pull_event(12)
    github.secondary("CreateComment", retry_after=1)
    accepted(guard(event=event))
    github.sticky(12)


def dispatch(github, branch="topic", **inputs):
    return github.dispatch_event(ref=f"refs/heads/{branch}", **inputs)


def test_a_dispatch_reports_where_its_branch_has_one(guard, github):
    github.pull(12, head_ref="topic", base_ref="main")
    github.content(SHA, "branchline.yaml", JOBS)
    step = guard("workflow_dispatch", dispatch(github), INPUT_JOB="big",
                 INPUT_HYPERPARAMETERS="{lr: 0.2}", INPUT_MAX_RUNTIME="2h", INPUT_MAX_COST_USD="3",
                 INPUT_MARKET="on-demand", INPUT_INSTANCE_TYPES="g6.xlarge, g5.xlarge")
    accepted(step, pr=12, job="big", key="big", base_sha=BASE_SHA, sha=SHA)
    assert "Accepted" in github.sticky(12, key="big")["body"]


@pytest.mark.parametrize("pulls", [0, 2])
def test_a_dispatch_elsewhere_reports_on_its_page(guard, github, pulls):
    for number in range(12, 12 + pulls):
        github.pull(number, head_ref="topic", base_ref=f"base{number}")
    step = guard("workflow_dispatch", dispatch(github))
    accepted(step, pr=0, comment_id=0, labeller="alice")
    assert step.outputs["pull-request"] == "" and not github.log("CreateComment")


@pytest.mark.parametrize("name, value, words", [
    ("MAX_RUNTIME", "2 days", "max_runtime"), ("MAX_COST_USD", "much", "max_cost_usd"),
    ("MARKET", "cheap", "spot"), ("HYPERPARAMETERS", "lr", "hyperparameters"),
    ("JOB", "gone", "no job 'gone'"), ("JOB", "$(id)", "no job's name"),
    ("DATA", "train", "data")])
def test_bad_inputs_of_a_dispatch(guard, github, name, value, words):
    github.pull(12, head_ref="topic")
    github.content(SHA, "branchline.yaml", JOBS)
    step = guard("workflow_dispatch", dispatch(github), **{"INPUT_" + name: value})
    assert step.code in (2, 4) and len(step.errors()) == 1, step.err
    assert words.lower() in step.errors()[0].lower().replace("-", "_") or words in step.errors()[0]
    assert "Not trained" in github.sticky(12)["body"] and not step.kept["accepted"]


def test_a_push_trains_when_asked(guard, github):
    event = github.push_event(SHA)
    before = seen(github)
    neutral(guard("push", event), github, "on-push: true", before)
    accepted(guard("push", event, folder="asked", INPUT_ON_PUSH="true"), sha=SHA, pr=0)
    other = github.push_event(SHA, ref="refs/heads/topic")
    step = guard("push", other, folder="other", INPUT_ON_PUSH="true")
    assert step.outputs["launched"] == "false" and step.code == 0


def test_a_schedule_trains(guard, github):
    event = {"schedule": "0 3 * * 1", "repository": github.repository()}
    accepted(guard("schedule", event), sha=SHA, pr=0)


def test_hostile_words_stay_words(guard, github):
    github.pull(12, title="$(curl x; sh)\n::add-mask::a", head_ref="x`$(id)`<!--|@org/all")
    step = guard()
    accepted(step, head_ref="x`$(id)`<!--|@org/all")
    body = github.sticky(12)["body"]
    assert "$(" not in body and "@org" not in body and "::add-mask" not in step.err + step.out


def test_the_label_may_be_another(guard, github):
    github.pull(12)
    github.content(SHA, "branchline.yaml", JOBS)
    accepted(guard(event=github.pull_event(12, label="gpu:big"), INPUT_LABEL="gpu"), job="big")


@pytest.mark.parametrize("text", ["", "{", "[1]", json.dumps({"pull_request": {"number": "x"}})])
def test_what_is_no_event(guard, github, tmp_path, text):
    github.pull(12)
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    step = guard(GITHUB_EVENT_PATH=str(bad))
    assert step.code == 2 and len(step.errors()) == 1 and step.kept is None


def test_outside_of_a_workflow(branchline):
    done = subprocess.run([branchline, "guard"], text=True, capture_output=True, timeout=PATIENCE,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 2 and "branchline run" in done.stderr
