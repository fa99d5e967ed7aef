# SPDX-License-Identifier: Apache-2.0
"""What `branchline doctor` looks at: a repository, a stack, GitHub's settings; all well at first."""
import json
import subprocess

import jsonschema
import pytest

from cloud import env_of
from conftest import PATIENCE
from github_fake import OWNER_ID, REPOSITORY, REPOSITORY_ID

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


CONTEXTS = ("pull_request", "ref:refs/heads/main")


def trusting(*subs):
    """The launch role with a trust policy that names them."""
    host = "token.actions.githubusercontent.com"
    condition = {f"{host}:aud": "sts.amazonaws.com", **({f"{host}:sub": subs} if subs else {})}
    return lambda clinic: clinic.peer.trust("branchline-launch", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
         "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{host}"},
         "Condition": {"StringEquals": condition}}]})


GATED = trusting(f"repo:{REPOSITORY}:environment:gpu",
                 f"repo:octo@{OWNER_ID}/demo@{REPOSITORY_ID}:environment:gpu")
