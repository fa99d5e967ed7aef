# SPDX-License-Identifier: Apache-2.0
"""`branchline sync` and its kin called in an environment that knows a peer and nothing else."""
import json
import os
import subprocess

import pytest

from cloud import BUCKET
from conftest import PATIENCE

SOAK = bool(os.environ.get("SOAK"))
MIB = 1 << 20


class Caller:
    """Calls the program; env: the AWS_* and other variables that it sees."""

    def __init__(self, branchline, env, folder):
        self.branchline, self.env, self.folder = branchline, env, folder

    def environment(self, extra):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(
            ("AWS_", "BRANCHLINE_", "GITHUB_", "ACTIONS_", "RUNNER_", "http", "HTTP", "NO_"))}
        return dict(clean, HOME=str(self.folder), **dict(self.env, **extra))

    def call(self, *args, ok=True, timeout=PATIENCE, **extra):
        done = subprocess.run([self.branchline, *map(str, args)], env=self.environment(extra),
                              cwd=self.folder, capture_output=True, text=True, errors="replace",
                              timeout=timeout, stdin=subprocess.DEVNULL)
        if ok and done.returncode:
            pytest.fail(f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        if not ok:
            assert done.returncode > 0, f"{args}: should have failed\n{done.stderr}"
        return done

    def start(self, *args, **extra):
        return subprocess.Popen([self.branchline, *map(str, args)], env=self.environment(extra),
                                cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True)

    def up(self, folder, *args, **more):
        """Totals of a sync from a folder to the bucket."""
        return self.totals("sync", folder, f"s3://{BUCKET}", "--json", *args, **more)

    def down(self, folder, *args, **more):
        return self.totals("sync", f"s3://{BUCKET}", folder, "--json", *args, **more)

    def totals(self, *args, **more):
        done = self.call(*args, **more)
        totals = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        return Totals(totals, done)


class Totals(dict):
    def __init__(self, totals, done):
        super().__init__(totals)
        self.exit, self.stderr = done.returncode, done.stderr


@pytest.fixture
def caller(branchline, peer, tmp_path):
    """With the peer's fixed pair."""
    return Caller(branchline, peer.env(), tmp_path)


@pytest.fixture
def job(branchline, peer, tmp_path):
    """As in a job of GitHub Actions: a role, and tokens of the issuer."""
    return Caller(branchline, peer.oidc_env(), tmp_path)


def files(folder, contents):
    """Makes a folder of {name: bytes}."""
    for name, body in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def tree(folder):
    """{name: bytes} of what is there."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def waits(entries):
    """Seconds between the end of each attempt and the next one's beginning."""
    return [b["began"] - a["ended"] for a, b in zip(entries, entries[1:])]
