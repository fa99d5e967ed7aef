# SPDX-License-Identifier: Apache-2.0
"""`branchline doctor` against the strict peer and the fake GitHub: all well, then each ill."""
import json
import os
import subprocess

import jsonschema
import pytest

from cloud import BUCKET, REGION, env_of
from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION
from conftest import PATIENCE
from github_fake import OWNER_ID, REPOSITORY, REPOSITORY_ID
from registries import BASE_LAYERS, Layout

CONFIG = "version: 1\ncommand: [python, train.py]\ngpu: l4\nmax_runtime: 4h\n"
WORKFLOW = """\
on: {pull_request: {types: [labeled]}}
permissions: {}
jobs:
  train:
    permissions: {contents: read, id-token: write, pull-requests: write, statuses: write}
    uses: octo/branchline/.github/workflows/train.yml@v1
"""
TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object", "additionalProperties": False,
    "required": ["schema", "state", "first", "checks", "claims"],
    "properties": {
        "schema": {"const": 1}, "state": {"enum": ["ok", "warn", "fail"]},
        "first": {"type": ["string", "null"]}, "claims": {"type": ["object", "null"]},
        "checks": {"type": "array", "minItems": 10, "items": {
            "type": "object", "additionalProperties": False,
            "required": ["id", "group", "title", "state", "seen", "next"],
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z0-9-]+$"}, "group": TEXT, "title": TEXT,
                "state": {"enum": ["ok", "skipped", "warn", "fail"]}, "seen": TEXT,
                "next": {"type": ["string", "null"]}}}}}}
READS = ("Describe", "Get", "Head", "List")  # what operations of AWS that change nothing begin with


class Clinic:
    """A repository and its surroundings, all well; a test makes one thing ill."""

    def __init__(self, branchline, path, peer, github):
        self.branchline, self.path, self.peer, self.github = branchline, path, peer, github
        (path / ".github" / "workflows").mkdir(parents=True)
        self.write("branchline.yaml", CONFIG)
        self.write(".github/workflows/train.yml", WORKFLOW)
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=path, check=True)
        subprocess.run(["git", "remote", "add", "origin", f"https://github.com/{REPOSITORY}.git"],
                       cwd=path, check=True)
        peer.stack()
        peer.repository("branchline")
        self.env = env_of(peer, **github.user_env())
        self.env.pop("GITHUB_REPOSITORY")  # a laptop: origin says it

    def write(self, name, text):
        (self.path / name).write_text(text)

    def call(self, *args):
        return subprocess.run([self.branchline, "doctor", *args], cwd=self.path, env=self.env,
                              capture_output=True, text=True, timeout=PATIENCE)

    def told(self, *args):
        """(exit status, {id: check})"""
        done = self.call("--json", *args)
        told = json.loads(done.stdout)
        jsonschema.validate(told, SCHEMA)
        for check in told["checks"]:
            assert (check["next"] is None) or check["state"] != "ok", check
        return done, told, {check["id"]: check for check in told["checks"]}


@pytest.fixture
def clinic(branchline, tmp_path, peer, github):
    return Clinic(branchline, tmp_path, peer, github)


def test_all_is_well(clinic):
    done, told, checks = clinic.told()
    ill = {name: check for name, check in checks.items() if check["state"] in ("warn", "fail")}
    assert not ill and told["state"] == "ok" and told["first"] is None and done.returncode == 0
    assert {"program", "tls", "config", "identity", "region", "oidc", "clock", "stack", "ceilings",
            "bucket", "images", "budget", "types", "zones", "subnets", "quota-spot-g",
            "quota-on-demand-g", "spot-role", "instance-profile", "launch-template",
            "template-metadata", "template-shutdown", "template-tags", "cuda", "workflow",
            "repository", "github-token", "environment", "fork-tokens", "label"} == set(checks)
    assert checks["types"]["seen"] == "g6.xlarge, g6.2xlarge"


def test_it_changes_nothing(clinic):
    before = clinic.peer.objects()
    assert clinic.call().returncode == 0
    assert clinic.peer.objects() == before
    assert all(name.startswith(READS) for name in clinic.peer.operations())
    assert {entry["method"] for entry in clinic.github.log()} == {"GET"}


def test_text_for_people(clinic):
    done = clinic.call()
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ""
    assert [line for line in lines if line and line[0].isupper() and len(line) < 20] == [
        "This machine", "Configuration", "AWS", "Stack", "Machines", "GitHub"]
    assert lines[-1] == "All is well: add the label `train` to a pull request."
    assert max(len(line) for line in lines) <= 100 and "\x1b" not in done.stdout
    clinic.peer.quota("L-3819A6DF", 0)
    done = clinic.call()
    last = done.stdout.rpartition("skipped\n")[2]
    assert last.startswith("Do first: Quota, spot, G and VT: ask for 8: aws service-quotas")
    assert "checks failed, first: Quota, spot, G and VT" in done.stderr
    clinic.env["FORCE_COLOR"] = "1"
    assert "\x1b[31;1mFAIL" in clinic.call().stdout


def no_template_tags(clinic):
    clinic.peer.template(tags={"cost center": "ml", "branchline:stack": "branchline"})


def metadata(**options):
    def change(clinic):
        good = {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled",
                "instanceMetadataTags": "enabled"}
        clinic.peer.template(data={"metadataOptions": dict(good, **options)})
    return change


def peer(method, *args, **more):
    return lambda clinic: getattr(clinic.peer, method)(*args, **more)


def hub(method, *args, **more):
    return lambda clinic: getattr(clinic.github, method)(*args, **more)


def config(text):
    return lambda clinic: clinic.write("branchline.yaml", CONFIG + text)


def workflow(old, new):
    return lambda clinic: clinic.write(".github/workflows/train.yml", WORKFLOW.replace(old, new))


def denied(operation):
    return lambda clinic: clinic.peer.script(operation=operation, count=0,
                                             error="AccessDeniedException")


def setenv(**values):
    return lambda clinic: clinic.env.update(values)


def full_subnets(clinic):
    for zone, name in SUBNETS.items():
        clinic.peer.subnet(name, zone=zone, free=0)


def elsewhere(clinic):
    clinic.peer.bucket("far", region="eu-west-1")
    clinic.peer.stack(store="s3://far")


ILL = {  # what is made ill: (how, check, state, exit status, what is seen, what to do)
    "unknown key": (config("colour: red\n"), "config", "fail", 2, "colour", ""),
    "cost over the ceiling": (config("max_cost_usd: 51\n"), "ceilings", "fail", 2,
                              "over the stack's ceiling of 50", "lower it"),
    "no ceilings": (peer("stack", ceilings=None), "ceilings", "warn", 0, "none", "max_cost_usd"),
    "no stack": (peer("parameter", "/branchline/branchline", None), "stack", "fail", 2,
                 "/branchline/branchline in us-east-1", "apply the Terraform module"),
    "stack of another account": (peer("stack", account="999999999999"), "stack", "fail", 4,
                                 "of account 999999999999", "credentials of the stack's"),
    "stack of another region": (lambda c: c.peer.parameter("/branchline/branchline", json.dumps(
        dict(c.peer.stack(), region="eu-west-1"))), "stack", "fail", 2, "says eu-west-1",
        "AWS_REGION=eu-west-1"),
    "keys that AWS does not know": (setenv(AWS_ACCESS_KEY_ID="AKIANOBODY"), "identity", "fail", 4,
                                    "InvalidClientTokenId", "whoami"),
    "no region": (lambda c: [c.env.pop(n) for n in ("AWS_REGION", "AWS_DEFAULT_REGION")], "region",
                  "fail", 2, "none is set", "AWS_REGION"),
    "no bucket": (peer("stack", store="s3://nobody-has-this"), "bucket", "fail", 2, "404",
                  "bucket"),
    "bucket elsewhere": (elsewhere, "bucket", "warn", 0, "is in eu-west-1", "one region"),
    "no image repository": (peer("stack", image_repository=f"111122223333.dkr.ecr.{REGION}."
                                 "amazonaws.com/other"), "images", "fail", 2,
                            "RepositoryNotFoundException", "create-repository"),
    "budget spent": (peer("budget", "branchline", 500, 500.5), "budget", "fail", 6,
                     "$500.50 of $500.00", "next month"),
    "budget nearly spent": (peer("budget", "branchline", 500, 450), "budget", "warn", 0, "$450.00",
                            "raise the budget"),
    "budget gone": (peer("budget", "branchline", None), "budget", "warn", 0, "does not exist",
                    "create the budget"),
    "no budget": (peer("stack", budget=None), "budget", "warn", 0, "none", "give the module"),
    "budget not to be seen": (denied("DescribeBudget"), "budget", "skipped", 0, "AccessDenied",
                              "budgets:ViewBudget"),
    "no such gpu": (config("gpu_memory_gb: 1000\n"), "types", "fail", 2, "", ""),
    "clock": (peer("clock", 3600), "clock", "warn", 0, "s behind AWS", "NTP"),
    "one zone": (peer("stack", subnets=[
        {"id": SUBNETS["us-east-1a"], "zone": "us-east-1a"},
        {"id": SUBNETS["us-east-1b"], "zone": "us-east-1z"}]), "zones", "warn", 0,
        "us-east-1z 0 of 2", "subnets"),
    "subnets full": (full_subnets, "subnets", "fail", 3, "no address is free", "end what"),
    "subnet gone": (peer("stack", subnets=[
        {"id": "subnet-0dddddddddddddddd", "zone": "us-east-1a"}]), "subnets", "fail", 2,
        "InvalidSubnetID.NotFound", "Terraform"),
    "no spot quota": (peer("quota", "L-3819A6DF", 3), "quota-spot-g", "fail", 3,
                      "3 vCPUs, but g6.xlarge needs 4", "--quota-code L-3819A6DF"),
    "no on-demand quota": (peer("quota", "L-DB2E81BA", 0), "quota-on-demand-g", "skipped", 0,
                           "not used: market is spot", "--quota-code L-DB2E81BA"),
    "no on-demand quota, needed": (
        lambda c: (config("market: on-demand\n")(c), c.peer.quota("L-DB2E81BA", 0)),
        "quota-on-demand-g", "fail", 3, "0 vCPUs", "--quota-code L-DB2E81BA"),
    "quota not to be seen": (denied("GetServiceQuota"), "quota-spot-g", "skipped", 0,
                             "AccessDenied", "servicequotas:"),
    "no spot role": (peer("spot_role", False), "spot-role", "fail", 4, "is missing",
                     "create-service-linked-role"),
    "no instance profile": (peer("instance_profile", exists=False), "instance-profile", "fail", 2,
                            "does not exist", "Terraform"),
    "profile without role": (peer("instance_profile", role=None), "instance-profile", "fail", 2,
                             "has no role", "Terraform"),
    "no template": (peer("stack", templates=[
        {"id": TEMPLATE, "version": TEMPLATE_VERSION + 1, "types": ["g6.xlarge"]}]),
        "launch-template", "fail", 2, "version 4 does not exist", "Terraform"),
    "template without profile": (peer("template", drop=["iamInstanceProfile"]), "launch-template",
                                 "fail", 2, "no instance profile", "Terraform"),
    "metadata version 1": (metadata(httpTokens="optional"), "template-metadata", "fail", 2,
                           "HttpTokens is optional", "Terraform"),
    "hop limit": (metadata(httpPutResponseHopLimit=2), "template-metadata", "fail", 2,
                  "hop limit 2", "Terraform"),
    "no tags in metadata": (metadata(instanceMetadataTags="disabled"), "template-metadata", "fail",
                            2, "disabled", "Terraform"),
    "shutdown": (peer("template", drop=["instanceInitiatedShutdownBehavior"]), "template-shutdown",
                 "fail", 2, "which means stop", "Terraform"),
    "tags": (no_template_tags, "template-tags", "fail", 2, "'cost center'", "rename"),
    "no cuda": (peer("stack", templates=[
        {"id": TEMPLATE, "version": TEMPLATE_VERSION, "types": ["g6.xlarge"]}]), "cuda", "skipped",
        0, "does not say", ""),
    "no permission": (workflow("id-token: write, ", ""), "workflow", "fail", 4, "id-token: write",
                      "permissions: {id-token: write}"),
    "workflow's turns": (workflow("permissions: {}", "concurrency: train"), "workflow", "warn", 0,
                         "whole workflow", "move it to the job"),
    "no workflow": (workflow("branchline", "other"), "workflow", "warn", 0, "none in", "ten lines"),
    "token of a stranger": (setenv(GITHUB_TOKEN="nobody"), "repository", "fail", 4, "401", ""),
    "no token": (setenv(GITHUB_TOKEN=""), "repository", "skipped", 0, "gh auth token", ""),
    "no label": (hub("options", labels=[]), "label", "warn", 0, "does not exist yet",
                 "gh label create train"),
    "no environment": (config("github_environment: gpu\n"), "environment", "warn", 0,
                       "does not exist", "create it"),
}


@pytest.mark.parametrize("what", ILL)
def test_ill(clinic, what):
    change, name, state, status, seen, advice = ILL[what]
    change(clinic)
    done, told, checks = clinic.told()
    check = checks[name]
    assert (check["state"], done.returncode) == (state, status), (check, done.stderr)
    assert seen in check["seen"] and advice in (check["next"] or ""), check
    if state in ("warn", "fail"):
        assert check["next"] or name in ("config", "repository"), check
    if state == "fail":
        assert told["first"] and done.stderr.count("\n") == 1


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
    workflow_env(clinic)
    done, _, checks = clinic.told()
    assert done.returncode == 0
    assert checks["oidc"]["state"] == "warn" and "`environment: gpu`" in checks["oidc"]["next"]


def test_nothing_here(branchline, tmp_path):
    """No file, no repository, no credentials: it still says what it can."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run([branchline, "doctor"], cwd=tmp_path, env=env, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode in (2, 4) and "Do first:" in done.stdout
    assert BUCKET not in done.stdout
