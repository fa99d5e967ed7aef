# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec, from outside: what it runs, how that ends, what it records."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import PATIENCE, state_of, until, wait_for_text
from exec_runs import Exec, python, root_only

NEVER_END = {signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN,
             signal.SIGTTOU, signal.SIGURG, signal.SIGWINCH}
ENDING = sorted(set(range(1, 32)) - {int(s) for s in NEVER_END})
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}


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
def test_a_signal_that_does_not_end_the_command(ex, signum):
    process, pid = ex.start_known(f"""
        os.kill(os.getpid(), {int(signum)})
        os._exit(7)
        """)
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
    ex.config(command=["printf", "%s,"],
              hyperparameters={"lr": 0.001, "b": True, "a": False, "n": "x y"})
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
