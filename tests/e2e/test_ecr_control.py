# SPDX-License-Identifier: Apache-2.0
"""ECR's control plane and logins, against the strict peer and moto: signed by us, judged by them."""
import json
import os
import subprocess

import pytest

from cloud import REGION, boto, env_of

OK, EEXIST, ENOENT, EDENIED, ERETRY = 0, 4, 5, 6, 13
ACCOUNT, REPOSITORY = "111122223333", "team/name"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


class Ecr:
    """`test_ecr --call`: one set of logins for all calls."""

    def __init__(self, program, env):
        self.process = subprocess.Popen([program, "--call"], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def tag(self, tag, region=REGION, account=ACCOUNT):
        return self.call("tag", region, account, REPOSITORY, tag)

    def create(self, account=ACCOUNT):
        return self.call("create", REGION, account, REPOSITORY)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0
        self.process.stdout.close()


@pytest.fixture
def ecr_of(bin_dir):
    program = bin_dir.parent / "tests" / "test_ecr"
    if not program.exists():
        pytest.skip(f"no {program}: built by make test, not by make dist")
    started = []

    def start(env):
        started.append(Ecr(program, env))
        return started[-1]

    yield start
    for ecr in started:
        ecr.stop()


@pytest.fixture
def ecr(ecr_of, peer):
    return ecr_of(env_of(peer))


def test_a_login_is_kept_until_it_is_refused(ecr, peer):
    first = ecr.call("login", ECR)
    assert (first["code"], first["user"]) == (OK, "AWS") and len(first["password"]) > 1000
    assert ecr.call("login", ECR)["password"] == first["password"]
    assert len(peer.log("GetAuthorizationToken")) == 1
    assert ecr.call("again", ECR)["password"] != first["password"]
    elsewhere = ecr.call("login", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com")
    assert elsewhere["code"] == OK
    assert [entry["region"] for entry in peer.log("GetAuthorizationToken")] == [
        REGION, REGION, "eu-west-1"]


def test_a_token_near_its_end_is_not_used_again(ecr, peer):
    peer.options(ecr_token_seconds=299)
    first = ecr.call("login", ECR)["password"]
    assert ecr.call("login", ECR)["password"] != first
    peer.options(ecr_token_seconds=400)
    first = ecr.call("login", ECR)["password"]
    assert ecr.call("login", ECR)["password"] == first


def test_the_peers_clock_is_not_ours(ecr, peer):
    """A clock 3 hours ahead is healed, and the token's end is told by our own."""
    peer.clock(3 * 3600)
    peer.options(ecr_token_seconds=3600)
    first = ecr.call("login", ECR)
    assert first["code"] == OK, first["text"]
    assert ecr.call("login", ECR)["password"] == first["password"]


def test_a_repository_that_is_not_there(ecr, peer):
    told = ecr.tag("base-1")
    assert told["code"] == ENOENT and "RepositoryNotFoundException" in told["text"]
    assert told["next"] == (f"create it: aws ecr create-repository --region {REGION} --registry-id "
                            f"{ACCOUNT} --repository-name {REPOSITORY}")
    assert ecr.create()["code"] == OK and ecr.create()["code"] == OK
    made = peer.repositories()[REPOSITORY]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["imageTagMutability"] == "MUTABLE"
    told = ecr.tag("base-1")
    assert told["code"] == ENOENT and "ImageNotFoundException" in told["text"]


def test_created_once_though_the_reply_was_lost(ecr, peer):
    peer.script(operation="CreateRepository", cut="after")
    assert ecr.create()["code"] == OK
    assert len(peer.log("CreateRepository")) == 2 and list(peer.repositories()) == [REPOSITORY]


def test_refusals(ecr_of, peer):
    policy = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "ecr:DescribeImages", "Resource": "*"}}
    ecr = ecr_of({**env_of(peer), **peer.env(peer.session(policy=json.dumps(policy)))})
    told = ecr.call("login", ECR)
    assert told["code"] == EDENIED and f"log in to {ECR}: ecr GetAuthorizationToken" in told["text"]
    assert "ecr:GetAuthorizationToken" in told["next"]
    assert ecr.create()["code"] == EDENIED
    peer.script(service="ecr", error="ThrottlingException", count=1)
    assert ecr.tag("t")["code"] == ENOENT
    peer.script(service="ecr", status=500, count=0)
    assert ecr.tag("t")["code"] == ERETRY


def test_moto(ecr_of, moto):
    """Its tokens ended in 2015: they are used, and never kept."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ecr, client = ecr_of({**clean, **moto.env()}), boto("ecr", moto)
    told = ecr.call("login", ECR)
    assert (told["code"], told["user"]) == (OK, "AWS") and told["password"].endswith("auth-token")
    account = "123456789012"
    assert ecr.tag("t", account=account)["code"] == ENOENT
    assert ecr.create(account)["code"] == OK and ecr.create(account)["code"] == OK
    try:
        manifest = json.dumps({"schemaVersion": 2, "mediaType":
                               "application/vnd.oci.image.manifest.v1+json", "layers": [],
                               "config": {"mediaType": "x", "size": 1, "digest": "sha256:" + "0" * 64}})
        put = client.put_image(repositoryName=REPOSITORY, imageManifest=manifest, imageTag="t")
        told = ecr.tag("t", account=account)
        assert (told["code"], told["digest"]) == (OK, put["image"]["imageId"]["imageDigest"])
        assert ecr.tag("u", account=account)["code"] == ENOENT
    finally:
        client.delete_repository(repositoryName=REPOSITORY, force=True)
