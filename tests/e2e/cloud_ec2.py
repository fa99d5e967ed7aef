# SPDX-License-Identifier: Apache-2.0
"""The strict peer's EC2 (tests/fakes/aws/ec2.py), for tests: cloud.Peer has these methods, too."""
import json

TEMPLATE, TEMPLATE_VERSION = "lt-0aa11bb22cc33dd44", 3
SUBNETS = {"us-east-1a": "subnet-0aaaaaaaaaaaaaaa1", "us-east-1b": "subnet-0bbbbbbbbbbbbbbb2",
           "us-east-1c": "subnet-0ccccccccccccccc3"}


class Machines:
    def instances(self, live=False, **tags):
        """Oldest first; tags without "branchline:": run="...", attempt="1"."""
        return [one for one in self.ask("/instances")
                if all(one["tags"].get("branchline:" + name) == value
                       for name, value in tags.items())
                and not (live and one["state"] in ("shutting-down", "terminated"))]

    def make_instance(self, **what):
        """One that nobody bought: type, zone, spot, state, tags..."""
        return json.loads(self.control("POST", "/instance", what))

    def instance(self, id, **what):
        """What became of it: state, reason (code of StateReason), message, console, tags."""
        self.control("POST", "/instance", dict(what, id=id))

    def fleets(self):
        """Those that were bought, empty ones too; a replayed answer counts once."""
        return self.ask("/fleets")

    def capacity(self, type="*", zone="*", market="*", code="InsufficientInstanceCapacity", **more):
        """Pools that fit have none, for that reason; code None: they have. count: so many times."""
        self.control("POST", "/capacity", dict(more, type=type, zone=zone, market=market, code=code))

    def template(self, **what):
        """id, version, name, data (over a good one's), tags of its instances, drop (members)."""
        self.control("POST", "/template", what)

    def subnet(self, id, **what):
        """zone, free (addresses)."""
        self.control("POST", "/subnet", dict(what, id=id))

    def spot_price(self, type, zone, usd):
        self.control("POST", "/spot-price", {"type": type, "zone": zone, "usd": usd})
