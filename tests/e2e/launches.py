# SPDX-License-Identifier: Apache-2.0
"""`branchline launch` and `plan` from outside: a commit with its image, a stack, a pull request."""
import json
import os
import subprocess
import time

import pytest

from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION
from conftest import PATIENCE
from github_fake import BASE_SHA, REPOSITORY
from registries import BASE_LAYERS, Commits, Layout

NUMBER = 12
TYPES = ["g4dn.xlarge", "g5.xlarge", "g6.xlarge"]
YAML = "version: 1\ncommand: [python3, train.py]\nhyperparameters: {lr: 0.1}\ngpus: 1\nmax_runtime: 2h\n"
INHERITED = ("AWS_", "BRANCHLINE_", "GITHUB_", "ACTIONS_", "INPUT_", "RUNNER_", "DOCKER_", "XDG_")


class Launched:
    def __init__(self, code, stdout, stderr, outputs):
        self.code, self.stdout, self.stderr, self.outputs = code, stdout, stderr, outputs
        self.run = outputs.get("run") or stdout.strip()

    def __repr__(self):
        return f"exit {self.code}\n{self.stdout}\n{self.stderr}"


class Launches:
    def __init__(self, path, bin_dir, peer, github):
        self.path, self.bin, self.peer, self.github = path, bin_dir, peer, github
        self.repo = Commits(path / "repo")
        self.repo.git("remote", "add", "origin", f"https://github.com/{REPOSITORY}.git")
        self.jobs = 0
        self.stack()
        self.commit(YAML)

    def stack(self, **changes):
        """The stack's descriptor, with the peer's own template, subnets and registry."""
        template = {"id": TEMPLATE, "version": TEMPLATE_VERSION, "arch": "x86_64", "types": TYPES,
                    "driver": "550.54.15", "cuda_max": "12.4"}
        told = dict(templates=[template], image_repository=f"{self.peer.registry}/demo",
                    subnets=[{"id": name, "zone": zone} for zone, name in SUBNETS.items()])
        return self.peer.stack(**dict(told, **changes))

    def commit(self, yaml, **files):
        """A commit with that branchline.yaml, its image, and the pull request's head."""
        self.sha = self.repo.commit({"branchline.yaml": yaml, "train.py": "print(1)\n", **files})
        self.github.pull(NUMBER, head_sha=self.sha, head_ref="topic", base_sha=BASE_SHA)
        return self.sha

    def image(self, env=(), name="base"):
        """Pushes the image of the commit, on a base with that environment."""
        layout = Layout(self.path / f"{name}-{self.sha[:12]}")
        layout.image("base", BASE_LAYERS, config={"Env": ["PATH=/bin", *env], "Cmd": ["sh"]})
        done = subprocess.run(
            [self.bin / "branchline", "push-image", "--to", f"{self.peer.registry}/demo", "--image-base",
             f"oci:{layout.path}:base"], cwd=self.repo.path, env=self.env({}), capture_output=True,
            text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr

    # --- who calls --------------------------------------------------------------------------------

    def env(self, more):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(INHERITED)}
        return dict(clean, HOME=str(self.path / "home"), DOCKER_CONFIG="/nonexistent",
                    REGISTRY_AUTH_FILE="/dev/null", XDG_RUNTIME_DIR="/nonexistent", **self.peer.env(),
                    **more)

    def job(self, **more):
        """A new job of the pull request's label, accepted by guard: its environment."""
        self.jobs += 1
        folder = self.path / f"job-{self.jobs}"
        env = self.github.job_env("pull_request", self.github.pull_event(NUMBER), folder,
                                  GITHUB_WORKSPACE=str(self.repo.path))
        del env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        env = self.env(dict(env, **more))
        self.guard(env)
        return env

    def dispatch(self, **more):
        """A job that somebody dispatched on main: there is no pull request to write to."""
        self.jobs += 1
        env = self.github.job_env("workflow_dispatch", self.github.dispatch_event(),
                                  self.path / f"job-{self.jobs}", GITHUB_SHA=self.sha,
                                  GITHUB_WORKSPACE=str(self.repo.path), **more)
        del env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        return self.env(env)

    def guard(self, env, **more):
        """What the action guard leaves; accepted=False: its refusal."""
        folder = f"{env['RUNNER_TEMP']}/branchline"
        os.makedirs(folder, exist_ok=True)
        told = {"schema": 1, "accepted": True, "launched": True, "reason": "", "next": "",
                "event": "pull_request", "sha": self.sha, "job": "", "pr": NUMBER, "comment_id": 0,
                "key": "default", "label": "train", "labeller": "alice", "actor": "alice",
                "head_ref": "topic", "base_ref": "main", "base_sha": BASE_SHA,
                "job_started_ms": int(time.time() * 1000)}
        with open(f"{folder}/guard.json", "w") as out:
            json.dump(dict(told, **more), out)

    # --- calling ----------------------------------------------------------------------------------

    def start(self, *words, env=None, verb="launch", **more):
        env = dict(self.env({}) if env is None else env, **more)
        return subprocess.Popen([self.bin / "branchline", verb, *words], cwd=self.repo.path, env=env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def finish(self, process, env=None):
        stdout, stderr = process.communicate(timeout=PATIENCE)
        return Launched(process.returncode, stdout, stderr, self.outputs(env))

    def __call__(self, *words, env=None, verb="launch", code=0, **more):
        done = self.finish(self.start(*words, env=env, verb=verb, **more), env)
        assert done.code == code, done
        return done

    @staticmethod
    def outputs(env):
        """{name: value} of the step, from its file."""
        found, lines = {}, []
        if env and os.path.exists(env.get("GITHUB_OUTPUT", "")):
            with open(env["GITHUB_OUTPUT"]) as text:
                lines = text.read().splitlines()
        while lines:
            name, _, delimiter = lines.pop(0).partition("<<")
            end = lines.index(delimiter)
            found[name] = "\n".join(lines[:end])
            del lines[:end + 1]
        return found

    # --- what came of it --------------------------------------------------------------------------

    def runs(self):
        return sorted({key.split("/")[1] for key in self.peer.objects() if key.startswith("runs/")})

    def document(self, run, name):
        return json.loads(self.peer.get(f"runs/{run}/{name}"))

    def has(self, run, name):
        return f"runs/{run}/{name}" in self.peer.objects()

    def outcome(self, run):
        return self.document(run, "outcome.json")

    def end(self, run, status="success", cls=""):
        """As host writes it."""
        self.peer.put(f"runs/{run}/outcome.json", json.dumps({
            "schema": 1, "status": status, "class": cls, "stage": "training", "exit_code": 0,
            "signal": None, "message": "it ended", "next_step": "", "attempt": 1,
            "finished_at": "2026-11-24T08:03:01Z", "finished_ms": 1795507381000,
            "nonce": "aaaaaaaaaaaaaaaa"}))

    def one_box(self):
        """The only instance that ever was."""
        box, = self.peer.instances()
        return box


@pytest.fixture
def launches(tmp_path, bin_dir, peer, github):
    """With the image of its commit."""
    made = Launches(tmp_path, bin_dir, peer, github)
    made.image()
    return made
