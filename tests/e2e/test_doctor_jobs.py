# SPDX-License-Identifier: Apache-2.0
"""What `branchline doctor` says of environments, forks, the commit's image and a job's token."""
import subprocess

import pytest

from clinic import CONFIG, GATED, clinic  # noqa: F401
from cloud_ec2 import TEMPLATE, TEMPLATE_VERSION
from conftest import PATIENCE
from github_fake import OWNER_ID, REPOSITORY, REPOSITORY_ID
from registries import BASE_LAYERS, Layout

ENVIRONMENTS = {
    "open": ({}, "warn", "stops nobody"),
    "reviewers": ({"reviewers": ["octo"]}, "ok", "with 1 reviewers"),
    "no pulls": ({"reviewers": ["octo"], "branches": "protected"}, "warn", "no pull request"),
    "pulls": ({"branches": ["refs/pull/*/merge"]}, "ok", "a rule for branches"),
}


@pytest.mark.parametrize("what", ENVIRONMENTS)
def test_environment(clinic, what):
    rules, state, seen = ENVIRONMENTS[what]
    clinic.github.environment("gpu", **rules)
    clinic.write("branchline.yaml", CONFIG + "github_environment: gpu\n")
    _, _, checks = clinic.told()
    assert checks["environment"]["state"] == state and seen in checks["environment"]["seen"]


def test_forks_of_a_private_repository(clinic):
    clinic.github.options(private=True)
    clinic.env["GITHUB_TOKEN"] = clinic.github.token  # of a workflow: no administrator
    _, _, checks = clinic.told()
    assert checks["fork-tokens"]["state"] == "skipped"
    assert "administrator" in checks["fork-tokens"]["seen"]


def test_forks_with_write_tokens(clinic):
    clinic.github.options(private=True)
    clinic.github.script(operation="GetActionsSetting", count=0, status=200, body={
        "run_workflows_from_fork_pull_requests": True, "send_write_tokens_to_workflows": True})
    done, told, checks = clinic.told()
    assert done.returncode == 4 and told["first"] == "fork-tokens"
    assert "Send write tokens" in checks["fork-tokens"]["next"]


def commit(clinic):
    env = dict(clinic.env, GIT_CONFIG_GLOBAL="/dev/null")
    for command in (["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit",
                                    "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=clinic.path, env=env, check=True)


def test_image_of_the_commit(clinic, tmp_path_factory):
    """Not pushed yet; then pushed, for a CUDA that the driver serves, and for one that it does not."""
    repository = f"{clinic.peer.registry}/demo"
    clinic.env.update(HOME=str(clinic.path), DOCKER_CONFIG="/nonexistent",
                      REGISTRY_AUTH_FILE="/dev/null", XDG_RUNTIME_DIR="/nonexistent")
    clinic.peer.stack(image_repository=repository)
    commit(clinic)
    assert "push-image makes it" in clinic.told()[2]["image"]["seen"]
    layout = Layout(tmp_path_factory.mktemp("layout") / "base")
    layout.image("base", BASE_LAYERS, config={"Env": ["CUDA_VERSION=12.4.1"], "Cmd": ["sh"]})
    done = subprocess.run([clinic.branchline, "push-image", "--to", repository, "--image-base",
                           f"oci:{layout.path}:base"], cwd=clinic.path, env=clinic.env,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    check = clinic.told()[2]["image"]
    assert check["state"] == "ok" and check["seen"].endswith(", CUDA 12.4.1"), check
    clinic.peer.stack(image_repository=repository, templates=[
        {"id": TEMPLATE, "version": TEMPLATE_VERSION, "types": ["g6.xlarge"],
         "driver": "470.57.02", "cuda_max": "11.4"}])
    done, _, checks = clinic.told()
    assert checks["image"]["state"] == "fail" and done.returncode == 2, checks["image"]
    assert "CUDA 11.4" in checks["image"]["next"]


def workflow_env(clinic, **more):
    """Of a job that may ask for an identity token."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        clinic.env.pop(name)
    clinic.env.update(clinic.peer.oidc_env(GITHUB_ACTIONS="true", **more))


def test_token_that_the_role_trusts(clinic):
    workflow_env(clinic)
    done, told, checks = clinic.told()
    assert done.returncode == 0, done.stderr
    assert checks["oidc"]["state"] == "ok" and "assumed-role" in checks["identity"]["seen"]
    assert told["claims"]["sub"] in checks["oidc"]["seen"]
    for part in ("aud sts.amazonaws.com", f"repository_id {told['claims']['repository_id']}"):
        assert part in checks["oidc"]["seen"]


def test_token_that_the_role_does_not_trust(clinic):
    """Both forms of sub are said, and nothing is asked that cannot be answered."""
    clinic.peer.oidc(claims={
        "sub": f"repo:{REPOSITORY}:pull_request", "repository": REPOSITORY,
        "repository_id": str(REPOSITORY_ID), "repository_owner_id": str(OWNER_ID)})
    workflow_env(clinic)
    done, told, checks = clinic.told()
    owner, name = REPOSITORY.split("/")
    assert done.returncode == 4 and told["first"] == "identity"
    assert "AccessDenied" in checks["identity"]["seen"]
    assert f"sub repo:{REPOSITORY}:pull_request" in checks["oidc"]["seen"]
    assert (f"repo:{owner}@{OWNER_ID}/{name}@{REPOSITORY_ID}:pull_request"
            in checks["oidc"]["next"])
    assert checks["stack"]["state"] == "skipped"


def test_job_without_permission(clinic):
    workflow_env(clinic)
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        clinic.env.pop(name)
    done, _, checks = clinic.told()
    assert done.returncode == 4
    assert checks["oidc"]["state"] == "fail" and "id-token: write" in checks["oidc"]["next"]


def test_job_outside_of_its_environment(clinic):
    clinic.write("branchline.yaml", CONFIG + "github_environment: gpu\n")
    clinic.github.environment("gpu", reviewers=["octo"])
    GATED(clinic)
    workflow_env(clinic)
    done, _, checks = clinic.told()
    assert done.returncode == 0
    assert checks["oidc"]["state"] == "warn" and "`environment: gpu`" in checks["oidc"]["next"]
