# SPDX-License-Identifier: Apache-2.0
"""push-image on bases of other makers: what they say of themselves is kept, what we cannot take is named."""
import json

import pytest

from cloud import peer, peer_process  # noqa: F401
from registries import BASE_LAYERS, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Layout, skopeo, unpack

FULL = {"Env": ["PATH=/opt/conda/bin:/usr/bin", "LANG=C.UTF-8"], "Cmd": ["bash"], "Entrypoint": ["/entry.sh", "--flag"],
        "User": "1000:1000", "WorkingDir": "/workspace", "ExposedPorts": {"6006/tcp": {}}, "Volumes": {"/data": {}},
        "Labels": {"maintainer": "someone", "org.opencontainers.image.source": "https://base.example/x"},
        "StopSignal": "SIGINT", "ArgsEscaped": True}


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "base")


def made(push, repo, layout, tmp_path, **more):
    """(manifest, config, pushed) of the image on a layout's `base`."""
    pushed = push(repo, f"oci:{tmp_path}/o:x", base=f"oci:{layout.path}:base", **more)
    manifest, config, _ = unpack(tmp_path / "o", "x")
    return manifest, config, pushed


def test_what_the_base_says_of_itself_is_kept(push, repo, layout, tmp_path):
    layout.image("base", BASE_LAYERS, config=FULL)
    _, image, _ = made(push, repo, layout, tmp_path)
    got = image["config"]
    for name in ("Env", "User", "ExposedPorts", "Volumes", "StopSignal"):
        assert got[name] == FULL[name], name
    assert got["Labels"]["maintainer"] == "someone"
    assert got["Labels"]["org.opencontainers.image.revision"] == repo.sha()
    assert got["Entrypoint"] == ["/opt/branchline/bin/branchline-runner", "exec"] and not got.get("Cmd")
    assert got["WorkingDir"] == "/opt/ml/code"


def test_a_layer_that_is_there_twice_is_put_once(push, repo, layout, peer, tmp_path):  # noqa: F811
    """As Docker's images have their empty one."""
    layout.image("base", [BASE_LAYERS[0], BASE_LAYERS[1], BASE_LAYERS[0], BASE_LAYERS[0]])
    pushed = push(repo, f"{peer.registry}/team/demo", base=f"oci:{layout.path}:base")
    asked = [entry["key"] for entry in peer.log("HeadBlob")]
    assert len(asked) == len(set(asked)) == 5, "two of the base, runner, code, config"
    assert sorted(pushed.how()["base"]) == ["sent", "sent", "there", "there"]


def hand_made(layout, layers, **config):
    """A base whose config is not what our own helper writes."""
    diffs = ["sha256:" + str(n) * 64 for n in range(len(layers))]
    whole = dict({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}, **config)
    layout.name(layout.put({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": layout.put(whole, OCI_CONFIG),
                            "layers": layers}, OCI_MANIFEST), "base")


@pytest.mark.parametrize("history", [None, []])
def test_a_history_that_is_none(push, repo, layout, peer, tmp_path, history):  # noqa: F811
    """Those who count (docker, the peer) want as many entries as layers, or none at all."""
    entry = layout.manifest(BASE_LAYERS)
    manifest = json.loads((layout.path / "blobs/sha256" / entry["digest"][7:]).read_text())
    image = json.loads((layout.path / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
    del image["history"]
    if history is not None:
        image["history"] = history
    hand_made(layout, manifest["layers"], **image)
    push(repo, f"{peer.registry}/team/demo", base=f"oci:{layout.path}:base")


def test_layers_of_other_kinds_are_taken_as_they_are(push, repo, layout, tmp_path):
    layers = [layout.put(b"zstd, believe it", OCI_LAYER.replace("gzip", "zstd")),
              layout.put(b"a plain tar", OCI_LAYER.replace("+gzip", ""))]
    hand_made(layout, layers)
    push(repo, f"oci:{tmp_path}/o:x", base=f"oci:{layout.path}:base")
    index = json.loads((tmp_path / "o" / "index.json").read_text())["manifests"][0]
    manifest = json.loads((tmp_path / "o/blobs/sha256" / index["digest"][7:]).read_text())
    assert manifest["layers"][:2] == layers


@pytest.mark.parametrize("n,harm,want", [
    (0, {}, "no layers"),
    (2, {"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}, "layers"),
    (1, {"os": "windows"}, "windows"),
    (1, {"rootfs": "none"}, "rootfs"),
])
def test_bases_that_make_no_sense(push, repo, layout, tmp_path, n, harm, want):
    hand_made(layout, [layout.put(b"a tar", OCI_LAYER.replace("+gzip", ""))] * n, **harm)
    pushed = push(repo, f"oci:{tmp_path}/o", base=f"oci:{layout.path}:base", ok=False)
    assert pushed.code != 0 and want in pushed.stderr and pushed.stderr.count("\n") == 1, pushed.stderr


def test_an_old_manifest_is_named(push, repo, peer, tmp_path):  # noqa: F811
    """Docker's first schema, which some old images still have."""
    peer.script(service="registry", operation="GetManifest", status=200, count=0,
                body='{"schemaVersion": 1, "name": "old", "fsLayers": []}',
                headers={"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"})
    pushed = push(repo, f"oci:{tmp_path}/o", base=f"{peer.registry}/team/old:1", ok=False)
    assert pushed.code != 0 and "schema 1" in pushed.stderr, pushed.stderr


def test_a_base_by_digest_and_by_tag_are_the_same(push, repo, peer, layout, tmp_path):  # noqa: F811
    """A tag is resolved once: what it names later is another image."""
    place = f"{peer.registry}/team/base"
    for n, layers in enumerate((BASE_LAYERS, BASE_LAYERS[:1])):
        layout.image(f"v{n}", layers)
    digests = []
    for n in range(2):
        skopeo("copy", f"oci:{layout.path}:v{n}", f"docker://{place}:moving", dest=True)
        pushed = push(repo, f"{peer.registry}/team/demo-{n}", base=f"{place}:moving")
        digests.append(pushed["base_digest"])
        by_digest = push(repo, f"{peer.registry}/team/pinned-{n}", base=f"{place}@{pushed['base_digest']}")
        assert by_digest["base_digest"] == pushed["base_digest"]
        assert [layer["digest"] for layer in by_digest["layers"]] == [layer["digest"] for layer in pushed["layers"]]
    assert digests[0] != digests[1]
    moved = push(repo, f"{peer.registry}/team/demo-0", base=f"{place}:moving")
    assert moved["unchanged"] is False and moved["base_digest"] == digests[1]
