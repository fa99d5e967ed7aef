# SPDX-License-Identifier: Apache-2.0
"""The verbs `credentials` and `whoami`, called in an environment that knows the peer alone."""
import datetime
import json
import os
import subprocess
import time

from conftest import PATIENCE

ROLE = "arn:aws:iam::111122223333:role/branchline"
ASSUME = "AssumeRoleWithWebIdentity"


def call(branchline, env, *args, check=True):
    """A verb in an environment that holds nothing of this machine's but PATH."""
    base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run([branchline, *map(str, args)], env=dict(base, **env), text=True,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def credentials(branchline, env, *args):
    got = json.loads(call(branchline, env, "credentials", *args).stdout)
    assert got["Version"] == 1
    return got


def ends_in(got):
    end = datetime.datetime.fromisoformat(got["Expiration"].replace("Z", "+00:00"))
    return end.timestamp() - time.time()


def config(tmp_path, text, name="config"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)
