# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec and deaths: of the command's family, for want of memory, of its own."""
import os
import pathlib
import signal
import time

import pytest

from conftest import PATIENCE, until, wait_for_text, wait_gone
from exec_runs import children, python, root_only


# --- Orphans ----------------------------------------------------------------------------------


def test_a_thousand_orphans_are_reaped(ex, wrap):
    code, _, _ = ex.python("""
        import os
        for _ in range(1000):
            pid = os.fork()
            if not pid:
                if not os.fork():
                    os.read(0, 1)          # until its parent is gone
                    os._exit(0)
                os._exit(0)
            os.waitpid(pid, 0)
        print("done")
        """, wrap=wrap)
    assert code == 0 and ex.log == b"done\n"


def test_what_outlives_the_command_is_killed(ex, wrap):
    """In a session of its own, its environment overwritten, ignoring TERM, holding the pipe."""
    held, holds = os.pipe()
    started = time.monotonic()
    process = ex.start("--", *python(f"""
        import os, signal
        ready, go = os.pipe()
        if not os.fork():
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.set_inheritable({holds}, True)
            os.write(go, b"x")
            os.execve("/bin/sleep", ["sleep", "600"], {{}})
        os.read(ready, 1)
        os._exit(5)
        """), wrap=wrap, pass_fds=[holds])
    os.close(holds)
    assert process.wait(PATIENCE) == 5
    assert ex.exit["code"] == 5
    assert time.monotonic() - started > 4.5  # it was given its five seconds
    assert os.read(held, 1) == b""  # nobody holds the other end any more
    os.close(held)


def test_kill_nine_of_exec_ends_the_command_and_keeps_its_output(ex):
    process, pid = ex.start_known("""
        import time
        print("last words", flush=True)
        time.sleep(600)
        """)
    wait_for_text(ex.records / "log", "last words")
    helpers = children(process)
    process.kill()
    for one in (pid, *helpers):
        wait_gone(one)
    assert not (ex.records / "exit.json").exists()
    assert ex.log == b"last words\n"


# --- Out of memory ----------------------------------------------------------------------------


@pytest.fixture
def memory_group(request):
    """A memory control group of 32 MiB, version 1."""
    root_only()
    top = pathlib.Path("/sys/fs/cgroup/memory")
    if not (top / "memory.limit_in_bytes").exists():
        pytest.skip("no version 1 memory controller here")
    group = top / f"bl-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made: {error}")
    (group / "memory.limit_in_bytes").write_text(str(32 << 20))
    yield group
    until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
    group.rmdir()


def test_an_out_of_memory_kill_is_counted(ex, memory_group):
    enter = ["sh", "-c", f'echo $$ >{memory_group}/cgroup.procs; exec "$@"', "sh"]
    code, _, _ = ex.python("x = bytearray(256 << 20)", wrap=enter)
    assert code == 137
    assert ex.exit["oom_kills"] >= 1 and ex.exit["signal"] == 9
    assert ex.exit["stop_delivered_at"] is None


# --- Deaths at every named place --------------------------------------------------------------

OBSERVE_PLACES = ["observe.start", "observe.chunk", "observe.line", "observe.verdict.before",
                  "observe.verdict.after"]
EXEC_PLACES = ["exec.spawn.before", "exec.spawn.after", "exec.loop", "exec.exit_record.before",
               "exec.exit_record.after"]


def test_every_place_is_tried(has_failpoints):
    named = {name for name in has_failpoints if name.startswith(("exec.", "observe."))}
    assert named == {*OBSERVE_PLACES, *EXEC_PLACES, "observe.log"}


@pytest.mark.sample
@pytest.mark.parametrize("place", OBSERVE_PLACES)
def test_a_death_of_observe_costs_no_training(ex, has_failpoints, place):
    code, _, _ = ex.python("""
        import os
        for i in range(2000):
            os.write(1, b"line %d\\n" % i)
        os.write(1, b"the end\\n")
        os._exit(7)
        """, env={"BRANCHLINE_FAILPOINT": f"{place}=kill"})
    assert code == 7 and ex.exit["code"] == 7
    log = ex.log
    assert log.endswith(b"line 1999\nthe end\n")
    if place != "observe.line":  # that one dies between the log and its receipt: bytes come twice
        assert log == b"".join(b"line %d\n" % i for i in range(2000)) + b"the end\n"


@pytest.mark.parametrize("place", EXEC_PLACES)
def test_a_death_of_exec_leaves_nothing_behind(ex, has_failpoints, place):
    held, holds = os.pipe()
    code, _, _ = ex.python("print('hello', flush=True)", pass_fds=[holds],
                           env={"BRANCHLINE_FAILPOINT": f"{place}=kill"})
    os.close(holds)
    assert code == -signal.SIGKILL
    assert os.read(held, 1) == b""  # neither command nor observe is left
    os.close(held)
    record = ex.records / "exit.json"
    if place == "exec.exit_record.after":
        assert ex.exit["code"] == 0
    else:
        assert not record.exists()
    assert not list(ex.records.glob(".bl-*")) or place == "exec.exit_record.before"
