# SPDX-License-Identifier: Apache-2.0
"""The verb `sync` against one peer, and both of its sides as they are seen from outside."""
import json
import os
import pathlib
import subprocess

import pytest

from cloud import BUCKET, env_of
from conftest import PATIENCE

LONG_AGO = 1_700_000_000
URI = f"s3://{BUCKET}"


class Sync:
    """The verb, called in a directory of its own against one peer."""

    def __init__(self, branchline, peer, path):
        self.branchline, self.peer, self.path = branchline, peer, path

    def env(self, **more):
        return env_of(self.peer, HOME=str(self.path / "home"), TMPDIR=str(self.path),
                      XDG_STATE_HOME=str(self.path / "state"), **more)

    def call(self, *args, status=0, wrap=(), **more):
        done = subprocess.run([*wrap, self.branchline, "sync", *map(str, args)], cwd=self.path,
                              env=self.env(**more), capture_output=True, text=True,
                              errors="replace", timeout=PATIENCE)
        assert done.returncode == status, f"{args}: exit {done.returncode}\n{done.stderr}"
        return done

    def totals(self, *args, status=0, **more):
        return json.loads(self.call(*args, "--json", status=status, **more).stdout)

    def start(self, *args, **more):
        return subprocess.Popen([self.branchline, "sync", *map(str, args)], cwd=self.path,
                                env=self.env(**more), stdin=subprocess.DEVNULL, text=True,
                                errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True)

    def seen(self, after=0):
        """{operation: how often} since that many requests."""
        found = {}
        for operation in self.peer.operations(after):
            found[operation] = found.get(operation, 0) + 1
        return found

    def mark(self):
        return len(self.peer.log())


@pytest.fixture
def sync(branchline, peer, tmp_path):
    return Sync(branchline, peer, tmp_path)


def write(root, files, when=LONG_AGO):
    """{path: bytes or text}"""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (when, when))
    return root


def read(root):
    """{path: bytes} of all files, links not followed; no temporary file may be there."""
    found = {}
    for path in sorted(pathlib.Path(root).rglob("*")):
        if path.is_file() and not path.is_symlink():
            assert not path.name.startswith(".bl-"), f"{path} was left behind"
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def stored(peer, prefix="", bucket=BUCKET):
    return {key[len(prefix):]: peer.get(key, bucket) for key in peer.objects(bucket)
            if key.startswith(prefix)}
