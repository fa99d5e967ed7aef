# SPDX-License-Identifier: Apache-2.0
"""push-image against a registry that breaks at every place: nothing is lost, nothing is sent twice."""
import subprocess

import pytest

from cloud import peer, peer_process  # noqa: F401
from registries import BASE_LAYERS, Layout, base_in, docker_login, skopeo, unpack

OTHER = "sha256:" + "0" * 64
PEER_LOGIN = ("peer", "open sesame")


@pytest.fixture
def place(peer, tmp_path):  # noqa: F811
    """A repository of the peer with the image `base`; its log begins here."""
    layout = Layout(tmp_path / "seed")
    layout.image("base", BASE_LAYERS)
    name = f"{peer.registry}/team/demo"
    skopeo("copy", f"oci:{layout.path}:base", f"docker://{name}:base", dest=True)
    return name


def since(peer, place):  # noqa: F811
    return [entry for entry in peer.log(service="registry")
            if entry["headers"].get("user-agent", "").startswith("branchline")]


def assert_whole(peer, repo, tmp_path):  # noqa: F811
    images = peer.images("team/demo")
    manifest = images["manifests"][images["tags"][repo.sha()]]
    assert all(images["blobs"][part["digest"]] == part["size"]
               for part in [manifest["config"], *manifest["layers"]])
    skopeo("copy", f"docker://{peer.registry}/team/demo:{repo.sha()}", f"oci:{tmp_path}/back:x", src=True)
    unpack(tmp_path / "back", "x")


N = 13  # requests of a first push: what is beyond the last is told by the test itself


def test_a_first_push_has_so_many_requests(peer, place, push, repo):  # noqa: F811
    pushed = push(repo, place, base=f"{place}:base")
    seen = since(peer, place)
    assert len(seen) == pushed["requests"] <= N
    assert [entry["operation"] for entry in seen if entry["operation"].endswith("Manifest")] == [
        "GetManifest", "GetManifest", "PutManifest"], "the tag comes last"
    assert seen[-1]["operation"] == "PutManifest"


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, N + 1))
def test_one_cut_anywhere_is_healed(peer, place, push, repo, tmp_path, nth, cut):  # noqa: F811
    peer.script(service="registry", nth=nth, cut=cut, how="reset")
    push(repo, place, base=f"{place}:base")
    assert_whole(peer, repo, tmp_path)


@pytest.mark.parametrize("nth", range(1, N + 1))
def test_cut_for_good_then_pushed_again(peer, place, push, repo, tmp_path, nth):  # noqa: F811
    """Blobs that were there are not sent again; until the end there is no tag."""
    peer.script(service="registry", nth=nth, count=0, cut="before", how="reset")
    first = push(repo, place, base=f"{place}:base", ok=False)
    if first.code == 0:
        pytest.fail("nothing was cut")
    assert first.code == 75, first.stderr
    images = peer.images("team/demo")
    assert repo.sha() not in images["tags"]
    done = set(images["blobs"])
    peer.heal()
    after = len(peer.log())
    push(repo, place, base=f"{place}:base")
    again = {part.partition("digest=")[2].replace("%3A", ":") for part in
             (entry["target"] for entry in peer.log("PutUpload", after=after))}
    assert not again & done, "what was there was sent again"
    assert_whole(peer, repo, tmp_path)


def test_the_rest_alone_is_sent_after_a_cut(peer, place, push, repo, tmp_path):  # noqa: F811
    peer.script(service="registry", operation="PutUpload", nth=2, read_cut=1 << 20)  # the code comes first
    pushed = push(repo, place, "--at-once", "1", base=f"{place}:base")
    assert "UploadStatus" in [entry["operation"] for entry in since(peer, place)]
    runner, = [layer["size"] for layer in pushed["layers"] if layer["part"] == "runner"]
    assert [entry["bytes"] for entry in since(peer, place) if entry["operation"] == "PatchUpload"] == [
        runner - (1 << 20)]
    assert_whole(peer, repo, tmp_path)


def test_a_registry_that_keeps_nothing_of_a_cut(peer, place, push, repo, tmp_path):  # noqa: F811
    peer.options(registry_keeps=False)
    peer.script(service="registry", operation="PutUpload", nth=2, read_cut=1 << 20)
    push(repo, place, "--at-once", "1", base=f"{place}:base")
    assert_whole(peer, repo, tmp_path)


@pytest.mark.parametrize("options", [{"registry_chunked": True}, {"registry_absolute": True},
                                     {"registry_digests": False}])
def test_registries_of_other_habits(peer, place, push, repo, tmp_path, options):  # noqa: F811
    peer.options(**options)
    push(repo, place, base=f"{place}:base")
    assert_whole(peer, repo, tmp_path)


def test_an_upload_session_that_is_lost(peer, place, push, repo, tmp_path):  # noqa: F811
    peer.script(service="registry", operation="PutUpload", error="BLOB_UPLOAD_UNKNOWN", status=404)
    push(repo, place, base=f"{place}:base")
    assert_whole(peer, repo, tmp_path)


# --- Lies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["GetManifest", "PutUpload", "PutManifest"])
def test_a_digest_that_is_another_is_named(peer, place, push, repo, operation):  # noqa: F811
    peer.script(service="registry", operation=operation, count=0, headers={"Docker-Content-Digest": OTHER})
    pushed = push(repo, place, base=f"{place}:base", ok=False)
    assert pushed.code != 0 and OTHER in pushed.stderr and pushed.stderr.count("sha256:") >= 2


def test_a_base_that_was_damaged(peer, place, push, repo, tmp_path):  # noqa: F811
    layer = unpack(tmp_path / "seed", "base")[0]["layers"][1]["digest"]
    peer.damage("team/demo", layer)
    pushed = push(repo, f"oci:{tmp_path}/out", base=f"{place}:base", ok=False)
    assert pushed.code != 0 and layer in pushed.stderr, pushed.stderr


# --- Who may ----------------------------------------------------------------------------------------------


def test_a_storm_of_401_ends(peer, place, push, repo, tmp_path):  # noqa: F811
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *PEER_LOGIN))
    peer.script(service="registry", count=0, status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    pushed = push(repo, place, base=f"{place}:base", ok=False)
    assert pushed.code == 4 and "docker login" in pushed.stderr
    assert len(since(peer, place)) <= 4
    assert "open sesame" not in pushed.stderr


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_logins_from_dockers_file(peer, place, push, repo, tmp_path, auth):  # noqa: F811
    peer.options(registry_auth=auth)
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *PEER_LOGIN))
    push(repo, place, base=f"{place}:base")
    again = push(repo, place, base=f"{place}:base")
    assert again["unchanged"] and again["requests"] == 2


def test_tokens_that_end_in_the_middle(peer, place, push, repo, tmp_path):  # noqa: F811
    """Each is refused after its first second: it is asked for again, and the push goes on."""
    peer.options(registry_auth="bearer")
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *PEER_LOGIN))
    peer.script(service="registry", operation="PutUpload", status=401,
                headers={"WWW-Authenticate": f'Bearer realm="http://{peer.registry}/token",service="peer,1"'})
    push(repo, place, base=f"{place}:base")
    assert len(peer.log("GetToken")) >= 2


def test_told_to_wait(peer, place, push, repo, tmp_path):  # noqa: F811
    peer.script(service="registry", operation="PutManifest", status=429, headers={"Retry-After": "0"}, count=2)
    push(repo, place, base=f"{place}:base")
    statuses = [entry["status"] for entry in peer.log("PutManifest") if "branchline" in entry["headers"]["user-agent"]]
    assert statuses == [429, 429, 201]


def test_layers_that_are_elsewhere(peer, place, push, repo, tmp_path):  # noqa: F811
    """Redirects are followed, without the login, which is nobody else's business."""
    peer.options(registry_redirect=True, registry_auth="basic")
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *PEER_LOGIN))
    push(repo, f"oci:{tmp_path}/out:x", base=f"{place}:base")
    unpack(tmp_path / "out", "x")
    links = peer.log("GetLink")
    assert len(links) >= 3 and not any("authorization" in entry["headers"] for entry in links)


# --- Refusals -----------------------------------------------------------------------------------------------


def test_a_manifest_that_is_rejected(peer, place, push, repo):  # noqa: F811
    peer.script(service="registry", operation="PutManifest", error="MANIFEST_INVALID", status=400,
                message="no such schema", count=0)
    pushed = push(repo, place, base=f"{place}:base", ok=False)
    assert pushed.code == 2 and "MANIFEST_INVALID: no such schema" in pushed.stderr


def test_immutable_tags(peer, place, push, repo, tmp_path):  # noqa: F811
    peer.options(registry_immutable=True)
    first = push(repo, place, base=f"{place}:base")
    assert push(repo, place, base=f"{place}:base")["digest"] == first["digest"]
    changed = push(repo, place, "--hyperparameters", "lr=0.2", base=f"{place}:base", ok=False)
    assert changed.code == 2 and first["digest"] in changed.stderr and changed.stderr.count("sha256:") == 2


# --- ECR ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ecr(peer, push, tmp_path):  # noqa: F811
    """ECR by its own name, over TLS through the peer's proxy."""
    (tmp_path / "tls").mkdir()
    push.env.update(peer.tls_env(tmp_path / "tls"))
    return "111122223333.dkr.ecr.us-east-1.amazonaws.com"


def test_ecr_makes_no_repository_by_itself(peer, ecr, push, repo, tmp_path):  # noqa: F811
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    base = f"oci:{layout.path}:base"
    missing = push(repo, f"{ecr}/team/train", base=base, ok=False)
    assert missing.code == 2 and "NAME_UNKNOWN" in missing.stderr
    assert "aws ecr create-repository --region us-east-1" in missing.stderr
    assert "--repository-name team/train, or push with --create-repository" in missing.stderr
    made = push(repo, f"{ecr}/team/train", "--create-repository", base=base)
    assert made["image"].startswith(f"{ecr}/team/train@sha256:")
    assert "CreateRepository" in peer.operations()
    assert repo.sha() in peer.images("team/train", region="us-east-1")["tags"]
    again = push(repo, f"{ecr}/team/train", base=base)
    assert again["unchanged"]


def test_ecrs_token_ends_in_the_middle(peer, ecr, push, repo, tmp_path):  # noqa: F811
    peer.repository("team/train")
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    peer.script(service="registry", operation="PutUpload", hold="middle")
    command = [push.program, "push-image", "--to", f"{ecr}/team/train", "--image-base", f"oci:{layout.path}:base"]
    process = subprocess.Popen(command, cwd=repo.path, env=push.environ({}), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peer.wait_log("PutUpload")
    peer.expire_ecr()
    peer.release("middle")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(peer.log("GetAuthorizationToken")) == 2
    assert repo.sha() in peer.images("team/train", region="us-east-1")["tags"]
