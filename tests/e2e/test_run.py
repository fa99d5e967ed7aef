# SPDX-License-Identifier: Apache-2.0
"""run: launch, wait and report of a pushed commit, from a laptop."""
import signal

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import until
from github_fake import REPOSITORY, github, github_process  # noqa: F401
from launches import INHERITED, NUMBER, launches  # noqa: F401
from played import FAST, Played


@pytest.fixture
def laptop(launches, monkeypatch):  # noqa: F811
    """A clone whose commit is on a remote-tracking branch."""
    monkeypatch.setattr("launches.INHERITED", tuple(one for one in INHERITED if one != "BRANCHLINE_"))
    for name, value in FAST.items():
        monkeypatch.setenv(name, value)
    launches.repo.git("update-ref", "refs/remotes/origin/topic", launches.sha)
    return launches


def a_run(laptop):
    return until(lambda: [run for run in laptop.runs() if laptop.has(run, "attempts/001.started.json")],
                 "a run that was bought")[0]


def test_what_is_not_committed_is_refused(laptop):
    (laptop.repo.path / "train.py").write_text("print(2)\n")
    done = laptop(verb="run", code=2)
    assert "not committed" in done.stderr and "git push" in done.stderr and "branchline local" in done.stderr
    assert not laptop.runs() and not laptop.peer.instances()


def test_what_was_not_pushed_is_refused(launches):  # noqa: F811
    done = launches(verb="run", code=2)
    assert f"commit {launches.sha[:7]} was not pushed" in done.stderr and "git push" in done.stderr
    launches.repo.git("update-ref", "refs/remotes/origin/main", launches.sha)
    launches.commit("version: 1\ncommand: [python3, train.py]\n", more="x")
    assert "was not pushed" in launches(verb="run", code=2).stderr
    assert not launches.runs()


def test_outside_of_a_repository(laptop, tmp_path):
    laptop.repo.path = tmp_path / "nowhere"
    laptop.repo.path.mkdir()
    assert "branchline local" in laptop(verb="run", code=2).stderr


def test_a_run_to_its_end(laptop, has_failpoints):
    process = laptop.start("--param", "lr=0.2", verb="run")
    run = a_run(laptop)
    Played(laptop, run, {}).end()
    done = laptop.finish(process)
    assert done.code == 0, done
    assert laptop.document(run, "run.json")["config"]["hyperparameters"] == {"lr": 0.2}
    assert "Training finished" in done.stdout or run[-4:] in done.stdout
    assert laptop.has(run, "reported.json")
    assert "Ctrl-C" in done.stderr and laptop.github.comments(NUMBER) == []


def test_it_exits_as_the_run_ended(laptop, has_failpoints):
    process = laptop.start(verb="run")
    run = a_run(laptop)
    Played(laptop, run, {}).end("failure", "cuda_oom")
    done = laptop.finish(process)
    assert done.code == 1 and f"run {run}: failure" in done.stderr, done


def test_it_reports_on_a_pull_request(laptop, has_failpoints):
    env = laptop.env({name: value for name, value in laptop.github.user_env().items()
                      if name != "GITHUB_REPOSITORY"})
    process = laptop.start("--pr", str(NUMBER), verb="run", env=env)
    run = a_run(laptop)
    Played(laptop, run, {}).end()
    done = laptop.finish(process)
    assert done.code == 0, done
    assert laptop.document(run, "run.json")["pr"] == NUMBER
    comments = laptop.github.comments(NUMBER)
    assert len(comments) == 1 and run in comments[0]["body"], comments
    assert comments[0]["body"].startswith("<!-- branchline:report v1 key=default -->")


def test_a_pull_request_needs_a_token(laptop):
    done = laptop("--pr", str(NUMBER), verb="run", code=2)
    assert "GITHUB_TOKEN is not set" in done.stderr and "gh auth token" in done.stderr
    assert not laptop.runs()


def test_detached_it_only_launches(laptop):
    done = laptop("--detach", verb="run")
    run, = laptop.runs()
    assert done.stdout == f"{run}\n" and f"branchline wait {run}" in done.stderr
    assert laptop.one_box()["state"] in ("pending", "running")


def test_a_signal_ends_it(laptop):
    process = laptop.start(verb="run")
    run = a_run(laptop)
    until(lambda: laptop.has(run, "waiter.json"), "somebody waits")
    process.send_signal(signal.SIGINT)
    done = laptop.finish(process)
    assert done.code == 5, done
    assert laptop.one_box()["state"] in ("shutting-down", "terminated")
    assert laptop.outcome(run)["status"] == "cancelled"


def test_a_signal_may_leave_it(laptop):
    process = laptop.start("--on-signal", "detach", verb="run")
    run = a_run(laptop)
    until(lambda: laptop.has(run, "waiter.json"), "somebody waits")
    process.send_signal(signal.SIGINT)
    done = laptop.finish(process)
    assert done.code == 0 and f"branchline wait {run}" in done.stderr, done
    assert laptop.one_box()["state"] in ("pending", "running") and not laptop.has(run, "outcome.json")
