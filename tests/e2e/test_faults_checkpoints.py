# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that change or are cut while they are taken, from outside: none is torn."""
import os
import signal
import sys
import textwrap
import zipfile

import pytest

from conftest import PATIENCE, state_of, until, wait_for_file, wait_for_text
from fault_runs import manifests, names_of, work
from project import alive_with, kill_host


def frozen_of(run):
    """The process of the run that a failpoint stopped."""
    return next((pid for pid in alive_with(run.name) if state_of(pid) == "T"), None)


def change_in_the_midst(project, processes, failpoint, changed):
    """train.py goes on once the upload of its checkpoint stopped there; the upload once the file
    `changed` is there. Returns the run, which is a success."""
    local = project.start("local", "--", sys.executable, "train.py", BRANCHLINE_FAILPOINT=failpoint)
    processes.append(local)
    run = project.newest()
    ship = until(lambda: frozen_of(run), "the upload is under way")
    (project.path / "go on").touch()
    wait_for_file(project.path / changed)
    os.kill(ship, signal.SIGCONT)
    until(lambda: manifests(run), "what it changed to is published")
    (project.path / "end").touch()
    assert local.wait(timeout=PATIENCE) == 0
    return run


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
    run = change_in_the_midst(project, processes, "checkpoint.object.before=stop@2", "rotated")
    for manifest in manifests(run):
        found = set(names_of(manifest))
        for step in (500, 1000):
            folder = {f"checkpoint-{step}/{name}" for name in
                      ("config.json", "optimizer.bin", "scheduler.bin", "trainer_state.json")}
            assert not found & folder or folder <= found, "a checkpoint in parts"
    assert "checkpoint-1000/trainer_state.json" in names_of(manifests(run)[-1])
    named = {entry["key"] for manifest in manifests(run) for entry in names_of(manifest).values()
             if "key" in entry}
    stored = {str(path.relative_to(project.store)) for path in run.glob("checkpoints/*/**/*")
              if path.is_file()}
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
    run = change_in_the_midst(project, processes, "store.put_file.write=stop@2", "rewritten")
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
