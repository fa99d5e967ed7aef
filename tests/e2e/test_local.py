# SPDX-License-Identifier: Apache-2.0
"""`branchline local` and the verbs around it, from outside: a repository, a trainer, a store."""
import json
import signal
import subprocess
import sys

import pytest

from conftest import PATIENCE, read_json, until, wait_for_file, wait_for_text
from project import Project, check_nothing_lives, kill_host


@pytest.fixture
def project(branchline, tmp_path):
    return Project(branchline, tmp_path / "project")


@pytest.mark.sample
def test_a_run_succeeds_and_leaves_what_the_design_says(project):
    done = project.call("local")
    run = project.newest()
    outcome = project.outcome()
    assert outcome["status"] == "success"
    assert outcome["attempt"] == 1
    assert (run / "SUCCESS").exists() and not (run / "FAILURE").exists()
    names = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert {"run.json", "attempts/001.json", "attempts/001.started.json", "attempts/001.end.json",
            "heartbeats/001.json", "outputs/001.manifest.json", "outputs/001/model/model.bin",
            "log.txt", "metrics.jsonl"} <= names
    assert "reserve" not in names
    assert "done at step 20" in (run / "log.txt").read_text()
    assert "done at step 20" in done.stdout
    points = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [p["step"] for p in points] == list(range(1, 21))
    assert read_json(run / "heartbeats/001.json")["step"] == 20
    manifest = read_json(sorted(run.glob("checkpoints/*.manifest.json"))[-1])
    assert "step-000020.pt" in [e["path"] for e in manifest["entries"]]
    assert manifest["step"] == 20


def test_a_hundred_thousand_points_in_a_moment(project):
    (project.path / "points.py").write_text(
        "import json, os\n"
        "with open(os.environ['BRANCHLINE_METRICS'], 'a') as out:\n"
        "    for step in range(1, 100001):\n"
        "        out.write(json.dumps({'step': step, 'loss': 1 / step}) + chr(10))\n")
    project.call("local", "--", "python3", "points.py")
    lines = (project.newest() / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 100000
    assert json.loads(lines[-1])["step"] == 100000


def test_git_sees_nothing_of_it(project):
    project.call("local")
    assert project.git("status", "--porcelain") == ""


def test_runs_status_logs_pull_and_rm_tell_of_it(project, tmp_path):
    project.call("local")
    (run,) = project.runs()
    assert run["state"] == "success"
    assert run["primary"] == "loss"
    assert run["step"] == 20
    status = json.loads(project.call("status", "--json").stdout)
    assert status["runs"][0]["run"] == run["run"]
    assert status["outcome"]["status"] == "success"
    assert "start at step 0" in project.call("logs", run["run"][-4:]).stdout
    assert project.call("logs", "-n", "1").stdout.strip() == "done at step 20"
    pulled = project.call("pull", "latest", tmp_path / "out")
    assert (tmp_path / "out/model/model.bin").read_bytes() == bytes(range(256)) * 20
    assert "5120 bytes" in pulled.stderr
    project.call("pull", "--checkpoint", "latest", tmp_path / "ckpt")
    assert (tmp_path / "ckpt/step-000020.pt").exists()
    project.call("rm", "--yes", run["run"])
    assert project.runs() == []
    assert not list(project.store.glob("runs/*/*"))


def test_pull_neither_overwrites_nor_pretends(project, tmp_path):
    project.call("local")
    out = tmp_path / "out"
    told = project.call("pull", "--checkpoint", "--dry-run", "--json", "latest", out)
    assert "step-000020.pt" in [f["path"] for f in json.loads(told.stdout)["files"]]
    assert not out.exists()
    project.call("pull", "latest", out)
    project.call("pull", "latest", out)     # the same again: nothing to do
    model = out / "model/model.bin"
    model.write_text("my own")
    done = project.call("pull", "latest", out, check=False)
    assert done.returncode == 2 and "model/model.bin" in done.stderr
    assert model.read_text() == "my own"


def test_verbs_about_runs_make_no_store(project):
    for verb in (["rm", "--yes", "latest"], ["stop"], ["logs", "-f"], ["baseline"], ["runs"]):
        done = project.call(*verb, "--store", "nowhere", check=False)
        assert done.returncode == 2 and "there is no store at" in done.stderr, verb
        assert not (project.path / "nowhere").exists(), verb


def test_rm_asks_or_is_told(project):
    project.call("local")
    done = project.call("rm", "latest", check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert project.runs()


def test_controls_in_a_cause_reach_no_terminal(project):
    project.call("local", "--", sys.executable, "-c", "raise ValueError('\\x1b]0;owned\\x07')",
                 check=False)
    for verb in ("status", "runs"):
        assert "\x1b" not in project.call(verb).stdout


def test_a_traceback_is_the_cause(project):
    done = project.call("local", "--param", "fail_at=7", check=False)
    outcome = project.outcome()
    assert done.returncode == 1
    assert outcome["status"] == "failure"
    assert outcome["class"] == "user_exit"
    assert "ValueError: the tensor at step 7 has the wrong shape" in outcome["message"]
    assert outcome["message"] in done.stderr


def test_nan_stops_the_run_and_is_the_result(project):
    done = project.call("local", "--param", "nan_at=12", "--param", "hold_at=12", check=False)
    outcome = project.outcome()
    assert (done.returncode, outcome["status"], outcome["class"]) == (1, "failure", "nan")
    assert "12" in outcome["message"] or "12" in done.stderr


def test_ctrl_c_keeps_the_last_checkpoint(project, processes):
    local = project.start("local", "--param", "hold_at=8")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    local.send_signal(signal.SIGINT)
    assert local.wait(timeout=PATIENCE) == 5
    assert project.outcome(run)["class"] == "cancelled"
    manifest = read_json(sorted(run.glob("checkpoints/*.manifest.json"))[-1])
    assert "step-000008.pt" in [e["path"] for e in manifest["entries"]]


def test_a_second_ctrl_c_kills_at_once(project, processes):
    project.configure("flush_reserve: 20s\n")
    local = project.start("local", "--param", "hold_at=8", "--param", "ignore_term=true",
                          "--grace", "10m")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    local.send_signal(signal.SIGINT)
    wait_for_file(project.path / f".branchline/work/{run.name}/1/output/branchline/stop")
    local.send_signal(signal.SIGINT)
    assert local.wait(timeout=PATIENCE) == 5
    assert project.outcome(run)["status"] == "cancelled"


def test_stop_ends_a_run_from_elsewhere(project, processes):
    local = project.start("local", "--param", "hold_at=8")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    project.call("stop", run.name)
    assert local.wait(timeout=PATIENCE) == 5
    assert project.outcome(run)["class"] == "cancelled"


def test_stop_ends_what_a_killed_host_left(project, processes):
    left = "setsid sleep 1000 & echo up; while :; do sleep 0.1; done"
    local = project.start("local", "--", "sh", "-c", left)
    processes.append(local)
    run = project.newest()
    wait_for_text(project.path / f".branchline/work/{run.name}/1/output/branchline/log", "up")
    kill_host(run)
    assert local.wait(timeout=PATIENCE) == 75
    done = project.call("stop", run.name)
    check_nothing_lives(run.name)
    assert project.outcome(run)["status"] == "cancelled"
    assert f".branchline/work/{run.name}/1" in done.stderr


def test_time_is_a_limit(project):
    done = project.call("local", "--param", "hold_at=8", "--max-runtime", "2s", check=False)
    assert done.returncode == 6
    assert project.outcome()["class"] == "timeout"


@pytest.mark.sample
def test_a_killed_host_is_resumed_from_its_checkpoint(project, processes):
    local = project.start("local", "--param", "hold_at=12")
    processes.append(local)
    run = project.newest()
    until(lambda: [m for m in run.glob("checkpoints/*.manifest.json")
                   if "step-000010.pt" in m.read_text()], "step 10 is published")
    kill_host(run)
    assert local.wait(timeout=PATIENCE) == 75
    assert not (run / "outcome.json").exists()
    (state,) = {r["state"] for r in project.runs()}
    assert "interrupted" in state
    done = project.call("local", "--resume", run.name)
    outcome = project.outcome(run)
    assert (outcome["status"], outcome["attempt"]) == ("success", 2)
    assert read_json(run / "attempts/001.end.json")["class"] == "lost"
    # the trainer saved steps 5 and 10 and was killed while it held at 12
    assert "start at step 10, attempt 2" in done.stdout
    assert "start at step 0, attempt 1" in (run / "log.txt").read_text()


def test_resume_of_an_ended_run_is_a_new_run_with_a_parent(project):
    project.call("local")
    first = project.newest()
    project.call("local", "--resume", "latest", "--param", "steps=30")
    (second,) = [run.parent for run in project.store.glob("runs/*/run.json") if run.parent != first]
    parents = read_json(second / "run.json")["parents"]
    assert parents[0]["run"] == first.name
    assert "start at step 20" in (second / "log.txt").read_text()
    report = json.loads(project.call("report", second.name, "--format", "json").stdout)
    assert report["this"]["continued_from"] == [{"run": first.name, "step": 20}]
    (loss,) = [curve for curve in report["curves"] if curve["name"] == "loss"]
    assert loss["steps"] == list(range(1, 31))
    assert f"continued from run {first.name[-4:]} at step 20" in report["facts"]


def test_a_parents_checkpoint_is_restored_again_after_a_kill(project, has_failpoints):
    project.call("local")
    first = project.newest()
    killed = project.call("local", "--resume", "latest", "--param", "steps=30", check=False,
                          BRANCHLINE_FAILPOINT="ship.restore.after=kill")
    (second,) = [run.parent for run in project.store.glob("runs/*/run.json") if run.parent != first]
    assert "holds" not in killed.stderr     # what the killed one restored is in nobody's way
    assert not (second / "attempts/001.end.json").exists()
    project.call("local", "--resume", second.name)
    assert "start at step 20, attempt 2" in (second / "log.txt").read_text()


def test_resume_refuses_what_would_alter_the_run(project, processes):
    local = project.start("local", "--param", "hold_at=12")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    kill_host(run)
    local.wait(timeout=PATIENCE)
    done = project.call("local", "--resume", run.name, "--param", "lr=0.5", check=False)
    assert done.returncode == 2
    assert "hyperparameters" in done.stderr
    (project.path / "data/a.jsonl").write_text('{"text": "three"}\n')
    project.commit("other data")
    done = project.call("local", "--resume", run.name, check=False)
    assert done.returncode == 2
    assert "commit" in done.stderr
    assert len(list(run.glob("attempts/???.json"))) == 1


def test_a_dirty_tree_is_saved_as_a_patch(project, tmp_path):
    (project.path / "new.txt").write_text("not committed\n")
    project.call("local")
    run = project.newest()
    spec = read_json(run / "run.json")
    assert spec["git"]["dirty"] is True
    patch = run / "patch.diff"
    clone = tmp_path / "clone"
    project.git("clone", "-q", str(project.path), str(clone))
    subprocess.run(["git", "apply", str(patch)], cwd=clone, check=True)
    assert (clone / "new.txt").read_text() == "not committed\n"
    assert not list(project.store.glob("index/**/*.json"))


def test_a_clean_success_becomes_the_baseline(project):
    project.call("local")
    entries = [read_json(p)["run"] for p in project.store.glob("index/**/*.json")]
    assert entries and set(entries) == {project.newest().name}


@pytest.mark.parametrize("args, code, said", [
    (["--", "no-such-program-here"], 2, "no-such-program-here"),
    (["--", "/etc/hostname"], 2, "/etc/hostname"),
    (["--job", "nightly"], 2, "nightly"),
    (["--max-runtim", "1h"], 2, "max-runtime"),
    (["--resume", "zzzz"], 2, "no run"),
])
def test_bad_input_is_one_clear_line(project, args, code, said):
    done = project.call("local", *args, check=False)
    assert done.returncode == code
    assert said in done.stderr
    last = [line for line in done.stderr.splitlines() if line.startswith("branchline: ")][-1]
    assert said in last


def test_without_a_command_nothing_starts(project):
    (project.path / "branchline.yaml").write_text("version: 1\n")
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert "command" in done.stderr
    assert not list(project.store.glob("runs/*"))


def test_bad_data_is_named_and_nothing_starts(project):
    (project.path / "data/b.jsonl").write_text('{"a": 1}\n{"a": }\n')
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert "b.jsonl:2:7" in done.stderr
    assert not list(project.store.glob("runs/*"))


def test_actions_output_cannot_command_the_runner(project):
    done = project.call("local", "--param", "message=::set-output name=x::y", GITHUB_ACTIONS="true")
    lines = done.stdout.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("::stop-commands::"))
    token = lines[first].removeprefix("::stop-commands::")
    assert len(token) >= 16
    told = [i for i, line in enumerate(lines) if line == "::set-output name=x::y"]
    assert told and min(told) > first
    ends = [i for i, line in enumerate(lines) if line == f"::{token}::"]
    assert ends and max(told) < max(ends)


def test_secrets_stay_out_of_the_store(project):
    project.configure("secrets: {API_TOKEN: api}\n")
    done = project.call("local", check=False)
    assert done.returncode == 2 and "API_TOKEN" in done.stderr
    secret = "hunter2-is-no-password"
    done = project.call("local", "--param", f"message=token {secret} end", API_TOKEN=secret,
                        check=False)
    run = project.newest()
    assert secret not in (run / "log.txt").read_text()
    assert "token ********************** end" in (run / "log.txt").read_text()


def test_a_secret_in_a_traceback_is_no_cause(project):
    project.configure("secrets: {API_TOKEN: api}\n")
    secret = "hunter2-is-no-password"
    done = project.call("local", "--", sys.executable, "-c",
                        "import os; raise RuntimeError('401 for ?key=' + os.environ['API_TOKEN'])",
                        API_TOKEN=secret, check=False)
    run = project.newest()
    assert done.returncode == 1
    assert project.outcome()["message"] == f"RuntimeError: 401 for ?key={'*' * len(secret)}"
    assert secret not in done.stdout + done.stderr
    for path in run.rglob("*.json*"):
        assert secret not in path.read_text(), path


def test_outputs_that_were_not_stored_make_no_success(project, has_failpoints):
    project.configure("flush_reserve: 2s\n")
    done = project.call("local", BRANCHLINE_FAILPOINT="ship.outputs.before=stop", check=False)
    run = project.newest()
    end = read_json(run / "attempts/001.end.json")
    assert (end["status"], end["class"]) == ("failure", "storage")
    assert "flush_reserve" in done.stderr
    assert done.returncode == 75
    assert not (run / "SUCCESS").exists()


def test_the_limit_leaves_a_stop_its_grace(project, processes):
    tidy = "trap 'sleep 4; echo tidy; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    local = project.start("local", "--max-runtime", "3s", "--grace", "30s", "--", "sh", "-c", tidy)
    processes.append(local)
    run = project.newest()
    # the trap is set before it says so
    wait_for_text(project.path / f".branchline/work/{run.name}/1/output/branchline/log", "up")
    local.send_signal(signal.SIGINT)
    assert local.wait(timeout=PATIENCE) == 5
    assert "tidy" in (run / "log.txt").read_text()


def test_a_run_is_resumed_from_anywhere(project, processes):
    (project.path / ".git/info/exclude").write_text("ckpt/\nold/\n")
    local = project.start("local", "--param", "hold_at=8", "--checkpoints-path", "ckpt")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    kill_host(run)
    local.wait(timeout=PATIENCE)
    (project.path / "ckpt").rename(project.path / "old")
    sub = project.path / "data"
    done = subprocess.run([project.branchline, "local", "--resume", run.name], cwd=sub, text=True,
                          env=project.env({}), capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert not (sub / "ckpt").exists()
    assert list((project.path / "ckpt").glob("step-*.pt"))


def test_two_resumes_one_wins(project, processes):
    local = project.start("local", "--param", "hold_at=12", "--param", "hold_attempt=2",
                          "--param", "steps=2000")
    processes.append(local)
    run = project.newest()
    project.wait_for_manifest(run)
    kill_host(run)
    local.wait(timeout=PATIENCE)
    first = project.start("local", "--resume", run.name)
    processes.append(first)
    wait_for_file(run / "attempts/002.json")
    second = project.call("local", "--resume", run.name, check=False)
    assert second.returncode == 2
    assert "held by process" in second.stderr
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=PATIENCE) == 5
    assert len(list(run.glob("attempts/???.json"))) == 2
