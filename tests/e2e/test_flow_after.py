# SPDX-License-Identifier: Apache-2.0
"""
The real workflows once a run lives: what ends it from outside, a waiter that is killed, a push to main.
On programs without failpoints, whose waiter has no faster time, a sample: a label that is taken away.
"""
import os
import signal

import pytest

from act_world import NUMBER, release, world  # noqa: F401
from cloud import peer, peer_process  # noqa: F401
from conftest import until
from github_fake import github, github_process  # noqa: F401
from played import now_ms
from test_flow_train import FAST, STEADY, beside, ends_well, launched, metrics, played_at_wait


class RunnerLost(Exception):
    pass


def left_alone(world):  # noqa: F811
    """A run that lives while nobody waits for it: its job's runner was lost."""
    seen = []

    def until_it_waits(played):
        played.comes_up()
        until(lambda: played.has("waiter.json"), "the waiter")
        raise RunnerLost
    with pytest.raises(RunnerLost):
        world.run(world.labeled(), cancel_at=played_at_wait(world, until_it_waits, seen), **STEADY)
    assert len(seen[0].live()) == 1
    return seen[0]


def children_of_the_world(world):  # noqa: F811
    """act runs a step in a group of its own, which outlives it."""
    home, found = f"HOME={world.path}/act-{world.runs}".encode(), []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as environ:
                if name.isdigit() and home in environ.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("action, label", [("unlabeled", "train"), ("closed", None), ("synchronize", None)])
def test_what_ends_a_run_from_outside(world, action, label, failpoints):  # noqa: F811
    if not failpoints and action != "unlabeled":
        pytest.skip("these programs are built without failpoints")
    played = left_alone(world)
    if action == "synchronize":
        world.repo.topic = world.repo.commit("train.py", "print('another')\n")
        world.know()
        world.pull()
    if action == "unlabeled":
        other = world.act(world.labeled("bug", action="unlabeled"), file="branchline.yml")
        assert other.steps == {} and len(played.live()) == 1, "another label"
    story = world.act(world.labeled(label or "train", action=action), file="branchline.yml")
    assert story.status == 0 and story.steps == {"Cancel": "success"}, story
    assert played.live() == [] and played.outcome()["status"] == "cancelled"
    assert len(world.github.comments(NUMBER)) == 1
    if action == "closed":
        again = world.run(world.labeled(action=action), file="collect.yml", name="cancel")
        assert again.status == 0, again


def test_act_kills_the_waiter_and_the_clean_up_step_is_alone(world, has_failpoints):  # noqa: F811
    """SIGINT to act: the step's processes are killed at once, then the steps of a cancelled job run."""
    process = world.start_act(world.labeled(), **STEADY)
    played = launched(world)
    played.comes_up()
    until(lambda: played.has("waiter.json"), "the waiter")
    process.send_signal(signal.SIGINT)
    story = world.finish_act(process)
    assert story.status == 1 and story.steps.get("Cancel") == "success", story
    assert "Report" not in story.steps and children_of_the_world(world) == []
    assert played.live() == [] and played.outcome()["status"] == "cancelled"
    assert len(world.github.comments(NUMBER)) == 1


def test_a_push_to_main_trains_the_next_baseline(world, has_failpoints):  # noqa: F811
    world.variables["TRAIN_ON_PUSH"] = "true"
    played, story = beside(world, ends_well, event=dict(world.push(), ref="refs/heads/main"))
    assert story.status == 0 and "Report" in story.steps, story
    run = played.get("run.json")
    assert run["git"]["head"] == world.repo.main and run["pr"] in (None, 0)
    assert not world.github.comments(NUMBER)
    assert [key for key in world.peer.objects() if "/branches/main.json" in key], "the baseline's index"

    def better(played):
        metrics(played, 2.5, 1.0)
        played.comes_up()
        played.end()
    story = world.run(world.labeled(), cancel_at=played_at_wait(world, better, []), run_id=4712, **FAST)
    assert story.status == 0, story
    body = world.github.sticky(NUMBER)["body"]
    assert world.repo.main[:7] in body and "better" in body, body


def test_a_token_that_may_not_write_is_made_up_for_afterwards(world, has_failpoints):  # noqa: F811
    """An organisation's: the job trains and cannot comment; the default branch's workflow does."""
    world.github.permissions(pull_requests="read", statuses="read")
    seen = []
    story = world.run(world.labeled(), cancel_at=played_at_wait(world, ends_well, seen), **FAST)
    played, = seen
    assert story.status == 0, story
    assert "pull-requests: write" in story.log and world.github.comments(NUMBER) == []
    assert not played.has("reported.json")
    world.github.permissions(pull_requests="write", statuses="write")
    played.change("waiter.json", at_ms=now_ms() - 600000)  # its job is over for certain
    after = world.run(world.workflow_run(own=True), file="report-fork.yml", name="report", **FAST)
    assert after.status == 0, after
    assert "1.5" in world.github.sticky(NUMBER)["body"] and played.has("reported.json")


def test_launch_looks_at_the_branch_again(world):  # noqa: F811
    """H04, later: the push comes after guard and before the money."""
    def watch(name, process):
        if name == "Push the image":
            world.repo.topic = world.repo.commit("train.py", "print('another')\n")
            world.know()
            world.pull()
        return False
    story = world.run(world.labeled(), cancel_at=watch, **FAST)
    assert story.status == 1 and story.steps["Launch"] == "failure", story
    assert story.results["Launch"].returncode == 4 and world.peer.instances() == []
    assert "moved" in world.github.sticky(NUMBER)["body"]
