# SPDX-License-Identifier: Apache-2.0
"""push-image to ECR's own names, over TLS: rights, regions, tags that stay, bases beside it."""
import json

import pytest

from cloud import REGION, peer, peer_process  # noqa: F401
from registries import BASE_LAYERS, Layout, unpack

ACCOUNT = "111122223333"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


@pytest.fixture
def env(peer, push, tmp_path):  # noqa: F811
    """AWS's names lead to the peer, and the fixed pair signs."""
    (tmp_path / "tls").mkdir()
    push.env.update(peer.tls_env(tmp_path / "tls"))
    return push.env


@pytest.fixture
def base(tmp_path):
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    return f"oci:{layout.path}:base"


def use(env, session):
    env.update(AWS_ACCESS_KEY_ID=session["key_id"], AWS_SECRET_ACCESS_KEY=session["secret"],
               AWS_SESSION_TOKEN=session["token"])


def may(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


def test_one_token_is_enough_for_all_threads(peer, env, push, repo, base):  # noqa: F811
    peer.repository("team/train")
    pushed = push(repo, f"{HOST}/team/train", "--tag", "newest", base=base)
    assert pushed["image"] == f"{HOST}/team/train@{pushed['digest']}"
    assert peer.images("team/train", region=REGION)["tags"] == {repo.sha(): pushed["digest"],
                                                                "newest": pushed["digest"]}
    assert len(peer.log("GetAuthorizationToken")) == 1
    before = len(peer.log(service="registry"))
    again = push(repo, f"{HOST}/team/train", base=f"{HOST}/team/train@{pushed['digest']}")
    assert again["unchanged"] is False and again.how()["base"] == ["there"] * 4
    third = push(repo, f"{HOST}/team/train", base=f"{HOST}/team/train@{pushed['digest']}")
    assert third["unchanged"] and third["requests"] == 2 and len(peer.log(service="registry")) > before


def test_the_host_names_region_and_account(peer, env, push, repo, base):  # noqa: F811
    """Whatever AWS_REGION says."""
    account = "444455556666"
    peer.repository("team/train", region="eu-central-1", account=account)
    push(repo, f"{account}.dkr.ecr.eu-central-1.amazonaws.com/team/train", base=base)
    asked, = peer.log("GetAuthorizationToken")
    assert asked["region"] == "eu-central-1"


def test_tags_that_stay(peer, env, push, repo, base):  # noqa: F811
    peer.repository("team/train", mutability="IMMUTABLE")
    peer.script(service="registry", operation="PutManifest", cut="after")
    first = push(repo, f"{HOST}/team/train", base=base)
    assert push(repo, f"{HOST}/team/train", base=base)["digest"] == first["digest"]
    other = push(repo, f"{HOST}/team/train", "--hyperparameters", "lr=0.3", base=base, ok=False)
    assert other.code == 2 and first["digest"] in other.stderr and other.stderr.count("sha256:") == 2


def test_who_may_not(peer, env, push, repo, base):  # noqa: F811
    """Each right that is missing is named by AWS's word for it."""
    use(env, peer.session(policy=may("ecr:DescribeImages")))
    denied = push(repo, f"{HOST}/team/train", base=base, ok=False)
    assert denied.code == 4 and "GetAuthorizationToken" in denied.stderr, denied.stderr
    use(env, peer.session(policy=may("ecr:GetAuthorizationToken")))
    denied = push(repo, f"{HOST}/team/train", "--create-repository", base=base, ok=False)
    assert denied.code == 4 and "CreateRepository" in denied.stderr, denied.stderr
    assert peer.repositories() == {}
    use(env, peer.session())
    peer.expire()
    assert push(repo, f"{HOST}/team/train", base=base, ok=False).code == 4


def test_no_credentials_at_all(peer, env, push, repo, base):  # noqa: F811
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del env[name]
    denied = push(repo, f"{HOST}/team/train", base=base, ok=False)
    assert denied.code == 4 and denied.stderr.count("\n") == 1, denied.stderr
    assert peer.log(service="ecr") == []


@pytest.mark.parametrize("mounts", [True, False])
def test_a_base_in_another_repository(peer, env, push, repo, base, tmp_path, mounts):  # noqa: F811
    """Mounted where the account allows it; else through us, from where ECR keeps its layers."""
    for name in ("team/base", "team/train"):
        peer.repository(name)
    made = push(repo, f"{HOST}/team/base", "--tag", "v1", base=base)
    repo.commit({"train.py": "print('two')\n"})
    peer.options(registry_mounts=mounts, registry_redirect=True)
    pushed = push(repo, f"{HOST}/team/train", base=f"{HOST}/team/base:v1")
    assert pushed["base_digest"] == made["digest"]
    assert set(pushed.how()["base"]) == {"mounted" if mounts else "sent"}
    links = peer.log("GetLink")
    assert len(links) == (1 if mounts else 5), "the config, and each layer"
    assert not any("authorization" in entry["headers"] for entry in links)


def test_from_ecr_to_a_layout(peer, env, push, repo, base, tmp_path):  # noqa: F811
    peer.repository("team/base")
    made = push(repo, f"{HOST}/team/base", "--tag", "v1", base=base)
    peer.options(registry_redirect=True)
    push(repo, f"oci:{tmp_path}/o:x", base=f"{HOST}/team/base:v1")
    assert len(unpack(tmp_path / "o", "x")[0]["layers"]) == len(made["layers"]) + 2
    missing = push(repo, f"oci:{tmp_path}/o:y", base=f"{HOST}/team/base:v2", ok=False)
    assert missing.code == 2 and "base image" in missing.stderr and "MANIFEST_UNKNOWN" in missing.stderr
