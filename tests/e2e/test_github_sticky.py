# SPDX-License-Identifier: Apache-2.0
"""One comment per pull request and job, whatever happens beside it. guard writes it first."""
import os
import subprocess

import pytest

from conftest import PATIENCE
from github_fake import BOT, SHA

MARKER = "<!-- branchline:report v1 key=default -->"
CONFIG = "version: 1\ncommand: [python, train.py]\n"


@pytest.fixture
def start(branchline, github, tmp_path):
    """Starts guard of a labelled pull request; .wait() ends it."""
    github.pull(12, labels=["train"])
    github.content(SHA, "branchline.yaml", CONFIG)
    running = []

    def begin(**more):
        folder = tmp_path / f"step-{len(running)}"
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("GITHUB_", "BRANCHLINE_", "INPUT_", "AWS_", "ACTIONS_"))}
        env.update(github.job_env("pull_request", github.pull_event(12), folder, **more))
        running.append(subprocess.Popen([branchline, "guard"], cwd=folder, env=env, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()
        one.stdout.close()


def finish(process):
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


@pytest.mark.sample
def test_two_that_race_leave_one(start, github):
    """Both have looked and found none before either writes."""
    github.script({"operation": "CreateComment", "hold": "first"},
                  {"operation": "CreateComment", "hold": "second"})
    both = [start(), start()]
    github.wait_log("CreateComment", 2)
    github.release("first")
    github.release("second")
    for one in both:
        finish(one)
    ours = [one for one in github.comments(12, deleted=True) if one["author"] == BOT]
    assert len(ours) == 2
    assert [one["deleted"] for one in sorted(ours, key=lambda one: one["id"])] == [False, True]
    assert github.sticky(12)["id"] == min(one["id"] for one in ours)
    assert len(github.log("DeleteComment")) == 1


def test_it_is_found_behind_many(start, github):
    for n in range(250):
        github.comment(12, f"remark {n}")
    mine = github.comment(12, MARKER + "\nan old report", author=BOT)
    finish(start())
    assert github.sticky(12)["id"] == mine and len(github.sticky(12)["edits"]) == 2
    asked = [entry["target"] for entry in github.log("ListComments")]
    assert len(asked) == 3 and asked[1].startswith("/repositories/987654/"), asked
    assert not github.log("CreateComment")


def test_somebody_who_writes_the_marker_is_left_alone(start, github):
    theirs = github.comment(12, MARKER + "\nI am a report", author="mallory")
    finish(start())
    comments = {one["author"]: one for one in github.comments(12)}
    assert comments["mallory"]["edits"] == [MARKER + "\nI am a report"]
    assert comments[BOT]["body"].startswith(MARKER + "\n") and comments[BOT]["id"] > theirs
    assert len(github.log("GetUser")) == 1


def test_a_persons_token_goes_on_with_theirs(start, github):
    mine = github.comment(12, MARKER + "\nan old report", author="alice")
    finish(start(GITHUB_TOKEN=github.user_token))
    assert [one["id"] for one in github.comments(12)] == [mine]


@pytest.mark.parametrize("fault", [
    {"status": 502, "commit": True}, {"cut": "after"}, {"cut": 30}, {"html502": True, "commit": True},
    {"status": 500}, {"cut": "before"}])
def test_a_lost_reply_makes_no_second_one(start, github, fault):
    github.script(operation="CreateComment", **fault)
    finish(start())
    assert not github.pending()
    ours = [one for one in github.comments(12, deleted=True) if one["author"] == BOT]
    assert len(ours) == 1 and ours[0]["body"].startswith(MARKER + "\n")


def test_the_secondary_limit_is_obeyed(start, github):
    """F49: what was refused was not done; it is asked again when GitHub says so."""
    github.secondary("CreateComment", retry_after=1)
    github.secondary("ListComments", retry_after=1, status=429)
    finish(start())
    refused, made = github.log("CreateComment")
    assert refused["status"] == 403 and made["status"] == 201
    assert made["began"] - refused["ended"] >= 0.99
    assert len(github.comments(12)) == 1


def test_a_limit_of_an_hour_ends_in_a_warning(start, github):
    """F49: nobody waits in a job that long: the run goes on without its comment."""
    github.secondary("CreateComment", retry_after=3600, count=0)
    said = finish(start())
    assert "secondary rate limit" in said and "wait 3600 s" in said, said
    assert len(github.log("CreateComment")) == 1 and not github.comments(12)
