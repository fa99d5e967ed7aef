# SPDX-License-Identifier: Apache-2.0
"""`branchline report` as the step of a workflow: what becomes public of an ended run."""
import json
import re
import subprocess
import time

import jsonschema
import pytest

from cloud import BUCKET
from conftest import PATIENCE
from published import SCHEMA, Repository, lines

PR = 12


@pytest.fixture
def repo(branchline, tmp_path):
    return Repository(branchline, tmp_path / "repo")


class Job:
    """A step of the job that a label began, after its launch."""

    def __init__(self, github, repo, folder, pr=PR, label="train"):
        self.github, self.repo, self.folder = github, repo, folder
        self.head, self.base = repo.git("rev-parse", "HEAD"), repo.git("rev-parse", "main")
        github.know(repo.path)
        github.pull(pr, head_sha=self.head, base_sha=self.base, labels=[label])
        self.env = dict(github.job_env("pull_request", github.pull_event(pr, label=label), folder),
                        INPUT_RUN="", BRANCHLINE_TEST_WRITES_AT_ONCE="1")
        self.kept = folder / "runner-temp" / "branchline"
        self.kept.mkdir()
        self.keep("guard", accepted=True, launched=True, event="pull_request", sha=self.head, job="default",
                  pr=pr, comment_id=0, key="default", label=label, labeller="alice", actor="alice",
                  head_ref="topic", base_ref="main", base_sha=self.base, job_started_ms=int(time.time() * 1000) - 60000)

    def keep(self, name, **members):
        (self.kept / f"{name}.json").write_text(json.dumps(dict(members, schema=1)))

    def report(self, run, *args, check=None, **env):
        self.keep("run", run=run, store=str(self.repo.store), place="", job="default")
        return self.repo.call(dict(self.env, **env), "report", *args, check=check)

    def outputs(self):
        text = (self.folder / "output").read_text()
        return dict(re.findall(r"^(\w+)<<(?:\S+)\n(.*)\n\S+$", text, re.M))

    def summary(self):
        return (self.folder / "summary").read_text()

    def reported(self, run):
        path = self.repo.store / "runs" / run / "reported.json"
        if not path.exists():
            return None
        document = json.loads(path.read_text())
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
        return document


@pytest.fixture
def topic(repo):
    """main with a baseline two commits before its head, and a branch of it."""
    repo.old = repo.commit("second")
    repo.baseline = repo.run(repo.old, losses=(3, 2, 1.8))
    repo.commit("third")
    repo.main = repo.commit("fourth")
    repo.git("checkout", "-q", "-b", "topic")
    repo.head = repo.commit("topic")
    return repo


@pytest.fixture
def job(github, topic, tmp_path):
    return Job(github, topic, tmp_path / "job")


def of_topic(job, **more):
    return job.repo.run(job.head, **dict({"pr": PR, "branch": "topic", "base": job.base}, **more))


def visible(body):
    count, folded = 0, False
    for line in body.splitlines():
        count += not folded
        folded = (folded or line.startswith("<details>")) and line != "</details>"
    return count


@pytest.mark.sample
def test_a_finished_run_becomes_public(github, job):
    run = of_topic(job, losses=(3, 2, 1.75), attempts=[("spot", 0.33, "interrupted"), ("spot", 0.33, "success")])
    done = job.report(run, check=0)
    assert done.stdout.startswith("Training finished: eval_loss 1.75, better than main by 0.05")
    body = github.sticky(PR, "default")["body"]
    assert body.splitlines()[1] == "### 🟢 Training finished: eval_loss 1.75, better than main by 0.05 (2.8 %)"
    assert visible(body) <= 25
    assert "Cost &#36;0.34, 59 % below on-demand" in body and "1 interruption" in body
    assert f"run {job.repo.baseline[-4:]} of {job.repo.old[:7]}, 2 commits before this branch began" in body
    assert f"| code | commit | `{job.repo.old[:12]}…` | `{job.head[:12]}…` |" in body
    (status,) = github.statuses(job.head)
    assert (status["context"], status["state"]) == ("default/eval_loss", "success")
    assert status["target_url"].endswith(f"/pull/12#issuecomment-{github.sticky(PR)['id']}")
    assert github.reactions(PR) == ["hooray"] and github.labels(PR) == []
    assert len(github.comments(PR)) == 1  # notify: failure
    assert job.outputs()["status"] == "success" and job.outputs()["verdict"] == "better"
    assert "Training finished" in job.summary()
    reported = job.reported(run)
    assert reported["status"] == "success" and reported["comment_id"] == github.sticky(PR)["id"]
    (folder,) = (job.kept / "report").iterdir()
    assert sorted(p.name for p in folder.iterdir()) == ["curves.svg", "report.html", "report.json", "report.md"]
    assert json.loads((folder / "report.json").read_text())["this"]["run"] == run
    tree = job.repo.git("rev-parse", "HEAD^{tree}")
    entry = job.repo.store / "index" / job.repo.key / "default" / "trees" / f"{tree}.json"
    assert json.loads(entry.read_text())["run"] == run


def test_a_failed_run_mentions_who_labelled(github, job):
    run = of_topic(job, status="failure", klass="cuda_oom", message="CUDA out of memory",
                   next_step="lower batch_size", log="step 3\nRuntimeError: CUDA out of memory\n")
    done = job.report(run, check=1)
    assert "CUDA out of memory" in done.stderr and "lower batch_size" in done.stderr
    notice, = [one["body"] for one in github.comments(PR) if "notice/" in one["body"]]
    assert notice.splitlines()[1].startswith("@alice 🔴 Training failed at step 30: CUDA out of memory")
    assert f"#issuecomment-{github.sticky(PR, 'default')['id']}" in notice
    assert github.statuses(job.head)[-1]["state"] == "failure" and github.reactions(PR) == ["confused"]
    assert "RuntimeError: CUDA out of memory" in github.sticky(PR, "default")["body"]
    job.report(run, check=1)
    assert len(github.comments(PR)) == 2 and len(github.statuses(job.head)) == 1


@pytest.mark.parametrize("status,klass,exit_code,state,notices", [
    ("interrupted", "interrupted", 75, "error", 1), ("timeout", "timeout", 6, "failure", 1),
    ("cancelled", "cancelled", 5, "error", 0), ("failure", "data", 2, "failure", 1),
    ("failure", "capacity", 3, "failure", 1)])
def test_the_job_ends_as_the_run_did(github, job, status, klass, exit_code, state, notices):
    run = of_topic(job, status=status, klass=klass, message="it ended")
    job.report(run, check=exit_code)
    assert github.statuses(job.head)[-1]["state"] == state
    assert len(github.comments(PR)) == 1 + notices
    assert job.outputs()["status"] == status and job.reported(run)["status"] == status
    assert github.sticky(PR, "default")["edits"] == [github.sticky(PR, "default")["body"]]


def test_a_gate_fails_what_ended_well(github, job):
    run = of_topic(job, losses=(3, 2, 1.9), config={"metrics": {
        "primary": "eval_loss", "fail_if": ["eval_loss > baseline * 1.02"]}})
    done = job.report(run, check=1)
    assert "fails its gate: eval_loss 1.9 > 1.836 (baseline 1.8 * 1.02)" in done.stderr
    body = github.sticky(PR, "default")["body"]
    assert body.splitlines()[1].startswith("### 🔴 Training finished, but fails its gate: eval&#95;loss 1.9"
                                           .replace("&#95;", "_"))
    assert github.statuses(job.head)[-1]["state"] == "failure"
    assert job.outputs() == dict(job.outputs(), status="success", verdict="gate")
    assert job.reported(run)["gate_failed"] is True
    tree = job.repo.git("rev-parse", "HEAD^{tree}")  # and it is no baseline of anybody
    assert not (job.repo.store / "index" / job.repo.key / "default" / "trees" / f"{tree}.json").exists()
    done = job.repo.call({}, "report", run, "--store", job.repo.store, "--format", "md")
    assert done.returncode == 1 and done.stdout.startswith("<!-- branchline:report")


def test_what_diverged_is_no_success_to_look_at(github, job):
    run = of_topic(job, losses=(3, 2, "NaN", "NaN"))
    job.report(run, check=0)  # its command ended well, and nobody asked for a gate
    assert github.sticky(PR, "default")["body"].splitlines()[1].startswith("### 🔴 Training diverged at step 30")
    assert github.statuses(job.head)[-1]["state"] == "failure" and github.reactions(PR) == ["confused"]
    notice, = [one["body"] for one in github.comments(PR) if "notice/" in one["body"]]
    assert notice.splitlines()[1].startswith("@alice 🔴 Training diverged")
    assert job.outputs() == dict(job.outputs(), status="success", verdict="worse")
    tree = job.repo.git("rev-parse", "HEAD^{tree}")  # and it is no baseline of anybody
    assert not (job.repo.store / "index" / job.repo.key / "default" / "trees" / f"{tree}.json").exists()


def test_without_a_baseline_a_gate_says_so_and_passes(github, repo, tmp_path):
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit("topic")
    job = Job(github, repo, tmp_path / "job")
    run = of_topic(job, config={"metrics": {"primary": "eval_loss",
                                            "fail_if": ["eval_loss > baseline", "eval_loss > 9"]}})
    job.report(run, check=0)
    body = github.sticky(PR)["body"]
    assert "No baseline yet" in body and "Gate: 1 of 2 conditions could not be checked yet" in body
    assert job.outputs()["verdict"] == "none"


# --- The baseline -------------------------------------------------------------------------------

def test_the_same_tree_is_the_baseline(github, job):
    run = of_topic(job, losses=(3, 2, 1.7))
    job.report(run, check=0)
    again = of_topic(job, losses=(3, 2, 1.6))
    job.report(again, check=0)
    assert f"run {run[-4:]} of the same tree" in github.sticky(PR)["body"]


def test_a_shallow_clone_asks_github(github, job, tmp_path):
    run = of_topic(job)
    clone = tmp_path / "clone"
    job.repo.git("clone", "-q", "--depth", "1", "--branch", "topic", f"file://{job.repo.path}", clone)
    job.repo.git("remote", "set-url", "origin", "https://github.com/octo/demo.git", cwd=clone)
    job.keep("run", run=run, store=str(job.repo.store), place="", job="default")
    job.repo.call(job.env, "report", cwd=clone, check=0)
    body = github.sticky(PR)["body"]
    assert f"of {job.repo.old[:7]}, 2 commits before this branch began; GitHub was asked" in body
    # and where GitHub does not say: the newest of main
    github.script(operation="Compare", status=500, count=20)
    again = of_topic(job, losses=(3, 2, 1.5), entered=False)
    job.keep("run", run=again, store=str(job.repo.store), place="", job="default")
    (job.repo.store / "index" / job.repo.key / "default" / "trees"
     / f"{job.repo.git('rev-parse', 'HEAD^{tree}')}.json").unlink()
    job.repo.call(job.env, "report", cwd=clone, check=0)
    assert "the newest of main; not by history" in github.sticky(PR)["body"]


# --- What GitHub does ---------------------------------------------------------------------------

def test_a_secondary_limit_is_waited_for(github, job):
    github.secondary("CreateComment", retry_after=1)
    job.report(of_topic(job), check=0)
    assert len(github.comments(PR)) == 1


def test_what_github_refuses_costs_that_part_alone(github, job):
    github.permissions(statuses="none")
    run = of_topic(job)
    done = job.report(run, check=0)
    assert "::warning" in done.stdout + done.stderr and "statuses: write" in done.stdout + done.stderr
    assert github.sticky(PR) and github.statuses(job.head) == []
    assert job.reported(run)  # it would be refused again


def test_what_may_pass_is_left_to_a_later_call(github, job):
    for operation in ("CreateComment", "CreateStatus"):
        github.script(operation=operation, status=502, count=50)
    run = of_topic(job)
    done = job.report(run, check=0)
    assert "Training finished" in job.summary()
    assert job.reported(run) is None and "tried again" in done.stdout + done.stderr
    github.heal()
    job.report(run, check=0)
    assert job.reported(run) and len(github.comments(PR)) == 1 and len(github.statuses(job.head)) == 1


def test_a_deleted_comment_is_made_anew(github, job):
    job.keep("guard", **dict(json.loads((job.kept / "guard.json").read_text()), comment_id=4711))
    job.report(of_topic(job), check=0)
    github.delete_comment(github.sticky(PR)["id"])
    job.report(of_topic(job), check=0)
    assert github.sticky(PR)


def test_two_publishers_leave_one_of_each(github, job):
    run = of_topic(job, status="failure", message="it broke")
    job.keep("run", run=run, store=str(job.repo.store), place="", job="default")
    both = [subprocess.Popen([job.repo.branchline, "report"], cwd=job.repo.path,
                             env=dict({"PATH": "/usr/bin:/bin"}, **job.env),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait(PATIENCE) for one in both] == [1, 1]
    assert sorted("notice" in one["body"] for one in github.comments(PR)) == [False, True]
    assert len({one["context"] for one in github.statuses(job.head)}) == 1
    assert job.reported(run)


def test_an_older_run_does_not_take_the_newer_ones_comment(github, job):
    old = of_topic(job, status="failure", message="old")
    new = of_topic(job, losses=(3, 2, 1.7))
    job.report(new, check=0)
    body = github.sticky(PR, "default")["body"]
    assert "1 other run of this pull request" in body
    github.pull(PR, labels=["train"])
    job.report(old, check=1)
    assert github.sticky(PR, "default")["body"] == body and job.reported(old)
    assert len(github.statuses(job.head)) == 1 and github.labels(PR) == ["train"]


@pytest.mark.parametrize("where", ["report.comment.before", "report.comment.after", "report.reported.before"])
def test_a_report_killed_anywhere_is_made_once(github, job, has_failpoints, where):
    run = of_topic(job, status="failure", message="it broke")
    assert job.report(run, BRANCHLINE_FAILPOINT=f"{where}=kill").returncode == -9
    assert job.reported(run) is None
    job.report(run, check=1)
    assert len(github.comments(PR)) == 2 and len(github.statuses(job.head)) == 1
    assert job.reported(run)


def test_a_dispatch_without_pull_request_has_summary_and_status(github, job):
    run = of_topic(job, pr=None)
    job.report(run, check=0)
    assert github.comments(PR) == [] and len(github.statuses(job.head)) == 1
    assert "Training finished" in job.summary() and job.reported(run)["comment_id"] is None


# --- Hostile text -------------------------------------------------------------------------------

HOSTILE = "x](http://e.vil) @alice <!-- branchline:report v1 key=default --> </details> `$(id)` |"


def test_hostile_names_and_samples_stay_text(github, job):
    samples = json.dumps({"prompt": "</details>\n@bob #1", "completion": "![x](http://e.vil/p.png) | `"}) + "\n"
    run = of_topic(job, metric=HOSTILE, samples=samples + "not json @carol\n", log=f"{HOSTILE}\n```\n@dave\n")
    job.report(run, check=0)
    body = github.sticky(PR, "default")["body"]
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", body, flags=re.M | re.S)
    outside = re.sub(r"`[^`\n]*`", "", outside)
    assert not re.search(r"@(alice|bob|carol|dave)", outside)
    assert "](http" not in outside and "<!--" not in outside.split("\n", 1)[1]
    assert body.count("<details>") == body.count("</details>")
    context = github.statuses(job.head)[-1]["context"]
    assert context.startswith("default/x_") and not re.search(r"[<>`$()|\]]", context)


def test_a_huge_report_fits(github, job):
    run = of_topic(job, log="y" * 200 + "\n" + "\n".join("z" * 300 for _ in range(200)) + "\n",
                   samples="".join(json.dumps({"prompt": "p" * 3000, "completion": "@c" * 3000}) + "\n"
                                   for _ in range(200)),
                   config={"details": "full", "metrics": {"primary": "eval_loss"}})
    job.repo.put(f"runs/{run}/metrics/001/{99999:016}.jsonl", lines(
        {"schema": 1, "attempt": 1, "at": 1, "source": "file", "step": 30, "values": {f"m{i}_{'x' * 90}": i}}
        for i in range(900)))
    job.report(run, check=0)
    body = github.sticky(PR, "default")["body"]
    assert 20000 < len(body.encode()) <= 60000 and visible(body) <= 25
    assert body.count("<details>") == body.count("</details>") and "more metrics" in body


# --- Two workflows ------------------------------------------------------------------------------

def workflow_run(github, pr=PR, sha=None):
    pull = github.as_seen(pr)
    return {"repository": github.repository(), "workflow_run": {
        "event": "pull_request", "head_sha": sha or pull["head"]["sha"], "head_branch": pull["head"]["ref"],
        "head_repository": {"id": pull["head"]["repo"]["id"], "owner": {"login": "mallory"}}}}


def test_an_artifact_is_posted_as_hostile_text(github, job, tmp_path):
    github.pull(13, head_sha="c" * 40, head_repository="mallory/demo", head_ref="evil")
    env = github.job_env("workflow_run", workflow_run(github, 13), tmp_path / "second")
    path = tmp_path / "report.md"
    path.write_text("<!-- branchline:report v1 key=default -->\n### done @alice #1 <img src=x> ![](http://e.vil)\n"
                    "<details><summary>a</summary>\n\n| a |\n|---|\n\n</details>\n<!-- x -->\n")
    job.repo.call(env, "report", "--post", path, check=0)
    (comment,) = github.comments(13)
    first, *rest = comment["body"].splitlines()
    assert first == "<!-- branchline:report v1 key=fork -->"
    assert "<details><summary>a</summary>" in rest and "<!--" not in "\n".join(rest)
    assert not re.search(r"@alice|#1|<img|!\[", "\n".join(rest))
    job.repo.call(env, "report", "--post", path, check=0)
    assert len(github.comments(13)) == 1


def test_an_artifact_cannot_choose_its_pull_request(github, job, tmp_path):
    github.pull(13, head_sha="c" * 40, head_repository="mallory/demo", head_ref="evil")
    env = github.job_env("workflow_run", workflow_run(github, 13), tmp_path / "second")
    path = tmp_path / "report.md"
    path.write_text("text\n")
    done = job.repo.call(env, "report", "--post", path, "--pr", PR)
    assert done.returncode == 4 and github.comments(PR) == []
    moved = github.job_env("workflow_run", workflow_run(github, 13, "d" * 40), tmp_path / "third")
    assert job.repo.call(moved, "report", "--post", path).returncode != 0
    for bad in (b"", b"\xff\xfe", b"a\0b", b"x" * 300000):
        path.write_bytes(bad)
        done = job.repo.call(env, "report", "--post", path)
        assert done.returncode == 2 and "--post" in done.stderr + done.stdout
    assert github.comments(13) == []


def test_a_command_in_a_step_only_prints(github, job):
    run = of_topic(job)
    env = {k: v for k, v in job.env.items() if k != "INPUT_RUN"}
    done = job.repo.call(env, "report", run, "--store", job.repo.store, check=0)
    assert done.stdout.startswith("<!-- branchline:report") and github.comments(PR) == []
    done = job.report(run, "--format", "md", check=0)
    assert done.stdout.startswith("<!-- branchline:report") and github.comments(PR) == []


def test_a_bucket_is_a_store_too(github, job, peer):
    """An index that this role may not write is said; the rest is made."""
    run = of_topic(job, attempts=[("spot", 0.33, "interrupted"), ("spot", 0.33, "success")])
    peer.put_many({path.relative_to(job.repo.store).as_posix(): path.read_bytes()
                   for path in job.repo.store.rglob("*") if path.is_file()})
    peer.script(operation="PutObject", key=f"index/{job.repo.key}/*", error="AccessDenied", status=403, count=9)
    job.keep("run", run=run, store=f"s3://{BUCKET}", place="", job="default")
    done = job.repo.call(dict(job.env, **peer.env()), "report", check=0)
    said = done.stdout + done.stderr
    assert "may not write the index" in said and f"branchline baseline {run}" in said
    body = github.sticky(PR, "default")["body"]
    assert "Cost &#36;0.34, 59 % below on-demand" in body and "2 commits before this branch began" in body
    assert f"branchline pull {run} --store s3://{BUCKET}" in body
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(peer.get(f"runs/{run}/reported.json")))
    asked = peer.operations()
    assert len(asked) < 90, asked
