# SPDX-License-Identifier: Apache-2.0
"""What the tests of bad input and faults share: a project checked at its end, trainings, checks."""
import os
import subprocess
import sys
import textwrap

import pytest

from conftest import read_json
from project import Project, check_nothing_lives, check_store


@pytest.fixture
def project(branchline, tmp_path):
    """Checked at the end: no test leaves something torn or alive."""
    project = Project(branchline, tmp_path / "project")
    yield project
    check_store(project.store)
    for run in project.store.glob("runs/*"):
        check_nothing_lives(run.name)


@pytest.fixture
def namespaces():
    """Skips where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("needs root for namespaces")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
                           capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no namespaces here: {probe.stderr.strip()}")


def python(source):
    """Words after --: a training of its own. -u as PYTHONUNBUFFERED would have it."""
    return ["--", sys.executable, "-ISu", "-c", textwrap.dedent(source)]


def work(project, run, attempt=1):
    return project.path / ".branchline/work" / run.name / str(attempt)


def check_failed(done, outcome, *, exit_code, klass, message, next_step):
    """All that a failed run owes its reader, and the last line says the same."""
    assert done.returncode == exit_code, done.stderr
    assert outcome["class"] == klass
    assert message in outcome["message"]
    assert next_step in outcome["next_step"]
    said = done.stderr.splitlines()
    assert any(line.startswith("branchline: ") and outcome["message"] in line for line in said)


def names_of(manifest):
    return {entry["path"]: entry for entry in read_json(manifest)["entries"]}


def manifests(run):
    return sorted(run.glob("checkpoints/*.manifest.json"))
