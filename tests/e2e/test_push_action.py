# SPDX-License-Identifier: Apache-2.0
"""actions/push-image: as a step of a job."""
import json

import pytest

from composite import Job, actions_with
from registries import BASE_LAYERS, Layout, unpack


@pytest.fixture
def action(bin_dir, tmp_path):
    return actions_with(bin_dir, tmp_path / "acme branchline" / "actions") / "push-image"


@pytest.fixture
def base(tmp_path):
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    return f"oci:{layout.path}:base"


@pytest.fixture
def job(repo, tmp_path):
    """A push to main of the repository."""
    (tmp_path / "job").mkdir()
    (tmp_path / "event.json").write_text(json.dumps({"repository": {"default_branch": "main"}}))
    job = Job(tmp_path / "job", {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main",
                                 "GITHUB_SHA": repo.sha(), "GITHUB_EVENT_PATH": str(tmp_path / "event.json")})
    job.workspace = repo.path
    return job


@pytest.mark.sample
def test_the_step_says_what_it_made(job, action, base, repo, tmp_path):
    step = job.uses(action, to=f"oci:{tmp_path}/out", image_base=base, tags="main, v1")
    manifest = unpack(tmp_path / "out", repo.sha())[0]
    assert unpack(tmp_path / "out", "main")[0] == unpack(tmp_path / "out", "v1")[0] == manifest
    assert step.outputs["image"] == f"oci:{tmp_path}/out@{step.outputs['digest']}"
    assert int(step.outputs["pushed-bytes"]) > 0 and float(step.outputs["seconds"]) >= 0
    assert step.outputs["base-digest"] == manifest["annotations"]["org.opencontainers.image.base.digest"]
    rows = [line for line in step.summary.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2 + 3, "two of the base, runner, code, config"
    assert any("| code |" in row and "| sent |" in row for row in rows)
    assert "::add-mask::" not in step.stdout
    again = job.uses(action, to=f"oci:{tmp_path}/out", image_base=base)
    assert again.outputs["digest"] == step.outputs["digest"] and again.outputs["pushed-bytes"] == "0"
    assert "was there already" in again.summary


def test_a_pull_request_is_what_guard_looked_at(job, action, base, repo, tmp_path):
    seen = repo.sha()
    job.env.update(GITHUB_EVENT_NAME="pull_request", GITHUB_REF="refs/pull/1/merge")
    step = job.uses(action, check=False, to=f"oci:{tmp_path}/out", image_base=base)
    assert step.returncode == 4 and "actions/guard" in step.stderr
    (job.temp / "branchline").mkdir()
    decision = job.temp / "branchline" / "guard.json"
    decision.write_text(json.dumps({"schema": 1, "accepted": False, "reason": "the labeller may not write"}))
    step = job.uses(action, check=False, to=f"oci:{tmp_path}/out", image_base=base)
    assert step.returncode == 4 and "the labeller may not write" in step.stderr
    job.env["GITHUB_SHA"] = repo.commit({"train.py": "pushed after guard looked\n"})
    decision.write_text(json.dumps({"schema": 1, "accepted": True, "sha": seen}))
    step = job.uses(action, to=f"oci:{tmp_path}/out", image_base=base)
    unpack(tmp_path / "out", seen)
    step = job.uses(action, check=False, to=f"oci:{tmp_path}/out", image_base=base, commit=job.env["GITHUB_SHA"])
    assert step.returncode == 4 and "not the one that guard accepted" in step.stderr


def test_a_step_without_its_program(job, action, base, tmp_path):
    for path in action.parent.glob("bin/*/branchline"):
        path.unlink()
    step = job.uses(action, check=False, to=f"oci:{tmp_path}/out", image_base=base)
    assert step.returncode == 2 and "use a release tag" in step.stdout


def test_input_that_is_wrong_is_an_annotation(job, action, tmp_path):
    step = job.uses(action, check=False, to=f"oci:{tmp_path}/out", image_base="UPPER/case")
    assert step.returncode == 2 and step.stderr.startswith("::error") and "lower case" in step.stderr
