# SPDX-License-Identifier: Apache-2.0
"""launch, wait, stop and cancel on this machine: a real training below a real host."""
import signal

import pytest

from conftest import until
from project import Project, alive_with, check_nothing_lives, check_store, kill_host


class Here(Project):
    """Its runs are launched on this machine, and somebody waits for them."""

    def launch(self, **hyperparameters):
        words = [f"--param={name}={value}" for name, value in hyperparameters.items()]
        name = self.call("launch", "--compute", "local", *words).stdout.strip()
        return self.store / "runs" / name

    def wait(self, run, *words, **env):
        return self.start("wait", "--compute", "local", run.name, *words, **env)

    def finish(self, process, code):
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == code, f"exit {process.returncode}\n{stdout}\n{stderr}"
        return stdout, stderr


@pytest.fixture
def here(branchline, tmp_path):
    return Here(branchline, tmp_path / "project")


@pytest.mark.sample
def test_a_training_is_followed_and_killed_and_started_again(here):
    run = here.launch(steps=40, hold_at=20)
    process = here.wait(run)
    here.wait_for_manifest(run)
    kill_host(run)
    stdout, stderr = here.finish(process, 0)
    assert "start at step 20, attempt 2" in stdout and "done at step 40" in stdout
    assert "attempt 1 ended: lost" in stderr and "attempt 2: " in stderr
    assert here.outcome(run)["attempt"] == 2
    check_store(here.store)


def test_a_training_that_fails_is_exit_1(here, tmp_path):
    run = here.launch(fail_at=3)
    (tmp_path / "output").touch()
    process = here.wait(run, GITHUB_OUTPUT=str(tmp_path / "output"))
    _, stderr = here.finish(process, 1)
    assert "wrong shape" in stderr
    assert "user_exit" in (tmp_path / "output").read_text()


def test_a_signal_leaves_nothing_alive(here):
    run = here.launch(hold_at=5)
    process = here.wait(run)
    until((run / "waiter.json").exists, "somebody waits")
    process.send_signal(signal.SIGINT)
    here.finish(process, 5)
    check_nothing_lives(run.name)
    assert here.outcome(run)["class"] == "cancelled"


def test_a_closed_terminal_ends_nothing(here):
    run = here.launch(hold_at=12)
    process = here.wait(run)
    until((run / "waiter.json").exists, "somebody waits")
    process.send_signal(signal.SIGHUP)
    here.finish(process, 0)
    assert not (run / "outcome.json").exists() and alive_with(run.name)
    here.call("cancel", "--compute", "local", run.name)
    check_nothing_lives(run.name)


def test_cancel_ends_it_and_again_is_nothing(here):
    run = here.launch(hold_at=5)
    here.call("cancel", "--compute", "local", run.name)
    check_nothing_lives(run.name)
    assert here.outcome(run)["class"] == "cancelled"
    assert "has ended already" in here.call("cancel", "--compute", "local", run.name).stderr
    assert "nothing to end" in here.call("cancel", "--compute", "local", "--all").stderr
