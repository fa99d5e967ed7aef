# SPDX-License-Identifier: Apache-2.0
"""CreateFleet of Type=instant, with the memory of its ClientTokens."""
import fnmatch
import json
import re
import secrets

from core import Problem
from ec2_form import check, need
from ec2_market import TYPES

STRATEGIES = {"SpotOptions": ("lowest-price", "diversified", "capacity-optimized",
                              "capacity-optimized-prioritized", "price-capacity-optimized"),
              "OnDemandOptions": ("lowest-price", "prioritized")}
MESSAGES = {
    "InsufficientInstanceCapacity": "We currently do not have sufficient {type} capacity in the "
                                    "Availability Zone you requested ({zone}).",
    "UnfulfillableCapacity": "Unable to fulfill capacity due to your request configuration.",
    "VcpuLimitExceeded": "You have requested more vCPU capacity than your current vCPU limit of 0 "
                         "allows for the instance bucket that {type} belongs to.",
    "MaxSpotInstanceCountExceeded": "Max spot instance count exceeded",
    "InsufficientFreeAddressesInSubnet": "There are not enough free addresses in the subnet.",
}
TAG_KEY = r"[0-9A-Za-z\-_+=,.@:]{1,255}"


class Fleets:
    def __init__(self, service):
        self.service, self.market = service, service.market
        self.memory = {}    # (region, token): (parameters, answer)
        self.fleets = []    # told to the tests
        self.capacity = []  # the newest that fits a pool counts

    def create(self, request, asked):
        check(asked, "ClientToken", "Type", "SpotOptions", "OnDemandOptions", "DryRun", "Context",
              "TargetCapacitySpecification", "LaunchTemplateConfigs", "TagSpecification",
              "ExcessCapacityTerminationPolicy")
        token = asked.get("ClientToken")
        if token is not None and not re.fullmatch("[!-~]{1,64}", token):
            raise Problem(400, "InvalidParameterValue", "ClientToken: 1 to 64 ASCII characters")
        spot, pools, tags = self.checked(asked)
        if asked.get("DryRun") == "true":
            raise Problem(412, "DryRunOperation",
                          "Request would have succeeded, but DryRun flag is set.")
        text = json.dumps({name: v for name, v in asked.items() if name != "ClientToken"},
                          sort_keys=True)
        have = self.memory.get((request.region, token)) if token else None
        if have and have[0] != text:
            raise Problem(400, "IdempotentParameterMismatch", f"The client token '{token}' was used "
                          "before with other parameters")
        request.entry["replayed"] = bool(have)
        if not have:
            have = text, self.buy(request, token, spot, pools, tags)
            if token:
                self.memory[request.region, token] = have
        return have[1]

    # --- what was asked ---------------------------------------------------------------------------

    def checked(self, asked):
        """(spot, [(type, subnet, zone, template)], {resource: tags})"""
        if asked.get("Type") != "instant":
            raise Problem(400, "InvalidParameterValue", "the peer plays instant fleets only, not "
                          f"{asked.get('Type', 'maintain')}")
        target = need(asked, "TargetCapacitySpecification")
        if target.get("TotalTargetCapacity") != "1":
            raise Problem(400, "InvalidTargetCapacitySpecification", "the peer sells one at a time")
        market = target.get("DefaultTargetCapacityType", "on-demand")
        if market not in ("spot", "on-demand"):
            raise Problem(400, "InvalidParameterValue", f"DefaultTargetCapacityType {market}")
        for name, known in STRATEGIES.items():
            options = asked.get(name, {})
            check(options, "AllocationStrategy", "InstanceInterruptionBehavior", "MaxTotalPrice",
                  "MinTargetCapacity", "SingleInstanceType", "SingleAvailabilityZone")
            if options.get("AllocationStrategy", known[0]) not in known:
                raise Problem(400, "InvalidParameterValue", f"{name}.AllocationStrategy")
        return market == "spot", self.pools(need(asked, "LaunchTemplateConfigs")), self.tags(asked)

    def pools(self, configs):
        pools, seen = [], set()
        for config in configs:
            check(config, "LaunchTemplateSpecification", "Overrides")
            named = need(config, "LaunchTemplateSpecification")
            check(named, "LaunchTemplateId", "Version")
            template = self.market.find_template(need(named, "LaunchTemplateId"),
                                                 need(named, "Version"))
            if not 1 <= len(config.get("Overrides", [])) <= 300:
                raise Problem(400, "InvalidParameterValue", "1 to 300 Overrides")
            for over in config["Overrides"]:
                check(over, "InstanceType", "SubnetId", "MaxPrice", "Priority")
                type, subnet = need(over, "InstanceType"), need(over, "SubnetId")
                zone = self.market.find_subnet(subnet)["zone"]
                if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", type):
                    raise Problem(400, "InvalidParameterValue", f"InstanceType {type}")
                if (type, zone) in seen:
                    raise Problem(400, "InvalidFleetConfiguration", "Fleet configuration contains "
                                  f"duplicate instance pools ({type}, {zone})")
                seen.add((type, zone))
                pools.append((type, subnet, zone, named, template))
        return pools

    @staticmethod
    def tags(asked):
        found = {}
        for one in asked.get("TagSpecification", []):
            check(one, "ResourceType", "Tag")
            resource = one.get("ResourceType")
            if resource not in ("fleet", "instance"):
                raise Problem(400, "InvalidParameterValue", f"'{resource}' is not a valid taggable "
                              "resource type for an instant fleet")
            pairs = [(tag.get("Key", ""), tag.get("Value", "")) for tag in one.get("Tag", [])]
            tags = dict(pairs)
            if resource in found or len(tags) != len(pairs) or not 1 <= len(pairs) <= 50:
                raise Problem(400, "InvalidParameterValue", "tags twice, none, or over 50")
            for key, value in pairs:
                if not 1 <= len(key) <= 128 or len(value) > 256 or key.startswith("aws:"):
                    raise Problem(400, "InvalidParameterValue", f"Tag '{key}': too long, or aws:")
            found[resource] = tags
        return found

    # --- what is sold -----------------------------------------------------------------------------

    def buy(self, request, token, spot, pools, tags):
        fleet = "fleet-" + "-".join(secrets.token_hex(n) for n in (4, 2, 2, 2, 6))
        bought, errors = [], []
        for pool in sorted(pools, key=lambda p: self.price(p, spot)):
            problem = self.refusal(pool, spot, tags.get("instance", {}))
            if problem:
                errors.append(dict(self.told(pool, spot), errorCode=problem[0],
                                   errorMessage=problem[1]))
                continue
            n = 1 + self.service.world.options["ec2_surplus"]
            made = [self.service.make(type=pool[0], subnet=pool[1], zone=pool[2], spot=spot,
                                      region=request.region, token=token or "", fleet=fleet,
                                      tags={**pool[4]["tags"], **tags.get("instance", {})},
                                      template=pool[3]).id for _ in range(n)]
            bought.append(dict(self.told(pool, spot), instanceIds=made, instanceType=pool[0]))
            break
        self.fleets.append({
            "id": fleet, "token": token, "spot": spot, "tags": tags.get("fleet", {}),
            "pools": [list(pool[:3]) for pool in pools], "template": dict(pools[0][3]),
            "instances": [id for one in bought for id in one["instanceIds"]],
            "errors": [[e["errorCode"], e["launchTemplateAndOverrides"]["overrides"]["instanceType"],
                        e["launchTemplateAndOverrides"]["overrides"]["subnetId"]] for e in errors]})
        return {"fleetId": fleet, "errorSet": errors, "fleetInstanceSet": bought}

    def price(self, pool, spot):
        if pool[0] not in TYPES:
            return 0
        return self.market.price(pool[0], pool[2]) if spot else TYPES[pool[0]][6]

    def refusal(self, pool, spot, tags):
        """(code, message) of a pool that has none; None: it has."""
        type, subnet, zone, _, template = pool
        if type not in TYPES or zone not in self.market.zones_of(type):
            return ("InvalidFleetConfiguration" if spot else "Unsupported",
                    f"Your requested instance type ({type}) is not supported in your requested "
                    f"Availability Zone ({zone}).")
        if template["data"].get("metadataOptions", {}).get("instanceMetadataTags") == "enabled":
            for key in {**template["tags"], **tags}:
                if not re.fullmatch(TAG_KEY, key) or key in (".", "..", "_index"):
                    return ("InvalidParameterValue", f"'{key}' is not a valid tag key. Tag keys must "
                            "match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a "
                            "reserved name ('.', '..', '_index')")
        if self.market.subnets[subnet]["free"] < 1:
            return "InsufficientFreeAddressesInSubnet", MESSAGES["InsufficientFreeAddressesInSubnet"]
        return self.dry(type, zone, "spot" if spot else "on-demand")

    def dry(self, type, zone, market):
        for line in reversed(self.capacity):
            fits = all(fnmatch.fnmatchcase(have, line[name]) for name, have in
                       (("type", type), ("zone", zone), ("market", market)))
            if not fits or line["count"] == 0:
                continue
            if line["count"] is not None:
                line["count"] -= 1
            if line["code"] is None:
                return None
            said = line["message"] or MESSAGES.get(line["code"], line["code"])
            return line["code"], said.format(type=type, zone=zone)
        return None

    @staticmethod
    def told(pool, spot):
        return {"launchTemplateAndOverrides": {
            "launchTemplateSpecification": {"launchTemplateId": pool[3]["LaunchTemplateId"],
                                            "version": pool[3]["Version"]},
            "overrides": {"instanceType": pool[0], "subnetId": pool[1]}},
            "lifecycle": "spot" if spot else "on-demand"}

    # --- for the control port ---------------------------------------------------------------------

    def set_capacity(self, type="*", zone="*", market="*", code="InsufficientInstanceCapacity",
                     message="", count=None):
        """What fits has none, with that code, `count` times (None: from now on); code None: it has."""
        self.capacity.append(dict(type=type, zone=zone, market=market, code=code, message=message,
                                  count=count))
