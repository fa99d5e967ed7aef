# SPDX-License-Identifier: Apache-2.0
"""IAM: whether roles and instance profiles exist."""
import json
import re
from urllib.parse import quote

import sigv4
from core import Problem
from query import QueryService, invalid
from world import ACCOUNT

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
PATHS = {SPOT_ROLE: "/aws-service-role/spot.amazonaws.com/"}
CREATED = 1767225600
# both forms of what the fake GitHub's repository asks with: octo/demo, 4242/987654
TRUSTED = [f"repo:{name}:{context}" for name in ("octo/demo", "octo@4242/demo@987654")
           for context in ("pull_request", "ref:refs/heads/main")]


class Iam(QueryService):
    NAME, VERSION = "iam", "2010-05-08"
    NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
    REGION = "us-east-1"

    def reset(self):
        self.roles = {SPOT_ROLE: {}, "branchline-instance": {},
                      "branchline-launch": trust(TRUSTED)}  # name: trust policy
        self.profiles = {"branchline": "branchline-instance"}  # name: role or None

    def put_role(self, name, exists=True, policy=None):
        with self.world.lock:
            self.roles.pop(name, None)
            if exists:
                self.roles[name] = policy or {}

    def put_profile(self, name, role=None, exists=True):
        with self.world.lock:
            self.profiles.pop(name, None)
            if exists:
                self.profiles[name] = role

    def named(self, request, parameter, most):
        self.signer(request)
        if request.entry["region"] != self.REGION:
            raise Problem(403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.")
        unknown = sorted(set(request.params) - {"Action", "Version", parameter})
        if unknown:
            raise Problem(400, "ValidationError", f"the peer does not know {unknown}")
        name = request.params.get(parameter, "")
        if not re.fullmatch(rf"[\w+=,.@-]{{1,{most}}}", name, re.ASCII):
            raise invalid(parameter, rf"regular expression pattern: [\w+=,.@-]+, 1 to {most}")
        return name

    def role(self, name):
        path = PATHS.get(name, "/")
        return {"Path": path, "RoleName": name, "RoleId": "AROAPEERROLE00000000",
                "Arn": f"arn:aws:iam::{ACCOUNT}:role{path}{name}", "CreateDate": sigv4.iso(CREATED),
                "AssumeRolePolicyDocument": quote(json.dumps(self.roles.get(name) or {}), safe=""), "MaxSessionDuration": 3600}

    def do_GetRole(self, request):
        name = self.named(request, "RoleName", 64)
        self.allow(request, f"arn:aws:iam::{ACCOUNT}:role{PATHS.get(name, '/')}{name}")
        if name not in self.roles:
            raise Problem(404, "NoSuchEntity", f"The role with name {name} cannot be found.")
        return {"Role": self.role(name)}

    def do_GetInstanceProfile(self, request):
        name = self.named(request, "InstanceProfileName", 128)
        arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}"
        self.allow(request, arn)
        if name not in self.profiles:
            raise Problem(404, "NoSuchEntity", f"Instance Profile {name} cannot be found.")
        role = self.profiles[name]
        return {"InstanceProfile": {
            "Path": "/", "InstanceProfileName": name, "InstanceProfileId": "AIPAPEERPROFILE00000",
            "Arn": arn, "CreateDate": sigv4.iso(CREATED),
            "Roles": {"member": self.role(role)} if role else {}}}


def trust(subs, test="StringEquals"):
    host = "token.actions.githubusercontent.com"
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"},
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}, **(
            {test: {f"{host}:sub": subs, **({f"{host}:aud": "sts.amazonaws.com"}
                                            if test == "StringEquals" else {})}} if subs else {})}}]}
