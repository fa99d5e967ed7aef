# SPDX-License-Identifier: Apache-2.0
"""Fixtures and waiting for the end-to-end tests: programs are driven from outside."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

# modules whose fixtures are for all
pytest_plugins = ["cloud", "exec_runs", "fault_runs", "github_fake", "registries", "push_runs",
                  "s3_project", "sync_verb", "transfer_drive"]

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("BRANCHLINE_TEST_PATIENCE", "30"))


def until(predicate, what, patience=PATIENCE):
    """The first true value of predicate(), asked again until a deadline; never a bare sleep."""
    deadline = time.monotonic() + patience
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {patience:g} s: {what}")
        time.sleep(0.01)


def wait_for_file(path, patience=PATIENCE):
    path = pathlib.Path(path)
    until(path.exists, f"{path} appears", patience)
    return path


def wait_for_text(path, text, patience=PATIENCE):
    """The file's bytes once they hold text."""
    path = pathlib.Path(path)
    needle = text.encode() if isinstance(text, str) else text

    def found():
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        return data if needle in data else None

    return until(found, f"{path} holds {text!r}", patience)


def read_json(path):
    return json.loads(pathlib.Path(path).read_text())


def wait_for_json(path, patience=PATIENCE):
    return read_json(wait_for_file(path, patience))


def state_of(pid):
    """The process's letter in ps: T is stopped, Z a zombie."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_alive(pid):
    """A zombie is not alive."""
    try:
        return state_of(pid) not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid, patience=PATIENCE):
    until(lambda: not is_alive(pid), f"process {pid} is gone", patience)


def pytest_configure(config):
    config.addinivalue_line("markers", "sample: also run under the sanitizers")


def programs():
    """The folder of those under test: BRANCHLINE_BIN, else the build with failpoints."""
    return pathlib.Path(os.environ.get("BRANCHLINE_BIN", ROOT / "build" / "test" / "bin")).absolute()


def list_failpoints(runner):
    done = subprocess.run([runner, "failpoints"], capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout.split() if done.returncode == 0 else []


def pytest_collection_modifyitems(config, items):
    """A release's programs are tried after the build with failpoints: what runs none is not done twice."""
    runner = programs() / "branchline-runner"
    if not runner.exists() or list_failpoints(runner):
        return
    left = [item for item in items if "bin_dir" not in item.fixturenames]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if "bin_dir" in item.fixturenames]


@pytest.fixture(scope="session")
def bin_dir():
    path = programs()
    if not (path / "branchline-runner").exists():
        pytest.fail(f"no programs in {path}: run make test-e2e, or set BRANCHLINE_BIN")
    return path


@pytest.fixture(scope="session")
def branchline(bin_dir):
    return bin_dir / "branchline"


@pytest.fixture(scope="session")
def runner(bin_dir):
    return bin_dir / "branchline-runner"


@pytest.fixture(scope="session")
def failpoints(runner):
    """The names compiled into the runner; empty in a release build."""
    return list_failpoints(runner)


@pytest.fixture
def has_failpoints(failpoints):
    if not failpoints:
        pytest.skip("these programs are built without failpoints")
    return failpoints


@pytest.fixture
def processes():
    """A list; what a test appends (Popen) is ended with its group after the test."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            for end in (lambda: os.killpg(process.pid, signal.SIGKILL), process.kill):
                try:
                    end()
                except (ProcessLookupError, PermissionError):
                    pass
        process.wait(timeout=PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
