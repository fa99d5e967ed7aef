# SPDX-License-Identifier: Apache-2.0
"""The strict peer's ECR control plane, seen from boto3 and the aws CLI."""
import base64
import json
import time

import pytest

from cloud import REGION, boto
from test_peer import aws_cli, refusal, run_aws  # noqa: F401

pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")

ACCOUNT = "111122223333"


def token_of(ecr):
    told = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return user, password, told["expiresAt"].timestamp(), told["proxyEndpoint"]


def test_token(peer):
    user, password, expires, endpoint = token_of(boto("ecr", peer, region_name="eu-west-1"))
    assert user == "AWS" and len(password) > 1000
    assert expires - time.time() == pytest.approx(12 * 3600, abs=60)
    assert endpoint == f"https://{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
    assert token_of(boto("ecr", peer))[1] != password
    peer.options(ecr_token_seconds=5)
    assert token_of(boto("ecr", peer))[2] - time.time() < 6


def test_aws_cli_logs_in(peer, aws_cli):
    assert len(run_aws(aws_cli, peer, "ecr", "get-login-password").stdout.strip()) > 1000


def test_repositories(peer):
    ecr = boto("ecr", peer)
    asked = dict(repositoryName="team/name", imageScanningConfiguration={"scanOnPush": True})
    assert refusal(ecr.describe_repositories, repositoryNames=["team/name"]) == (
        400, "RepositoryNotFoundException")
    made = ecr.create_repository(**asked)["repository"]
    assert made["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/name"
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert refusal(ecr.create_repository, **asked) == (400, "RepositoryAlreadyExistsException")
    peer.repository("other", mutability="IMMUTABLE")
    names = [r["repositoryName"] for r in ecr.describe_repositories()["repositories"]]
    assert names == ["other", "team/name"] == sorted(peer.repositories())
    elsewhere = boto("ecr", peer, region_name="eu-west-1")
    assert elsewhere.describe_repositories()["repositories"] == []
    assert peer.log("CreateRepository")[0]["params"]["repositoryName"] == "team/name"


def test_images(peer):
    ecr = boto("ecr", peer)
    ask = dict(repositoryName="r1", imageIds=[{"imageTag": "t"}])
    assert refusal(ecr.describe_images, **ask) == (400, "RepositoryNotFoundException")
    peer.repository("r1")
    assert refusal(ecr.describe_images, **ask) == (400, "ImageNotFoundException")
    assert ecr.describe_images(repositoryName="r1")["imageDetails"] == []


@pytest.mark.parametrize("name", ["Upper/case", "a//b", "a", "-a", "a/" + "b" * 255])
def test_names(peer, name):
    ecr = boto("ecr", peer, config={"parameter_validation": False})
    assert refusal(ecr.create_repository, repositoryName=name) == (
        400, "InvalidParameterException")


def test_signatures(peer):
    def of(**more):
        return refusal(boto("ecr", peer, **more).get_authorization_token)
    assert of(aws_secret_access_key="wrong") == (400, "InvalidSignatureException")
    assert of(aws_access_key_id="AKIANOBODY") == (400, "UnrecognizedClientException")
    over = peer.session(60)
    peer.expire()
    assert of(aws_access_key_id=over["key_id"], aws_secret_access_key=over["secret"],
              aws_session_token=over["token"]) == (400, "ExpiredTokenException")
    peer.clock(3600)
    assert of() == (400, "InvalidSignatureException")


def test_session_policies(peer):
    may = {"Effect": "Allow", "Action": "ecr:CreateRepository",
           "Resource": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/*"}
    told = peer.session(policy=json.dumps({"Version": "2012-10-17", "Statement": may}))
    ecr = boto("ecr", peer, aws_access_key_id=told["key_id"], aws_secret_access_key=told["secret"],
               aws_session_token=told["token"])
    ecr.create_repository(repositoryName="team/a")
    for call, args in ((ecr.get_authorization_token, {}),
                       (ecr.create_repository, {"repositoryName": "other"})):
        assert refusal(call, **args) == (400, "AccessDeniedException")


def test_faults(peer):
    peer.script(service="ecr", operation="GetAuthorizationToken", error="ThrottlingException")
    ecr = boto("ecr", peer)
    assert refusal(ecr.get_authorization_token) == (400, "ThrottlingException")
    assert token_of(ecr)[0] == "AWS" and peer.pending() == []
