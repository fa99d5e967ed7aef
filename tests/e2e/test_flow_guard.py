# SPDX-License-Identifier: Apache-2.0
"""The real workflows up to guard: who trains, who does not, and what is touched until that is known."""
import pytest

from act_world import NUMBER, release, world  # noqa: F401

GUARD = {"Guard": "failure"}


def nothing_happened(world):
    assert world.peer.operations() == [], "AWS was asked"
    assert world.peer.instances() == []


@pytest.mark.parametrize("label", ["bug", "training"])
def test_another_label_is_no_job(world, label):
    story = world.act(world.labeled(label))
    assert story.status == 0 and story.steps == {}, story
    assert world.github.log() == [] or not world.github.comments(NUMBER)
    nothing_happened(world)


def test_a_fork_is_told_afterwards(world):
    """H03: it may edit its workflow as it likes; its job has no token for AWS and writes nothing."""
    world.pull(head_repository="mallory/demo", head_ref="patch-1")
    world.github.permissions(pull_requests="read", statuses="read", contents="read")
    event = world.labeled()
    nothing = {"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}
    story = world.act(event, **nothing)
    assert story.status == 1 and story.steps == GUARD, story
    assert "forks cannot train" in story.log
    assert world.github.comments(NUMBER) == []
    nothing_happened(world)

    world.github.permissions(pull_requests="write", statuses="write")
    world.variables["AWS_ROLE_ARN"] = ""  # collect is not what this is about
    after = world.run(world.workflow_run(), file="report-fork.yml", name="report")
    assert after.status == 0 and after.steps == {"Tell a fork why": "success"}, after
    comment = world.github.sticky(NUMBER)
    assert "forks cannot train" in comment["body"] and "push the branch" in comment["body"]
    world.run(world.workflow_run(), file="report-fork.yml", name="report")
    assert world.github.sticky(NUMBER)["id"] == comment["id"]


@pytest.mark.parametrize("change, event", [
    ({"labels": ["bug"]}, {}), ({"head_sha": "9" * 40}, {}), ({"state": "closed"}, {}),
    ({}, {"event": "push"}), ({}, {"own": True})])
def test_nobody_else_is_told(world, change, event):
    world.pull(**dict({"head_repository": "mallory/demo", "head_ref": "patch-1"}, **change))
    world.variables["AWS_ROLE_ARN"] = ""
    world.run(world.workflow_run(**event), file="report-fork.yml", name="report")
    assert world.github.comments(NUMBER) == []


def test_a_moved_head_is_refused(world):
    """H04: the label was for what stood there."""
    event = world.labeled()
    world.repo.topic = world.repo.commit("train.py", "print('another')\n")
    world.know()
    world.pull()
    story = world.act(event)
    assert story.status == 1 and story.steps == GUARD, story
    body = world.github.sticky(NUMBER)["body"]
    assert event["pull_request"]["head"]["sha"][:7] in body and world.repo.topic[:7] in body
    assert world.github.labels(NUMBER) == []
    nothing_happened(world)


@pytest.mark.parametrize("sender, text", [("tina", "may not write"), ("renovate[bot]", "is a bot")])
def test_who_may_not_spend_money(world, sender, text):
    story = world.act(world.labeled(sender=sender))
    assert story.status == 1 and story.steps == GUARD, story
    assert text in world.github.sticky(NUMBER)["body"]
    nothing_happened(world)


def test_dependabot_is_neutral(world):
    story = world.run(world.labeled(sender="dependabot[bot]"), GITHUB_ACTOR="dependabot[bot]")
    assert story.status == 0 and story.steps == {"Guard": "success"}, story
    assert world.github.comments(NUMBER) == []
    nothing_happened(world)


@pytest.mark.parametrize("inputs, text", [
    ({"job": "smok"}, "smoke"), ({"market": "cheap"}, "spot-then-on-demand"),
    ({"max_cost_usd": "much"}, "0.01 to 1000000"), ({"hyperparameters": "lr"}, "lr"),
    ({"max_runtime": "soon $(id)"}, "is not a duration")])
def test_what_is_wrong_with_a_dispatch_is_said_at_once(world, inputs, text):
    story = world.run(world.dispatch(**inputs))
    assert story.status == 1 and story.steps == GUARD, story
    assert story.results["Guard"].returncode == 2 and text in story.log
    assert text in world.github.sticky(NUMBER)["body"], "its branch has a pull request"
    nothing_happened(world)


def test_a_push_trains_when_asked(world):
    assert world.run(world.push()).status is None, "the job is skipped"
    world.variables.update(TRAIN_ON_PUSH="true", TRAINING_IMAGE="")
    story = world.run(world.push())
    assert story.steps["Guard"] == "success", story
    assert story.outputs["Guard"]["sha"] == world.repo.main
    assert story.outputs["Guard"]["pull-request"] == "" and not world.github.comments(NUMBER)


def test_the_comment_is_there_before_anything_slow(world):
    """No request of AWS's comes before it, and nothing was checked out."""
    world.variables["TRAINING_IMAGE"] = ""
    story = world.run(world.labeled("train:smoke"))
    assert story.steps["Guard"] == "success", story
    assert story.outputs["Guard"]["job"] == "smoke"
    assert story.outputs["Guard"]["comment-id"] == str(world.github.sticky(NUMBER)["id"])
    written = world.github.log("CreateComment")[0]
    assert all(entry["began"] > written["began"] for entry in world.peer.log())
    assert len(world.github.log(after=0)) <= 30
