# SPDX-License-Identifier: Apache-2.0
"""A step that fails has the last word on the pull request, once."""
import signal

import pytest

from cloud import peer, peer_process  # noqa: F401
from github_fake import github, github_process  # noqa: F401
from launches import NUMBER, Launches


@pytest.fixture
def steps(tmp_path, bin_dir, peer, github):  # noqa: F811
    """A labelled commit without an image."""
    return Launches(tmp_path, bin_dir, peer, github)


def check_told(steps, done, verb, words, env):
    errors = [line for line in done.stderr.splitlines() if line.startswith("::error")]
    assert len(errors) == 1 and errors[0].startswith(f"::error title={verb}::") and "%0A" in errors[0]
    body = steps.github.sticky(NUMBER)["body"]
    assert words in body and "**Next:**" in body, body
    with open(env["GITHUB_STEP_SUMMARY"]) as summary:
        assert words in summary.read()
    assert "confused" in steps.github.reactions(NUMBER)


def test_a_launch_without_its_image(steps):
    env = steps.job()
    done = steps.finish(steps.start(env=env), env)
    assert done.code == 1, done
    check_told(steps, done, "launch", "### 🔴 Launch failed: ", env)


def test_a_launch_without_credentials(steps):
    """AWS does not know who asks: the comment is GitHub's matter alone."""
    env = dict(steps.job(), AWS_ACCESS_KEY_ID="AKIANOBODY", AWS_SECRET_ACCESS_KEY="wrong")
    env.pop("AWS_SESSION_TOKEN", None)
    done = steps.finish(steps.start(env=env), env)
    assert done.code in (2, 4), done
    check_told(steps, done, "launch", "### 🔴 Launch failed: ", env)


def test_an_image_that_cannot_be_made(steps):
    env = steps.job()
    done = steps.finish(steps.start(verb="push-image", env=env), env)
    assert done.code == 2, done
    check_told(steps, done, "push-image", "### 🔴 The image could not be made: ", env)


def test_a_cancelled_step(steps):
    env = steps.job()
    steps.peer.script(operation="GetParameter", hold="aws")
    process = steps.start(env=env)
    steps.peer.wait_log("GetParameter")
    process.send_signal(signal.SIGINT)
    done = steps.finish(process, env)
    assert done.code == 5, done
    assert "### ⚪ Cancelled" in steps.github.sticky(NUMBER)["body"]


def test_github_that_is_down(steps):
    """Nothing of it changes how the step ends; the job's page has the text."""
    env = steps.job()
    steps.github.script(status=502, html502=True, count=100)
    done = steps.finish(steps.start(verb="push-image", env=env), env)
    assert done.code == 2 and steps.github.comments(NUMBER) == []
    with open(env["GITHUB_STEP_SUMMARY"]) as summary:
        assert "The image could not be made" in summary.read()


def test_other_verbs_say_nothing(steps):
    env = steps.job()
    done = steps.finish(steps.start("q7xk", verb="status", env=env), env)
    assert done.code == 2 and steps.github.comments(NUMBER) == []
