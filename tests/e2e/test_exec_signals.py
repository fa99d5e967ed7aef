# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec and signals: which stop the command, which pass, when a stop is one."""
import os
import signal
import sys
import textwrap

import pytest

from conftest import PATIENCE, state_of, until, wait_for_text
from exec_runs import exec_pid, python


# not signal.pause(): a signal just before it would be slept through
SAVES_ON_TERM = """
    import os, signal, sys, time
    def stop(*_):
        print("saving", flush=True)
        sys.exit({code})
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
    """


@pytest.mark.sample
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_the_command(ex, wrap, signum):
    ex.config(echo=False)
    process = ex.start("--", *python(SAVES_ON_TERM.format(code=0)), wrap=wrap)
    wait_for_text(ex.records / "log", "ready\n")
    (ex.records / "stop").write_text("timeout")
    os.kill(exec_pid(process, wrap), signum)
    assert process.wait(PATIENCE) == 0
    assert ex.exit["stop_delivered_at"] >= ex.exit["started_at"]
    assert ex.exit["stop_reason"] == "timeout"
    assert ex.log == b"ready\nsaving\n"


@pytest.mark.parametrize("word, reason", [(None, "cancelled"), ("interrupted\n", "interrupted"),
                                          ("", "cancelled"), ("../x", "cancelled")])
def test_the_reason_of_a_stop(ex, word, reason):
    process = ex.start("--", *python(SAVES_ON_TERM.format(code=3)))
    wait_for_text(ex.records / "log", "ready\n")
    if word is not None:
        (ex.records / "stop").write_text(word)
    process.terminate()
    assert process.wait(PATIENCE) == 3
    assert ex.exit["stop_reason"] == reason


def test_a_command_that_ignores_the_stop_is_killed_after_its_grace(ex, wrap):
    ex.config(grace_ms=300)
    process = ex.start("--", *python("""
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
        """), wrap=wrap)
    wait_for_text(ex.records / "log", "ready\n")
    os.kill(exec_pid(process, wrap), signal.SIGTERM)
    assert process.wait(PATIENCE) == 137
    assert ex.log == b"ready\nno\n"
    assert ex.exit["signal"] == 9
    assert ex.exit["ended_at"] - ex.exit["stop_delivered_at"] >= 290


@pytest.mark.sample
def test_quit_kills_at_once(ex, wrap):
    process = ex.start("--", *python(SAVES_ON_TERM.format(code=0)), wrap=wrap)
    wait_for_text(ex.records / "log", "ready\n")
    os.kill(exec_pid(process, wrap), signal.SIGQUIT)
    assert process.wait(PATIENCE) == 137
    assert ex.exit["signal"] == 9 and ex.exit["stop_reason"] == "cancelled"
    assert b"saving" not in ex.log


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                                    signal.SIGWINCH, signal.SIGRTMIN + 3])
def test_other_signals_are_passed_on(ex, wrap, signum):
    process = ex.start("--", *python(f"""
        import signal, sys, time
        signal.signal({int(signum)}, lambda n, _: sys.exit(50))
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
        """), wrap=wrap)
    wait_for_text(ex.records / "log", "ready\n")
    os.kill(exec_pid(process, wrap), signum)
    assert process.wait(PATIENCE) == 50
    assert ex.exit["stop_delivered_at"] is None


def test_nohup_is_respected(ex):
    process = ex.start("--", *python("""
        import signal, sys, time
        signal.signal(signal.SIGHUP, lambda n, _: sys.exit(50))
        signal.signal(signal.SIGUSR1, lambda n, _: sys.exit(51))
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
        """), wrap=["env", "--ignore-signal=HUP"])
    wait_for_text(ex.records / "log", "ready\n")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE) == 51


WORKERS = """
    import os, signal, sys, time
    workers = []
    for _ in range(3):
        pid = os.fork()
        if not pid:
            # a DataLoader worker: dies of a TERM, and its parent would then fail
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
            while True:
                time.sleep(0.01)
        workers.append(pid)
    def stop(*_):
        for pid in workers:
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "a worker got the signal"
        print("workers live, saving", flush=True)
        for pid in workers:
            os.kill(pid, signal.SIGUSR1)
            os.waitpid(pid, 0)
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
    """


@pytest.mark.parametrize("kind", ["list", "text that becomes it", "text that waits for it"])
def test_data_loader_workers_survive_the_stop(ex, tmp_path, kind):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(WORKERS))
    line = f"{sys.executable} -ISu {script}"
    ex.config(command={"list": line.split(), "text that becomes it": f"exec {line}",
                       "text that waits for it": f"{line}; exit $?"}[kind])
    process = ex.start("train")
    wait_for_text(ex.records / "log", "ready\n")
    process.terminate()
    code = process.wait(PATIENCE)
    assert b"workers live, saving" in ex.log
    # a shell that waits dies of its own TERM; the command has ended only when its child has
    assert code == (143 if kind == "text that waits for it" else 0)
    assert ex.exit["stop_delivered_at"] is not None


def test_a_shells_children_are_awaited(ex):
    """The shell dies of TERM at once, its child saves for longer than a straggler may stay."""
    ex.config(command=f"""{sys.executable} -ISu -c '
import signal, sys, time
def stop(*_):
    time.sleep(5.5)
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True: time.sleep(0.01)
'; true""")
    process = ex.start("train")
    wait_for_text(ex.records / "log", "ready\n")
    process.terminate()
    process.wait(PATIENCE)
    assert ex.log == b"ready\nsaved\n"


def test_a_stop_before_the_spawn_is_remembered(ex, has_failpoints):
    process = ex.start("--", *python("import time; time.sleep(60)"),
                       env={"BRANCHLINE_FAILPOINT": "exec.spawn.before=stop"})
    until(lambda: state_of(process.pid) == "T", "exec is stopped")
    process.terminate()
    process.send_signal(signal.SIGCONT)
    assert process.wait(PATIENCE) == 143
    assert ex.exit["spawned"] and ex.exit["stop_delivered_at"] is not None


def test_an_end_just_before_a_stop_is_no_stop(ex, tmp_path):
    """Both wait for exec when it looks: the command was through before it could be stopped."""
    go = tmp_path / "go"
    process, pid = ex.start_known(f"""
        import time
        while not os.path.exists("{go}"):
            time.sleep(0.01)
        """)
    process.send_signal(signal.SIGSTOP)
    until(lambda: state_of(process.pid) == "T", "exec is stopped")
    go.touch()
    until(lambda: state_of(pid) == "Z", "the command has ended")
    process.terminate()
    process.send_signal(signal.SIGCONT)
    assert process.wait(PATIENCE) == 0
    assert ex.exit["exited"] is True and ex.exit["stop_delivered_at"] is None


def test_a_stop_after_the_end_is_none(ex):
    """What the command left behind keeps exec for a while; a stop then changes nothing."""
    process = ex.start("--", *python("""
        import os, time
        parent, grandparent = os.getpid(), os.getppid()
        if not os.fork():
            os.setsid()
            while os.getppid() == parent:
                time.sleep(0.01)
            print("adopted", os.getppid() == grandparent, flush=True)
            time.sleep(600)
        os._exit(0)
        """))
    wait_for_text(ex.records / "log", "adopted True")
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert ex.exit["stop_delivered_at"] is None and ex.exit["exited"] is True
