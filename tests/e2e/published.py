# SPDX-License-Identifier: Apache-2.0
"""Runs that never ran, in a store, as the cloud leaves them: what reports are made of."""
import datetime
import json
import subprocess

from conftest import PATIENCE, ROOT

BEGAN = 1795507200000  # 2026-11-24T08:00:00Z
HOUR = 3600000


def utc(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


class Repository:
    """A git repository without origin's host: main with some commits, and branches of it."""

    def __init__(self, branchline, path):
        self.branchline, self.path = branchline, path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", "https://github.com/octo/demo.git")
        self.runs, self.store = 0, path.parent / "store"
        (path / "branchline.yaml").write_text(f"version: 1\ncommand: [true]\nstore: {self.store}\n")
        self.commit("first")
        # 16 hex of SHA-256 of github.com/octo/demo
        self.key = subprocess.run(["sh", "-c", "printf github.com/octo/demo | sha256sum"], check=True,
                                  capture_output=True, text=True).stdout[:16]

    def git(self, *args, cwd=None):
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *args], cwd=cwd or self.path,
            env={"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin"}, check=True,
            capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject):
        (self.path / "code").write_text(subject)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def put(self, key, document):
        path = self.store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))

    def run(self, sha, status="success", pr=None, branch="main", losses=(3, 2, 1.75), metric="eval_loss",
            base=None, config=None, attempts=None, samples=None, job="default", message="", began=None,
            labeller="alice", klass=None, outcome=True, log="step 3\n", next_step="", entered=True):
        """Makes one that has ended; a success of main is a baseline. Returns its id."""
        self.runs += 1
        began = BEGAN + self.runs * 60000 if began is None else began
        name = (datetime.datetime.fromtimestamp(began / 1000, datetime.timezone.utc)
                .strftime("%Y%m%dT%H%M%SZ") + f"-{sha[:8]}-" + "".join(
                    "abcdefghijklmnopqrstuvwxyz"[self.runs // n % 26] for n in (17576, 676, 26, 1)))
        tree = self.git("rev-parse", f"{sha}^{{tree}}")
        attempts = attempts or [("spot", 0.33, "success" if status == "success" else status)]
        run = f"runs/{name}"
        self.put(f"{run}/run.json", {
            "schema": 1, "run": name, "nonce": "a" * 16, "created_at": utc(began), "created_ms": began,
            "kind": "cloud", "job": job, "group": None,
            "repository": {"key": self.key, "name": "github.com/octo/demo", "id": "987654"}, "pr": pr,
            "actor": "alice", "labeller": labeller,
            "git": {"head": sha, "base": base, "tree": tree, "branch": branch, "subject": "a change",
                    "dirty": False, "patch_key": None, "patch_sha256": None},
            "config": dict({"label": "train", "notify": "failure", "details": "brief",
                            "metrics": {"primary": metric}}, **(config or {})),
            "overrides": {}, "command": ["python", "train.py"],
            "limits": {"retries": 3, "max_runtime_ms": 6 * HOUR}})
        for n, (market, price, ended) in enumerate(attempts, 1):
            start = began + (n - 1) * HOUR // 2
            self.put(f"{run}/attempts/{n:03}.json", {
                "schema": 1, "attempt": n, "owner": {"instance_tag": f"{name}/{n}"}, "nonce": "a" * 16,
                "heartbeat_ms": 30000, "claimed_at": utc(start), "claimed_ms": start})
            self.put(f"{run}/attempts/{n:03}.started.json", {
                "schema": 1, "attempt": n, "nonce": "a" * 16, "engine": "ec2", "instance": f"i-{n:017x}",
                "type": "g6.xlarge", "zone": "us-east-1b", "market": market, "usd_hour": price,
                "on_demand_usd_hour": 0.8, "disk_usd_hour": 0.01, "started_at_ms": start,
                "deadline_ms": start + 7 * HOUR})
            self.put(f"{run}/attempts/{n:03}.end.json", self.ended(
                n, ended, message, klass, start + HOUR // 2, next_step,
                by="host", outputs_crc="", last_step=len(losses) * 10))
        if outcome:
            self.put(f"{run}/outcome.json", self.ended(len(attempts), status, message, klass,
                                                       began + len(attempts) * HOUR // 2, next_step))
        self.put(f"{run}/metrics/001/{0:016}.jsonl", lines(
            {"schema": 1, "attempt": 1, "at": began + i, "source": "file", "step": i * 10, "values": {metric: loss}}
            for i, loss in enumerate(losses, 1)))
        self.put(f"{run}/logs/001/{0:016}.log", log)
        if samples:
            self.outputs(run, len(attempts), samples)
        if status == "success" and branch == "main" and entered:
            for folder, entry in (("trees", tree), ("branches", branch)):
                self.put(f"index/{self.key}/{job}/{folder}/{entry}.json", {"schema": 1, "run": name})
        return name

    @staticmethod
    def ended(attempt, status, message, klass, at, next_step, **more):
        if klass is None:
            klass = {"success": None, "failure": "user_exit"}.get(status, status)
        return dict({"schema": 1, "attempt": attempt, "status": status, "class": klass, "stage": "training",
                     "exit_code": 0 if status == "success" else 1, "signal": None, "message": message,
                     "next_step": next_step, "finished_at": utc(at), "finished_ms": at,
                     "nonce": "b" * 16}, **more)

    def outputs(self, run, attempt, samples):
        key = f"{run}/outputs/{attempt:03}/output/samples.jsonl"
        self.put(key, samples)
        self.put(f"{run}/outputs/{attempt:03}.manifest.json", {
            "schema": 1, "run": run.partition("/")[2], "attempt": attempt, "seq": 0, "at_ms": BEGAN,
            "entries": [{"path": "output/samples.jsonl", "size": len(samples.encode()),
                         "crc64nvme": "AAAAAAAAAAA=", "key": key, "mtime_ms": BEGAN}]})

    def call(self, env, *args, cwd=None, check=None):
        done = subprocess.run([self.branchline, *map(str, args)], cwd=cwd or self.path, text=True,
                              env=dict({"PATH": "/usr/bin:/bin", "HOME": str(self.path.parent)}, **env),
                              capture_output=True, timeout=PATIENCE, errors="replace")
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


SCHEMA = json.loads((ROOT / "docs" / "schemas" / "reported.json").read_text())
