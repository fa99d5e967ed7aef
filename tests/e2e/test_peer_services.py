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
