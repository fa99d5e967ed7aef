# SPDX-License-Identifier: Apache-2.0
"""push-image between registries: bases that come in pieces, sessions that end, logins of every kind."""
import json
import os
import random
import signal
import subprocess

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import PATIENCE, until
from registries import BASE_LAYERS, base_in, docker_login, unpack

BIG = random.Random(1).randbytes(3 << 20)
LAYERS = [{"etc/hello": b"hello\n"}, {"big": BIG}]
LOGIN = ("peer", "open sesame")


@pytest.fixture
def base(peer, tmp_path):  # noqa: F811
    """A base of 3 MiB in a repository of its own; the log begins after it."""
    base_in(f"{peer.registry}/team/base", tmp_path, LAYERS)
    return f"{peer.registry}/team/base:base"


@pytest.fixture
def place(peer):  # noqa: F811
    return f"{peer.registry}/team/demo"


def ours(peer, operation=None, **match):  # noqa: F811
    return [entry for entry in peer.log(operation, service="registry", **match)
            if entry["headers"].get("user-agent", "").startswith("branchline")]


def wait_held(peer, n=1):  # noqa: F811
    """Requests that a script's line holds back."""
    return until(lambda: len([entry for entry in ours(peer) if entry.get("held")]) >= n, f"{n} requests are held")


def layers_of(peer, name="team/base", tag="base"):  # noqa: F811
    images = peer.images(name)
    return images["manifests"][images["tags"][tag]]["layers"]


def assert_tagged(peer, repo, pushed):  # noqa: F811
    assert peer.images("team/demo")["tags"][repo.sha()] == pushed["digest"]


def no_image(layout):
    index = layout / "index.json"
    return not index.exists() or json.loads(index.read_text())["manifests"] == []


# --- A base that comes in pieces ----------------------------------------------------------------------


@pytest.mark.sample
@pytest.mark.parametrize("redirect", [False, True])
def test_a_cut_download_goes_on_where_it_was(peer, base, push, repo, tmp_path, redirect):  # noqa: F811
    peer.options(registry_redirect=redirect)
    operation, big = "GetLink" if redirect else "GetBlob", layers_of(peer)[1]
    line = dict(service="registry", operation=operation, cut=2 << 20, cut_from="body", count=1)
    if not redirect:
        line["key"] = big["digest"]
    else:  # hello, config and big, in some order: those that are smaller are over before
        line["count"] = 3
    peer.script(**line)
    push(repo, f"oci:{tmp_path}/o:x", base=base)
    ranges = [entry["headers"]["range"] for entry in ours(peer, operation) if "range" in entry["headers"]]
    assert ranges and all(0 < int(text[6:].partition("-")[0]) <= 2 << 20 for text in ranges)
    assert big["digest"] in [layer["digest"] for layer in unpack(tmp_path / "o", "x")[0]["layers"]]


@pytest.mark.parametrize("harm", [{"flip_bit": 8 << 20}, {"truncate_at": 1 << 20}])
def test_a_layer_that_changes_on_the_way(peer, base, place, push, repo, tmp_path, harm):  # noqa: F811
    """Neither a layout nor a registry gets an image of it."""
    big = layers_of(peer)[1]["digest"]
    peer.script(service="registry", operation="GetBlob", key=big, count=0, **harm)
    pushed = push(repo, f"oci:{tmp_path}/o", base=base, ok=False)
    assert pushed.code != 0 and big in pushed.stderr, pushed.stderr
    assert no_image(tmp_path / "o") and not list((tmp_path / "o").glob(f"blobs/sha256/{big[7:]}"))
    peer.options(registry_mounts=False)
    pushed = push(repo, place, base=base, ok=False)
    assert pushed.code != 0 and big in pushed.stderr
    assert not peer.images("team/demo")["tags"] and big not in peer.images("team/demo")["blobs"]


def test_a_manifest_and_a_config_that_change_on_the_way(peer, base, push, repo, tmp_path):  # noqa: F811
    images = peer.images("team/base")
    digest, config = images["tags"]["base"], images["manifests"][images["tags"]["base"]]["config"]["digest"]
    for line, want in ((dict(operation="GetManifest"), digest), (dict(operation="GetBlob", key=config), config)):
        peer.script(service="registry", flip_bit=100, count=1, **line)
        pushed = push(repo, f"oci:{tmp_path}/o", base=base, ok=False)
        assert pushed.code != 0 and want in pushed.stderr, pushed.stderr
    assert no_image(tmp_path / "o")


# --- Uploads ------------------------------------------------------------------------------------------


def start(push, repo, *words):
    return subprocess.Popen([push.program, "push-image", *words], cwd=repo.path, env=push.environ({}), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.sample
def test_uploads_that_the_registry_forgets(peer, base, place, push, repo, processes):  # noqa: F811
    peer.script(service="registry", operation="PutUpload", hold="put", count=0)
    process = start(push, repo, "--to", place, "--image-base", base, "--json")
    processes.append(process)
    wait_held(peer, 2)
    peer.control("POST", "/registry-forget", {})
    peer.release("put")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert 404 in [entry["status"] for entry in ours(peer, "PutUpload")]
    assert_tagged(peer, repo, json.loads(out))


@pytest.mark.parametrize("cut", [30, {"cut_from": "body"}])
def test_replies_that_break_off_anywhere(peer, base, place, push, repo, cut):  # noqa: F811
    """In the head, or before the body; each request of a push in turn, each into a repository of its own."""
    harm = dict(cut, cut=0) if isinstance(cut, dict) else {"cut": cut}
    for nth in range(1, 30):
        peer.heal()
        peer.script(service="registry", nth=nth, how="close", **harm)
        pushed = push(repo, f"{place}-{nth}", base=base)
        assert peer.images(f"team/demo-{nth}")["tags"] == {repo.sha(): pushed["digest"]}
        if peer.pending():
            break
    assert 10 < nth < 29


def test_uploads_do_not_leave_the_registry(peer, base, place, push, repo):  # noqa: F811
    peer.script(service="registry", operation="StartUpload", count=0,
                headers={"Location": "http://127.0.0.1:1/v2/team/demo/blobs/uploads/x"})
    pushed = push(repo, place, base=base, ok=False)
    assert pushed.code == 4 and "sends uploads elsewhere" in pushed.stderr, pushed.stderr


@pytest.mark.parametrize("fault", [{"error": "TOOMANYREQUESTS"}, {"html502": True}, {"status": 503}])
def test_each_operation_is_refused_once(peer, base, place, push, repo, fault):  # noqa: F811
    operations = ("GetManifest", "HeadBlob", "GetBlob", "StartUpload", "MountBlob", "PutUpload", "PutManifest")
    peer.script(*[dict(service="registry", operation=name, headers={"Retry-After": "0"}, **fault)
                  for name in operations])
    pushed = push(repo, place, base=base)
    assert peer.pending() == []
    assert_tagged(peer, repo, pushed)


def test_a_registry_that_is_down_is_said_so(peer, base, place, push, repo):  # noqa: F811
    peer.script(service="registry", operation="PutManifest", count=0, error="UNAVAILABLE", status=503,
                message="storage is full")
    pushed = push(repo, place, base=base, ok=False)
    assert pushed.code == 75 and "503 UNAVAILABLE: storage is full" in pushed.stderr, pushed.stderr
    assert len(ours(peer, "PutManifest")) == 5


def test_a_registry_that_says_it_has_what_it_has_not(peer, base, place, push, repo):  # noqa: F811
    big = layers_of(peer)[1]
    peer.script(service="registry", operation="HeadBlob", key=big["digest"], status=200,
                headers={"Content-Length": str(big["size"])})
    pushed = push(repo, place, base=base, ok=False)
    assert pushed.code == 2 and "MANIFEST_BLOB_UNKNOWN" in pushed.stderr, pushed.stderr


def test_an_immutable_tag_whose_reply_was_lost(peer, base, place, push, repo):  # noqa: F811
    """Put again it is refused, but it is what was wanted."""
    peer.options(registry_immutable=True)
    peer.script(service="registry", operation="PutManifest", cut="after")
    pushed = push(repo, place, base=base)
    assert [entry["status"] for entry in ours(peer, "PutManifest")] == [0, 400]
    assert_tagged(peer, repo, pushed)


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle(peer, base, place, push, repo, processes, number):  # noqa: F811
    peer.script(service="registry", operation="PutUpload", hold="put", count=0)
    process = start(push, repo, "--to", place, "--image-base", base)
    processes.append(process)
    wait_held(peer)
    process.send_signal(number)
    err = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 5, err
    assert not peer.images("team/demo")["tags"]
    peer.release("put")
    peer.heal()
    assert_tagged(peer, repo, push(repo, place, base=base))


@pytest.mark.sample
def test_two_at_once(peer, base, place, push, repo, processes):  # noqa: F811
    """Both make the same image; neither is in the other's way."""
    both = [start(push, repo, "--to", place, "--image-base", base, "--json") for _ in range(2)]
    processes += both
    told = []
    for process in both:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        told.append(json.loads(out)["digest"])
    assert told[0] == told[1] == peer.images("team/demo")["tags"][repo.sha()]


# --- Logins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
def test_an_unchanged_commit_is_two_requests(peer, base, place, push, repo, tmp_path, auth):  # noqa: F811
    """And no body."""
    peer.options(registry_auth=auth)
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *LOGIN))
    first = push(repo, place, base=base)
    before = len(ours(peer))
    again = push(repo, place, base=base)
    seen = [entry for entry in ours(peer)[before:] if entry["operation"] not in ("GetToken", "Ping")]
    assert [entry["operation"] for entry in seen if entry["status"] != 401] == ["GetManifest"] * 2
    assert not any(entry["bytes"] for entry in seen)
    assert again["requests"] == 2 and again["pushed_bytes"] == 0 and again["digest"] == first["digest"]


def test_a_mount_needs_the_right_to_pull_there(peer, base, place, push, repo, tmp_path):  # noqa: F811
    peer.options(registry_auth="bearer")
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *LOGIN))
    assert push(repo, place, base=base).how() == {"base": ["mounted"] * 2, "runner": "sent", "code": "sent"}
    assert not ours(peer, "GetBlob", key=layers_of(peer)[1]["digest"])


@pytest.mark.parametrize("operation", ["HeadBlob", "MountBlob", "StartUpload", "PutUpload", "PutManifest"])
def test_tokens_that_end_before(operation, peer, base, place, push, repo, tmp_path, processes):  # noqa: F811
    """For real: what was handed out is refused from here on."""
    peer.options(registry_auth="bearer")
    push.env.update(docker_login(tmp_path / "docker", peer.registry, *LOGIN))
    peer.script(service="registry", operation=operation, hold="here", count=1)
    process = start(push, repo, "--to", place, "--image-base", base, "--json", "--at-once", "1")
    processes.append(process)
    wait_held(peer)
    peer.control("POST", "/registry-expire", {})
    peer.release("here")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert_tagged(peer, repo, json.loads(out))


def helper(folder, name, answer, status=0):
    """docker-credential-NAME in a folder, which notes what it was asked."""
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n[ \"$1\" = get ] || exit 9\ncat >>'{folder}/asked'\n"
                    f"cat <<'END'\n{answer}\nEND\nexit {status}\n")
    path.chmod(0o755)


@pytest.mark.sample
def test_helpers_and_identity_tokens(peer, base, place, push, repo, tmp_path):  # noqa: F811
    """A credential helper of PATH; what it gives as <token> goes to the token service alone."""
    peer.options(registry_auth="bearer")
    folder = tmp_path / "helpers"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"credHelpers": {peer.registry: "here"}}))
    helper(folder, "here", json.dumps({"ServerURL": "x", "Username": "<token>", "Secret": "peer-refresh-token"}))
    push.env["DOCKER_CONFIG"] = str(folder)
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    assert_tagged(peer, repo, push(repo, place, base=base, env=env))
    assert peer.registry in (folder / "asked").read_text()
    assert {entry["method"] for entry in ours(peer, "GetToken")} == {"POST"}
    helper(folder, "here", "some words", 1)
    failed = push(repo, place, "--tag", "other", base=base, env=env, ok=False)
    assert failed.code in (2, 4) and "docker-credential-here" in failed.stderr, failed.stderr


def test_a_wrong_password_is_not_tried_again_and_again(peer, base, place, push, repo, tmp_path):  # noqa: F811
    for auth in ("basic", "bearer"):
        peer.options(registry_auth=auth)
        push.env.update(docker_login(tmp_path / auth, peer.registry, "peer", "wrong-secret"))
        pushed = push(repo, place, base=base, ok=False)
        assert pushed.code == 4 and "docker login" in pushed.stderr, pushed.stderr
        assert "wrong-secret" not in pushed.stderr
    assert len(ours(peer)) <= 12
