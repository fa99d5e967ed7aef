# SPDX-License-Identifier: Apache-2.0
"""branchline-runner exec, each in a tree of its own: its call, its records, its processes."""
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from conftest import PATIENCE, read_json, until, wait_for_file


class Exec:
    """One exec in a tree of its own."""

    def __init__(self, runner, root, processes):
        self.runner, self.root, self.processes = runner, root, processes
        self.records = root / "output" / "branchline"
        root.mkdir(exist_ok=True)

    def config(self, **keys):
        path = self.root / "input" / "config" / "branchline.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schema": 1, "echo": False, **keys}))

    def argv(self, args, wrap=()):
        return [*map(str, wrap), str(self.runner), "exec", *map(str, args)]

    def env(self, extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BRANCHLINE_", "GITHUB_"))}
        env["BRANCHLINE_ROOT"] = str(self.root)
        env.update({k: str(v) for k, v in extra.items()})
        return env

    def start(self, *args, wrap=(), env=(), **popen):
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(self.argv(args, wrap), env=self.env(dict(env)),
                                   start_new_session=True, **popen)
        self.processes.append(process)
        return process

    def run(self, *args, patience=PATIENCE, **how):
        process = self.start(*args, **how)
        out, err = process.communicate(timeout=patience)
        return process.returncode, out, err

    def start_known(self, source):
        """A command in Python and its pid, once it runs."""
        here = self.root / "pid"
        tell = f"""
            import os
            open("{here}.new", "w").write(str(os.getpid()))
            os.rename("{here}.new", "{here}")
            """
        process = self.start("--", *python(textwrap.dedent(tell) + textwrap.dedent(source)))
        return process, int(wait_for_file(here).read_text())

    def shell(self, script, **how):
        return self.run("--", "sh", "-c", script, **how)

    def python(self, source, **how):
        return self.run("--", *python(source), **how)

    @property
    def exit(self):
        return read_json(self.records / "exit.json")

    @property
    def verdict(self):
        return read_json(self.records / "verdict.json")

    @property
    def log(self):
        return (self.records / "log").read_bytes()


def python(source):
    # -I -S: no user site, no start-up cost; -u as PYTHONUNBUFFERED would have it
    return [sys.executable, "-ISu", "-c", textwrap.dedent(source)]


@pytest.fixture
def ex(runner, tmp_path, processes):
    return Exec(runner, tmp_path / "ml", processes)


def root_only():
    if os.geteuid() != 0:
        pytest.skip("needs root for namespaces")


PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture(params=["child", "pid 1"])
def wrap(request):
    """The same test as an ordinary process and as PID 1 of a container."""
    if request.param == "child":
        return ()
    root_only()
    probe = subprocess.run([*PID_1, "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no PID namespaces here: {probe.stderr.decode().strip()}")
    return PID_1


def children(process):
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def exec_pid(process, wrap):
    """exec itself, below unshare where that is in between."""
    if not wrap:
        return process.pid
    return until(lambda: children(process), "unshare has forked")[0]
