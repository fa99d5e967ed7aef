# SPDX-License-Identifier: Apache-2.0
"""One engine's attempts, by the unit test's program (tests/unit/compute_drive.h)."""
import json
import subprocess

import pytest

from cloud import env_of
from conftest import PATIENCE

RUN = "20261124T080301Z-1a2b3c4d-q7xk"
RETRY, CAPACITY, DENIED, INPUT, BUSY, BUG, CANCELLED = 13, 7, 6, 1, 3, 19, 16  # enum bl_code
REPOSITORY = "0123456789abcdef"


@pytest.fixture(scope="session")
def compute_driver(bin_dir):
    path = bin_dir.parent / "tests" / "test_compute"
    if not path.exists():
        pytest.skip("the driver of the engines is not built beside these programs")
    return path


def document(run=RUN, pr=12, **more):
    return dict({"schema": 1, "run": run, "nonce": "abcdefgh234567zz", "created_ms": 1795651200000,
                 "kind": "cloud", "job": "train", "group": None, "pr": pr,
                 "repository": {"key": REPOSITORY, "name": "host/owner/name"},
                 "git": {"head": "1a2b3c4d" * 5, "base": None, "tree": "", "branch": "main",
                         "subject": "say why", "dirty": False, "patch_key": None},
                 "config": {}, "overrides": [], "parents": [],
                 "limits": {"max_runtime_ms": 60000, "max_cost_usd": 10.0, "retries": 3,
                            "grace_ms": 1000, "flush_reserve_ms": 5}}, **more)


class Drive:
    def __init__(self, driver, store, peer=None, run=RUN, **more):
        self.driver, self.store, self.run, self.peer, self.more = driver, store, run, peer, more
        self.dir = store / "runs" / run
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "run.json").write_text(json.dumps(document(run)))
        self.said = ""

    def open(self, verb, attempt=1, failpoint=None, env=None, **more):
        env = dict(env or (env_of(self.peer) if self.peer else {}))
        if failpoint:
            env["BRANCHLINE_FAILPOINT"] = failpoint
        words = [f"{name}={value}" for name, value in {**self.more, **more}.items()]
        return subprocess.Popen(
            [self.driver, "--drive", verb, self.store, self.run, str(attempt), *words], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, verb, attempt=1, status=0, **more):
        """The words after "ok"; of a failure (code, lack, text); None when it was killed."""
        process = self.open(verb, attempt, **more)
        out, self.said = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, 1, -9), f"{process.returncode}: {out}{self.said}"
        if process.returncode == -9:
            return None
        word, _, rest = out.rstrip("\n").partition(" ")
        if word == "ok":
            return rest.split(" ")
        code, lack, text = rest.split(" ", 2)
        return int(code), lack, text

    def document(self, name):
        return json.loads((self.dir / "attempts" / name).read_text())

    def tries(self, attempt=1):
        return sorted(path.name for path in (self.dir / "attempts").glob(f"{attempt:03}.try-*"))
