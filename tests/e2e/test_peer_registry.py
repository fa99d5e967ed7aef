# SPDX-License-Identifier: Apache-2.0
"""The strict peer's registry, seen by skopeo and crane, and from a bare connection."""
import base64
import http.client
import json
import os
import subprocess
import urllib.parse

import pytest

from cloud import boto, peer, peer_process  # noqa: F401
from conftest import PATIENCE
from registries import (BASE_LAYERS, OCI_INDEX, OCI_MANIFEST, Layout, digest_of, docker_login, find_tool,
                        unpack)
from test_peer_ecr import token_of

LOGIN = ("peer", "open sesame")
OCTETS = {"Content-Type": "application/octet-stream"}
ACCEPT = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}


class Reply:
    def __init__(self, reply):
        self.status, self.body = reply.status, reply.read()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}

    @property
    def code(self):
        return json.loads(self.body)["errors"][0]["code"]

    @property
    def said(self):
        return self.status, self.code


class Bare:
    """One request at a time, without a library's good manners."""

    def __init__(self, peer):  # noqa: F811
        self.peer, self.host, self.headers = peer, peer.registry, {}

    def __call__(self, method, target, body=None, **headers):
        if "://" in target:
            split = urllib.parse.urlsplit(target)
            host, target = split.netloc, f"{split.path}?{split.query}"
        else:
            host = self.host
        conn = http.client.HTTPConnection(host, timeout=PATIENCE)
        try:
            conn.request(method, target, body,
                         dict(self.headers, **{n.replace("_", "-"): v for n, v in headers.items()}))
            return Reply(conn.getresponse())
        finally:
            conn.close()

    def start(self, name="team/demo"):
        """Location of a new upload."""
        begun = self("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202
        return begun.headers["location"]

    def put_blob(self, data, name="team/demo"):
        digest = digest_of(data)
        put = self("PUT", f"{self.start(name)}&digest={digest}", data, **OCTETS)
        assert put.status == 201 and put.headers["docker-content-digest"] == digest
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": len(data)}

    def manifest(self, name="team/demo", **more):
        config = {"architecture": "amd64", "os": "linux",
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}
        config = self.put_blob(json.dumps(dict(config, **more.pop("config", {}))).encode(), name)
        config["mediaType"] = "application/vnd.oci.image.config.v1+json"
        made = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
                "layers": [self.put_blob(b"layer", name)]}
        return dict(made, **more)

    def put_manifest(self, made, reference="t", name="team/demo", kind=OCI_MANIFEST):
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        return self("PUT", f"/v2/{name}/manifests/{reference}", body, Content_Type=kind)


@pytest.fixture
def bare(peer):  # noqa: F811
    return Bare(peer)


# --- Others' clients --------------------------------------------------------------------------------


@pytest.fixture
def clients(peer, tmp_path):  # noqa: F811
    """run(program, *words): skopeo or crane, logged in at the peer's registry."""
    def run(name, *words, **more):
        env = dict(os.environ, REGISTRY_AUTH_FILE=str(tmp_path / "docker" / "config.json"),
                   **docker_login(tmp_path / "docker", peer.registry, *LOGIN))
        env.update(more)
        done = subprocess.run([find_tool(name), *words], env=env, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
def test_skopeo_pushes_and_pulls(peer, clients, tmp_path, auth):  # noqa: F811
    peer.options(registry_auth=auth, registry_redirect=True, registry_absolute=True)
    layout = Layout(tmp_path / "image")
    digest = layout.image("x", BASE_LAYERS)["digest"]
    place = f"docker://{peer.registry}/team/demo:x"
    clients("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout.path}:x", place)
    images = peer.images("team/demo")
    assert images["tags"] == {"x": digest} and images["uploads"] == 0 and len(images["blobs"]) == 3
    clients("skopeo", "copy", "-q", "--src-tls-verify=false", place, f"oci:{tmp_path}/back:x")
    assert unpack(tmp_path / "back", "x") == unpack(layout.path, "x")
    links = peer.log("GetLink")
    assert len(links) == 3 and not any("authorization" in entry["headers"] for entry in links)
    assert bool(peer.log("GetToken")) == (auth == "bearer")


@pytest.mark.parametrize("auth", ["none", "bearer"])
def test_crane_pushes_copies_and_validates(peer, clients, tmp_path, auth):  # noqa: F811
    peer.options(registry_auth=auth)
    layout = Layout(tmp_path / "image")
    layout.index("x", amd64=layout.manifest(BASE_LAYERS), arm64=layout.manifest(BASE_LAYERS, "arm64"))
    layout.image("one", BASE_LAYERS)
    place = f"{peer.registry}/team/demo"
    for tag in ("x", "one"):
        clients("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false", f"oci:{layout.path}:{tag}",
                f"docker://{place}:{tag}")
    clients("crane", "validate", "--remote", f"{place}:one")
    clients("crane", "copy", f"{place}:x", f"{peer.registry}/other/place:y")
    mounts = peer.log("MountBlob")
    assert mounts and all(entry["status"] == 201 for entry in mounts)
    assert clients("crane", "digest", f"{peer.registry}/other/place:y") == clients("crane", "digest", f"{place}:x")
    assert clients("crane", "ls", f"{peer.registry}/other/place").split() == ["y"]


# --- Uploads ----------------------------------------------------------------------------------------


def test_pieces_in_order(bare):
    data, where = bytes(range(200)), bare.start()
    first = bare("PATCH", where, data[:120], Content_Range="0-119", **OCTETS)
    assert first.status == 202 and first.headers["range"] == "0-119"
    status = bare("GET", first.headers["location"])
    assert status.status == 204 and status.headers["range"] == "0-119"
    where = status.headers["location"]
    assert bare("PATCH", where, data[121:], Content_Range="121-199", **OCTETS).said == (416, "RANGE_INVALID")
    assert bare("PATCH", where, data[120:], Content_Range="120-198", **OCTETS).status == 416
    assert bare("PATCH", where, data[120:], **OCTETS).status == 416, "which bytes these are is not said"
    assert bare("PATCH", where, data[120:], Content_Range="120-199").status == 415
    second = bare("PATCH", where, data[120:], Content_Range="120-199", **OCTETS)
    assert second.headers["range"] == "0-199"
    stale = bare("PUT", f"{where}&digest={digest_of(data)}")
    assert stale.said == (400, "BLOB_UPLOAD_INVALID"), "a Location that is not the newest"
    assert bare("PUT", f"{second.headers['location']}&digest={digest_of(data)}").status == 201
    assert bare("GET", f"/v2/team/demo/blobs/{digest_of(data)}").body == data
    assert bare("GET", second.headers["location"]).said == (404, "BLOB_UPLOAD_UNKNOWN")


def test_another_digest_ends_the_upload(bare):
    where = bare.start()
    assert bare("PUT", f"{where}&digest=sha256:12", b"x", **OCTETS).said == (400, "DIGEST_INVALID")
    assert bare("PUT", f"{where}&digest={digest_of(b'y')}", b"x", **OCTETS).said == (400, "DIGEST_INVALID")
    assert bare("PUT", f"{where}&digest={digest_of(b'x')}", b"x", **OCTETS).said == (404, "BLOB_UPLOAD_UNKNOWN")
    assert bare("HEAD", f"/v2/team/demo/blobs/{digest_of(b'y')}").status == 404


def test_an_upload_is_of_its_repository_and_can_be_lost(peer, bare):  # noqa: F811
    where = bare.start()
    bare.start("other")
    assert bare("GET", where.replace("team/demo", "other")).status == 404
    assert bare("DELETE", where).status == 204 and bare("GET", where).status == 404
    where = bare.start()
    peer.control("POST", "/registry-forget", {})
    assert bare("PATCH", where, b"x", **OCTETS).said == (404, "BLOB_UPLOAD_UNKNOWN")


def test_habits(peer, bare):  # noqa: F811
    peer.options(registry_patch=False, registry_chunked=True, registry_absolute=True)
    where = bare.start()
    assert where.startswith(f"http://{peer.registry}/v2/")
    assert bare("PATCH", where, b"x", **OCTETS).said == (405, "UNSUPPORTED")
    assert bare("PUT", f"{where}&digest={digest_of(b'x')}", b"x", **OCTETS).status == 405
    assert bare("POST", "/v2/team/demo/blobs/uploads/", b"x").status == 405


@pytest.mark.parametrize("keeps", [True, False])
def test_what_a_cut_leaves_behind(peer, bare, keeps):  # noqa: F811
    peer.options(registry_keeps=keeps)
    where = bare.start()
    peer.script(service="registry", operation="PatchUpload", read_cut=70)
    with pytest.raises(OSError):
        bare("PATCH", where, b"x" * 100, **OCTETS)
    assert bare("GET", where).headers["range"] == ("0-69" if keeps else "0-0")


def test_mounts(peer, bare):  # noqa: F811
    blob = bare.put_blob(b"base", "team/base")
    mount = f"/v2/team/demo/blobs/uploads/?mount={blob['digest']}&from="
    assert bare("POST", mount + "team/base").status == 201
    assert bare("HEAD", f"/v2/team/demo/blobs/{blob['digest']}").headers["content-length"] == "4"
    assert bare("POST", mount.replace("demo", "else") + "nowhere").status == 404
    peer.options(registry_mounts=False)
    assert bare("POST", mount + "team/base").status == 202


def test_ranges(bare):
    blob = bare.put_blob(bytes(range(100)))
    get = f"/v2/team/demo/blobs/{blob['digest']}"
    part = bare("GET", get, Range="bytes=10-19")
    assert (part.status, part.body) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/100"
    assert bare("GET", get, Range="bytes=90-").body == bytes(range(90, 100))
    assert bare("GET", get, Range="bytes=100-").status == 416


# --- Manifests --------------------------------------------------------------------------------------


def test_a_manifest_names_what_is_there(bare):
    made = bare.manifest()
    digest = digest_of(json.dumps(made).encode())
    unknown = dict(made["layers"][0], digest="sha256:" + "1" * 64)
    assert bare.put_manifest(dict(made, layers=[unknown])).said == (400, "MANIFEST_BLOB_UNKNOWN")
    assert bare.put_manifest(dict(made, layers=[dict(made["layers"][0], size=6)])).code == "MANIFEST_INVALID"
    assert bare.put_manifest(dict(made, layers=made["layers"] * 2)).code == "MANIFEST_INVALID", "one diff_id"
    assert bare.put_manifest(bare.manifest(config={"os": ""})).code == "MANIFEST_INVALID"
    assert bare.put_manifest(made, kind="application/json").code == "MANIFEST_INVALID"
    assert bare.put_manifest(b"{}").code == "MANIFEST_INVALID"
    assert bare.put_manifest(made, "sha256:" + "1" * 64).code == "DIGEST_INVALID"
    assert bare.put_manifest(made, "-t").code == "TAG_INVALID"
    put = bare.put_manifest(made)
    assert put.status == 201 and put.headers["docker-content-digest"] == digest
    for reference in ("t", digest):
        got = bare("GET", f"/v2/team/demo/manifests/{reference}", **ACCEPT)
        assert json.loads(got.body) == made and got.headers["content-type"] == OCI_MANIFEST
        head = bare("HEAD", f"/v2/team/demo/manifests/{reference}", **ACCEPT)
        assert head.headers["content-length"] == str(len(got.body)) and not head.body
    assert bare("GET", "/v2/team/demo/manifests/t").said == (404, "MANIFEST_UNKNOWN"), "no Accept"


def test_immutable_tags(peer, bare):  # noqa: F811
    made = bare.manifest()
    assert bare.put_manifest(made).status == 201
    peer.options(registry_immutable=True)
    assert bare.put_manifest(made).said == (400, "TAG_INVALID")
    assert bare.put_manifest(made, "u").status == 201
    assert sorted(peer.images("team/demo")["tags"]) == ["t", "u"]


def test_names_and_repositories(peer, bare):  # noqa: F811
    for name in ("Upper", "a//b", "a/../b", "a" * 256):
        assert bare("POST", f"/v2/{name}/blobs/uploads/").said == (400, "NAME_INVALID")
    assert bare("GET", "/v2/nowhere/manifests/t", **ACCEPT).said == (404, "NAME_UNKNOWN")
    peer.options(registry_create=False)
    assert bare("POST", "/v2/nowhere/blobs/uploads/").said == (404, "NAME_UNKNOWN")
    assert bare("DELETE", "/v2/nowhere/manifests/t").said == (405, "UNSUPPORTED")


# --- Who may ----------------------------------------------------------------------------------------


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_basic(peer, bare):  # noqa: F811
    peer.options(registry_auth="basic")
    assert bare("GET", "/v2/").headers["www-authenticate"].startswith("Basic ")
    assert bare("GET", "/v2/", **basic("peer", "wrong")).said == (401, "UNAUTHORIZED")
    assert bare("GET", "/v2/", **basic(*LOGIN)).status == 200


def test_bearer(peer, bare):  # noqa: F811
    peer.options(registry_auth="bearer")
    asked = bare("POST", "/v2/team/demo/blobs/uploads/")
    assert asked.headers["www-authenticate"] == (
        f'Bearer realm="http://{peer.registry}/token",service="peer,1",scope="repository:team/demo:pull,push"')
    query = "/token?service=peer%2C1&scope=repository:team/demo:"
    assert bare("GET", query + "pull", **basic("peer", "wrong")).status == 401

    def start(reply):
        token = json.loads(reply.body)["token"]
        return bare("POST", "/v2/team/demo/blobs/uploads/", Authorization=f"Bearer {token}").status
    may, login = bare("GET", query + "pull,push", **basic(*LOGIN)), basic(*LOGIN)
    assert start(may) == 202
    assert start(bare("GET", query + "pull", **login)) == 401, "pull is no push"
    assert start(bare("GET", query + "pull,push")) == 401, "a stranger may pull"
    assert start(bare("GET", query.replace("demo", "else") + "pull,push", **login)) == 401
    grant = ("grant_type=refresh_token&refresh_token=peer-refresh-token&service=peer%2C1&"
             "scope=repository:team/demo:pull,push")
    assert start(bare("POST", "/token", grant.encode())) == 202
    assert bare("POST", "/token", grant.replace("peer-r", "r").encode()).status == 401
    peer.control("POST", "/registry-expire", {})
    assert start(may) == 401


def test_ecr(peer, clients, bare, tmp_path):  # noqa: F811
    """crane on ECR's own name, over TLS; a repository has to be there, a token has to hold."""
    (tmp_path / "tls").mkdir()
    told = peer.tls_env(tmp_path / "tls")
    host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    layout = Layout(tmp_path / "image")
    digest = layout.image("x", BASE_LAYERS)["digest"]

    def ecr(method, target, **headers):
        return bare(method, peer.url + target, Host=host, **headers)
    password = token_of(boto("ecr", peer))[1]
    login = basic("AWS", password)
    asked = ecr("GET", "/v2/")
    assert asked.status == 401 and "ecr.amazonaws.com" in asked.headers["www-authenticate"]
    assert ecr("GET", "/v2/", **basic("AWS", "x")).status == 401
    assert ecr("POST", "/v2/team/train/blobs/uploads/", **login).said == (404, "NAME_UNKNOWN")
    peer.repository("team/train", mutability="IMMUTABLE")
    env = dict(docker_login(tmp_path / "ecr", host, "AWS", password), HTTPS_PROXY=told["HTTPS_PROXY"],
               SSL_CERT_FILE=told["AWS_CA_BUNDLE"], REGISTRY_AUTH_FILE=str(tmp_path / "ecr" / "config.json"))
    clients("skopeo", "copy", "-q", f"oci:{layout.path}:x", f"docker://{host}/team/train:x", **env)
    clients("crane", "validate", "--remote", f"{host}/team/train:x", **env)
    assert peer.images("team/train", region="us-east-1")["tags"] == {"x": digest}
    peer.expire_ecr()
    assert ecr("GET", "/v2/", **login).said == (403, "DENIED")
