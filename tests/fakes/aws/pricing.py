# SPDX-License-Identifier: Apache-2.0
"""
The price list. Beside the price that one means each type has others (another system, tenancy, kind of
capacity), dearer or cheaper: who forgets a filter gets a wrong one.
"""
import hashlib
import json

from core import Problem
from json11 import JsonService, check_members, text_of

PRICES = {"g4dn.xlarge": 0.526, "g5.xlarge": 1.006, "g5.2xlarge": 1.212, "g6.xlarge": 0.8048,
          "g6.2xlarge": 0.9776, "g6e.xlarge": 1.861, "gp3": 0.08}
FIELDS = {"regionCode", "instanceType", "operatingSystem", "tenancy", "preInstalledSw",
          "capacitystatus", "marketoption", "productFamily", "volumeApiName", "licenseModel",
          "location", "usagetype", "servicecode"}
MEANT = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
         "capacitystatus": "Used", "marketoption": "OnDemand", "productFamily": "Compute Instance"}
OTHERS = ({"operatingSystem": "Windows"}, {"tenancy": "Dedicated"}, {"preInstalledSw": "SQL Web"},
          {"capacitystatus": "UnusedCapacityReservation"}, {"marketoption": "CapacityBlock"})


class Pricing(JsonService):
    NAME, PREFIX, REGION = "pricing", "AWSPriceListService.", "us-east-1"

    def reset(self):
        self.prices = {("us-east-1", name): usd for name, usd in PRICES.items()}

    def put(self, name, usd, region):
        """usd None: the list has no such price."""
        with self.world.lock:
            self.prices[region, name] = usd

    def products(self):
        for (region, name), usd in sorted(self.prices.items()):
            if usd is None:
                continue
            if "." not in name:
                volume = dict(regionCode=region, volumeApiName=name)
                yield dict(volume, productFamily="Storage"), usd, "GB-Mo"
                yield dict(volume, productFamily="System Operation"), 0.005, "IOPS-Mo"
                continue
            meant = dict(MEANT, regionCode=region, instanceType=name)
            yield meant, usd, "Hrs"
            for nth, other in enumerate(OTHERS):
                yield dict(meant, **other), usd * (2 + nth), "Hrs"

    def do_GetProducts(self, request, asked):
        check_members(asked, "ServiceCode", "Filters", "FormatVersion", "MaxResults", "NextToken",
                      code="InvalidParameterException")
        self.allow(request, "*")
        if text_of(asked, "ServiceCode", code="InvalidParameterException") != "AmazonEC2":
            raise Problem(400, "NotFoundException", "no such service here")
        if asked.get("FormatVersion", "aws_v1") != "aws_v1":
            raise Problem(400, "InvalidParameterException", "FormatVersion")
        if not 1 <= asked.get("MaxResults", 100) <= 100:
            raise Problem(400, "InvalidParameterException", "MaxResults")
        wanted = {}
        for one in asked.get("Filters", []):
            check_members(one, "Type", "Field", "Value", code="InvalidParameterException")
            if one.get("Type") != "TERM_MATCH" or one.get("Field") not in FIELDS or not one.get("Value"):
                raise Problem(400, "InvalidParameterException", f"filter {one}")
            wanted[one["Field"]] = one["Value"]
        found = [product_of(*product) for product in self.products()
                 if all(product[0].get(field) == value for field, value in wanted.items())]
        return {"FormatVersion": "aws_v1",
                "PriceList": [json.dumps(one) for one in found[:asked.get("MaxResults", 100)]]}


def product_of(attributes, usd, unit):
    sku = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()[:16].upper()
    family = attributes["productFamily"]
    rate = f"{sku}.JRTCKXETXF"
    dimension = {"unit": unit, "endRange": "Inf", "description": f"${usd:.10f} per {unit}",
                 "appliesTo": [], "rateCode": f"{rate}.6YS6EN2CT7", "beginRange": "0",
                 "pricePerUnit": {"USD": f"{usd:.10f}"}}
    return {"product": {"productFamily": family, "attributes": attributes, "sku": sku},
            "serviceCode": "AmazonEC2", "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
            "terms": {"OnDemand": {rate: {
                "priceDimensions": {f"{rate}.6YS6EN2CT7": dimension}, "sku": sku,
                "effectiveDate": "2026-11-01T00:00:00Z", "offerTermCode": "JRTCKXETXF",
                "termAttributes": {}}},
                "Reserved": {f"{sku}.4NA7Y494T4": {
                    "priceDimensions": {f"{sku}.4NA7Y494T4.6YS6EN2CT7": dict(
                        dimension, pricePerUnit={"USD": f"{usd / 2:.10f}"})}}}}}
