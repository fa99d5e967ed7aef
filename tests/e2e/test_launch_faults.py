# SPDX-License-Identifier: Apache-2.0
"""Cut, killed, stopped, run again: always one run and one machine, or none."""
import os
import random
import signal
import subprocess

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import PATIENCE, until
from github_fake import github, github_process  # noqa: F401
from launches import NUMBER, launches  # noqa: F401

SEED = int(os.environ.get("BRANCHLINE_TEST_SEED", "7"))
COUNT = 1000 if os.environ.get("SOAK") else 22  # beside the points below, 40 with them


def one_run(launches, done):  # noqa: F811
    """The run of that launch is the only one, and so is its machine."""
    assert launches.runs() == [done.run]
    box, = launches.peer.instances(live=True)
    assert box["tags"]["branchline:run"] == done.run and done.outputs["instance"] == box["id"]
    return box


# --- A job that is run again ------------------------------------------------------------------------


def test_a_job_that_is_run_again_adopts_its_run(launches):  # noqa: F811
    env = launches.dispatch()
    first = launches(env=env)
    again = launches(env=dict(launches.dispatch(), GITHUB_RUN_ATTEMPT="2"))
    assert again.run == first.run and f"adopts {first.run}" in again.stderr
    assert len(launches.peer.fleets()) == 1
    one_run(launches, first)
    launches.end(first.run)
    third = launches(env=dict(env, GITHUB_RUN_ATTEMPT="3"))
    assert "succeeded already" in third.stderr and len(launches.peer.instances()) == 1


def test_after_a_failure_the_next_attempt_is_a_new_run(launches):  # noqa: F811
    env = launches.dispatch()
    first = launches(env=env)
    launches.end(first.run, "failure", "user_exit")
    second = launches(env=dict(env, GITHUB_RUN_ATTEMPT="2"))
    assert second.run != first.run and len(launches.peer.instances()) == 2
    again = launches(env=dict(env, GITHUB_RUN_ATTEMPT="2"))
    assert again.run == second.run and len(launches.peer.instances()) == 2
    launches.end(second.run, "failure", "cuda_oom")
    over = launches(env=dict(env, GITHUB_RUN_ATTEMPT="2"), code=1)
    assert "has ended: cuda_oom" in over.stderr and "next attempt" in over.stderr


def test_jobs_of_a_matrix_are_runs_of_their_own(launches):  # noqa: F811
    env = launches.dispatch()
    runs = {launches(env=dict(env, INPUT_HYPERPARAMETERS=f"lr={lr}", GITHUB_OUTPUT="/dev/null")).stdout.strip()
            for lr in (0.1, 0.2, 0.3, 0.2)}
    assert len(runs) == 3 and len(launches.peer.instances()) == 3
    launches.stack(ceilings=None)
    legs = {launches(env=dict(env, INPUT_HYPERPARAMETERS=f"lr={lr}", INPUT_MATRIX=leg,
                              GITHUB_OUTPUT="/dev/null")).stdout.strip()
            for lr, leg in ((0.1, "0"), (0.1, "1"), (0.2, "1"), (0.1, "1"))}
    assert len(legs) == 3 and not legs & runs


# --- Replies of AWS that are lost, late or odd: F16 to F19 ------------------------------------------


def test_a_lost_reply_is_asked_for_again_with_its_token(launches):  # noqa: F811
    """F16."""
    launches.peer.script(operation="CreateFleet", cut="after")
    done = launches(env=launches.dispatch())
    one_run(launches, done)
    assert len(launches.peer.log("CreateFleet")) >= 2 and len(launches.peer.fleets()) == 1


def test_no_capacity_as_a_server_error_is_not_repeated(launches):  # noqa: F811
    """F17."""
    launches.peer.script(operation="CreateFleet", status=500, error="InsufficientInstanceCapacity")
    done = launches("--market", "spot-then-on-demand", env=launches.dispatch())
    assert one_run(launches, done)["spot"] is False
    assert len(launches.peer.log("CreateFleet")) == 2


def test_an_empty_fleet_is_a_definite_no(launches):  # noqa: F811
    """F18: mixed errors, all told; the next try has another token."""
    launches.peer.capacity(type="g4dn.*", code="Unsupported")
    launches.peer.capacity(type="g5.*")
    launches.peer.capacity(type="g6.*", code="UnfulfillableCapacity")
    done = launches("--market", "spot-then-on-demand", env=launches.dispatch(), code=3)
    tokens = {entry["key"] for entry in launches.peer.log("CreateFleet")}
    assert len(tokens) == 2 and "UnfulfillableCapacity" in done.stderr and "Unsupported" in done.stderr


def test_a_fleet_of_two_for_one_keeps_one(launches):  # noqa: F811
    """F19."""
    launches.peer.options(ec2_surplus=1)
    done = launches(env=launches.dispatch())
    one_run(launches, done)
    assert len(launches.peer.instances()) == 2


def test_s3_that_loses_replies_makes_no_second_run(launches):  # noqa: F811
    launches.peer.script(*[{"operation": "PutObject", "key": key, "cut": "after"} for key in (
        "index/launches/*", "runs/*/run.json", "runs/*/attempts/001.json", "runs/*/attempts/001.try-001.json",
        "runs/*/attempts/001.started.json")])
    done = launches(env=launches.dispatch())
    one_run(launches, done)


# --- Killed -----------------------------------------------------------------------------------------


NOT_PASSED = ("compute.local.", "compute.surplus.", "launch.outcome.")


def points(launches):  # noqa: F811
    """Failpoints that a launch passes; none in a release build."""
    listed = subprocess.run([launches.bin / "branchline", "failpoints"], capture_output=True, text=True,
                            timeout=PATIENCE)
    return sorted({name for name in listed.stdout.split() if name.startswith(("launch.", "compute."))
                   and not name.startswith(NOT_PASSED)}) if listed.returncode == 0 else []


def test_killed_anywhere_and_run_again(launches):  # noqa: F811
    names = points(launches)
    if not names:
        pytest.skip("these programs are built without failpoints")
    for number, name in enumerate(names):
        env = launches.dispatch(GITHUB_RUN_ID=str(2000 + number))
        for key in launches.peer.objects():
            if key.startswith("host/"):
                launches.peer.remove(key)
        killed = launches.finish(launches.start(env=dict(env, BRANCHLINE_FAILPOINT=f"{name}=kill")), env)
        assert killed.code == -signal.SIGKILL, f"{name}: {killed}"
        done = launches(env=env)
        boxes = launches.peer.instances()
        assert len(boxes) == number + 1, f"killed at {name}: {done}"
        assert boxes[-1]["tags"]["branchline:run"] == done.run, f"killed at {name}"
        launches.peer.instance(boxes[-1]["id"], state="terminated")


def test_cut_at_a_byte_and_run_again(launches):  # noqa: F811
    """CreateFleet's reply ends after a number of bytes, or its request does; the launch is killed or not."""
    dice = random.Random(SEED)
    launches.stack(budget=None)  # the month's runs are not read: there are many here
    for number in range(COUNT):
        env = launches.dispatch(GITHUB_RUN_ID=str(3000 + number))
        cut = dice.choice([{"cut": dice.randrange(1, 900), "cut_from": "body"}, {"cut": "before"}, {"cut": "after"},
                           {"cut": dice.randrange(1, 200)}])
        launches.peer.script(dict(cut, operation="CreateFleet", count=dice.choice((1, 1, 3))))
        first = launches.finish(launches.start(env=env), env)
        launches.peer.heal()
        done = first if first.code == 0 else launches(env=env)
        boxes = launches.peer.instances()
        assert len(boxes) == number + 1, f"seed {SEED}, number {number}, {cut}: {first}"
        launches.peer.instance(boxes[-1]["id"], state="terminated")
        assert boxes[-1]["tags"]["branchline:run"] == done.run


# --- Stopped ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_was_bought(launches, number):  # noqa: F811
    """While CreateFleet's answer is on its way."""
    launches.peer.script(operation="CreateFleet", hold="fleet")
    env = launches.dispatch()
    process = launches.start(env=env)
    launches.peer.wait_log("CreateFleet")
    process.send_signal(number)
    launches.peer.release("fleet")
    done = launches.finish(process, env)
    assert done.code == 5 and not launches.peer.instances(live=True), done
    run, = launches.runs()
    assert launches.outcome(run)["status"] == "cancelled"


@pytest.mark.parametrize("at", ["launch.buy.before", "compute.fleet.answered"])
def test_cancelled_by_another_job_while_it_buys(launches, has_failpoints, at):  # noqa: F811
    """The label is taken off: whoever cancels sees no machine yet, or one that nobody wrote down."""
    env = launches.job()
    process = launches.start(env=env, BRANCHLINE_FAILPOINT=f"{at}=stop")
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    other = launches.job(GITHUB_RUN_ID="4004", BRANCHLINE_TEST_WAIT_SPEED="100")
    run, = launches.runs()
    launches(run, verb="cancel", env=other)
    process.send_signal(signal.SIGCONT)
    done = launches.finish(process, env)
    assert done.code == 5 and not done.outputs and "cancelled while it was being launched" in done.stderr, done
    assert not launches.peer.instances(live=True)
    assert launches.outcome(run)["status"] == "cancelled" and launches.has(run, "FAILURE")


def test_a_signal_before_anything_was_bought(launches):  # noqa: F811
    launches.peer.script(operation="DescribeInstanceTypes", hold="types")
    env = launches.job()
    process = launches.start(env=env)
    launches.peer.wait_log("DescribeInstanceTypes")
    process.send_signal(signal.SIGINT)
    launches.peer.release("types")
    done = launches.finish(process, env)
    assert done.code == 5 and not launches.runs() and not launches.peer.instances(), done
    until(lambda: launches.github.comments(NUMBER), "a last word")
