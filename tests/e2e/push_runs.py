# SPDX-License-Identifier: Apache-2.0
"""`branchline push-image` from outside."""
import json
import os
import subprocess

import pytest

from registries import Commits

NO_LOGIN = {"DOCKER_CONFIG": "/nonexistent", "REGISTRY_AUTH_FILE": "/dev/null", "XDG_RUNTIME_DIR": "/nonexistent"}


class Pushed:
    def __init__(self, done):
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.told = json.loads(done.stdout) if done.returncode == 0 and done.stdout.startswith("{") else {}

    def __getitem__(self, name):
        return self.told[name]

    def how(self):
        """{part: how} with the base's layers as a list"""
        base = [layer["how"] for layer in self.told["layers"] if layer["part"] == "base"]
        rest = {layer["part"]: layer["how"] for layer in self.told["layers"] if layer["part"] != "base"}
        return dict(rest, base=base)


class Pusher:
    """Runs the verb in a repository; nothing of the caller's configuration is seen."""

    def __init__(self, program, home):
        self.program, self.home, self.env = program, home, dict(NO_LOGIN)

    def environ(self, env):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("AWS_", "BRANCHLINE_", "GITHUB_", "ACTIONS_", "INPUT_", "RUNNER_"))}
        return dict(clean, HOME=str(self.home), **self.env, **(env or {}))

    def __call__(self, repo, to, *words, base=None, ok=True, env=None, json=True, timeout=120):
        args = [self.program, "push-image", "--to", to, *(["--image-base", base] if base else []),
                *(["--json"] if json else []), *words]
        path = repo.path if isinstance(repo, Commits) else repo
        pushed = Pushed(subprocess.run(args, cwd=path, env=self.environ(env), capture_output=True, text=True,
                                       stdin=subprocess.DEVNULL, timeout=timeout))
        assert (pushed.code == 0) == ok, pushed.stderr
        return pushed


@pytest.fixture
def push(branchline, tmp_path):
    return Pusher(branchline, tmp_path / "home")


@pytest.fixture
def repo(tmp_path):
    """A commit with most that a commit can have."""
    commits = Commits(tmp_path / "repo")
    commits.put({"branchline.yaml": "version: 1\ncommand: [python3, train.py]\nhyperparameters: {lr: 0.1}\n",
                 "train.py": "print('hi')\n", "run.sh": "#!/bin/sh\n", "empty/.gitkeep": "",
                 "link": "-> train.py", "deep/er/caf\u00e9.txt": "x", "deep/" + "d" * 120 + "/" + "e" * 200: "long",
                 "n" * 255: "255 bytes"})
    (commits.path / "run.sh").chmod(0o755)
    commits.commit()
    return commits
