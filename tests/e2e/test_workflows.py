# SPDX-License-Identifier: Apache-2.0
"""What no linter knows about our workflows, and the files that docs/setup.md tells to write."""
import re

import pytest

from act_world import callers
from conftest import ROOT
from workflow import Expression, Runner

yaml = pytest.importorskip("yaml", reason="PyYAML is not in the tests' environment")
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
ON = True  # YAML 1.1 reads the key `on` so


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


def train():
    return load("train.yml")["jobs"]["train"]


@pytest.mark.parametrize("name", FILES)
def test_least_permissions_pins_and_time(name):
    document = load(name)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert int(job["timeout-minutes"]) <= 355
        assert job["concurrency"]["cancel-in-progress"] is False, "a label may not cancel a run"
        assert job["permissions"] and "write-all" not in job["permissions"]
        for step in job["steps"]:
            uses = step.get("uses", "")
            assert re.match(r"\$/actions/|\./actions/|[\w.-]+/[\w./-]+@[0-9a-f]{40}$", uses) or "run" in step
            if uses.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", "")
    for line in (FOLDER / name).read_text().splitlines():
        assert not re.search(r"@[0-9a-f]{40}(?! # v\d)", line), "a pin says its version"


def test_no_event_of_a_fork_has_our_rights():
    for name in FILES:
        assert "pull_request_target" not in load(name)[ON], name


@pytest.mark.parametrize("name", ["train.yml", "collect.yml", "report-fork.yml"])
def test_nothing_that_was_checked_out_is_executed(name):
    for job in load(name)["jobs"].values():
        for step in job["steps"]:
            assert "run" not in step
            assert step["uses"].startswith(("$/actions/", "actions/checkout@", "actions/upload-artifact@"))


def test_one_job_in_this_order():
    steps = [step["uses"].split("@")[0].removeprefix("$/actions/") for step in train()["steps"]]
    assert steps == ["guard", "actions/checkout", "collect", "push-image", "launch", "wait", "report",
                     "actions/upload-artifact", "cancel"]
    assert train()["timeout-minutes"] == 355
    by_name = {step["uses"].split("/")[-1]: step for step in train()["steps"]}
    assert by_name["cancel"]["if"] == "cancelled()"
    text = (FOLDER / "train.yml").read_text()
    assert "failure()" not in text and "always()" not in text
    checkout = train()["steps"][1]
    assert checkout["with"]["ref"] == "${{ steps.guard.outputs.sha }}"


def test_every_input_reaches_an_action():
    document = load("train.yml")
    text = (FOLDER / "train.yml").read_text()
    calls = document[ON]["workflow_call"]["inputs"]
    assert set(document[ON]["workflow_dispatch"]["inputs"]) <= set(calls)
    for name in calls:
        assert re.search(rf"\binputs\.{name}\b", text.split("\njobs:")[1]), name
    for step in train()["steps"]:
        folder = step["uses"].removeprefix("$/")
        if not step["uses"].startswith("$/"):
            continue
        action = yaml.safe_load((ROOT / folder / "action.yml").read_text())
        assert set(step.get("with", {})) <= set(action["inputs"]), step["name"]


def test_setup_names_every_input():
    text = (ROOT / "docs" / "setup.md").read_text()
    said = re.search(r"^What else a dispatch may say.*?(?=\n\n)", text, re.M | re.S)[0]
    workflow = load("train.yml")[ON]
    passed_on = set(re.findall(r"`([a-z-]+)`", said.split("Set once")[0])) - {"inputs", "with"}
    fixed = set(re.findall(r"`([a-z-]+)`", said.split("Set once")[1])) - {"with"}
    assert passed_on | {"job", "hyperparameters"} == set(workflow["workflow_dispatch"]["inputs"])
    assert passed_on | fixed | {"job", "hyperparameters"} == set(workflow["workflow_call"]["inputs"])


def names_of(event, label=None, **more):
    event_body = {"label": {"name": label}, "pull_request": {"number": 7, "head": {"repo": {"full_name": "o/r"}}},
                  "action": "labeled", **more}
    return {"github": {"event_name": event, "event": event_body, "run_id": "1", "repository": "o/r"},
            "inputs": {}, "vars": {"AWS_ROLE_ARN": "arn"}}


def condition(job, names):
    runner = Runner(None, names, None)
    return runner.holds(job["if"])


@pytest.mark.parametrize("label, runs", [("train", True), ("train:smoke", True), ("bug", False),
                                         ("training", False), ("xtrain:a", False)])
def test_another_label_takes_no_runner(label, runs):
    names = names_of("pull_request", label)
    assert condition(train(), names) is runs
    names["inputs"]["label"] = "gpu"
    assert condition(train(), names) is False
    assert condition(train(), names_of("workflow_dispatch")) is True


def test_a_push_trains_only_when_asked():
    names = names_of("push")
    assert condition(train(), names) is False
    names["vars"]["TRAIN_ON_PUSH"] = "true"
    assert condition(train(), names) is True


def test_labels_do_not_share_a_group():
    def group(names):
        return Runner(None, names, None).fill(train()["concurrency"]["group"])
    groups = [group(names_of("pull_request", label)) for label in ("train", "train:smoke", "bug")]
    assert len(set(groups)) == 3 and groups[0] == "branchline-7-train-"
    assert "concurrency" not in load("train.yml"), "a workflow's group is joined before a job's `if`"


@pytest.mark.parametrize("action, label, runs", [
    ("unlabeled", "train", True), ("unlabeled", "bug", False), ("unlabeled", "train:smoke", True),
    ("closed", None, True), ("synchronize", None, True), ("labeled", "train", False)])
def test_what_ends_a_pull_requests_runs(action, label, runs):
    names = names_of("pull_request", label, action=action)
    jobs = load("collect.yml")["jobs"]
    assert condition(jobs["cancel"], names) is runs
    assert condition(jobs["collect"], names) is False
    names["inputs"]["cancel-on"] = "closed"
    assert condition(jobs["cancel"], names) is (action == "closed")
    names["github"]["event"]["pull_request"]["head"]["repo"] = None
    assert condition(jobs["cancel"], names) is False, "a fork"


def test_collect_on_a_schedule():
    names = names_of("schedule")
    jobs = load("collect.yml")["jobs"]
    assert condition(jobs["collect"], names) is True and condition(jobs["cancel"], names) is False


def test_the_callers_ten_lines():
    for name, body in callers().items():
        assert len(body.strip().splitlines()) <= 10
        document = yaml.safe_load(body)
        (job,) = document["jobs"].values()
        called = load(job["uses"].split("/")[-1].split("@")[0])
        accepted = called[ON]["workflow_call"]["inputs"]
        assert set(job.get("with", {})) <= set(accepted)
        needed = {key: value for one in called["jobs"].values() for key, value in one["permissions"].items()}
        assert job["permissions"] == needed, "a called workflow can only shrink what the caller grants"
        assert document["permissions"] == {}
    assert (ROOT / "README.md").read_text().count("<40-hex>") == 1
    block = re.search(r"```yaml\n(name: train\n.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert yaml.safe_load(block)["jobs"] == yaml.safe_load(re.search(
        r"```yaml\n(name: train\n.*?)```", (ROOT / "docs" / "setup.md").read_text(), re.S)[1])["jobs"]


@pytest.mark.parametrize("text, value", [
    ("'it''s'", "it's"), ("a.b || 'x'", "x"), ("!(1 == 1) || 'A' == 'a'", True), ("c && 'y' || 'z'", "z"),
    ("d.e == 'v' && startsWith(d.e, 'V')", True), ("format('{0}:', d.e)", "v:"), ("a != ''", False)])
def test_expressions(text, value):
    functions = Runner(None, {}, None).functions()
    assert Expression(text, {"d": {"e": "v"}}, functions).value() == value
