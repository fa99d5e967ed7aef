# SPDX-License-Identifier: Apache-2.0
"""collect: runs that ended, or were interrupted, while nobody waited."""
import pytest

from cloud import peer, peer_process  # noqa: F401
from github_fake import github, github_process  # noqa: F401
from played import NUMBER, launches, now_ms, played  # noqa: F401

HOUR = 3600 * 1000


def schedule(launches, **more):  # noqa: F811
    """A scheduled job, on the default branch."""
    launches.jobs += 1
    env = launches.github.job_env("schedule", {"schedule": "*/15 * * * *",
                                               "repository": launches.github.repository()},
                                  launches.path / f"job-{launches.jobs}", GITHUB_RUN_ID="3003")
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        del env[name]
    return launches.env(dict(env, BRANCHLINE_TEST_WAIT_SPEED="300",
                             BRANCHLINE_TEST_WRITES_AT_ONCE="1", **more))


def collect(launches, *words, env=None):  # noqa: F811
    env = env or schedule(launches)
    return launches(*words, verb="collect", env=env)


@pytest.mark.sample
def test_what_ended_while_nobody_waited_is_reported_once(launches, played):  # noqa: F811
    played.comes_up()
    played.end()
    done = collect(launches)
    assert played.run in done.stdout and "success" in done.stdout and done.outputs["collected"] == "1"
    assert played.outcome()["status"] == "success" and played.has("reported.json")
    body = launches.github.sticky(NUMBER)["body"]
    again = collect(launches)
    assert "nothing to finish" in again.stderr and again.outputs["collected"] == "0"
    assert launches.github.sticky(NUMBER)["body"] == body
    assert len(launches.github.comments(NUMBER)) == 1


def test_a_run_that_goes_on_is_left_alone(launches, played):  # noqa: F811
    played.comes_up()
    done = collect(launches)
    assert "running" in done.stdout and played.live() and not played.has("outcome.json")


def test_a_run_that_somebody_waits_for_is_theirs(launches, played):  # noqa: F811
    played.end("interrupted", "interrupted", "spot notice")
    played.put("waiter.json", {"schema": 1, "seq": 3, "at_ms": now_ms(), "by": "wait"})
    assert not collect(launches).stdout and len(launches.peer.fleets()) == 1
    # whoever only reads the log along buys nothing
    played.put("waiter.json", {"schema": 1, "seq": 3, "at_ms": now_ms(), "by": "logs"})
    assert "another attempt was started" in collect(launches).stdout
    assert len(launches.peer.fleets()) == 2


def test_an_interrupted_run_is_started_again_where_that_is_asked(launches, played):  # noqa: F811
    played.end("interrupted", "interrupted", "spot notice")
    launches.peer.instance(played.box()["id"], state="terminated")
    done = collect(launches, "--no-launch")
    assert "--no-launch" in done.stdout and len(launches.peer.fleets()) == 1
    collect(launches)
    assert played.has("attempts/002.started.json")
    assert "running" in collect(launches).stdout
    assert len(launches.peer.fleets()) == 2


def test_the_watch_role_reports_and_starts_nothing(launches, played):  # noqa: F811
    role = "arn:aws:iam::123456789012:role/branchline-watch"
    launches.stack(roles={"launch": "arn:aws:iam::123456789012:role/l",
                          "build": "arn:aws:iam::123456789012:role/b", "watch": role,
                          "instance_profile": "branchline"})
    played.end("interrupted", "interrupted", "spot notice")
    done = collect(launches, env=schedule(launches, AWS_ROLE_ARN=role))
    assert "may not launch" in done.stdout and len(launches.peer.fleets()) == 1


def test_a_box_that_vanished_is_settled(launches, played):  # noqa: F811
    limits = dict(played.get("run.json")["limits"], retries=0)
    played.change("run.json", limits=limits)
    played.comes_up()
    launches.peer.instance(played.box()["id"], state="terminated",
                           reason="Server.SpotInstanceTermination")
    assert "running" in collect(launches).stdout  # its own end may be on its way
    played.beat(at=now_ms() - 91000)
    collect(launches)
    assert played.outcome()["status"] == "interrupted" and played.has("reported.json")


def test_a_box_past_its_deadline_is_ended(launches, played):  # noqa: F811
    played.comes_up()
    played.change("attempts/001.started.json", deadline_ms=now_ms() - 121000)
    collect(launches)
    assert not played.live() and played.outcome()["class"] == "timeout"


def test_a_run_that_nobody_claimed_is_given_up(launches, played):  # noqa: F811
    launches.peer.instance(played.box()["id"], state="terminated")
    for name in ("attempts/001.json", "attempts/001.started.json", "attempts/001.try-1.json"):
        launches.peer.remove(played.key(name))
    played.change("run.json", created_ms=now_ms() - HOUR)
    collect(launches)
    assert played.outcome()["class"] == "lost" and "launch ended" in played.outcome()["message"]


def test_one_that_cannot_be_finished_hides_no_other(launches, played):  # noqa: F811
    played.comes_up()
    played.end()
    torn = "20301124T080301Z-1a2b3c4d-tttt"
    launches.peer.put(f"runs/{torn}/run.json", "{")
    done = collect(launches)
    assert played.has("reported.json") and "could not be read" in done.stderr
