# SPDX-License-Identifier: Apache-2.0
"""cancel, and a workflow that is cancelled: no machine is left, and one comment at most."""
import os
import signal
import subprocess
import time

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import PATIENCE, state_of, until
from github_fake import github, github_process  # noqa: F401
from played import NUMBER, SPEED, Played, launches, played  # noqa: F401

TERM_AFTER = 0.75  # of GitHub's 7.5 s: nothing here takes longer


def job_env(launches, event, **more):  # noqa: F811
    """A job of its own, without a checkout and without guard."""
    launches.jobs += 1
    env = launches.github.job_env("pull_request", event, launches.path / f"job-{launches.jobs}", **more)
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        del env[name]
    return launches.env(env)


def cancel(launches, env, *words, code=0):  # noqa: F811
    done = subprocess.run([launches.bin / "branchline", "cancel", *words], cwd=launches.path, env=env,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == code, done.stderr
    return done


def check_cancelled(played, why):  # noqa: F811
    assert not played.live()
    outcome = played.outcome()
    assert outcome["class"] == "cancelled" and why in outcome["message"]
    assert "ancelled" in played.github.sticky(NUMBER)["body"]


@pytest.mark.parametrize("action,why", [("unlabeled", "label was removed"), ("closed", "was closed"),
                                        ("synchronize", "new commit")])
def test_an_event_of_the_pull_request_ends_its_runs(launches, played, action, why):  # noqa: F811
    played.comes_up()
    if action == "synchronize":
        launches.github.pull(NUMBER, head_sha="9" * 40)
    env = job_env(launches, launches.github.pull_event(NUMBER, action=action))
    cancel(launches, env, "--scope", "pull-request")
    check_cancelled(played, why)
    assert "ended" in launches.outputs(env)
    cancel(launches, env, "--scope", "pull-request")  # twice is as good as once
    assert len(launches.github.comments(NUMBER)) == 1


def test_a_push_leaves_the_runs_of_its_own_commit(launches, played):  # noqa: F811
    env = job_env(launches, launches.github.pull_event(NUMBER, action="synchronize"))
    cancel(launches, env, "--scope", "pull-request")
    assert played.live() and not played.has("outcome.json")


def test_another_jobs_label_ends_nothing_of_ours(launches, played):  # noqa: F811
    event = launches.github.pull_event(NUMBER, action="unlabeled", label="train:other")
    cancel(launches, job_env(launches, event), "--scope", "pull-request")
    assert played.live()


def test_by_run_by_pull_request_by_repository(launches, played):  # noqa: F811
    env = launches.env(launches.github.user_env())
    cancel(launches, env, code=2)
    cancel(launches, dict(env, GITHUB_ACTIONS="true"), "--pr", "99")
    assert played.live()
    launches("--pr", str(NUMBER), verb="cancel", env=env)
    assert not played.live() and played.outcome()["class"] == "cancelled"
    launches(played.run[-4:], verb="cancel", env=env)
    launches("--all", verb="cancel", env=env)


def test_nothing_to_end_is_success(launches):  # noqa: F811
    env = job_env(launches, launches.github.pull_event(NUMBER))
    assert "nothing to end" in cancel(launches, env).stderr
    assert launches.outputs(env)["ended"] == "0"


def test_the_clean_up_step_knows_its_run_by_the_job_alone(launches, played):  # noqa: F811
    """Neither run.json nor guard.json nor any output of an earlier step."""
    for name in ("run.json", "guard.json"):
        os.unlink(f"{played.env['RUNNER_TEMP']}/branchline/{name}")
    other = job_env(launches, launches.github.pull_event(NUMBER), GITHUB_RUN_ID="2002")
    cancel(launches, other)
    assert played.live()
    cancel(launches, played.env)
    check_cancelled(played, "the workflow was cancelled")


def test_a_killed_waiter_and_the_step_alone(played):  # noqa: F811
    played.comes_up()
    process = played.start()
    played.wait_for("waiter.json")
    process.kill()
    played.finish(process, -signal.SIGKILL)
    played.call("cancel")
    check_cancelled(played, "the workflow was cancelled")
    assert len(played.github.comments(NUMBER)) == 1


def test_a_killed_waiter_and_a_job_that_is_run_again(launches, played):  # noqa: F811
    played.comes_up()
    process = played.start()
    played.wait_for("waiter.json")
    process.kill()
    played.finish(process, -signal.SIGKILL)
    again = launches.job(GITHUB_RUN_ATTEMPT="2")
    assert launches(env=again).run == played.run
    played.end()
    assert Played(launches, played.run, again).call("wait").outputs["status"] == "success"
    assert len(played.peer.fleets()) == 1


def test_a_stop_asks_host_and_lets_it_save(played):  # noqa: F811
    played.comes_up()
    process = played.start("stop", played.run, "--store", "s3://peer-bucket")
    assert played.wait_for("stop.json")["reason"] == "cancelled"
    assert played.live()
    played.end("cancelled", "cancelled", "stopped on request")
    played.finish(process, 0)
    assert played.outcome()["message"] == "stopped on request"


def test_a_stop_finds_the_stacks_store(launches, played):  # noqa: F811
    """As somebody types it on a laptop, who has trained there before or not."""
    played.comes_up()
    env = launches.env(launches.github.user_env())
    launches("--no-wait", played.run, verb="stop", env=env)
    assert played.get("stop.json")["reason"] == "cancelled" and played.live()
    (launches.repo.path / ".branchline/store/runs").mkdir(parents=True)
    played.peer.remove(played.key("stop.json"))
    launches("--no-wait", played.run[-4:], verb="stop", env=env)
    assert played.has("stop.json")


def test_a_stop_of_nothing_says_where_it_looked(launches):  # noqa: F811
    env = launches.env(launches.github.user_env())
    done = launches("20261124T080301Z-1a2b3c4d-zzzz", verb="stop", env=env, code=2)
    assert ".branchline/store" in done.stderr and "and the stack's store" in done.stderr
    env = {name: value for name, value in env.items() if not name.startswith("AWS_")}
    done = launches("latest", verb="stop", env=env, code=2)
    assert "there is no store at" in done.stderr and "region" in done.stderr


# --- SIGINT, then SIGTERM ---------------------------------------------------------------------------


def interrupted(process):
    """As GitHub ends a step."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=TERM_AFTER)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("up", [False, True])
def test_a_signal_ends_the_machine_first(played, up):  # noqa: F811
    if up:
        played.comes_up()
    process = played.start(BRANCHLINE_TEST_WAIT_SPEED="1")
    played.wait_for("waiter.json")
    seen = len(played.peer.log())
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    entry = played.peer.wait_log("TerminateInstances")[0]
    assert time.monotonic() - began < 2
    done = played.finish(process, 5)
    # nothing is asked or written before it
    assert [one["operation"] for one in played.peer.log(after=seen)][0] == "TerminateInstances" or \
        entry["n"] - seen <= 2
    check_cancelled(played, "the workflow was cancelled")
    assert done.outputs == {"state": "ended", "status": "cancelled", "class": "cancelled"}
    assert len(played.github.comments(NUMBER)) == 1


def test_a_deaf_store_does_not_hold_a_signal_up(played):  # noqa: F811
    played.comes_up()
    process = played.start()
    played.wait_for("waiter.json")
    played.peer.script(service="s3", hold="deaf", count=1)
    until(lambda: any(one.get("held") for one in played.peer.log()), "a request that hangs")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    played.peer.wait_log("TerminateInstances")
    assert time.monotonic() - began < 2
    played.peer.release("deaf")
    played.finish(process, 5)
    assert not played.live()


SOAK = os.environ.get("SOAK")
WAITING = ["wait.relaunch.before", "wait.relaunch.after", "compute.claim.before", "compute.claim.after",
           "compute.try.before", "compute.try.after", "compute.fleet.before", "compute.fleet.answered",
           "compute.started.before", "compute.started.after"]
LAUNCHING = ["launch.key.before", "launch.key.after", "launch.run.before", "launch.run.after",
             "launch.buy.before", "launch.buy.after", "launch.outputs.before", "launch.outputs.after",
             *WAITING[2:]]


def cancel_at(launches, process, env, github):  # noqa: F811
    """The process has stopped at its failpoint: the job is cancelled there."""
    until(lambda: process.poll() is not None or state_of(process.pid) == "T", "it stops")
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=TERM_AFTER)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    cancel(launches, dict(env, BRANCHLINE_TEST_WAIT_SPEED=SPEED))
    assert not launches.peer.instances(live=True)
    assert len(github.comments(NUMBER)) <= 1


@pytest.mark.parametrize("at", LAUNCHING if SOAK else ["compute.fleet.answered", "launch.outputs.before"])
def test_cancelled_while_it_launches(launches, github, has_failpoints, at):  # noqa: F811
    env = launches.job()
    process = launches.start(env=env, BRANCHLINE_FAILPOINT=f"{at}=stop")
    cancel_at(launches, process, env, github)


@pytest.mark.parametrize("at", WAITING if SOAK else ["compute.try.after", "compute.fleet.answered"])
def test_cancelled_while_it_launches_again(played, github, has_failpoints, at):  # noqa: F811
    played.end("interrupted", "interrupted", "spot notice")
    played.peer.instance(played.box()["id"], state="terminated")
    process = played.start(BRANCHLINE_FAILPOINT=f"{at}=stop")
    cancel_at(played.launches, process, played.env, github)
    assert played.outcome()["class"] == "cancelled"


LATE = ["launch.run.after", "launch.buy.before", *WAITING[2:]]


@pytest.mark.parametrize("at", LATE if SOAK else ["launch.run.after", "compute.fleet.before"])
def test_cancelled_from_elsewhere_while_it_launches(launches, has_failpoints, at):  # noqa: F811
    """What is bought after the look for machines is the launch's to end."""
    process = launches.start(env=launches.job(), BRANCHLINE_FAILPOINT=f"{at}=stop")
    until(lambda: process.poll() is not None or state_of(process.pid) == "T", "it stops")
    env = job_env(launches, launches.github.pull_event(NUMBER, action="closed"), GITHUB_RUN_ID="2002",
                  BRANCHLINE_TEST_WAIT_SPEED="3000")
    cancel(launches, env, "--scope", "pull-request")
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == (0 if at == "compute.started.after" else 5), said
    run, = launches.runs()
    assert not launches.peer.instances(live=True) and launches.outcome(run)["class"] == "cancelled"


def test_a_machine_that_may_not_be_ended_is_asked_to_stop(launches, played):  # noqa: F811
    played.peer.script(operation="TerminateInstances", status=403, error="UnauthorizedOperation")
    done = cancel(launches, played.env, code=4)
    assert "TerminateInstances" in done.stderr and "asked to stop" in done.stderr
    # host, which is alive, has the last word
    assert played.get("stop.json")["reason"] == "cancelled" and not played.has("outcome.json")


def test_an_ec2_that_lists_nothing_keeps_no_run_from_its_wish(launches, played):  # noqa: F811
    played.peer.script(operation="DescribeInstances", status=403, error="UnauthorizedOperation",
                       count=100)
    env = job_env(launches, launches.github.pull_event(NUMBER, action="closed"))
    cancel(launches, env, "--scope", "pull-request", code=4)
    assert played.has("stop.json") and not played.has("outcome.json")


@pytest.mark.parametrize("at", ["cancel.boxes.ended", "cancel.settled", "cancel.tags.ended"])
def test_a_cancel_that_is_cut_and_repeated(launches, played, has_failpoints, at):  # noqa: F811
    words = ("--scope", "pull-request") if "tags" in at else ()
    process = played.start("cancel", *words, BRANCHLINE_FAILPOINT=f"{at}=kill")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    cancel(launches, played.env, *words)
    assert not played.live() and played.outcome()["class"] == "cancelled"
    assert len(played.github.comments(NUMBER)) <= 1
