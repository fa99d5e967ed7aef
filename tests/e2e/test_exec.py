# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec, from outside: what it runs, what it passes on, what it records."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from conftest import PATIENCE, read_json, until, wait_for_file, wait_for_text, wait_gone

NEVER_END = {signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN,
             signal.SIGTTOU, signal.SIGURG, signal.SIGWINCH}
ENDING = sorted(set(range(1, 32)) - {int(s) for s in NEVER_END})
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}


class Exec:
    """One exec in a tree of its own."""

    def __init__(self, runner, root, processes):
        self.runner, self.root, self.processes = runner, root, processes
        self.records = root / "output" / "branchline"
        root.mkdir(exist_ok=True)

    def config(self, **keys):
        path = self.root / "input" / "config" / "branchline.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schema": 1, "echo": False, **keys}))

    def argv(self, args, wrap=()):
        return [*map(str, wrap), str(self.runner), "exec", *map(str, args)]

    def env(self, extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BRANCHLINE_", "GITHUB_"))}
        env["BRANCHLINE_ROOT"] = str(self.root)
        env.update({k: str(v) for k, v in extra.items()})
        return env

    def start(self, *args, wrap=(), env=(), **popen):
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(self.argv(args, wrap), env=self.env(dict(env)),
                                   start_new_session=True, **popen)
        self.processes.append(process)
        return process

    def run(self, *args, patience=PATIENCE, **how):
        process = self.start(*args, **how)
        out, err = process.communicate(timeout=patience)
        return process.returncode, out, err

    def shell(self, script, **how):
        return self.run("--", "sh", "-c", script, **how)

    def python(self, source, **how):
        return self.run("--", *python(source), **how)

    @property
    def exit(self):
        return read_json(self.records / "exit.json")

    @property
    def verdict(self):
        return read_json(self.records / "verdict.json")

    @property
    def log(self):
        return (self.records / "log").read_bytes()


def python(source):
    # -I -S: no user site, no start-up cost; -u as PYTHONUNBUFFERED would have it
    return [sys.executable, "-ISu", "-c", textwrap.dedent(source)]


@pytest.fixture
def ex(runner, tmp_path, processes):
    return Exec(runner, tmp_path / "ml", processes)


def root_only():
    if os.geteuid() != 0:
        pytest.skip("needs root for namespaces")


PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture(params=["child", "pid 1"])
def wrap(request):
    """The same test as an ordinary process and as PID 1 of a container."""
    if request.param == "child":
        return ()
    root_only()
    probe = subprocess.run([*PID_1, "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no PID namespaces here: {probe.stderr.decode().strip()}")
    return PID_1


def exec_pid(process, wrap):
    """exec itself, below unshare where that is in between."""
    if not wrap:
        return process.pid
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(until(lambda: children.read_text().split(), "unshare has forked")[0])


# --- How it ends ------------------------------------------------------------------------------


def test_all_256_exit_codes_are_exact(runner, tmp_path, processes):
    def ended(code):
        one = Exec(runner, tmp_path / str(code), processes)
        status = one.shell(f"exit {code}")[0]
        return status, one.exit["exited"], one.exit["code"], one.exit["signal"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # most of the time is the disk's
        assert list(pool.map(ended, range(256))) == [(c, True, c, None) for c in range(256)]


@pytest.mark.parametrize("signum", ENDING)
def test_a_signal_that_ends_the_command(ex, signum):
    code, _, _ = ex.python(f"""
        import os, resource, signal
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if {signum} != signal.SIGKILL:
            signal.signal({signum}, signal.SIG_DFL)
        os.kill(os.getpid(), {signum})
        """)
    assert code == 128 + signum
    assert (ex.exit["exited"], ex.exit["code"], ex.exit["signal"]) == (False, 128 + signum, signum)
    assert ex.exit["stop_delivered_at"] is None
    assert ex.verdict["message"] == f"the command was ended by {signal.Signals(signum).name}" \
        or signum == signal.SIGIO


@pytest.mark.parametrize("signum", sorted(NEVER_END))
def test_a_signal_that_does_not_end_the_command(ex, tmp_path, signum):
    here = tmp_path / "pid"
    process = ex.start("--", *python(f"""
        import os, pathlib
        pathlib.Path("{here}.new").write_text(str(os.getpid()))
        os.rename("{here}.new", "{here}")
        os.kill(os.getpid(), {int(signum)})
        os._exit(7)
        """))
    pid = int(wait_for_file(here).read_text())
    if signum in STOPPING:
        until(lambda: state_of(pid) == "T", "it is stopped")
        assert process.poll() is None
        os.kill(pid, signal.SIGCONT)
    assert process.wait(PATIENCE) == 7
    assert ex.exit["exited"] is True


@pytest.mark.sample
def test_the_record_of_a_success(ex):
    code, out, err = ex.shell("echo out; echo err >&2")
    assert (code, err) == (0, b"")
    assert {path.name for path in ex.records.iterdir()} == {"log", "metrics.jsonl", "exit.json"}
    record = ex.exit
    assert record["spawned"] and record["exited"]
    assert record["captured_bytes"] == 8 and record["dropped_bytes"] == 0
    assert record["oom_kills"] == 0
    assert record["started_at"] <= record["ended_at"]
    assert ex.log == b"out\nerr\n"
    assert not (ex.records / "verdict.json").exists()
    assert out == b"out\nerr\n"  # without a configuration the output is shown as well


def test_a_record_of_an_earlier_command_does_not_stay(ex):
    ex.shell("exit 3")
    assert ex.verdict["class"] == "user_exit"
    ex.shell("exit 0")
    assert not (ex.records / "verdict.json").exists()
    assert ex.exit["code"] == 0


# --- What cannot run --------------------------------------------------------------------------


@pytest.mark.sample
def test_a_command_that_is_not_there(ex):
    code, _, err = ex.run("--", "no-such-program-here")
    assert code == 127
    assert b"no-such-program-here" in err and b"PATH is" in err
    assert ex.exit["spawned"] is False and ex.exit["code"] == 127
    assert "no-such-program-here" in ex.exit["error"]


def test_a_command_that_is_not_executable(ex, tmp_path):
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    code, _, err = ex.run("--", script)
    assert code == 126 and b"chmod +x" in err
    script.chmod(0o755)
    script.write_text("#!/no/such/python\n")
    code, _, err = ex.run("--", script)
    assert code == 127 and b"interpreter" in err


@pytest.mark.parametrize("args, text", [(["--"], b"no command after --"), ([], b"no command"),
                                        (["train"], b"no command")])
def test_a_missing_command_is_a_configuration_error(ex, args, text):
    code, _, err = ex.run(*args)
    assert code == 2 and text in err
    assert ex.exit["spawned"] is False and ex.exit["code"] == 2


def test_a_bad_configuration_names_the_key(ex):
    ex.config(command=["true"], grace_ms="long")
    code, _, err = ex.run("train")
    assert code == 2 and b"grace_ms" in err
    ex.config(command="python train.py", hyperparameters={"lr": 1})
    code, _, err = ex.run("train")
    assert code == 2 and b'"$@"' in err
    ex.config(command=["true"], workdir="/no/such/dir")
    code, _, err = ex.run("train")
    assert code == 2 and b"workdir" in err and ex.exit["spawned"] is False


def test_a_tree_that_cannot_be_made(ex):
    code, _, err = ex.run("--", "true", env={"BRANCHLINE_ROOT": "/proc/no"})
    assert code != 0 and b"/proc/no" in err and b"BRANCHLINE_ROOT" in err
    code, _, err = ex.run("--", "true", env={"BRANCHLINE_ROOT": "relative"})
    assert code == 2 and b"absolute" in err


def test_without_a_tree_it_still_runs(runner, tmp_path):
    if pathlib.Path("/opt/ml").exists():
        pytest.skip("/opt/ml is here")
    env = {k: v for k, v in os.environ.items() if k != "BRANCHLINE_ROOT"}
    done = subprocess.run([runner, "exec", "--", "sh", "-c", "echo hi; exit 4"], env=env,
                          capture_output=True, timeout=PATIENCE, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (4, b"hi\n", b"")
    assert not pathlib.Path("/opt/ml").exists() and not list(tmp_path.iterdir())


# --- Configuration and environment ------------------------------------------------------------


@pytest.mark.sample
def test_the_configured_command_gets_its_hyperparameters(ex):
    ex.config(command=["printf", "%s,"], hyperparameters={"lr": 0.001, "b": True, "a": False, "n": "x y"})
    assert ex.run("train")[0] == 0
    assert ex.log == b"--b,--lr,0.001,--n,x y,"
    ex.config(command='printf "<%s>" "$@"', hyperparameters={"k": 1}, hyperparameters_as="equals")
    assert ex.run()[0] == 0
    assert ex.log.endswith(b"<k=1>")


def test_sagemakers_hyperparameters_are_read(ex):
    ex.config(command=["printf", "%s,"])
    path = ex.root / "input" / "config" / "hyperparameters.json"
    path.write_text('{"epochs":"3","on":"true","name":"\\"adam\\"","sagemaker_program":"x.py"}')
    assert ex.run("train")[0] == 0
    assert ex.log == b"--epochs,3,--name,adam,--on,"


def test_an_image_carries_its_command(ex, tmp_path):
    root_only()
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no mount namespaces here: {probe.stderr.strip()}")
    image = tmp_path / "exec.json"
    image.write_text(json.dumps({"schema": 1, "command": ["sh", "-c", "exit 9"]}))
    mount = ["unshare", "--mount", "sh", "-ec",
             f"mount -t tmpfs none /opt; mkdir /opt/branchline; cp {image} /opt/branchline; "
             'exec "$@"', "sh"]
    assert ex.run("train", wrap=mount)[0] == 9


def test_the_command_sees_the_tree(ex):
    (ex.root / "input" / "data" / "train").mkdir(parents=True)
    (ex.root / "input" / "data" / "note.txt").write_text("no channel")
    (ex.root / "code").mkdir()
    ex.config(command=["env"], hyperparameters={"lr": 0.5}, hyperparameters_as="none", gpus=2,
              workdir=".", env={"OWN": "1"})
    assert ex.run("train", env={"PYTHONPATH": "", "BRANCHLINE_RUN_ID": "r-1"})[0] == 0
    seen = dict(line.split("=", 1) for line in ex.log.decode().splitlines() if "=" in line)
    root = str(ex.root)
    assert seen["SM_CHANNELS"] == '["train"]'
    assert seen["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert seen["SM_MODEL_DIR"] == f"{root}/model"
    assert seen["SM_HPS"] == '{"lr":0.5}' and seen["SM_HP_LR"] == "0.5"
    assert seen["SM_NUM_GPUS"] == "2" and seen["OWN"] == "1"
    assert seen["PYTHONPATH"] == f"{root}/code"
    assert seen["BRANCHLINE_RUN_ID"] == seen["WANDB_RUN_ID"] == "r-1"
    assert seen["BRANCHLINE_CHECKPOINT_DIR"] == f"{root}/checkpoints"
    assert "BRANCHLINE_EXEC_ID" in seen
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "TORCHELASTIC_RUN_ID"):
        assert name not in seen


def test_the_working_directory_is_ours_unless_told(ex, tmp_path):
    (ex.root / "code" / "src").mkdir(parents=True)
    assert ex.run("--", "pwd", cwd=tmp_path)[0] == 0
    assert ex.log == f"{tmp_path}\n".encode()
    ex.config(workdir="src", command=["pwd"])
    assert ex.run("train", cwd=tmp_path)[0] == 0
    assert ex.log.endswith(f"{ex.root}/code/src\n".encode())


# --- Signals ----------------------------------------------------------------------------------

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


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_an_end_just_before_a_stop_is_no_stop(ex, tmp_path):
    """Both wait for exec when it looks: the command was through before it could be stopped."""
    here, go = tmp_path / "pid", tmp_path / "go"
    process = ex.start("--", *python(f"""
        import os, time
        open("{here}.new", "w").write(str(os.getpid()))
        os.rename("{here}.new", "{here}")
        while not os.path.exists("{go}"):
            time.sleep(0.01)
        """))
    pid = int(wait_for_file(here).read_text())
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


def test_kill_nine_of_exec_ends_the_command_and_keeps_its_output(ex, tmp_path):
    here = tmp_path / "pid"
    process = ex.start("--", *python(f"""
        import os, time
        print("last words", flush=True)
        open("{here}.new", "w").write(str(os.getpid()))
        os.rename("{here}.new", "{here}")
        time.sleep(600)
        """))
    pid = int(wait_for_file(here).read_text())
    wait_for_text(ex.records / "log", "last words")
    helpers = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    for one in (pid, *map(int, helpers)):
        wait_gone(one)
    assert not (ex.records / "exit.json").exists()
    assert ex.log == b"last words\n"


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
    def look():
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for pid in children.read_text().split():
            if state_of(pid) == "T":
                return int(pid)
        return None

    return until(look, "a child of exec is stopped")


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


# --- Verdicts ---------------------------------------------------------------------------------


@pytest.mark.sample
@pytest.mark.parametrize("source, klass, message", [
    ("raise ValueError('no such key')", "user_exit", "ValueError: no such key"),
    ("raise OSError(28, 'No space left on device')", "storage",
     "OSError: [Errno 28] No space left on device"),
    ("raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')", "cuda_oom",
     "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"),
    ("x y", "user_exit", "SyntaxError: invalid syntax"),
    ("import sys; sys.exit(3)", "user_exit", ""),
])
def test_a_python_failure_has_its_last_line(ex, source, klass, message):
    code, _, _ = ex.python(source)
    assert code != 0
    assert (ex.verdict["class"], ex.verdict["message"]) == (klass, message)


def test_torchs_error_file_is_read(ex):
    code, _, _ = ex.python("""
        import json, os, sys
        with open(os.environ["TORCHELASTIC_ERROR_FILE"], "w") as file:
            json.dump({"message": {"message": "IndexError: 7", "extraInfo": {
                "py_callstack": "Traceback", "timestamp": "1"}}}, file)
        sys.exit(1)
        """)
    assert code == 1
    assert (ex.verdict["source"], ex.verdict["message"]) == ("torchelastic", "IndexError: 7")


def test_sagemakers_failure_file_is_read(ex):
    (ex.root / "output").mkdir(parents=True)
    code, _, _ = ex.shell(f"echo 'the data is gone' >{ex.root}/output/failure; exit 1")
    assert code == 1
    assert (ex.verdict["source"], ex.verdict["message"]) == ("failure_file", "the data is gone")


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


# --- Cost -------------------------------------------------------------------------------------


def test_an_idle_exec_sleeps(ex):
    """Ticks of the processor over two seconds of a silent command: growing the ring, no more."""
    process = ex.start("--", *python("""
        import time
        print("ready", flush=True)
        time.sleep(600)
        """))
    wait_for_text(ex.records / "log", "ready\n")

    def ticks():
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, until_then = ticks(), time.monotonic() + 2
    until(lambda: time.monotonic() > until_then, "two seconds are over")
    assert ticks() - before <= 5
