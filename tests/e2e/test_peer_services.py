# SPDX-License-Identifier: Apache-2.0
"""The peer's small services (SSM, Service Quotas, Pricing, Budgets, IAM), seen from boto3."""
import json

import jsonschema
import pytest

from cloud import REGION, boto
from cloud_services import STACK
from conftest import ROOT
from test_peer import refusal

pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")


def test_stack_parameter(peer):
    ssm = boto("ssm", peer)
    assert refusal(ssm.get_parameter, Name="/branchline/branchline") == (400, "ParameterNotFound")
    told = peer.stack()
    assert told == STACK
    got = ssm.get_parameter(Name="/branchline/branchline", WithDecryption=False)["Parameter"]
    assert (got["Type"], got["Version"], json.loads(got["Value"])) == ("String", 1, told)
    jsonschema.validate(told, json.loads((ROOT / "docs" / "schemas" / "stack.json").read_text()))
    peer.stack(image_base="other", budget=None)
    got = ssm.get_parameter(Name="/branchline/branchline")["Parameter"]
    assert got["Version"] == 2 and "budget" not in json.loads(got["Value"])
    elsewhere = boto("ssm", peer, region_name="eu-west-1")
    assert refusal(elsewhere.get_parameter, Name="/branchline/branchline")[1] == "ParameterNotFound"


def test_parameters(peer):
    ssm = boto("ssm", peer)
    peer.parameter("/secret", "hidden", type="SecureString")
    assert ssm.get_parameter(Name="/secret", WithDecryption=True)["Parameter"]["Value"] == "hidden"
    assert ssm.get_parameter(Name="/secret")["Parameter"]["Value"] != "hidden"
    assert refusal(ssm.get_parameter, Name="/secret:7") == (400, "ParameterVersionNotFound")
    assert refusal(ssm.get_parameter, Name="/a//b") == (400, "ValidationException")
    peer.parameter("/secret", None)
    assert refusal(ssm.get_parameter, Name="/secret") == (400, "ParameterNotFound")


def test_signatures(peer):
    wrong = boto("ssm", peer, aws_secret_access_key="wrong")
    assert refusal(wrong.get_parameter, Name="/x") == (400, "InvalidSignatureException")
    may = {"Effect": "Allow", "Action": "ssm:GetParameter",
           "Resource": f"arn:aws:ssm:{REGION}:111122223333:parameter/branchline/*"}
    told = peer.session(policy=json.dumps({"Version": "2012-10-17", "Statement": may}))
    ssm = boto("ssm", peer, aws_access_key_id=told["key_id"], aws_secret_access_key=told["secret"],
               aws_session_token=told["token"])
    peer.stack()
    ssm.get_parameter(Name="/branchline/branchline")
    assert refusal(ssm.get_parameter, Name="/other") == (400, "AccessDeniedException")


def test_quotas(peer):
    quotas = boto("service-quotas", peer)

    def of(code, call=quotas.get_service_quota, service="ec2"):
        return call(ServiceCode=service, QuotaCode=code)["Quota"]
    assert of("L-3819A6DF")["QuotaName"] == "All G and VT Spot Instance Requests"
    assert of("L-3819A6DF")["Value"] == 64.0
    peer.quota("L-3819A6DF", 8)
    assert of("L-3819A6DF")["Value"] == 8.0
    assert refusal(of, code="L-C4BD4855") == (400, "NoSuchResourceException")
    assert of("L-C4BD4855", quotas.get_aws_default_service_quota)["Value"] == 0.0
    assert refusal(of, code="L-00000000") == (400, "NoSuchResourceException")
    assert refusal(of, code="L-3819A6DF", service="s3") == (400, "NoSuchResourceException")


def priced(pricing, **fields):
    wanted = [{"Type": "TERM_MATCH", "Field": field, "Value": value}
              for field, value in fields.items()]
    found = pricing.get_products(ServiceCode="AmazonEC2", Filters=wanted)["PriceList"]
    terms = [json.loads(one)["terms"]["OnDemand"] for one in found]
    return [float(dimension["pricePerUnit"]["USD"]) for term in terms for rate in term.values()
            for dimension in rate["priceDimensions"].values()]


def test_prices(peer):
    pricing = boto("pricing", peer)
    meant = dict(regionCode=REGION, instanceType="g6.xlarge", operatingSystem="Linux",
                 tenancy="Shared", preInstalledSw="NA", capacitystatus="Used",
                 marketoption="OnDemand")
    assert priced(pricing, **meant) == [0.8048]
    for forgotten in set(meant) - {"regionCode"}:
        assert len(priced(pricing, **{k: v for k, v in meant.items() if k != forgotten})) > 1
    peer.price("g6.xlarge", 9.5)
    assert priced(pricing, **meant) == [9.5]
    peer.price("g6.xlarge", None)
    assert priced(pricing, **meant) == []
    assert priced(pricing, regionCode=REGION, volumeApiName="gp3", productFamily="Storage") == [0.08]
    assert refusal(priced, pricing=pricing, colour="blue") == (400, "InvalidParameterException")
    elsewhere = boto("pricing", peer, region_name="eu-central-1")
    assert refusal(priced, pricing=elsewhere, **meant) == (400, "InvalidSignatureException")


def test_budgets(peer):
    budgets = boto("budgets", peer)

    def of(name, account="111122223333"):
        return budgets.describe_budget(AccountId=account, BudgetName=name)["Budget"]
    assert refusal(of, name="branchline") == (400, "NotFoundException")
    peer.stack()
    told = of("branchline")
    assert (told["TimeUnit"], told["BudgetType"]) == ("MONTHLY", "COST")
    assert told["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    assert told["CalculatedSpend"]["ActualSpend"] == {"Amount": "12.5", "Unit": "USD"}
    peer.budget("branchline", 500, 499.99)
    assert of("branchline")["CalculatedSpend"]["ActualSpend"]["Amount"] == "499.99"
    assert refusal(of, name="branchline", account="999999999999") == (400, "AccessDeniedException")


def test_iam(peer):
    iam = boto("iam", peer)
    name = "AWSServiceRoleForEC2Spot"
    assert iam.get_role(RoleName=name)["Role"]["Arn"].endswith(f"/spot.amazonaws.com/{name}")
    peer.spot_role(False)
    assert refusal(iam.get_role, RoleName=name) == (404, "NoSuchEntity")
    profile = iam.get_instance_profile(InstanceProfileName="branchline")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["branchline-instance"]
    peer.instance_profile(role=None)
    profile = iam.get_instance_profile(InstanceProfileName="branchline")["InstanceProfile"]
    assert profile["Roles"] == []
    peer.instance_profile(exists=False)
    assert refusal(iam.get_instance_profile,
                   InstanceProfileName="branchline") == (404, "NoSuchEntity")
