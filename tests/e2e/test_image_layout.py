# SPDX-License-Identifier: Apache-2.0
"""OCI layouts: what we write, skopeo and umoci read; what they write is a base for us."""
import hashlib
import json
import shutil
import subprocess

import pytest

from conftest import PATIENCE
from project import Project

NAME = "org.opencontainers.image.ref.name"


def tool(*args):
    done = subprocess.run([*map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def tools():
    for name in ("skopeo", "umoci"):
        if not shutil.which(name):
            pytest.skip(f"no {name} here: tools/deps.sh test")


@pytest.fixture
def base(tmp_path):
    """A base image of one file, as umoci writes it: base:v1."""
    layout, content = tmp_path / "base", tmp_path / "content"
    content.mkdir()
    (content / "hello").write_text("from the base\n")
    tool("umoci", "init", "--layout", layout)
    tool("umoci", "new", "--image", f"{layout}:v1")
    tool("umoci", "insert", "--rootless", "--image", f"{layout}:v1", content, "/etc/base")
    tool("umoci", "config", "--image", f"{layout}:v1", "--os", "linux", "--architecture", "amd64")
    return layout


@pytest.fixture
def project(branchline, tmp_path):
    return Project(branchline, tmp_path / "project")


def push(project, base, to, *args):
    project.configure(f"image: {{base: 'oci:{base}'}}\n")
    project.git("add", "-A")
    if project.git("status", "--porcelain"):
        project.commit("another base")
    done = project.call("push-image", "--to", f"oci:{to}", "--json", *args)
    return json.loads(done.stdout)


def names(layout):
    index = json.loads((layout / "index.json").read_text())
    return {entry.get("annotations", {}).get(NAME): entry["digest"] for entry in index["manifests"]}


def assert_whole(layout):
    """Each blob has its digest; nothing half-made lies about."""
    for blob in (layout / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


@pytest.mark.sample
def test_others_read_what_we_write(project, base, tmp_path):
    to = tmp_path / "image"
    made = push(project, f"{base}:v1", to, "--tag", "v1")
    head = project.git("rev-parse", "HEAD").strip()
    assert names(to) == {head: made["digest"], "v1": made["digest"]}
    assert_whole(to)
    seen = json.loads(tool("skopeo", "inspect", f"oci:{to}:v1"))
    assert seen["Digest"] == made["digest"]
    assert seen["Labels"]["org.opencontainers.image.revision"] == head
    tool("skopeo", "copy", "-q", f"oci:{to}:v1", f"oci:{tmp_path / 'copy'}:v1")
    assert sorted(tool("umoci", "ls", "--layout", to).split()) == sorted([head, "v1"])
    tool("umoci", "unpack", "--rootless", "--image", f"{to}:v1", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / "etc/base/hello").read_text() == "from the base\n"
    code = root / "opt/ml/code/branchline.yaml"
    assert code.read_bytes() == (project.path / "branchline.yaml").read_bytes()


def test_a_base_that_skopeo_wrote(project, base, tmp_path):
    copy = tmp_path / "copy"
    tool("skopeo", "copy", "-q", f"oci:{base}:v1", f"oci:{copy}")  # without a name
    by_name = push(project, f"{base}:v1", tmp_path / "one")
    alone = push(project, copy, tmp_path / "two")
    assert alone["base_digest"] == by_name["base_digest"]


def test_a_tag_moves_and_the_rest_stays(project, base, tmp_path):
    to = tmp_path / "image"
    tool("skopeo", "copy", "-q", f"oci:{base}:v1", f"oci:{to}:theirs")
    theirs = names(to)["theirs"]
    first = push(project, f"{base}:v1", to, "--tag", "newest")
    (project.path / "more.py").write_text("pass\n")
    project.commit("more")
    second = push(project, f"{base}:v1", to, "--tag", "newest")
    assert first["digest"] != second["digest"]
    assert names(to)["newest"] == second["digest"]
    assert names(to)["theirs"] == theirs
    assert_whole(to)


def test_writers_take_turns(project, base, tmp_path):
    to = tmp_path / "image"
    push(project, f"{base}:v1", tmp_path / "first")  # commits
    tags = [f"t{i}" for i in range(6)]
    writers = [project.start("push-image", "--to", f"oci:{to}", "--tag", tag) for tag in tags]
    for writer in writers:
        _, said = writer.communicate(timeout=PATIENCE)
        assert writer.returncode == 0, said
    assert set(tags) <= set(names(to))
    assert len(set(names(to).values())) == 1
    assert_whole(to)


def test_a_cut_blob_is_made_whole(project, base, tmp_path):
    to = tmp_path / "image"
    made = push(project, f"{base}:v1", to)
    layer = to / "blobs" / "sha256" / made["layers"][-1]["digest"].partition(":")[2]
    layer.write_bytes(layer.read_bytes()[:100])
    (to / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    again = push(project, f"{base}:v1", to)
    assert again["digest"] == made["digest"]
    assert_whole(to)


def test_other_directories_are_left_alone(project, base, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "thesis.tex").write_text("years of work\n")
    push(project, f"{base}:v1", tmp_path / "first")
    done = project.call("push-image", "--to", f"oci:{thesis}", check=False)
    assert done.returncode == 2
    assert "holds other files" in done.stderr
    assert [path.name for path in thesis.iterdir()] == ["thesis.tex"]


def test_a_damaged_base_is_named(project, base, tmp_path):
    manifest = base / "blobs" / "sha256" / names(base)["v1"].partition(":")[2]
    manifest.write_bytes(manifest.read_bytes().replace(b"schemaVersion", b"schemaversion"))
    project.configure(f"image: {{base: 'oci:{base}:v1'}}\n")
    project.commit("a damaged base")
    done = project.call("push-image", "--to", f"oci:{tmp_path / 'image'}", check=False)
    assert done.returncode != 0
    assert f"{manifest.name}' is damaged" in done.stderr
