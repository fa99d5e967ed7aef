# SPDX-License-Identifier: Apache-2.0
"""SSM's parameters, as GetParameter reads them."""
import re

from core import Problem
from json11 import JsonService, check_members, text_of
from world import ACCOUNT

NAME = r"/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*(?::[0-9]+)?"
VALUE_MAX = {"Standard": 4096, "Advanced": 8192}


class Ssm(JsonService):
    NAME, PREFIX = "ssm", "AmazonSSM."

    def reset(self):
        self.parameters = {}  # (region, name): {"Type", "Value", "Version", ...}

    def put(self, name, value, region, type="String", tier="Standard"):
        """value None: there is none."""
        with self.world.lock:
            if value is None:
                self.parameters.pop((region, name), None)
                return
            if len(value.encode()) > VALUE_MAX[tier]:
                raise ValueError(f"{name}: {len(value.encode())} bytes do not fit into {tier}")
            version = self.parameters.get((region, name), {"Version": 0})["Version"] + 1
            self.parameters[region, name] = {
                "Name": name, "Type": type, "Value": value, "Version": version,
                "LastModifiedDate": round(self.world.now(), 3), "DataType": "text",
                "ARN": f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{name.lstrip('/')}"}

    def do_GetParameter(self, request, asked):
        check_members(asked, "Name", "WithDecryption")
        name = text_of(asked, "Name")
        if not re.fullmatch(NAME, name):
            raise Problem(400, "ValidationException", f"Invalid label format or name: {name}")
        if not isinstance(asked.get("WithDecryption", False), bool):
            raise Problem(400, "SerializationException")
        name, _, version = name.partition(":")
        self.allow(request, f"arn:aws:ssm:{request.region}:{ACCOUNT}:parameter/{name.lstrip('/')}")
        found = self.parameters.get((request.region, name))
        if found is None:
            raise Problem(400, "ParameterNotFound")
        if version and int(version) != found["Version"]:
            raise Problem(400, "ParameterVersionNotFound", f"Systems Manager could not find version "
                          f"{version} of {name}.")
        if found["Type"] == "SecureString" and not asked.get("WithDecryption"):
            return {"Parameter": dict(found, Value="AQICAHg" + "x" * 40)}
        return {"Parameter": found}
