# SPDX-License-Identifier: Apache-2.0
"""`branchline doctor` against the strict peer and the fake GitHub: all well, then each ill."""
import json
import os
import subprocess

import pytest

from clinic import CONFIG, CONTEXTS, GATED, WORKFLOW, clinic, trusting  # noqa: F401
from cloud import BUCKET, REGION
from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION
from conftest import PATIENCE
from github_fake import OWNER_ID, REPOSITORY

READS = ("Describe", "Get", "Head", "List")  # what operations of AWS that change nothing begin with


def test_all_is_well(clinic):
    done, told, checks = clinic.told()
    ill = {name: check for name, check in checks.items() if check["state"] in ("warn", "fail")}
    assert not ill and told["state"] == "ok" and told["first"] is None and done.returncode == 0
    assert {"program", "tls", "config", "identity", "region", "oidc", "clock", "stack", "ceilings",
            "bucket", "images", "budget", "types", "zones", "subnets", "quota-spot-g",
            "quota-on-demand-g", "spot-role", "instance-profile", "launch-template",
            "template-metadata", "template-shutdown", "template-tags", "cuda", "workflow",
            "repository", "trust", "github-token", "environment", "fork-tokens", "label"} == set(checks)
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
    assert last.startswith("Do first: Quota, spot, G and VT: a new account begins with 0")
    command = ("    aws service-quotas request-service-quota-increase --service-code ec2 --quota-code "
               f"L-3819A6DF --desired-value 8 --region {REGION}\n")  # whole: it is to be copied
    assert last.endswith(command) and done.stdout.count(command) == 2
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
    "another store": (config("store: s3://nobody-has-this\n"), "bucket", "fail", 2, "404",
                      "nobody-has-this"),
    "store in a folder": (config("store: ./runs\n"), "bucket", "skipped", 0, "no bucket", ""),
    "ceilings without a cost": (peer("stack", ceilings={"max_runtime": "24h"}), "ceilings", "ok", 0,
                                "1 job is within: any cost, 24h a run", ""),
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
    "trust of another repository": (trusting("repo:octo/other:pull_request"), "trust", "fail", 4,
                                    "does not trust all", f"repo:{REPOSITORY}:pull_request"),
    "trust of one form": (trusting(*(f"repo:{REPOSITORY}:{context}" for context in CONTEXTS)),
                          "trust", "warn", 0, "one form only", f"@{OWNER_ID}/"),
    "trust of anybody": (trusting(), "trust", "fail", 4, "any repository", "StringEquals on sub"),
    "trust not to be seen": (denied("GetRole"), "trust", "skipped", 0, "AccessDenied", ""),
    "no label": (hub("options", labels=[]), "label", "warn", 0, "does not exist yet",
                 "gh label create train"),
    "no environment": (lambda c: (config("github_environment: gpu\n")(c), GATED(c)), "environment",
                       "warn", 0, "does not exist", "create it"),
    "trust without the environment": (
        lambda c: (config("github_environment: gpu\n")(c), c.github.environment("gpu")), "trust",
        "fail", 4, "does not trust", f"repo:{REPOSITORY}:environment:gpu"),
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


def test_nothing_here(branchline, tmp_path):
    """No file, no repository, no credentials: it still says what it can."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run([branchline, "doctor"], cwd=tmp_path, env=env, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode in (2, 4) and "Do first:" in done.stdout
    assert BUCKET not in done.stdout
