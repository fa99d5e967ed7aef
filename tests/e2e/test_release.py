# SPDX-License-Identifier: Apache-2.0
"""tools/release.sh, sbom.sh and render-workflow.sh: what .github/workflows/release.yml runs."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import PATIENCE, ROOT

VERSIONS = "zlib 1:1.2.13.dfsg-1\nopenssl 3.0.22\ncurl 7.88.1-10+deb12u15\n"
SYSTEMS = ("linux-x86_64", "linux-aarch64")


class Tree:
    """A repository with what a release looks at."""

    def __init__(self, path):
        self.path = path
        shutil.copytree(ROOT / "tools", path / "tools")
        (path / "Makefile").write_text("VERSION := 1.2.3\n")
        (path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3\n\n- new\n\n## 1.2.2\n\n- old\n")
        (path / ".gitignore").write_text("/build/\n/actions/bin/\n")
        (path / "build" / "deps" / "root").mkdir(parents=True)
        (path / "build" / "deps" / "root" / "versions").write_text(VERSIONS)
        for system in SYSTEMS:
            built = path / "build" / "dist" / system
            built.mkdir(parents=True)
            for name in ("branchline", "branchline-runner", "branchline-runner.layer"):
                (built / name).write_text(f"{name} of {system}")
            (built / "SHA256SUMS").write_text("")
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@e", "commit", "-q", "-m", "all")

    def git(self, *words):
        return subprocess.run(["git", *words], cwd=self.path, check=True, text=True,
                              capture_output=True, timeout=PATIENCE).stdout

    def tool(self, *words, status=0):
        done = subprocess.run(words, cwd=self.path, text=True, capture_output=True, timeout=PATIENCE)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def assets(self):
        for system in SYSTEMS:
            self.tool("tools/release.sh", "assets", f"build/dist/{system}", "build/assets")
        return self.path / "build" / "assets"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    return Tree(tmp_path / "tree")


def test_the_tag_holds_what_was_attested(tree):
    assets = tree.assets()
    names = {path.name for path in assets.iterdir()}
    assert {"branchline-linux-x86_64", "branchline-runner-linux-aarch64",
            "branchline-linux-aarch64.spdx.json", "SHA256SUMS-linux-x86_64"} <= names
    before = tree.git("rev-parse", "HEAD").strip()
    tree.tool("tools/release.sh", "commit", "v1.2.3", "build/assets")
    assert tree.git("rev-parse", "v1.2.3^").strip() == before
    for system in SYSTEMS:
        for name, asset in (("branchline", f"branchline-{system}"),
                            ("branchline-runner", f"branchline-runner-{system}"),
                            ("branchline-runner.layer", f"branchline-runner-{system}.layer")):
            committed = tree.git("show", f"v1.2.3:actions/bin/{system}/{name}")
            assert committed == (assets / asset).read_text()
            line = f"{hashlib.sha256(committed.encode()).hexdigest()}  {name}"
            assert line in tree.git("show", f"v1.2.3:actions/bin/{system}/SHA256SUMS").splitlines()
        mode = tree.git("ls-tree", "v1.2.3", f"actions/bin/{system}/branchline").split()[0]
        assert mode == "100755"
    assert (tree.path / "build" / "notes.md").read_text().strip() == "- new"


def test_a_changed_asset_is_not_released(tree):
    assets = tree.assets()
    (assets / "branchline-linux-aarch64").write_text("other")
    said = tree.tool("tools/release.sh", "commit", "v1.2.3", "build/assets", status=2)
    assert "does not hold" in said and not tree.git("tag")


@pytest.mark.parametrize("version, text", [
    ("1.2.3", "is no version"), ("v1.2.3; id", "is no version"), ("v1.2.4", "the Makefile says"),
    ("v1.2.3-rc", "is no version")])
def test_another_version_is_refused(tree, version, text):
    assert text in tree.tool("tools/release.sh", "version", version, status=2)


def test_a_version_twice_is_refused(tree):
    tree.git("tag", "v1.2.3")
    assert "there is a tag" in tree.tool("tools/release.sh", "version", "v1.2.3", status=2)


def test_the_bill_of_materials(tree):
    document = json.loads((tree.assets() / "branchline-linux-x86_64.spdx.json").read_text())
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    packages = {package["SPDXID"]: package for package in document["packages"]}
    assert len(packages) == len(document["packages"])
    assert packages["SPDXRef-openssl"]["versionInfo"] == "3.0.22"
    assert (packages["SPDXRef-zlib"]["externalRefs"][0]["referenceLocator"]
            == "pkg:deb/debian/zlib@1%3A1.2.13.dfsg-1?arch=source")
    digest = hashlib.sha256(b"branchline of linux-x86_64").hexdigest()
    assert packages["SPDXRef-branchline"]["checksums"][0]["checksumValue"] == digest
    for link in document["relationships"]:
        assert link["relatedSpdxElement"] in packages
        assert link["spdxElementId"] in packages or link["spdxElementId"] == "SPDXRef-DOCUMENT"
    linked = {link["relatedSpdxElement"] for link in document["relationships"]
              if link["relationshipType"] == "STATIC_LINK"}
    assert linked == set(packages) - {"SPDXRef-branchline", "SPDXRef-branchline-runner"}


def test_a_library_without_a_licence_is_told(tree):
    (tree.path / "build" / "deps" / "root" / "versions").write_text("leftpad 1\n")
    said = tree.tool("tools/release.sh", "assets", "build/dist/linux-x86_64", "build/assets", status=1)
    assert "leftpad" in said


def test_every_library_that_is_linked_has_a_licence():
    """A library more in tools/dist-libs.sh needs a line in tools/sbom.sh."""
    builds = (ROOT / "tools" / "dist-libs.sh").read_text()
    packages = re.search(r"^for package in (.+); do$", builds, re.M)[1].split()
    licences = (ROOT / "tools" / "sbom.sh").read_text()
    for package in packages:
        assert re.search(rf"^\t[^)]*\b{re.escape(package)}\b[^)]*\) echo", licences, re.M), package


@pytest.mark.parametrize("to, expected", [("acme/branchline@v1", "uses: acme/branchline/actions/guard@v1"),
                                          (".", "uses: ./actions/guard")])
def test_a_workflow_in_full(to, expected):
    done = subprocess.run([ROOT / "tools" / "render-workflow.sh", ROOT / ".github/workflows/train.yml", to],
                          text=True, capture_output=True, check=True, timeout=PATIENCE)
    original = pathlib.Path(ROOT / ".github/workflows/train.yml").read_text()
    assert expected in done.stdout and "uses: $/" not in done.stdout
    assert done.stdout.count("\n") == original.count("\n")
    assert done.stdout.count("uses: actions/checkout@") == 1


def test_a_workflow_for_nobody():
    done = subprocess.run([ROOT / "tools" / "render-workflow.sh", "x", "acme"], text=True,
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode == 2 and "OWNER/REPO@REF" in done.stderr
