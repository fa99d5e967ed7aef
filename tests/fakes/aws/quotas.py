# SPDX-License-Identifier: Apache-2.0
"""Service Quotas: vCPUs of EC2's families, as an account has them and as AWS gives them."""
import re

from core import Problem
from json11 import JsonService, check_members, text_of
from world import ACCOUNT

# code: (name, AWS's default, what this account was given)
KNOWN = {
    "L-3819A6DF": ("All G and VT Spot Instance Requests", 0, 64),
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 0, 32),
    "L-7212CCBC": ("All P4, P3 and P2 Spot Instance Requests", 0, 0),
    "L-C4BD4855": ("All P5 Spot Instance Requests", 0, None),
    "L-417A185B": ("Running On-Demand P instances", 0, 0),
    "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5, 256),
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5, 256),
}


class Quotas(JsonService):
    NAME, PREFIX = "servicequotas", "ServiceQuotasV20190624."

    def reset(self):
        self.changed = {}  # (region, code): value or None

    def put(self, code, value, region):
        with self.world.lock:
            self.changed[region, code] = value

    def asked_for(self, request, asked):
        check_members(asked, "ServiceCode", "QuotaCode", "ContextId", code="IllegalArgumentException")
        service = text_of(asked, "ServiceCode", 1, 63, "IllegalArgumentException")
        code = text_of(asked, "QuotaCode", 1, 128, "IllegalArgumentException")
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,128}", code):
            raise Problem(400, "IllegalArgumentException", f"invalid quota code {code}")
        self.allow(request, f"arn:aws:servicequotas:{request.region}:{ACCOUNT}:{service}/{code}")
        if service != "ec2" or code not in KNOWN:
            raise Problem(400, "NoSuchResourceException", "The request failed because the specified "
                          "service quota does not exist.")
        return code

    def told(self, request, code, value):
        return {"Quota": {
            "ServiceCode": "ec2", "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{request.region}:{ACCOUNT}:ec2/{code}",
            "QuotaCode": code, "QuotaName": KNOWN[code][0], "Value": float(value), "Unit": "None",
            "Adjustable": True, "GlobalQuota": False}}

    def do_GetServiceQuota(self, request, asked):
        code = self.asked_for(request, asked)
        value = self.changed.get((request.region, code), KNOWN[code][2])
        if value is None:
            raise Problem(400, "NoSuchResourceException", "The request failed because the specified "
                          "service quota does not exist.")
        return self.told(request, code, value)

    def do_GetAWSDefaultServiceQuota(self, request, asked):
        code = self.asked_for(request, asked)
        return self.told(request, code, KNOWN[code][1])
