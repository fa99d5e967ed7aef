# SPDX-License-Identifier: Apache-2.0
"""What surrounds a launch at the peer: the stack's descriptor, and what AWS says of an account."""
import copy
import json

from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION

REGION = "us-east-1"
BUCKET = "peer-bucket"
ACCOUNT = "111122223333"
TYPES = ["g4dn.xlarge", "g5.xlarge", "g5.2xlarge", "g6.xlarge", "g6.2xlarge", "g6e.xlarge"]
IMAGE_REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/branchline"
STACK = {
    "schema": 1, "stack": "branchline", "region": REGION, "account": ACCOUNT,
    "store": f"s3://{BUCKET}", "image_repository": IMAGE_REPOSITORY, "image_base": "",
    "templates": [{"id": TEMPLATE, "version": TEMPLATE_VERSION, "arch": "x86_64", "types": TYPES,
                   "driver": "550.54.15", "cuda_max": "12.4"}],
    "subnets": [{"id": name, "zone": zone} for zone, name in SUBNETS.items()],
    "log_group": "/branchline/branchline",
    "roles": {"launch": f"arn:aws:iam::{ACCOUNT}:role/branchline-launch",
              "build": f"arn:aws:iam::{ACCOUNT}:role/branchline-build",
              "watch": f"arn:aws:iam::{ACCOUNT}:role/branchline-watch",
              "instance_profile": "branchline"},
    "ceilings": {"max_cost_usd": 50, "max_runtime": "24h",
                 "instance_types": ["g4dn.*", "g5.*", "g6.*", "g6e.*"], "live": 4,
                 "secrets": ["branchline/*"]},
    "budget": {"name": "branchline", "limit_usd": 500},
    "disk_usd_gb_month": 0.08, "max_instance_hours": 24,
}


class Services:
    """The part of Peer that sets them."""

    def parameter(self, name, value, region=REGION, **more):
        """Of SSM; value None: there is none. type, tier."""
        self.control("POST", "/parameter", dict(more, name=name, value=value, region=region))

    def stack(self, name="branchline", region=REGION, **changes):
        """
        Stores a stack's descriptor, as Terraform writes it, and returns it; and its budget. changes:
        members that are others; None: not there.
        """
        told = copy.deepcopy(dict(STACK, stack=name, region=region))
        told.update(changes)
        told = {key: value for key, value in told.items() if value is not None}
        self.parameter(f"/branchline/{name}", json.dumps(told), region)
        budget = told.get("budget") or {}
        if budget.get("name"):
            self.budget(budget["name"], budget.get("limit_usd"), 12.5, 40.0)
        return told

    def quota(self, code, value, region=REGION):
        """vCPUs that the account was given; None: nobody changed AWS's default."""
        self.control("POST", "/quota", {"code": code, "value": value, "region": region})

    def price(self, name, usd, region=REGION):
        """Of an hour of a type on demand, or of a GB-month of a volume ("gp3"); None: none."""
        self.control("POST", "/price", {"name": name, "usd": usd, "region": region})

    def budget(self, name, limit, actual=0.0, forecast=None, **more):
        """Of a month; limit None: there is none. period, kind, unit."""
        self.control("POST", "/budget", dict(more, name=name, limit=limit, actual=actual,
                                             forecast=forecast))

    def spot_role(self, exists=True):
        self.control("POST", "/iam-role", {"name": "AWSServiceRoleForEC2Spot", "exists": exists})

    def trust(self, name, policy):
        """A role of IAM with that trust policy."""
        self.control("POST", "/iam-role", {"name": name, "policy": policy})

    def instance_profile(self, name="branchline", role="branchline-instance", exists=True):
        """role None: the profile has none."""
        self.control("POST", "/instance-profile", {"name": name, "role": role, "exists": exists})
