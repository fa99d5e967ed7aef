# SPDX-License-Identifier: Apache-2.0
"""Objects in parts, both ways, by the unit test's program (tests/unit/transfer_drive.h): parts of
a few KiB, so that what takes gigabytes in life takes kilobytes here."""
import random
import subprocess

import pytest

from cloud import BUCKET, env_of
from conftest import PATIENCE

PART = 64 << 10
IS_THERE, ABSENT, DENIED, CORRUPT, NO_SPACE = 4, 5, 6, 8, 9  # enum bl_code


@pytest.fixture(scope="session")
def driver(bin_dir):
    path = bin_dir.parent / "tests" / "test_transfer"
    if not path.exists():
        pytest.skip("the driver of the transfers is not built beside these programs")
    return path


class Drive:
    """Runs commands in the driver; what it said is kept by key."""

    def __init__(self, driver, peer, cwd):
        self.driver, self.peer, self.cwd = driver, peer, cwd
        peer.options(min_part=1)

    def start(self, *commands, options=(), env=None, processes=None):
        process = subprocess.Popen([self.driver, BUCKET, f"part={PART}", *options], cwd=self.cwd,
                                   env=env or env_of(self.peer), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if processes is not None:
            processes.append(process)
        process.stdin.write("".join(command + "\n" for command in commands))
        process.stdin.close()
        return process

    def run(self, *commands, **more):
        """{key: words after it}; a failed one: ("failed", code, text)."""
        process = self.start(*commands, **more)
        out, err = process.stdout.read(), process.stderr.read()
        status = process.wait(timeout=PATIENCE)
        told = {}
        for line in out.splitlines():
            what, key, rest = line.split(" ", 2)
            if what == "failed":
                code, text = rest.split(" ", 1)
                told[key] = ("failed", int(code), text)
            elif what == "ok":
                told[key] = ("ok", *rest.split(" "))
        assert status in (0, 1), f"{status}: {out}{err}"
        assert (status == 1) == any(words[0] == "failed" for words in told.values())
        return told

    def file(self, name, data):
        (self.cwd / name).write_bytes(data)
        return data


@pytest.fixture
def drive(driver, peer, tmp_path):
    return Drive(driver, peer, tmp_path)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def end(process):
    out = process.stdout.read()
    process.wait(timeout=PATIENCE)
    return out
