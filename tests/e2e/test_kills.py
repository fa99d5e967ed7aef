# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every failpoint of host, exec, observe and ship: the run ends right all the same.

Either the run recovers by itself (a helper was started again), or it is left to be resumed, and
--resume ends it with success, one outcome and nothing alive.
"""
import json
import pathlib

import pytest

from conftest import PATIENCE, is_alive, list_failpoints, programs, read_json, until
from project import Project

STEPS = 40
# Killed there at every try, the helper costs what the design lets it cost: metrics or the log, no training.
LOSES_STREAMS = ("observe.", "ship.chunk.", "ship.drain.before", "ship.heartbeat.")


def alive_with(run_name):
    """Processes whose environment or arguments name the run."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environ = (proc / "environ").read_bytes()
            arguments = (proc / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if run_name.encode() in environ + arguments and is_alive(int(proc.name)):
            found.append(int(proc.name))
    return found


def check_ended_right(run, failpoint):
    outcome = read_json(run / "outcome.json")
    assert outcome["status"] == "success"
    assert (run / "SUCCESS").exists() != (run / "FAILURE").exists()
    ends = sorted(run.glob("attempts/*.end.json"))
    claims = sorted(run.glob("attempts/???.json"))
    assert len(ends) == len(claims)
    if not failpoint.startswith(LOSES_STREAMS):
        check_streams(run)
    manifest = read_json(run / f"outputs/{outcome['attempt']:03}.manifest.json")
    for entry in manifest["entries"]:
        stored = run.parent.parent / entry["key"]
        assert stored.stat().st_size == entry["size"]
    until(lambda: not alive_with(run.name), "nothing of the run is left")


def check_streams(run):
    assert f"done at step {STEPS}" in (run / "log.txt").read_text()
    steps = [json.loads(line).get("step") for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert max(step for step in steps if step) == STEPS


def pytest_generate_tests(metafunc):
    if "failpoint" in metafunc.fixturenames:
        runner = programs() / "branchline-runner"
        found = list_failpoints(runner) if runner.exists() else []
        metafunc.parametrize("failpoint", sorted(set(found)) or ["none"])


def test_kill_at(branchline, tmp_path, failpoint):
    if failpoint == "none":
        pytest.skip("these programs are built without failpoints")
    project = Project(branchline, tmp_path / "project")
    project.configure(f"hyperparameters_as: flags\nretries: 9\n")
    args = ("--param", f"steps={STEPS}", "--param", "step_ms=4")
    first = project.call("local", *args, check=False, timeout=60,
                         BRANCHLINE_FAILPOINT=f"{failpoint}=kill")
    created = sorted(project.store.glob("runs/*/run.json"))
    if not created:
        # killed before the run was created: there is nothing to resume, only to start
        project.call("local", *args, timeout=60)
        created = sorted(project.store.glob("runs/*/run.json"))
    run = created[-1].parent
    until(lambda: not alive_with(run.name), "what was killed is gone with its children")
    if not (run / "outcome.json").exists():
        assert first.returncode in (75, 70, -9), first.stderr
        project.call("local", "--resume", run.name, timeout=60)
    check_ended_right(run, failpoint)
