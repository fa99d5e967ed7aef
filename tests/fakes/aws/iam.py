# SPDX-License-Identifier: Apache-2.0
"""IAM: whether roles and instance profiles exist."""
import re

import sigv4
from core import Problem
from query import QueryService, invalid
from world import ACCOUNT

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
PATHS = {SPOT_ROLE: "/aws-service-role/spot.amazonaws.com/"}
CREATED = 1767225600


class Iam(QueryService):
    NAME, VERSION = "iam", "2010-05-08"
    NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
    REGION = "us-east-1"

    def reset(self):
        self.roles = {SPOT_ROLE, "branchline-instance", "branchline-launch"}
        self.profiles = {"branchline": "branchline-instance"}  # name: role or None

    def put_role(self, name, exists=True):
        with self.world.lock:
            (self.roles.add if exists else self.roles.discard)(name)

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
                "AssumeRolePolicyDocument": "%7B%7D", "MaxSessionDuration": 3600}

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
