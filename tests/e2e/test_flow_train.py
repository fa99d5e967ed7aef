# SPDX-License-Identifier: Apache-2.0
"""
The real workflows from the label to the comment. The instance is the strict peer's, what its host
would write is played in the store. On programs without failpoints, whose waiter has no faster time,
a sample: one label by act, and both cancelled jobs.
"""
import json
import os
import pathlib
import re
import types

import pytest

import rendered
import workflow
from act_world import NUMBER, release, world  # noqa: F401
from cloud import peer, peer_process  # noqa: F401
from conftest import PATIENCE, until
from github_fake import github, github_process  # noqa: F401
from played import FAST, Played, now_ms

# For runs that only live.
STEADY = {"BRANCHLINE_TEST_WRITES_AT_ONCE": "1"}
STEPS = ["Guard", "Check out what guard looked at", "Collect what ended meanwhile", "Push the image",
         "Launch", "Wait", "Report", "Keep the report's files"]
FILES = {"report.md", "report.html", "report.json", "curves.svg"}


def launched(world, but=()):  # noqa: F811
    """The run that is launched next, to be played."""
    def seen():
        for key in world.peer.objects():
            name = re.fullmatch(r"runs/([^/]+)/attempts/001\.started\.json", key)
            if name and name[1] not in but:
                return name[1]
        return None
    run = until(seen, "an instance of the run", 2 * PATIENCE)
    return Played(types.SimpleNamespace(peer=world.peer, github=world.github), run, {})


def metrics(played, *values):
    lines = "".join(json.dumps({"schema": 1, "attempt": 1, "at": now_ms(), "step": step, "source": "file",
                                "values": {"eval_loss": value}}) + "\n"
                    for step, value in enumerate(values, 1))
    played.peer.put(played.key(f"metrics/001/{0:016}.jsonl"), lines.encode())


def ends_well(played):
    metrics(played, 3.0, 2.0, 1.5)
    played.comes_up("step 1\n::add-path::/evil\n")
    played.end()


def beside(world, play, **start):  # noqa: F811
    """Runs the workflow by act while `play` makes the run's progress."""
    before = world.runs_stored()
    process = world.start_act(**start, **FAST)
    try:
        played = launched(world, before)
        play(played)
    finally:
        story = world.finish_act(process, 3 * PATIENCE)
    return played, story


def tell(name, world, story):  # noqa: F811
    """For people, where BRANCHLINE_STORY names a folder: what happened, and the comment as it is shown."""
    folder = os.environ.get("BRANCHLINE_STORY")
    if not folder:
        return
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    github, aws = len(world.github.log()), len(world.peer.log())
    said = [f"{name}: job {'failed' if story.status else 'succeeded'}, {github} requests to GitHub, {aws} to AWS",
            *(f"    {result:8} {story.seconds[step]:6.2f} s  {step}" for step, result in story.steps.items())]
    for comment in world.github.comments(NUMBER):
        page = rendered.page(comment["body"], folder / f"{name}-{comment['id']}.html", name)
        said.append(f"    comment  {page.resolve().as_uri()}")
    (folder / f"{name}.txt").write_text("\n".join(said) + "\n")


@pytest.mark.parametrize("label, job", [("train", "full"), ("train:smoke", "smoke")])
def test_a_label_becomes_a_report(world, label, job, failpoints):  # noqa: F811
    if not failpoints and job != "full":
        pytest.skip("these programs are built without failpoints")
    world.pull(labels=[label])
    played, story = beside(world, ends_well, event=world.labeled(label))
    assert story.status == 0 and list(story.steps) == STEPS, story
    assert set(story.steps.values()) == {"success"}
    run = played.get("run.json")
    assert run["git"]["head"] == world.repo.topic and run["job"] == job and run["pr"] == NUMBER
    assert played.outcome()["status"] == "success" and played.has("SUCCESS") and played.has("reported.json")
    comment, = world.github.comments(NUMBER)
    assert "eval_loss" in comment["body"] and "1.5" in comment["body"] and "xychart-beta" in comment["body"]
    assert any(status["state"] == "success" for status in world.github.statuses(world.repo.topic))
    assert world.github.labels(NUMBER) == []
    assert len(world.peer.instances()) == 1
    assert {path.name for path in (world.artifacts / f"branchline-{played.run}").iterdir()} == FILES
    tell(f"labelled-{job}", world, story)


def test_a_failure_is_red_and_says_why(world, has_failpoints):  # noqa: F811
    seen = []

    def fails(played):
        played.comes_up("Traceback\nValueError: wrong shape\n")
        played.end("failure", "user_exit", "ValueError: wrong shape")
    story = world.run(world.labeled(), cancel_at=played_at_wait(world, fails, seen), **FAST)
    played, = seen
    assert story.status == 1 and story.steps["Wait"] == "failure" and story.steps["Report"] == "failure", story
    body = world.github.sticky(NUMBER, "full")["body"]
    assert "ValueError: wrong shape" in body and played.has("FAILURE")
    assert "Cancel" not in story.steps
    assert "wrong shape" in (world.artifacts / f"branchline-{played.run}" / "report.md").read_text()
    tell("failed", world, story)


def test_a_dispatch_that_runs_again_adopts_its_run(world, has_failpoints):  # noqa: F811
    """With the inputs that the caller's ten lines pass on; its branch has a pull request."""
    event = world.dispatch("topic", job="smoke", hyperparameters="lr=0.5")
    played, story = beside(world, ends_well, event=event)
    assert story.status == 0, story
    run = played.get("run.json")
    assert run["job"] == "smoke" and run["config"]["hyperparameters"]["lr"] == 0.5 and run["pr"] == NUMBER
    again = world.act(event, run_id=4711, attempt=2, **FAST)
    assert again.status == 0, again
    assert again.steps["Keep the report's files"] == "success", "its name is there already"
    assert world.runs_stored() == [played.run] and len(world.peer.instances()) == 1
    assert len(world.github.comments(NUMBER)) == 1


def played_at_wait(world, play, seen):  # noqa: F811
    """For World.run(): plays the run when the workflow waits for it."""
    before = world.runs_stored()

    def watch(name, process):
        if name == "Wait":
            seen.append(launched(world, before))
            play(seen[-1])
        return False
    return watch


def test_a_dispatch_trains_with_its_inputs(world, has_failpoints):  # noqa: F811
    world.pull(state="closed")
    seen = []
    story = world.run(world.dispatch("topic", job="smoke", hyperparameters="lr=0.5", max_cost_usd="2",
                                     market="on-demand", instance_types="g6.xlarge"),
                      cancel_at=played_at_wait(world, ends_well, seen), **FAST)
    assert story.status == 0, story
    run = seen[0].get("run.json")
    assert run["job"] == "smoke" and run["config"]["hyperparameters"]["lr"] == 0.5
    assert run["limits"]["max_cost_usd"] == 2 and "hyperparameters.lr" in run["overrides"]
    box, = world.peer.instances()
    assert box["type"] == "g6.xlarge" and not box["spot"]
    assert not world.github.comments(NUMBER)


def test_a_job_hands_over_and_collect_finishes(world, has_failpoints):  # noqa: F811
    process = world.start_act(world.labeled(), **FAST)
    try:
        until(world.peer.operations, "an end of guard")
        guard, = world.path.glob(f"act-{world.runs}/**/guard.json")  # the job has run for hours by now
        told = json.loads(guard.read_text())
        (guard.parent / "new").write_text(json.dumps(dict(told, job_started_ms=now_ms() - 331 * 60000)))
        (guard.parent / "new").rename(guard)
        played = launched(world)
        played.comes_up()
    finally:
        story = world.finish_act(process, 3 * PATIENCE)
    assert story.status == 0 and "state=running" in story.log, story
    assert "Report" not in story.steps and "Cancel" not in story.steps
    assert len(played.live()) == 1 and not played.has("outcome.json")
    assert f"branchline wait {played.run}" in world.github.sticky(NUMBER)["body"]
    metrics(played, 2.0, 1.25)
    played.end()
    played.change("waiter.json", at_ms=now_ms() - 600000)  # whoever waited is long gone
    after = world.act(world.schedule(), file="branchline.yml", **FAST)
    assert after.status == 0, after
    assert played.has("reported.json") and "1.25" in world.github.sticky(NUMBER)["body"]
    assert len(world.github.comments(NUMBER)) == 1
    assert {path.name for path in (world.artifacts / "branchline-reports" / played.run).iterdir()} == FILES
    none = world.run(world.schedule(), file="collect.yml", name="collect", **FAST)
    assert none.status == 0 and "Keep the reports' files" not in none.steps, "nothing was reported"


@pytest.mark.parametrize("step", ["Launch", "Wait"])
def test_a_cancelled_job_leaves_nothing(world, step):  # noqa: F811
    """As GitHub does: SIGINT to what the step started, SIGTERM later; then the clean-up alone."""
    def cancel_at(name, process):
        if name != step:
            return False
        if step == "Wait":
            played = launched(world)
            played.comes_up()
            until(lambda: played.has("waiter.json"), "the waiter")
        else:
            world.peer.wait_log("CreateFleet")
        workflow.cancel_as_github(process)
        return True
    story = world.run(world.labeled(), cancel_at=cancel_at, **STEADY)
    assert story.status == 1 and story.steps["Cancel"] == "success", story
    assert step == "Launch" or story.results[step].returncode == 5, "wait ends it by itself"
    assert len(world.peer.instances()) == 1 and world.peer.instances(live=True) == []
    comment, = world.github.comments(NUMBER)
    assert "ancelled" in comment["body"]
    tell(f"cancelled-in-{step.lower()}", world, story)
