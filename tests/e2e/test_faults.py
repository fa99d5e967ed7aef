# SPDX-License-Identifier: Apache-2.0
"""Bad input and faults, from outside: each ends with a class, a cause and a next step, leaves
nothing torn in the store and nothing alive."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile

import pytest

from conftest import PATIENCE, is_alive, read_json, until, wait_for_file, wait_for_text, wait_gone
from project import Project, alive_with, check_nothing_lives, check_store, kill_host, owner_pid


@pytest.fixture
def project(branchline, tmp_path):
    """Checked at the end: no test leaves something torn or alive."""
    project = Project(branchline, tmp_path / "project")
    yield project
    check_store(project.store)
    for run in project.store.glob("runs/*"):
        check_nothing_lives(run.name)


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root for namespaces")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
                           capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no namespaces here: {probe.stderr.strip()}")


def python(source):
    """Words after --: a training of its own. -u as PYTHONUNBUFFERED would have it."""
    return ["--", sys.executable, "-ISu", "-c", textwrap.dedent(source)]


def work(project, run, attempt=1):
    return project.path / ".branchline/work" / run.name / str(attempt)


def check_failed(done, outcome, *, exit_code, klass, message, next_step):
    """All that a failed run owes its reader, and the last line says the same."""
    assert done.returncode == exit_code, done.stderr
    assert outcome["class"] == klass
    assert message in outcome["message"]
    assert next_step in outcome["next_step"]
    said = done.stderr.splitlines()
    assert any(line.startswith("branchline: ") and outcome["message"] in line for line in said)


# --- Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("more, said", [
    ("hyperparametrs: {a: 1}\n", "branchline.yaml:9:1: unknown key 'hyperparametrs'"),
    ("retries: many\n", "branchline.yaml:9:10"),
    ("metrics2: [\n", "branchline.yaml:10:1"),
])
def test_a_bad_configuration_is_named_by_its_place(project, more, said):
    project.configure(more)
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not list(project.store.glob("runs/*"))


@pytest.mark.parametrize("command, code, message, next_step", [
    ("no-such-program-here", 127, "no-such-program-here", "PATH"),
    ("./plain.txt", 126, "./plain.txt", "chmod"),
])
def test_a_command_that_cannot_start(project, command, code, message, next_step):
    (project.path / "plain.txt").write_text("no program\n")
    done = project.call("local", "--", command, check=False)
    outcome = project.outcome()
    check_failed(done, outcome, exit_code=2, klass="config", message=message, next_step=next_step)
    assert (outcome["status"], outcome["exit_code"], outcome["stage"]) == ("failure", code, "start")


@pytest.mark.parametrize("files, said", [
    (None, "data"),
    ({}, "data"),
    ({"a.jsonl": ""}, "holds no record"),
    ({"a.jsonl": '{"a": 1}\n{"a": 1\n{"a": 2}\n'}, "a.jsonl:2:"),
], ids=["absent", "no file", "empty file", "bad line"])
def test_bad_data_starts_nothing(project, files, said):
    shutil.rmtree(project.path / "data")
    if files is not None:
        (project.path / "data").mkdir()
        for name, text in files.items():
            (project.path / "data" / name).write_text(text)
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "train" in done.stderr
    assert not list(project.store.glob("runs/*"))


def test_a_store_that_may_not_be_written(project):
    folder = project.path / "readonly"
    folder.mkdir(mode=0o555)
    # root passes over permissions unless it lacks the right to
    wrap = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = project.call("local", "--store", folder, check=False, wrap=wrap)
    assert done.returncode == 2
    assert "readonly" in done.stderr and "Permission denied" in done.stderr
    assert "--store" in done.stderr
    assert not list(folder.iterdir())
    folder.chmod(0o755)


# --- Full disks -------------------------------------------------------------------------------

def on_small_disk(folder, size, copy):
    """Words before a command: folder is a file system of that size for it alone, copied at its
    end for the test to look at."""
    script = ('mount -t tmpfs -o size="$1" none "$0" || exit 99; copy=$2; shift 2; '
              '"$@"; code=$?; cp -a "$0/." "$copy" || exit 98; exit $code')
    folder.mkdir(exist_ok=True)
    copy.mkdir()
    return ["unshare", "--mount", "sh", "-c", script, str(folder), size, str(copy)]


def test_a_full_disk_under_the_store_is_named(project, root, tmp_path):
    project.configure("retries: 0\n")
    small, copy = tmp_path / "small", tmp_path / "copy"
    done = project.call("local", "--store", small, "--param", "ballast_kib=600", check=False,
                        wrap=on_small_disk(small, "1800k", copy))
    (run,) = copy.glob("runs/*")
    outcome = read_json(run / "outcome.json")
    check_failed(done, outcome, exit_code=1, klass="storage", message="No space left on device",
                 next_step="free space")
    assert outcome["status"] == "interrupted"  # another attempt could do better: none is left
    assert read_json(run / "attempts/001.end.json")["class"] == "storage"
    assert (run / "FAILURE").exists()
    check_store(copy)
    check_nothing_lives(run.name)


def test_the_outcome_has_room_on_a_full_disk(project, root, tmp_path):
    """Not a byte is left when the training ends: the reserve serves for the last words."""
    small, copy = tmp_path / "small", tmp_path / "copy"
    done = project.call(
        "local", "--store", small, "--retries", "0", check=False,
        wrap=on_small_disk(small, "1800k", copy), *python(f"""\
            import os
            with open(os.environ["SM_MODEL_DIR"] + "/model.bin", "wb") as file:
                file.write(b"m" * 100000)
            with open("{small}/fill", "wb", 0) as file:
                try:
                    for size in (65536, 4096, 512, 1):
                        try:
                            while True:
                                file.write(b"x" * size)
                        except OSError:
                            continue
                finally:
                    print(os.statvfs("{small}").f_bavail, "blocks free")
            """))
    (run,) = copy.glob("runs/*")
    outcome = read_json(run / "outcome.json")
    assert "0 blocks free" in done.stdout
    check_failed(done, outcome, exit_code=1, klass="storage", message="No space left on device",
                 next_step="free space")
    assert not (run / "reserve").exists()
    assert not list(run.glob("outputs/*.manifest.json"))
    check_store(copy)
    check_nothing_lives(run.name)


def test_with_retries_left_a_full_disk_is_said_and_resumed(project, has_failpoints):
    done = project.call("local", check=False,
                        BRANCHLINE_FAILPOINT="checkpoint.manifest.before=ENOSPC")
    run = project.newest()
    assert done.returncode == 75
    assert not (run / "outcome.json").exists()
    last = [line for line in done.stderr.splitlines() if line.startswith("branchline: ")][-1]
    assert "storage" in last and "No space left on device" in last
    assert f"--resume {run.name}" in done.stderr
    assert not list(run.glob("checkpoints/*.manifest.json"))
    project.call("local", "--resume", run.name)
    outcome = project.outcome(run)
    assert (outcome["status"], outcome["attempt"]) == ("success", 2)


def test_no_room_for_the_log_costs_the_log_alone(project, has_failpoints):
    """The work is done and its results are verified: that stays a success, which says so."""
    done = project.call("local", BRANCHLINE_FAILPOINT="ship.chunk.before=ENOSPC")
    run = project.newest()
    outcome = project.outcome(run)
    assert outcome["status"] == "success"
    assert "No space left on device" in outcome["message"]
    assert "No space left on device" in done.stderr
    # the only copy stays
    assert "done at step 20" in (work(project, run) / "output/branchline/log").read_text()


def test_no_room_for_the_log_on_this_machine_is_counted(project, has_failpoints):
    # a success would leave no exit.json to look at
    done = project.call("local", "--param", "exit=3", check=False,
                        BRANCHLINE_FAILPOINT="observe.log=ENOSPC")
    run = project.newest()
    outcome = project.outcome(run)
    assert (outcome["class"], outcome["exit_code"]) == ("user_exit", 3)
    record = read_json(work(project, run) / "output/branchline/exit.json")
    assert record["dropped_bytes"] == record["captured_bytes"] > 0
    assert f"{record['dropped_bytes']} bytes of output are not in the log" in done.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 20


def test_a_full_disk_under_the_work_directory_is_named(project, root, tmp_path):
    """The training meets it first; the record of its end has room all the same."""
    copy = tmp_path / "copy"
    folder = project.path / ".branchline"
    folder.mkdir()
    done = project.call(
        "local", "--store", tmp_path / "store", "--retries", "0", check=False,
        wrap=on_small_disk(folder, "1500k", copy), *python("""\
            import os
            with open(os.environ["BRANCHLINE_CHECKPOINT_DIR"] + "/raw.bin", "wb", 0) as file:
                while True:
                    print("x" * 4000)
                    file.write(b"x" * 65536)
            """))
    (run,) = (tmp_path / "store").glob("runs/*")
    outcome = read_json(run / "outcome.json")
    check_failed(done, outcome, exit_code=1, klass="storage", message="No space left on device",
                 next_step="make room")
    record = read_json(copy / "work" / run.name / "1/output/branchline/exit.json")
    assert record["exited"] and record["code"] == 1
    check_store(tmp_path / "store")
    check_nothing_lives(run.name)


def test_a_store_that_is_full_at_the_start(project, root, tmp_path):
    small, copy = tmp_path / "small", tmp_path / "copy"
    done = project.call("local", "--store", small, check=False,
                        wrap=on_small_disk(small, "100k", copy))
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if line.startswith("branchline: ")]
    assert "No space left on device" in last[-1]
    assert "free space" in done.stderr
    check_store(copy)


# --- Children ---------------------------------------------------------------------------------


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


# --- Local and host ---------------------------------------------------------------------------


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


def listing(folder):
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*")) if path.is_file()}


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("frozen", ["in training", "before its end"])
def test_an_old_host_that_wakes_beside_its_successor_writes_nothing(project, processes, root,
                                                                    has_failpoints, frozen):
    """The successor cannot see the old one's processes: only its heartbeat tells, and stood still."""
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


# --- Checkpoints ------------------------------------------------------------------------------


def frozen_of(run):
    """The process of the run that a failpoint stopped."""
    return next((pid for pid in alive_with(run.name) if state_of(pid) == "T"), None)


def names_of(manifest):
    return {entry["path"]: entry for entry in read_json(manifest)["entries"]}


def manifests(run):
    return sorted(run.glob("checkpoints/*.manifest.json"))


def make_zip(path, fill, size=3 << 20):
    """As torch.save leaves one, in place: what the training would do under its last name."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data", fill * size)


def test_a_checkpoint_rotated_away_in_the_midst_of_its_upload(project, processes, has_failpoints):
    """As the Trainer of Hugging Face keeps the newest only."""
    (project.path / "train.py").write_text(textwrap.dedent("""\
        import json, os, pathlib, shutil, time
        def save(step):
            folder = pathlib.Path(os.environ["BRANCHLINE_CHECKPOINT_DIR"], f"checkpoint-{step}")
            folder.mkdir()
            for name in ("config.json", "optimizer.bin", "scheduler.bin"):
                (folder / name).write_text(json.dumps({"step": step}))
            (folder / "trainer_state.json").write_text(json.dumps(
                {"global_step": step, "log_history": []}))
            return folder
        first = save(500)
        while not os.path.exists("go on"):
            time.sleep(0.02)
        save(1000)
        shutil.rmtree(first)
        pathlib.Path("rotated").touch()
        while not os.path.exists("end"):
            time.sleep(0.02)
        """))
    local = project.start("local", "--", sys.executable, "train.py",
                          BRANCHLINE_FAILPOINT="checkpoint.object.before=stop@2")
    processes.append(local)
    run = project.newest()
    ship = until(lambda: frozen_of(run), "the upload is under way")
    (project.path / "go on").touch()
    wait_for_file(project.path / "rotated")
    os.kill(ship, signal.SIGCONT)
    until(lambda: manifests(run), "the newer checkpoint is published")
    (project.path / "end").touch()
    assert local.wait(timeout=PATIENCE) == 0
    for manifest in manifests(run):
        found = set(names_of(manifest))
        for step in (500, 1000):
            folder = {f"checkpoint-{step}/{name}" for name in
                      ("config.json", "optimizer.bin", "scheduler.bin", "trainer_state.json")}
            assert not found & folder or folder <= found, "a checkpoint in parts"
    assert "checkpoint-1000/trainer_state.json" in names_of(manifests(run)[-1])
    named = {entry["key"] for m in manifests(run) for entry in names_of(m).values() if "key" in entry}
    stored = {str(p.relative_to(project.store)) for p in run.glob("checkpoints/*/**/*") if p.is_file()}
    assert stored == named


def test_a_checkpoint_rewritten_in_place_in_the_midst_of_its_upload(project, processes,
                                                                    has_failpoints):
    (project.path / "train.py").write_text(textwrap.dedent("""\
        import os, time, zipfile
        path = os.path.join(os.environ["BRANCHLINE_CHECKPOINT_DIR"], "last.ckpt")
        def save(fill):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data", fill * (3 << 20))
        save("a")
        while not os.path.exists("go on"):
            time.sleep(0.02)
        save("b")
        open("rewritten", "w").close()
        while not os.path.exists("end"):
            time.sleep(0.02)
        """))
    # a megabyte of the old one is read, then it is another
    local = project.start("local", "--", sys.executable, "train.py",
                          BRANCHLINE_FAILPOINT="store.put_file.write=stop@2")
    processes.append(local)
    run = project.newest()
    ship = until(lambda: frozen_of(run), "the upload is under way")
    (project.path / "go on").touch()
    wait_for_file(project.path / "rewritten")
    os.kill(ship, signal.SIGCONT)
    until(lambda: manifests(run), "it is published after all")
    (project.path / "end").touch()
    assert local.wait(timeout=PATIENCE) == 0
    for manifest in manifests(run):
        stored = project.store / names_of(manifest)["last.ckpt"]["key"]
        with zipfile.ZipFile(stored) as archive:
            assert set(archive.read("archive/data")) == {ord("b")}


@pytest.mark.parametrize("victim", ["training", "host"])
def test_a_save_cut_by_a_kill_is_never_restored(project, processes, victim):
    """A whole checkpoint, then half of the next: what goes on starts from the whole one."""
    (project.path / "train.py").write_text(textwrap.dedent("""\
        import os, pathlib, signal, time, zipfile
        folder = pathlib.Path(os.environ["BRANCHLINE_CHECKPOINT_DIR"])
        found = sorted(path.name for path in folder.iterdir())
        print("found", found, flush=True)
        if found:
            with zipfile.ZipFile(folder / "step-1.pt") as archive:
                assert archive.testzip() is None
            raise SystemExit
        with zipfile.ZipFile(folder / "step-1.pt", "w") as archive:
            archive.writestr("archive/data", "1" * 100000)
        whole = (folder / "step-1.pt").read_bytes()
        (folder / "step-2.pt").write_bytes(whole[:len(whole) // 2])
        print("cut by", os.getpid(), flush=True)
        while True:
            time.sleep(0.02)
        """))
    (project.path / "branchline.yaml").write_text(
        f"version: 1\ncommand: [{sys.executable}, train.py]\ncheckpoints: {{quiet: 1s}}\n")
    local = project.start("local")
    processes.append(local)
    run = project.newest()
    log = wait_for_text(work(project, run) / "output/branchline/log", "cut by")
    if victim == "host":
        kill_host(run)
        assert local.wait(timeout=PATIENCE) == 75
    else:
        os.kill(int(log.split()[-1]), signal.SIGKILL)
        assert local.wait(timeout=PATIENCE) == 1
        outcome = project.outcome(run)
        assert (outcome["class"], outcome["signal"]) == ("user_exit", 9)
    done = project.call("local", "--resume", run.name)
    assert "found ['step-1.pt']" in done.stdout
    for manifest in project.store.glob("runs/*/checkpoints/*.manifest.json"):
        assert set(names_of(manifest)) == {"step-1.pt"}


# --- The clock --------------------------------------------------------------------------------


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
