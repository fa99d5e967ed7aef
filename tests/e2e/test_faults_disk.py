# SPDX-License-Identifier: Apache-2.0
"""Full disks, from outside: under the store, the log and the work directory."""
from conftest import read_json
from fault_runs import check_failed, python, work
from project import check_nothing_lives, check_store


def on_small_disk(folder, size, copy):
    """Words before a command: folder is a file system of that size for it alone, copied at its
    end for the test to look at."""
    script = ('mount -t tmpfs -o size="$1" none "$0" || exit 99; copy=$2; shift 2; '
              '"$@"; code=$?; cp -a "$0/." "$copy" || exit 98; exit $code')
    folder.mkdir(exist_ok=True)
    copy.mkdir()
    return ["unshare", "--mount", "sh", "-c", script, str(folder), size, str(copy)]


def test_a_full_disk_under_the_store_is_named(project, namespaces, tmp_path):
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


def test_the_outcome_has_room_on_a_full_disk(project, namespaces, tmp_path):
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


def test_a_full_disk_under_the_work_directory_is_named(project, namespaces, tmp_path):
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


def test_a_store_that_is_full_at_the_start(project, namespaces, tmp_path):
    small, copy = tmp_path / "small", tmp_path / "copy"
    done = project.call("local", "--store", small, check=False,
                        wrap=on_small_disk(small, "100k", copy))
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if line.startswith("branchline: ")]
    assert "No space left on device" in last[-1]
    assert "free space" in done.stderr
    check_store(copy)
