# SPDX-License-Identifier: Apache-2.0
"""A bucket as the store: killed and resumed, replies that are lost, cut off."""
import os
import signal

import pytest

from conftest import PATIENCE, until, wait_gone
from door import Door
from project import check_nothing_lives
from s3_project import S3Project, check_success

# A training that ends while the store is out of reach: 3 s, or two minutes of a real outage.
STEPS = 2400 if os.environ.get("SOAK") else 60
STEP_MS = 50


@pytest.fixture
def project(branchline, tmp_path, bucket):
    return S3Project(branchline, tmp_path / "project", bucket)


@pytest.fixture
def door(strict, peer):
    """The project's way to the peer."""
    made = Door(peer.url)
    strict.bucket.env = dict(strict.bucket.env, AWS_ENDPOINT_URL=made.url)
    yield made
    made.close()


# --- killed and resumed ---------------------------------------------------------------------------

@pytest.mark.parametrize("failpoint", [
    "host.exec.after", "host.flush.before", "host.outputs.before", "host.end.before", "host.end"])
def test_a_killed_host_is_resumed(strict, tmp_path, has_failpoints, failpoint):
    strict.call("local", check=False, BRANCHLINE_FAILPOINT=f"{failpoint}=kill")
    if failpoint != "host.end":
        assert not [key for key in strict.bucket.keys() if key.endswith("outcome.json")]
        strict.call("local", "--resume", "latest")
    check_success(strict, tmp_path)
    check_nothing_lives(strict.bucket.run().split("/")[1])


@pytest.mark.parametrize("failpoint", [
    "ship.claim.after", "checkpoint.object.after", "checkpoint.manifest.after",
    "ship.outputs.after", "ship.end.before", "ship.end.after", "ship.outcome.after"])
def test_a_killed_ship_is_no_end(strict, tmp_path, has_failpoints, failpoint):
    """Its write may be in the bucket: who goes on finds it, and takes it for its own."""
    strict.call("local", check=False, BRANCHLINE_FAILPOINT=f"{failpoint}=kill@1")
    if not [key for key in strict.bucket.keys() if key.endswith("outcome.json")]:
        strict.call("local", "--resume", "latest")
    check_success(strict, tmp_path)


def test_a_run_killed_in_the_middle_goes_on(project, tmp_path, processes):
    process = project.start("local", "--param", "hold_at=12")
    processes.append(process)
    project.bucket.wait_for(".manifest.json")
    claim = project.bucket.json(project.bucket.run() + "attempts/001.json")
    os.kill(claim["owner"]["pid"], signal.SIGKILL)
    process.wait(timeout=PATIENCE)
    wait_gone(claim["owner"]["pid"])
    project.call("local", "--resume", "latest", "--param", "hold_at=12")
    outcome = project.bucket.outcome()
    assert (outcome["status"], outcome["attempt"]) == ("success", 2)
    assert "start at step 10, attempt 2" in project.call("logs").stdout
    check_success(project, tmp_path)


# --- replies that are lost ------------------------------------------------------------------------

def test_replies_lost_after_the_write(strict, peer, tmp_path):
    """Each kind of key once: what stands is found to be our own."""
    for key in ("*/run.json", "*/attempts/001.json", "*/001.started.json", "*.manifest.json",
                "*.log", "*.jsonl", "*/001.end.json", "*/outcome.json", "*/SUCCESS", "index/*"):
        peer.script(operation="PutObject", key=key, cut="after")
    strict.call("local")
    assert peer.pending() == []
    check_success(strict, tmp_path)


# --- out of reach ---------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_out_of_reach_while_training(strict, door, tmp_path, processes, how):
    """Training goes on and ends meanwhile; all of it is stored when the store is back."""
    process = strict.start("local", "--param", f"steps={STEPS}", "--param", f"step_ms={STEP_MS}",
                           "--stall", "2s", "--stop-on", "stall")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    before = len(strict.bucket.keys())
    door.shut(how)
    until(lambda: f"done at step {STEPS}" in strict.log().read_text(), "the training ends",
          PATIENCE + STEPS * STEP_MS / 1000)
    # so often that one whole call of the client, with its retries, has failed
    tries = 8 if how == "refuse" else 1
    until(lambda: door.turned_away >= tries, "the door is tried", PATIENCE)
    assert process.poll() is None
    assert len(strict.bucket.keys()) == before
    door.open()
    _, err = process.communicate(timeout=PATIENCE + 60)
    assert process.returncode == 0, err
    if how == "refuse":  # the other one a single request outlasts
        assert "tried again until it works" in err
        assert "reached again" in err
    check_success(strict, tmp_path, steps=STEPS)


def test_out_of_reach_for_longer_than_the_reserve(strict, door, tmp_path, processes):
    """Then the run is left to be resumed, and nothing that was stored is lost."""
    strict.configure("flush_reserve: 2s\n")
    process = strict.start("local", "--param", "steps=40", "--param", "step_ms=50")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    door.shut()
    _, err = process.communicate(timeout=PATIENCE + 60)
    assert process.returncode == 75, err
    assert "--resume" in err
    door.open()
    strict.call("local", "--resume", "latest", "--param", "steps=40", "--param", "step_ms=50")
    check_success(strict, tmp_path, steps=40)


def test_out_of_reach_at_the_beginning(strict, door, processes):
    door.shut()
    done = strict.call("local", check=False)
    assert done.returncode == 75, done.stderr
    assert strict.bucket.keys() == {}


def test_who_follows_the_log_waits_for_it(strict, door, processes):
    """Neither who trains nor who reads along, each by the same way, gives up."""
    training = strict.start("local", "--param", "hold_at=5")
    processes.append(training)
    strict.bucket.wait_for("attempts/001.started.json")
    reader = strict.start("logs", "-f")
    processes.append(reader)
    assert "start at step 0" in reader.stdout.readline()
    door.shut()
    assert "tried again until it works" in reader.stderr.readline()
    door.open()
    strict.call("stop")
    out, _ = reader.communicate(timeout=PATIENCE)
    assert reader.returncode == 0 and training.wait(timeout=PATIENCE) == 5


def test_a_second_ctrl_c_does_not_wait_for_it(strict, door, processes):
    process = strict.start("local", "--param", "hold_at=5", "--param", "ignore_term=true",
                           "--grace", "60s")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    door.shut()
    for said in ("stopping: the last checkpoint is kept", "--resume"):
        os.kill(process.pid, signal.SIGINT)
        line = process.stderr.readline()
        while line and said not in line:
            line = process.stderr.readline()
        assert line, f"{said} was not said"
    assert process.wait(timeout=PATIENCE) == 75
