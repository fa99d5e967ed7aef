# SPDX-License-Identifier: Apache-2.0
"""Trainings that misbehave, from outside: they stay, close, flood, and write what is no text."""
import json
import signal
import sys
import textwrap

import pytest

from conftest import PATIENCE, read_json, wait_for_text
from fault_runs import python, work
from project import alive_with


def test_a_command_that_ignores_the_stop_is_killed(project, processes):
    local = project.start("local", "--param", "hold_at=8", "--param", "ignore_term=true",
                          "--grace", "1s")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    local.send_signal(signal.SIGTERM)
    assert local.wait(timeout=PATIENCE) == 5
    outcome = project.outcome(run)
    assert (outcome["status"], outcome["class"]) == ("cancelled", "cancelled")
    assert outcome["signal"] == 9
    assert "--resume" in outcome["next_step"]


def test_a_thousand_orphans_are_ended(project):
    """Each in a session of its own, so that no group signal reaches it."""
    project.call("local", "--", "sh", "-c",
                 "i=0; while [ $i -lt 1000 ]; do setsid sleep 1000 & i=$((i + 1)); done; echo made",
                 timeout=60)
    run = project.newest()
    assert project.outcome(run)["status"] == "success"
    assert "made" in (run / "log.txt").read_text()
    assert not alive_with(run.name)


def test_a_command_that_closes_its_output(project):
    project.call("local", *python("""\
        import json, os, time
        print("last words")
        os.close(1)
        os.close(2)
        with open(os.environ["BRANCHLINE_METRICS"], "a", buffering=1) as file:
            for step in range(1, 31):
                file.write(json.dumps({"step": step, "loss": 1 / step}) + "\\n")
                time.sleep(0.02)
        """))
    run = project.newest()
    assert project.outcome(run)["status"] == "success"
    assert (run / "log.txt").read_text() == "last words\n"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 30


def check_counted(project, run, size):
    """Every byte is in the log or counted; returns how many are not in it."""
    record = read_json(work(project, run) / "output/branchline/exit.json")
    log = (run / "log.txt").read_bytes()
    marks = [line for line in log.split(b"\n") if line.startswith(b"[branchline: ")]
    kept = len(log) - sum(len(mark) + 1 for mark in marks)
    assert record["captured_bytes"] == size
    # a mark in the midst of a line has a line break before it
    assert 0 <= kept + record["dropped_bytes"] - size <= len(marks)
    return record["dropped_bytes"]


def test_a_flood_of_output(project):
    """400 MB as fast as the pipe takes them, a log limit, and a count of what is not in the log."""
    size, limit = 400 << 20, 16 << 20
    done = project.call("local", "--max-log-bytes", "16MiB", check=False, timeout=60, *python(f"""\
        import os
        line = b"0123456789abcde\\n" * 65536
        for _ in range({size} // len(line)):
            left = memoryview(line)
            while left:
                left = left[os.write(1, left):]
        os._exit(3)
        """))
    run = project.newest()
    assert project.outcome(run)["exit_code"] == 3
    dropped = check_counted(project, run, size)
    assert limit <= (run / "log.txt").stat().st_size < 2 * limit
    assert f"{dropped} bytes of output" in done.stderr


def test_a_line_of_fifty_megabytes(project):
    project.call("local", *python("""\
        import json, os
        os.write(1, b"before\\n")
        left = memoryview(b"x" * (50 << 20))
        while left:
            left = left[os.write(1, left):]
        os.write(1, b"\\nafter\\n")
        print(json.dumps({"step": 7, "loss": 0.5}))
        os._exit(3)
        """), check=False, timeout=60)
    run = project.newest()
    log = (run / "log.txt").read_bytes()
    assert project.outcome(run)["exit_code"] == 3
    assert b"x\nafter\n" in log
    check_counted(project, run, (50 << 20) + len('before\n\nafter\n{"step": 7, "loss": 0.5}\n'))
    assert project.runs()[0]["step"] == 7
    assert "after" in project.call("logs", "-n", "2").stdout
    assert len(project.call("report", "--format", "md").stdout) < 60000


def test_invalid_utf8_breaks_no_reader(project):
    done = project.call("local", *python("""\
        import os
        os.write(1, b"caf\\xe9 \\xff\\xfe \\xed\\xa0\\x80 \\x00 \\x1b[31m\\n")
        os.write(1, b'{"step": 1, "loss": 2.0, "note": "\\xff"}\\n')
        raise ValueError(b"caf\\xe9".decode("latin-1") + chr(0xdc80))
        """), check=False)
    run = project.newest()
    outcome = project.outcome(run)
    assert (done.returncode, outcome["class"]) == (1, "user_exit")
    assert "ValueError" in outcome["message"]
    assert b"caf\xe9 \xff\xfe" in (run / "log.txt").read_bytes()
    for verb in ("runs", "status"):
        json.loads(project.call(verb, "--json").stdout)
    json.loads(project.call("report", "--format", "json").stdout)
    for format in ("md", "html", "term"):
        target = project.path.parent / f"report.{format}"
        project.call("report", "--format", format, "-o", target)
        assert "\x00" not in target.read_text()
    project.call("logs")


def test_metrics_that_are_no_numbers_or_no_json(project):
    project.call("local", *python(r"""
        import os
        with open(os.environ["BRANCHLINE_METRICS"], "a") as file:
            file.write('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": NaN}\n')
            file.write('{"step": 3, "loss": Infinity, "lr": -Infinity}\n')
            file.write('{"step": 4, "lo\n')
            file.write('[1, 2]\nnot json\n\n{"step": 5, "loss": "0.5"}\n')
            file.write('{"step": 6, "loss": 1.5}\n{"step": 7, "loss": 1.')
        print('{"step": 8, "loss": NaN}')
        """), check=False)
    run = project.newest()
    points = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = {point.get("step") for point in points}
    assert {1, 2, 3, 6} <= steps
    assert 4 not in steps and 7 not in steps
    assert project.call("report", "--format", "md").stdout
    json.loads(project.call("report", "--format", "json").stdout)
    json.loads(project.call("status", "--json").stdout)


@pytest.mark.parametrize("form", ["list", "shell"])
def test_workers_survive_the_stop(project, processes, form):
    """A data loader's worker that dies of the TERM would break the training's last save."""
    (project.path / "workers.py").write_text(textwrap.dedent("""\
        import os, signal, sys, time
        stop = []
        ends, begins = os.pipe()
        worker = os.fork()
        if not worker:
            os.close(begins)
            os.read(ends, 1)  # ends when its parent says so, or a signal ends it
            os._exit(0)
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        print("ready", flush=True)
        while not stop:
            time.sleep(0.02)
        gone, _ = os.waitpid(worker, os.WNOHANG)
        print("worker is " + ("gone" if gone else "alive"), flush=True)
        os.write(begins, b"x")
        _, status = os.waitpid(worker, 0)
        sys.exit(0 if not status else 9)
        """))
    command = f"[{sys.executable}, workers.py]"
    if form == "shell":  # the shell itself would not pass the signal on
        command = f"'{sys.executable} workers.py; echo the shell goes on'"
    (project.path / "branchline.yaml").write_text(f"version: 1\ncommand: {command}\n")
    local = project.start("local")
    processes.append(local)
    run = project.newest()
    wait_for_text(work(project, run) / "output/branchline/log", "ready")
    local.send_signal(signal.SIGTERM)
    assert local.wait(timeout=PATIENCE) == 5
    assert project.outcome(run)["class"] == "cancelled"
    assert "worker is alive" in (run / "log.txt").read_text()
