# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec and output: what is captured, counted, kept on a full disk and shown."""
import json
import os
import re
import signal
import subprocess

import pytest

from conftest import PATIENCE, state_of, until, wait_for_file
from exec_runs import children, python, root_only


# --- Output -----------------------------------------------------------------------------------


def test_a_command_that_closes_its_output(ex, tmp_path):
    here = tmp_path / "after"
    code, _, _ = ex.python(f"""
        import os
        print("before", flush=True)
        os.close(1)
        os.close(2)
        open("{here}", "w").close()
        os._exit(6)
        """)
    assert code == 6 and here.exists() and ex.log == b"before\n"


FLOOD = """
    import os, sys, time
    block = bytes(range(256)) * 4096
    start = time.monotonic()
    for _ in range({total} // len(block)):
        left = memoryview(block)
        while left:
            left = left[os.write(1, left):]
    print(time.monotonic() - start, file=open({report!r}, "w"))
    os.write(1, b"the last words")
    """


def flood(ex, tmp_path, total, env=()):
    report = tmp_path / "report"
    code, _, _ = ex.python(FLOOD.format(total=total, report=str(report)), env=env)
    assert code == 0
    assert ex.exit["captured_bytes"] == total + len(b"the last words")
    assert ex.log.endswith(b"the last words")
    return float(report.read_text())


MARK = re.compile(rb"^\[branchline: (\d+) bytes dropped\]\n", re.MULTILINE)


def assert_accounted(ex):
    """What the log holds and what it says is missing are what the command wrote."""
    log, record = ex.log, ex.exit
    missing = sum(map(int, MARK.findall(log)))
    kept, marks = len(MARK.sub(b"", log)), len(MARK.findall(log))
    assert missing == record["dropped_bytes"]
    # a mark that comes in the middle of a line ends it: that byte is not the command's
    assert kept - marks <= record["captured_bytes"] - missing <= kept
    return missing


def test_a_flood_is_captured_without_a_stall(ex, tmp_path):
    total = 512 << 20
    ex.config()
    seconds = flood(ex, tmp_path, total)
    assert total / seconds > 200e6, f"{total / seconds / 1e6:.0f} MB/s"
    assert_accounted(ex)


def test_a_frozen_observer_stalls_nothing(ex, tmp_path, has_failpoints):
    """observe is stopped after its first bytes: the ring goes round and round under it."""
    report = tmp_path / "report"
    ex.config()
    process = ex.start("--", *python("""
    import os
    os.write(1, b"first\\n")
    os.read(0, 1)
    """ + FLOOD.format(total=64 << 20, report=str(report))),
        stdin=subprocess.PIPE, env={"BRANCHLINE_FAILPOINT": "observe.chunk=stop@1"})
    helper = frozen_child(process)
    process.stdin.write(b"x")
    process.stdin.close()
    wait_for_file(report)
    os.kill(helper, signal.SIGCONT)
    assert process.wait(PATIENCE) == 0
    assert assert_accounted(ex) > 32 << 20
    assert ex.log.endswith(b"the last words")


def frozen_child(process):
    return until(lambda: next((pid for pid in children(process) if state_of(pid) == "T"), None),
                 "a child of exec is stopped")


@pytest.mark.sample
def test_a_line_of_fifty_megabytes(ex):
    code, _, _ = ex.python("""
        import os
        left = 50 << 20
        while left:
            left -= os.write(1, b"x" * min(left, 65536))
        os.write(1, b'\\n{"step": 1, "loss": 0.5}\\n')
        """)
    assert code == 0
    assert ex.exit["captured_bytes"] == (50 << 20) + 26
    assert_accounted(ex)
    lines = (ex.records / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["values"] for line in lines] == [{"loss": 0.5}]


def test_invalid_utf8_passes_as_it_is(ex):
    raw = bytes(range(256)) * 3 + b"\xc3\x28 \xf0\x9f\x92 \xed\xa0\x80\n"
    code, _, _ = ex.python(f"""
        import os
        os.write(1, {raw!r})
        os._exit(1)
        """)
    assert code == 1 and ex.log == raw
    assert "\ufffd" in ex.verdict["trace_tail"]


def test_the_last_bytes_before_a_kill_are_kept(ex):
    code, _, _ = ex.python("""
        import os, signal
        os.write(1, b"y" * 65536)
        os.write(1, b"the end")
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    assert code == 137 and ex.log == b"y" * 65536 + b"the end"


def test_the_log_has_a_limit_and_its_end(ex):
    ex.config(max_log_bytes=1000)
    code, _, _ = ex.python("""
        import os
        os.write(1, b"a" * 1500)
        os.write(1, b"z" * 100000)
        """)
    assert code == 0
    log = ex.log
    assert log.startswith(b"a" * 1000 + b"\n[branchline: log limit of 1000 bytes reached")
    assert log.endswith(b"z" * 65536) and len(log) < 1000 + 65536 + 300
    assert ex.exit["dropped_bytes"] == 101500 - 1000 - 65536


def test_a_full_disk_costs_the_log_and_not_the_training(ex, has_failpoints):
    code, _, _ = ex.shell("echo one; echo two", env={"BRANCHLINE_FAILPOINT": "observe.log=ENOSPC"})
    assert code == 0 and ex.exit["code"] == 0
    assert ex.log == b"" and ex.exit["dropped_bytes"] == 8  # no room for what was set aside either


def test_a_training_that_fills_the_disk_leaves_its_cause(ex, tmp_path):
    """A real full disk: last lines, verdict and record come from what was set aside."""
    root_only()
    saved = tmp_path / "saved"
    inside = ["unshare", "--mount", "sh", "-c",
              f'mount -t tmpfs -o size=1m none {ex.root} || exit 99; "$@"; code=$?; '
              f"cp -a {ex.root} {saved}; exit $code", "sh"]
    code, _, _ = ex.python(f"""
        import os
        print("begun", flush=True)
        block = os.urandom(4096)
        with open({str(ex.root)!r} + "/checkpoint.pt", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(block)
            except OSError:
                pass
            for i in range(20000):
                print("line", i)
            file.write(block)
        """, wrap=inside)
    if code == 99:
        pytest.skip("no tmpfs here")
    ex.records = saved / "output" / "branchline"
    assert code == 1 and ex.exit["code"] == 1
    assert ex.verdict["class"] == "storage"
    assert ex.verdict["message"] == "OSError: [Errno 28] No space left on device"
    log = ex.log
    assert b"bytes not kept: No space left on device; the last 65536 follow]\n" in log
    assert log.endswith(b"OSError: [Errno 28] No space left on device\n")
    assert not list(ex.records.glob("reserve*")) and not list(ex.records.glob(".bl-*"))


@pytest.mark.sample
def test_metrics_become_one_stream(ex):
    ex.config(echo=False)
    code, _, _ = ex.shell("""
        echo '{"step": 1, "loss": 2.5}'
        printf '\\033[32m{"step": 2, "loss": NaN}\\033[0m\\r\\n'
        echo '{"step": 3, "acc": 0.5}' >>"$BRANCHLINE_METRICS"
        printf '{"step": 4, "lo'
        """, env={"BRANCHLINE_ATTEMPT": "3"})
    assert code == 0
    records = [json.loads(line) for line in (ex.records / "metrics.jsonl").read_text().splitlines()]
    values = {record["step"]: record["values"] for record in records}
    assert values[1] == {"loss": 2.5} and values[2] == {"loss": "NaN"} and values[3] == {"acc": 0.5}
    assert 4 not in values
    assert {record["attempt"] for record in records} == {3}


# --- Echo -------------------------------------------------------------------------------------


def test_the_output_is_shown_when_asked(ex):
    ex.config(echo=True)
    assert ex.shell("echo shown") == (0, b"shown\n", b"")
    ex.config(echo=False)
    assert ex.shell("echo shown") == (0, b"", b"")


@pytest.mark.sample
def test_in_actions_the_output_gives_no_commands(ex):
    ex.config(echo=True)
    _, out, _ = ex.shell("echo ::error::forged; printf half", env={"GITHUB_ACTIONS": "true"})
    first, *middle, last = out.decode().splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32 and first != token
    assert middle == ["::error::forged", "half"] and last == f"::{token}::"


def test_a_reader_of_the_echo_that_sleeps_stalls_nothing(ex, tmp_path):
    ex.config(echo=True)
    report = tmp_path / "report"
    process = ex.start("--", *python(FLOOD.format(total=32 << 20, report=str(report))))
    wait_for_file(report)  # the command is through, and nobody has read a byte
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert b"bytes not shown]" in out
    assert_accounted(ex)
