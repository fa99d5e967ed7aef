# SPDX-License-Identifier: Apache-2.0
"""What EC2 sells here: types and zones, spot prices, launch templates, subnets."""
import re

from core import Problem
from ec2_form import check, check_filters, filtered, iso, need, tags_of
from world import ACCOUNT

# vCPU, MiB, GPU, how many, MiB of each, NVMe GB, US dollars an hour on demand, zones
TYPES = {
    "g4dn.xlarge": (4, 16384, "T4", 1, 15360, 125, 0.526, "abc"),
    "g5.xlarge": (4, 16384, "A10G", 1, 22888, 250, 1.006, "abc"),
    "g5.2xlarge": (8, 32768, "A10G", 1, 22888, 450, 1.212, "abc"),
    "g6.xlarge": (4, 16384, "L4", 1, 22888, 250, 0.8048, "abc"),
    "g6.2xlarge": (8, 32768, "L4", 1, 22888, 450, 0.9776, "abc"),
    "g6e.xlarge": (4, 32768, "L40S", 1, 45776, 250, 1.861, "ab"),
    "p4d.24xlarge": (96, 1179648, "A100", 8, 40960, 8000, 21.9576, "b"),
}
SPOT_SHARE = {"a": 0.42, "b": 0.38, "c": 0.55}  # of the on-demand price
TEMPLATE = "lt-0aa11bb22cc33dd44"
SUBNETS = {"a": "subnet-0aaaaaaaaaaaaaaa1", "b": "subnet-0bbbbbbbbbbbbbbb2",
           "c": "subnet-0ccccccccccccccc3"}
LINUX = "Linux/UNIX"
DATA = {"imageId": "ami-0123456789abcdef0", "instanceInitiatedShutdownBehavior": "terminate",
        "iamInstanceProfile": {"arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/branchline"},
        "blockDeviceMappingSet": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 100}}],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1,
                            "httpEndpoint": "enabled", "instanceMetadataTags": "enabled"}}


class Market:
    def __init__(self, world):
        self.world = world
        self.templates = {(TEMPLATE, 3): dict(name="branchline", data=dict(DATA), tags={})}
        self.subnets = {id: dict(zone="us-east-1" + z, free=251) for z, id in SUBNETS.items()}
        self.prices = {}  # (type, zone): dollars

    # --- for the control port ---------------------------------------------------------------------

    def template(self, id=TEMPLATE, version=3, name="branchline", data=None, tags=None, drop=()):
        """data: over what a good one has; drop: members that it lacks; tags: of its instances."""
        whole = {**DATA, **(data or {})}
        self.templates[id, version] = dict(
            name=name, tags=tags or {}, data={k: v for k, v in whole.items() if k not in drop})

    def zones_of(self, name):
        return ["us-east-1" + zone for zone in TYPES[name][7]]

    def price(self, name, zone):
        if (name, zone) in self.prices:
            return self.prices[name, zone]
        return round(TYPES[name][6] * SPOT_SHARE.get(zone[-1], 0.5), 6)

    # --- operations: (list's name, items, how many a page has at most) ------------------------------

    def do_DescribeInstanceTypes(self, request, asked):
        check(asked, "InstanceType", "Filter", "MaxResults", "NextToken", "DryRun")
        names = asked.get("InstanceType")
        for name in names or []:
            if name not in TYPES:
                raise Problem(400, "InvalidInstanceType",
                              f"The following supplied instance types do not exist: [{name}]")
        if names and "MaxResults" in asked:
            raise Problem(400, "InvalidParameterCombination", "MaxResults and InstanceType")
        check_filters(asked.get("Filter"), ("instance-type", "supported-usage-class"))
        found = filtered([n for n in TYPES if names is None or n in names], asked.get("Filter"),
                         lambda n, f: n if f == "instance-type" else ["on-demand", "spot"])
        return "instanceTypeSet", [self.described(name) for name in found], 100

    @staticmethod
    def described(name):
        vcpus, mib, gpu, gpus, gpu_mib, disk, _, _ = TYPES[name]
        return {"instanceType": name, "currentGeneration": True,
                "supportedUsageClasses": ["on-demand", "spot"],
                "processorInfo": {"supportedArchitectures": ["x86_64"]},
                "vCpuInfo": {"defaultVCpus": vcpus}, "memoryInfo": {"sizeInMiB": mib},
                "instanceStorageSupported": True,
                "instanceStorageInfo": {"totalSizeInGB": disk, "nvmeSupport": "required"},
                "gpuInfo": {"gpus": [{"name": gpu, "manufacturer": "NVIDIA", "count": gpus,
                                      "memoryInfo": {"sizeInMiB": gpu_mib}}],
                            "totalGpuMemoryInMiB": gpus * gpu_mib}}

    def do_DescribeInstanceTypeOfferings(self, request, asked):
        check(asked, "LocationType", "Filter", "MaxResults", "NextToken", "DryRun")
        if asked.get("LocationType", "region") != "availability-zone":
            raise Problem(400, "InvalidParameterValue", "the peer knows offerings by zone only")
        check_filters(asked.get("Filter"), ("instance-type", "location"))
        items = [{"instanceType": name, "locationType": "availability-zone", "location": zone}
                 for name in TYPES for zone in self.zones_of(name)]
        names = {"instance-type": "instanceType", "location": "location"}
        return ("instanceTypeOfferingSet",
                filtered(items, asked.get("Filter"), lambda i, f: i[names[f]]), 1000)

    def do_DescribeSpotPriceHistory(self, request, asked):
        check(asked, "StartTime", "EndTime", "InstanceType", "ProductDescription",
              "AvailabilityZone", "Filter", "MaxResults", "NextToken", "DryRun")
        check_filters(asked.get("Filter"), ("instance-type", "availability-zone",
                                            "product-description"))
        products, items, now = asked.get("ProductDescription", [LINUX]), [], self.world.now()
        for name in TYPES:
            if name not in asked.get("InstanceType", TYPES):
                continue
            for zone in self.zones_of(name):
                usd = self.price(name, zone)
                for product, factor, age in ((LINUX, 1, 1800), (LINUX, 1.1, 40000),
                                             ("Windows", 1.9, 900)):
                    items.append({"instanceType": name, "productDescription": product,
                                  "spotPrice": f"{usd * factor:.6f}", "timestamp": iso(now - age),
                                  "availabilityZone": zone})
        items = [item for item in items if item["productDescription"] in products]
        names = {"instance-type": "instanceType", "availability-zone": "availabilityZone",
                 "product-description": "productDescription"}
        return ("spotPriceHistorySet",
                filtered(items, asked.get("Filter"), lambda i, f: i[names[f]]), 1000)

    def do_DescribeLaunchTemplateVersions(self, request, asked):
        check(asked, "LaunchTemplateId", "LaunchTemplateName", "LaunchTemplateVersion", "MinVersion",
              "MaxVersion", "Filter", "MaxResults", "NextToken", "DryRun", "ResolveAlias")
        id = need(asked, "LaunchTemplateId")
        wanted = asked.get("LaunchTemplateVersion")
        found = []
        for version in wanted or [str(v) for have, v in self.templates if have == id]:
            template = self.find_template(id, version)
            found.append({"launchTemplateId": id, "launchTemplateName": template["name"],
                          "versionNumber": int(version), "defaultVersion": True,
                          "launchTemplateData": dict(template["data"], tagSpecificationSet=[
                              {"resourceType": "instance", "tagSet": tags_of(template["tags"])}]
                              if template["tags"] else [])})
        return "launchTemplateVersionSet", found, 200

    def do_DescribeSubnets(self, request, asked):
        check(asked, "SubnetId", "Filter", "MaxResults", "NextToken", "DryRun")
        check_filters(asked.get("Filter"), ("availability-zone", "subnet-id"))
        for id in asked.get("SubnetId", []):
            self.find_subnet(id)
        items = [{"subnetId": id, "state": "available", "vpcId": "vpc-0123456789abcdef0",
                  "availabilityZone": s["zone"], "availableIpAddressCount": s["free"]}
                 for id, s in self.subnets.items() if id in asked.get("SubnetId", self.subnets)]
        names = {"availability-zone": "availabilityZone", "subnet-id": "subnetId"}
        return "subnetSet", filtered(items, asked.get("Filter"), lambda i, f: i[names[f]]), 1000

    # --- what others look up ----------------------------------------------------------------------

    def find_template(self, id, version):
        if not re.fullmatch(r"lt-[0-9a-f]{17}", id or ""):
            raise Problem(400, "InvalidLaunchTemplateId.Malformed",
                          f"The specified launch template ID ({id}) is malformed")
        if not re.fullmatch(r"[0-9]+", version or ""):
            raise Problem(400, "InvalidLaunchTemplateId.VersionNotFound",
                          f"the peer takes a template's version by number only, not '{version}'")
        if not any(have == id for have, _ in self.templates):
            raise Problem(400, "InvalidLaunchTemplateId.NotFound",
                          f"The specified launch template, with template ID {id}, does not exist.")
        if (id, int(version)) not in self.templates:
            raise Problem(400, "InvalidLaunchTemplateId.VersionNotFound",
                          f"Could not find the specified version {version} for the launch template "
                          f"with ID {id}.")
        return self.templates[id, int(version)]

    def find_subnet(self, id):
        if id not in self.subnets:
            raise Problem(400, "InvalidSubnetID.NotFound", f"The subnet ID '{id}' does not exist")
        return self.subnets[id]
