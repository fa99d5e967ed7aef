# SPDX-License-Identifier: Apache-2.0
"""push-image: what trees can hold comes out of the image as it went in, whoever unpacks it."""
import hashlib
import json
import os
import random
import subprocess
import tarfile

import pytest

from conftest import PATIENCE
from registries import BASE_LAYERS, Commits, Layout, docker_login, files_of, find_tool, skopeo, unpack

SOAK = os.environ.get("SOAK") == "1"
CODE = "opt/ml/code/"


@pytest.fixture
def base(tmp_path):
    layout = Layout(tmp_path / "base")
    layout.image("base", BASE_LAYERS)
    return f"oci:{layout.path}:base"


@pytest.fixture
def commits(tmp_path):
    made = Commits(tmp_path / "commits")
    made.put({"branchline.yaml": "version: 1\ncommand: [python3, train.py]\n"})
    return made


def code_of(layout, tag):
    return {path[len(CODE):]: value for path, value in files_of(unpack(layout, tag)[2]).items()
            if path.startswith(CODE)}


def code_tar(layout, tag):
    """The code layer's tar as a list of its headers."""
    path = layout / "code.tar"
    path.write_bytes(unpack(layout, tag)[2][-1])
    with tarfile.open(path) as tar:
        return tar.getmembers()


# --- Unpacked by others -------------------------------------------------------------------------------


def on_disk(folder):
    """{path: (kind, executable, content)} of real files."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(here, name)
            key = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[key] = ("l", 0, os.readlink(path))
            elif os.path.isdir(path):
                found[key] = ("d", 0, "")
            else:
                with open(path, "rb") as file:
                    found[key] = ("f", os.stat(path).st_mode & 0o111, file.read())
    return found


def test_umoci_unpacks_the_commit_and_the_base(push, repo, base, tmp_path):
    """File by file what `git archive | tar x` makes, on a real file system."""
    pushed = push(repo, f"oci:{tmp_path}/o:x", base=base)
    done = subprocess.run([find_tool("umoci"), "unpack", "--rootless", "--image", f"{tmp_path}/o:x",
                           tmp_path / "bundle"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "bundle" / "rootfs"
    (tmp_path / "archive").mkdir()
    tar = repo.git("archive", "--format=tar", "HEAD")
    subprocess.run(["tar", "-C", tmp_path / "archive", "-x"], input=tar, check=True, timeout=PATIENCE)
    assert on_disk(root / "opt/ml/code") == on_disk(tmp_path / "archive")
    assert (root / "etc/hello").read_bytes() == b"hello\n"
    assert os.readlink(root / "usr/lib/liby.so") == "libx.so"
    runner = (root / "opt/branchline/bin/branchline-runner").read_bytes()
    assert runner == (push.program.parent / "branchline-runner").read_bytes()
    assert pushed["unchanged"] is False


def test_crane_validates_behind_a_password(push, repo, base, tmp_path, debian_registry):
    place = f"{debian_registry}/{tmp_path.name.replace('_', '-')}/demo"
    push.env.update(docker_login(tmp_path / "docker", debian_registry))
    pushed = push(repo, place, "--tag", "newest", base=base)
    for reference in (f":{repo.sha()}", ":newest", f"@{pushed['digest']}"):
        done = subprocess.run([find_tool("crane"), "validate", "--remote", place + reference], text=True,
                              env=push.environ({}), capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
    inspected = json.loads(skopeo("inspect", f"docker://{place}:newest", creds="tester:a pass:word"))
    assert inspected["Digest"] == pushed["digest"]
    assert inspected["Layers"] == [layer["digest"] for layer in pushed["layers"]]


# --- Names and sizes ----------------------------------------------------------------------------------


def test_names_of_every_length_and_kind(push, commits, base, tmp_path):
    """Around the limits of tar's headers, of characters that shells and formats trip over."""
    files = {f"n{size}/" + "x" * size: str(size) for size in (97, 98, 99, 100, 101, 154, 155, 156, 250, 255)}
    for size in (95, 99, 100, 101, 155, 254, 255, 256, 257):
        folder = "/".join(["d" * 40] * (size // 41 + 1))[:size - 2].rstrip("/")
        files[f"l{size}/{folder}/f"] = str(size)
    files.update({name: name for name in (
        "a b", " lead", "trail ", "new\nline", "tab\t", "quote'\"", "back\\slash", "-dash", "$(x)", "*", "CON",
        "\u00fc", "u\u0308", "\u6f22\u5b57", "\U0001f600", "a.b", "a-b", "a/b", "a0", ".hidden", "...", "..x", "%2e%2e")})
    files.update({"to/long": "-> " + "t" * 150, "to/longer": "-> " + "t/" * 200 + "t", "to/nowhere": "-> /etc/passwd",
                  "to/up": "-> ../a0", "to/\u00fc": "-> \u00fc"})
    commits.commit(files)
    push(commits, f"oci:{tmp_path}/o:x", base=base)
    assert code_of(tmp_path / "o", "x") == commits.archive()


def test_names_that_are_no_utf8(push, commits, base, tmp_path):
    """Git has bytes; what becomes of them has to be those bytes."""
    name = os.fsdecode(b"latin\xe9.txt")
    try:
        commits.commit({name: "x"})
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    push(commits, f"oci:{tmp_path}/o:x", base=base)
    assert code_of(tmp_path / "o", "x")[name] == ("f", 0, b"x")


def test_sizes_around_blocks_and_chunks(push, commits, base, tmp_path):
    noise = random.Random(7)
    sizes = [0, 1, 511, 512, 513, 10239, 10240, 65535, 65536, 65537, (1 << 20) - 1, (1 << 20) + 1]
    commits.commit({f"f{size}": noise.randbytes(size) for size in sizes} | {"zeros": bytes(3 << 20)})
    push(commits, f"oci:{tmp_path}/o:x", base=base)
    assert code_of(tmp_path / "o", "x") == commits.archive()


def test_headers_are_fixed(push, repo, base, tmp_path):
    """Owner, times and modes say nothing of where it was made; entries are in order."""
    push(repo, f"oci:{tmp_path}/o:x", base=base)
    entries = code_tar(tmp_path / "o", "x")
    assert {(e.uid, e.gid, e.uname, e.gname, e.mtime) for e in entries} == {(0, 0, "", "", 0)}
    assert {e.mode for e in entries if e.isfile()} == {0o644, 0o755}
    assert {e.mode for e in entries if e.isdir()} == {0o755}
    assert {e.mode for e in entries if e.issym()} == {0o777}
    seen = set()
    for entry in entries:
        folder = entry.name.rpartition("/")[0]
        assert not folder.startswith(CODE) or folder in seen, f"{entry.name} comes before its directory"
        assert entry.name not in seen, f"{entry.name} twice"
        seen.add(entry.name)
    manifest = unpack(tmp_path / "o", "x")[0]
    blob = tmp_path / "o/blobs/sha256" / manifest["layers"][-1]["digest"][7:]
    assert blob.read_bytes()[:10] == bytes([31, 139, 8, 0, 0, 0, 0, 0, blob.read_bytes()[8], 255])


def test_what_the_base_has_in_the_place_of_the_code(push, repo, tmp_path):
    """Hidden: a file, a directory or a link of the base below /opt/ml/code is not part of the commit."""
    layout = Layout(tmp_path / "odd")
    layout.image("base", [{"opt/ml/code": None, "opt/ml/code/train.py": None, "opt/ml/code/train.py/x": b"dir",
                           "opt/ml/code/deep": b"a file where the commit has a directory"},
                          {"opt/ml/code/link": b"no link", "opt/ml/model/keep": b"not ours"}])
    push(repo, f"oci:{tmp_path}/o:x", base=f"oci:{layout.path}:base")
    assert code_of(tmp_path / "o", "x") == repo.archive()
    assert files_of(unpack(tmp_path / "o", "x")[2])["opt/ml/model/keep"][2] == b"not ours"


@pytest.mark.skipif(not SOAK, reason="3 GiB: make soak")
def test_a_file_of_3_gib(push, commits, base, tmp_path):
    path, piece = commits.path / "big", random.Random(9).randbytes(1 << 16) + bytes(15 << 16)
    with open(path, "wb") as out:
        for n in range(3072):
            out.write(n.to_bytes(8, "big") + piece[8:])
    with open(path, "rb") as file:
        want = hashlib.file_digest(file, "sha256").hexdigest()
    commits.git("config", "core.compression", "0")
    commits.commit()
    push(commits, f"oci:{tmp_path}/o:x", base=base, timeout=900)
    entry = json.loads((tmp_path / "o" / "index.json").read_text())["manifests"][0]
    blobs = tmp_path / "o" / "blobs" / "sha256"
    code = json.loads((blobs / entry["digest"][7:]).read_text())["layers"][-1]
    with tarfile.open(blobs / code["digest"][7:]) as tar:
        assert hashlib.file_digest(tar.extractfile(CODE + "big"), "sha256").hexdigest() == want
