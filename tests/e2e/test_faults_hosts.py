# SPDX-License-Identifier: Apache-2.0
"""A run whose host is left alone, replaced or given another time, from outside."""
import json
import os
import signal
import zipfile

import pytest

from conftest import PATIENCE, read_json, state_of, until, wait_for_file, wait_gone
from fault_runs import manifests, names_of, work
from project import check_nothing_lives, owner_pid


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGKILL])
def test_without_local_the_run_is_left_to_be_resumed(project, processes, signum):
    """A closed terminal, or a kill -9: nobody would see the end."""
    local = project.start("local", "--param", "hold_at=12")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    host = owner_pid(run)
    local.send_signal(signum)
    assert local.wait(timeout=PATIENCE) == (75 if signum == signal.SIGHUP else -9)
    wait_gone(host)
    check_nothing_lives(run.name)
    end = read_json(run / "attempts/001.end.json")
    assert (end["status"], end["class"]) == ("interrupted", "interrupted")
    assert not (run / "outcome.json").exists()
    manifest = read_json(sorted(run.glob("checkpoints/*.manifest.json"))[-1])
    assert "step-000012.pt" in [entry["path"] for entry in manifest["entries"]]
    done = project.call("local", "--resume", run.name)
    assert "start at step 12, attempt 2" in done.stdout
    assert project.outcome(run)["status"] == "success"


def make_zip(path, fill, size=3 << 20):
    """As torch.save leaves one, in place: what the training would do under its last name."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data", fill * size)


def listing(folder):
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("frozen", ["in training", "before its end"])
def test_an_old_host_that_wakes_beside_its_successor_writes_nothing(
        project, processes, namespaces, has_failpoints, frozen):
    """The successor sees no process of the old one: only its heartbeat tells, and stood still."""
    beat = {"BRANCHLINE_TEST_HEARTBEAT_MS": "200"}
    if frozen == "in training":
        local = project.start("local", "--param", "hold_at=12", **beat)
        processes.append(local)
        run = project.newest()
        project.wait_for_manifest(run)
        old = owner_pid(run)
        os.kill(old, signal.SIGSTOP)
    else:
        local = project.start("local", BRANCHLINE_FAILPOINT="host.end.before=stop", **beat)
        processes.append(local)
        run = project.newest()
        wait_for_file(run / "metrics.jsonl")
        old = owner_pid(run)
    until(lambda: state_of(old) == "T", "the host is frozen")
    # open before the successor tidies up: what an unfenced host would read on
    output = work(project, run) / "output/branchline"
    late = [(open(output / "log", "a"), "late\n"),
            (open(output / "metrics.jsonl", "a"), '{"step": 13, "loss": 1}\n')]
    done = project.call("local", "--resume", run.name, **beat,
                        wrap=["unshare", "--pid", "--fork", "--mount-proc"])
    assert "attempt 2" in done.stdout
    outcome = project.outcome(run)
    assert (outcome["status"], outcome["attempt"]) == ("success", 2)
    assert read_json(run / "attempts/001.end.json")["class"] == "lost"
    # all that would make an unfenced host write: a new checkpoint, output, metrics, a due heartbeat
    checkpoints = work(project, run) / "checkpoints"
    checkpoints.mkdir(parents=True)
    make_zip(checkpoints / "step-000015.pt", "x", 1000)
    for file, line in late:
        with file:
            file.write(line)
    (run / "reserve").write_bytes(b"the successor's")
    before = listing(project.store)
    os.kill(old, signal.SIGCONT)
    said = local.communicate(timeout=PATIENCE)[1]
    assert local.returncode not in (0, 70)
    assert "attempt 1 was ended by somebody else" in said
    check_nothing_lives(run.name)
    assert listing(project.store) == before


def test_a_clock_that_steps_back(project, processes, has_failpoints, tmp_path):
    """By a day, in the midst: nothing waits for it to come again, and limits hold as they were."""
    step = tmp_path / "step"
    step.write_text("0")
    project.configure("max_runtime: 10m\n")
    local = project.start("local", "--param", "hold_at=8", "--param", "steps=2000",
                          BRANCHLINE_TEST_WALL_STEP=str(step))
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    first = read_json(run / "heartbeats/001.json")
    # replaced whole, since programs read it at any time
    (tmp_path / "next").write_text(str(-86400000))
    (tmp_path / "next").replace(step)
    checkpoints = work(project, run) / "checkpoints"
    make_zip(tmp_path / "later.pt", "x", 1000)
    (tmp_path / "later.pt").rename(checkpoints / "later.pt")
    (checkpoints / "raw.bin").write_bytes(b"raw")
    until(lambda: "raw.bin" in names_of(manifests(run)[-1]), "quiet is told without that clock")
    assert "later.pt" in names_of(manifests(run)[-1])
    beat = until(lambda: (b := read_json(run / "heartbeats/001.json"))["seq"] > first["seq"] and b,
                 "it beats on")
    assert beat["at_ms"] < first["at_ms"]
    local.send_signal(signal.SIGINT)
    assert local.wait(timeout=PATIENCE) == 5
    outcome = project.outcome(run)
    assert (outcome["class"], outcome["attempt"]) == ("cancelled", 1)
    points = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert points == sorted(points) and points[-1] == 8
    assert project.call("report", "--format", "md").stdout
    json.loads(project.call("status", "--json").stdout)
