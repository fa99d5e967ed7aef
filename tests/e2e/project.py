# SPDX-License-Identifier: Apache-2.0
"""A user's repository in which the verbs are called: what the end-to-end tests drive."""
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from conftest import PATIENCE, is_alive, read_json, until, wait_gone

TRAINER = pathlib.Path(__file__).with_name("trainer.py")
CONFIG = """\
version: 1
command: [{python}, {trainer}]
hyperparameters: {{steps: 20, step_ms: 5}}
data:
  train: {{local: data, format: jsonl}}
metrics: {{primary: loss}}
checkpoints: {{quiet: 1s}}
grace: 5s
"""


class Project:
    """A git repository with a branchline.yaml, and the verbs called in it."""

    def __init__(self, branchline, path):
        self.branchline, self.path = branchline, path
        self.store = path / ".branchline" / "store"
        path.mkdir()
        (path / "data").mkdir()
        (path / "data" / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
        self.configure()
        self.git("init", "-q", "-b", "main")
        self.commit("first")

    def configure(self, more=""):
        text = CONFIG.format(python=sys.executable, trainer=TRAINER) + more
        (self.path / "branchline.yaml").write_text(text)

    def git(self, *args):
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="t",
                   GIT_AUTHOR_EMAIL="t@example.com", GIT_COMMITTER_NAME="t",
                   GIT_COMMITTER_EMAIL="t@example.com")
        return subprocess.run(["git", *args], cwd=self.path, env=env, check=True,
                              capture_output=True, text=True).stdout

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def env(self, extra):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BRANCHLINE_", "GITHUB_"))}
        return dict(clean, **extra)

    def call(self, *args, check=True, timeout=PATIENCE, wrap=(), **extra):
        """The verb's end; wrap: words before it, as of unshare."""
        done = subprocess.run([*wrap, self.branchline, *map(str, args)], cwd=self.path, text=True,
                              errors="replace", env=self.env(extra), capture_output=True,
                              timeout=timeout)
        if check and done.returncode:
            pytest.fail(f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *args, **extra):
        return subprocess.Popen([self.branchline, *map(str, args)], cwd=self.path, text=True,
                                errors="replace", env=self.env(extra), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True)

    def runs(self):
        return json.loads(self.call("runs", "--json").stdout)["runs"]

    def newest(self):
        """Directory of the newest run in the store, once there is one."""
        return until(lambda: sorted(self.store.glob("runs/*/run.json")), "a run")[-1].parent

    def outcome(self, run=None):
        return read_json((run or self.newest()) / "outcome.json")

    def wait_for_manifest(self, run):
        return until(lambda: sorted(run.glob("checkpoints/*.manifest.json")), "a checkpoint")


def owner_pid(run):
    """Host of the newest attempt."""
    return read_json(sorted(run.glob("attempts/???.json"))[-1])["owner"]["pid"]


def kill_host(run):
    """SIGKILL to the host of the newest attempt."""
    pid = owner_pid(run)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)


def alive_with(name):
    """Processes whose environment or arguments name the run."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            told = (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()
        except OSError:
            continue
        if name.encode() in told and is_alive(int(proc.name)):
            found.append(int(proc.name))
    return found


def check_nothing_lives(name):
    until(lambda: not alive_with(name), f"nothing of {name} is left alive")


def strict_json(text):
    """JSON as every reader knows it: without Python's NaN and Infinity."""
    def refuse(word):
        raise ValueError(f"{word} is no JSON")
    return json.loads(text, parse_constant=refuse)


def check_store(store):
    """Nothing in it is torn: documents parse, and manifests name what is there, in its size."""
    for path in store.rglob("*"):
        if not path.is_file():
            continue
        assert not path.name.startswith(".bl-"), f"{path} was left behind"
        if path.suffix == ".json":
            strict_json(path.read_text())
        if path.suffix == ".jsonl":
            for line in path.read_text().splitlines():
                strict_json(line)
        if path.name.endswith(".manifest.json"):
            for entry in strict_json(path.read_text())["entries"]:
                if "key" in entry:
                    assert (store / entry["key"]).stat().st_size == entry["size"], entry
    for outcome in store.glob("runs/*/outcome.json"):
        marks = [outcome.with_name(name).exists() for name in ("SUCCESS", "FAILURE")]
        assert marks.count(True) == 1, f"{outcome.parent}: one marker"
