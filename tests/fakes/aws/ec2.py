# SPDX-License-Identifier: Apache-2.0
"""EC2: fleets, instances and what is sold. Instances are records; their lives are played by tests."""
import base64
import re
import secrets

import policy
import sigv4
from core import Problem, Reply
from ec2_fleet import Fleets
from ec2_form import (NAMESPACE, Pages, check, check_filters, filtered, iso, need, parse, tags_of,
                      xml)
from ec2_market import Market
from world import ACCOUNT

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64,
         "stopped": 80}
FILTERS = ("instance-state-name", "tag:", "tag-key", "instance-id", "instance-type", "client-token",
           "instance-lifecycle", "subnet-id", "availability-zone")
INVALID = "AWS was not able to validate the provided access credentials"
# what other services call it -> what EC2 does
NAMES = {
    "InvalidAccessKeyId": (401, "AuthFailure", INVALID),
    "InvalidToken": (401, "AuthFailure", INVALID),
    "SignatureDoesNotMatch": (401, "AuthFailure", INVALID),
    "RequestTimeTooSkewed": (401, "AuthFailure", INVALID),
    "ExpiredToken": (400, "RequestExpired", "Request has expired."),
    "AuthorizationHeaderMalformed": (400, "IncompleteSignature", None),
    "AccessDenied": (403, "UnauthorizedOperation", None),
}


class Instance:
    def __init__(self, now, hidden, pending, **what):
        self.id = "i-" + secrets.token_hex(8) + "0"
        self.type, self.subnet, self.zone, self.spot = "g6.xlarge", "", "us-east-1a", True
        self.region, self.token, self.fleet, self.template = "us-east-1", "", "", {}
        self.tags, self.reason, self.console = {}, None, None
        self.state = "running" if pending == 0 else "pending"
        self.launched, self.hidden, self.pending = now, hidden, pending
        unknown = set(what) - set(vars(self))
        if unknown:
            raise Problem(400, "BadRequest", f"an instance has no {sorted(unknown)}")
        vars(self).update(what)

    def look(self):
        """Time passes by looking: what is asked for moves on."""
        if self.state == "pending" and self.pending is not None:
            self.pending -= 1
            if self.pending <= 0:
                self.state = "running"
        elif self.state == "shutting-down":
            self.state = "terminated"

    def told(self):
        return dict(vars(self), reason=list(self.reason) if self.reason else None)

    def described(self):
        code, message = self.reason or (None, None)
        return {"instanceId": self.id, "imageId": "ami-0123456789abcdef0",
                "instanceState": {"code": CODES[self.state], "name": self.state},
                "stateReason": {"code": code, "message": message} if code else None,
                "clientToken": self.token, "instanceType": self.type,
                "launchTime": iso(self.launched), "placement": {"availabilityZone": self.zone},
                "subnetId": self.subnet or None, "tagSet": tags_of(self.tags),
                "instanceLifecycle": "spot" if self.spot else None}

    def value(self, name):
        """Of a filter."""
        if name.startswith("tag:"):
            return self.tags.get(name[4:])
        return {"instance-state-name": self.state, "tag-key": list(self.tags),
                "instance-id": self.id, "instance-type": self.type, "client-token": self.token,
                "instance-lifecycle": "spot" if self.spot else None, "subnet-id": self.subnet,
                "availability-zone": self.zone}[name]


class Ec2:
    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.market, self.pages, self.instances = Market(self.world), Pages(), {}
        self.fleets = Fleets(self)

    # --- for CreateFleet and the control port -------------------------------------------------------

    def make(self, **what):
        options = self.world.options
        made = Instance(self.world.now(), options["ec2_hidden"], options["ec2_pending"], **what)
        self.instances[made.id] = made
        return made

    def alter(self, id, reason=None, message="", **what):
        """state, console, tags, ...; reason: the code of its StateReason."""
        have = self.instances[id]
        unknown = set(what) - set(vars(have))
        if unknown:
            raise ValueError(f"an instance has no {sorted(unknown)}")
        vars(have).update(what)
        if "state" in what:
            have.pending = None  # it stays what it was told to be
        if reason:
            have.reason = (reason, message or f"{reason}: played by a test")

    # --- requests ---------------------------------------------------------------------------------

    def name_operation(self, request, stream):
        request.service = "ec2"
        if request.header("expect", "").lower() == "100-continue":
            stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.wire, request.is_read = stream.body(request), True
        try:
            request.asked = parse(request.wire)
        except Problem as problem:
            request.asked = {"problem": problem}
        request.operation = request.asked.get("Action", "Unknown")
        request.key = request.asked.get("ClientToken")

    def handle(self, request):
        asked = dict(request.asked)
        if "problem" in asked:
            raise asked["problem"]
        action, version = asked.pop("Action", None), asked.pop("Version", None)
        request.entry["params"] = asked
        if not sigv4.is_signed(request):
            raise Problem(401, "AuthFailure", INVALID)
        if version != "2016-11-15" or request.method != "POST" or request.path != "/":
            raise Problem(400, "InvalidAction",
                          f"The action {action} is not valid for {request.method} {version}.")
        request.signer = sigv4.verify(self.world, request, "ec2")
        request.region = request.entry["region"]
        with self.world.lock:
            told = self.call(request, action, asked)
        name = f"{action}Response"
        return self.reply(200, request, f'<{name} xmlns="{NAMESPACE}"><requestId>'
                          f"{request.entry['request_id']}</requestId>{xml(told)}</{name}>")

    def call(self, request, action, asked):
        for owner in (self, self.market):
            call = getattr(owner, f"do_{action}", None)
            if call:
                break
        else:
            raise Problem(400, "InvalidAction",
                          f"The action {action} is not valid for this web service.")
        if action not in ("TerminateInstances", "GetConsoleOutput", "CreateFleet"):
            self.allow(request, "*")
        told = call(request, asked)
        if not isinstance(told, tuple):
            return told
        name, items, most = told
        items, token = self.pages.cut(asked, items, self.world.options["ec2_page"] or most)
        return {name: items, "nextToken": token}

    @staticmethod
    def reply(status, request, text, headers=()):
        return Reply(status, [("Content-Type", "text/xml;charset=UTF-8"), *headers,
                              ("x-amzn-requestid", request.entry["request_id"])],
                     '<?xml version="1.0" encoding="UTF-8"?>\n' + text)

    def error(self, request, problem):
        status, code, message = problem.status, problem.code, problem.message
        if code == "AccessDenied":
            message = "You are not authorized to perform this operation. " + message
        if code in NAMES:
            status, code, said = NAMES[code]
            message = said or message
        inner = xml({"Errors": {"Error": {"Code": code, "Message": message}},
                     "RequestID": request.entry["request_id"]})
        return self.reply(status, request, f"<Response>{inner}</Response>", problem.headers)

    def allow(self, request, resource, tags=None, asked_tags=None):
        """tags: of what is there; asked_tags: of what is to be made."""
        request.conditions = {f"{service}:ResourceTag/{key}": value
                              for key, value in (tags or {}).items() for service in ("aws", "ec2")}
        request.conditions.update({f"aws:RequestTag/{key}": value
                                   for key, value in (asked_tags or {}).items()})
        request.conditions.update({"aws:RequestedRegion": request.region,
                                   "ec2:Region": request.region})
        policy.check(self.world, "ec2", request, resource)

    # --- operations -------------------------------------------------------------------------------

    def do_CreateFleet(self, request, asked):
        tags = {}
        for one in asked.get("TagSpecification", []):
            if one.get("ResourceType") == "fleet":
                tags = {tag.get("Key"): tag.get("Value") for tag in one.get("Tag", [])}
        self.allow(request, f"arn:aws:ec2:{request.region}:{ACCOUNT}:fleet/*", asked_tags=tags)
        return self.fleets.create(request, asked)

    def do_DescribeInstances(self, request, asked):
        check(asked, "InstanceId", "Filter", "MaxResults", "NextToken", "DryRun")
        ids = asked.get("InstanceId")
        if ids and "MaxResults" in asked:
            raise Problem(400, "InvalidParameterCombination", "The parameter instancesSet cannot be "
                          "used with the parameter maxResults")
        check_filters(asked.get("Filter"), FILTERS)
        if ids:
            found = self.find_all(request, ids)
        else:
            found = [one for one in self.instances.values() if one.region == request.region and
                     not self.is_hidden(one, asked)]
        found = filtered(found, asked.get("Filter"), Instance.value)
        items = [{"reservationId": "r-" + one.id[2:], "ownerId": ACCOUNT, "groupSet": [],
                  "instancesSet": [one.described()]} for one in found]
        for one in found:
            one.look()
        return "reservationSet", items, 1000

    @staticmethod
    def is_hidden(one, asked):
        """Eventually consistent: not seen by the first looks."""
        if one.hidden > 0 and "NextToken" not in asked:
            one.hidden -= 1
            return True
        return False

    def find_all(self, request, ids):
        found, missing = [], []
        for id in ids:
            if not re.fullmatch("i-([0-9a-f]{8}|[0-9a-f]{17})", id):
                raise Problem(400, "InvalidInstanceID.Malformed", f'Invalid id: "{id}"')
            one = self.instances.get(id)
            if not one or one.region != request.region or self.is_hidden(one, {}):
                missing.append(id)
            else:
                found.append(one)
        if missing:
            plural, verb = ("s", "do") if len(missing) > 1 else ("", "does")
            raise Problem(400, "InvalidInstanceID.NotFound", f"The instance ID{plural} "
                          f"'{', '.join(missing)}' {verb} not exist")
        return found

    def do_TerminateInstances(self, request, asked):
        check(asked, "InstanceId", "DryRun")
        ids = need(asked, "InstanceId")
        if len(ids) > 1000:
            raise Problem(400, "InvalidParameterValue", "over 1,000 ids")
        found = self.find_all(request, ids)
        for one in found:
            self.allow(request, f"arn:aws:ec2:{request.region}:{ACCOUNT}:instance/{one.id}", one.tags)
        told = []
        for one in found:
            before = one.state
            if before != "terminated":
                one.state = "shutting-down"
                one.reason = one.reason or ("Client.UserInitiatedShutdown",
                                            "Client.UserInitiatedShutdown: User initiated shutdown")
            told.append({"instanceId": one.id,
                         "currentState": {"code": CODES[one.state], "name": one.state},
                         "previousState": {"code": CODES[before], "name": before}})
        return {"instancesSet": told}

    def do_GetConsoleOutput(self, request, asked):
        check(asked, "InstanceId", "Latest", "DryRun")
        one = self.find_all(request, [need(asked, "InstanceId")])[0]
        self.allow(request, f"arn:aws:ec2:{request.region}:{ACCOUNT}:instance/{one.id}", one.tags)
        text = one.console
        return {"instanceId": one.id, "timestamp": iso(self.world.now()),
                "output": base64.encodebytes(text.encode()).decode() if text else None}
