# SPDX-License-Identifier: Apache-2.0
"""What a base is built with, offline: an image of this machine's python3, a wheel, buildah."""
import base64
import gzip
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from registries import Layout, OCI_LAYER, OCI_MANIFEST, OCI_CONFIG, digest_of, find_tool, skopeo

ASK = """\
import pathlib, pip, sys, sysconfig
print(sysconfig.get_path("stdlib"), next(path for path in sys.path if path.endswith(".zip")), pathlib.Path(pip.__file__).parent)
"""
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "pydoc_data",
            "__pycache__", "dist-packages", "site-packages", "lib-dynload"}


def libraries_of(programs):
    """{path: bytes} of what the dynamic linker would load, itself included."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    return {path: pathlib.Path(path).read_bytes()
            for path in sorted(set(re.findall(r"(/\S+) \(0x", told)))}


def python_files():
    """{path: bytes} of a root file system with python3, pip and a shell; the test skips without pip."""
    python = pathlib.Path("/usr/bin/python3").resolve()
    told = subprocess.run([python, "-I", "-c", ASK], capture_output=True, text=True)
    if told.returncode:
        pytest.skip("/usr/bin/python3 has no pip to put into a base")
    stdlib, zipped, pip = map(pathlib.Path, told.stdout.split())
    shell = pathlib.Path("/bin/sh").resolve()
    tools = ["/bin/sh", "/bin/rm", "/bin/cat"]
    files = {str(python): python.read_bytes(), "/usr/bin/python3": python.read_bytes()}
    files |= {tool: (shell if tool == "/bin/sh" else pathlib.Path(tool)).read_bytes() for tool in tools}
    # few files: a builder without an overlay copies them for each layer
    files |= {str(path): path.read_bytes() for path in [stdlib / "os.py", *(stdlib / "lib-dynload").glob("*.so")]}
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for root, above in ((stdlib, stdlib), (pip, pip.parent)):
            for path in sorted(root.rglob("*")):
                parts = path.relative_to(root).parts
                if path.is_file() and not LEFT_OUT & set(parts) and not parts[0].startswith("config-"):
                    archive.writestr(zipfile.ZipInfo(str(path.relative_to(above)), (2020, 1, 1, 0, 0, 0)),
                                     path.read_bytes())
    files[str(zipped)] = raw.getvalue()
    extensions = [path for path in files if path.endswith(".so")]
    return files | libraries_of([python, *tools, *extensions])


def python_base(place, tmp_path):
    """An image `python` in "host:port/name", whose digest is returned."""
    layout = Layout(tmp_path / "python-layout")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path in ("tmp", "proc", "dev", "etc", "root"):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            tar.addfile(entry)
        for path, body in sorted(python_files().items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(body), 0o755
            tar.addfile(entry, io.BytesIO(body))
    layer = layout.put(gzip.compress(raw.getvalue(), 1, mtime=0), OCI_LAYER)
    config = layout.put({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin:/bin"]},
                         "history": [{"created_by": "this machine's python3"}],
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(raw.getvalue())]}}, OCI_CONFIG)
    entry = layout.put({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]},
                       OCI_MANIFEST)
    layout.name(entry, "python")
    skopeo("copy", f"oci:{layout.path}:python", f"docker://{place}:python", dest=True)
    return entry["digest"]


def wheel(name, version, body):
    """The bytes of a pure wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {f"{name}.py": body.encode(),
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
             f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join("{},sha256={},{}\n".format(
        path, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("="), len(data))
        for path, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return raw.getvalue()


def buildah_env(folder):
    """buildah with a storage of its own, without what a container may not do in another."""
    folder.mkdir()
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
    (folder / "registries.conf").write_text("")
    (folder / "config.json").write_text("{}")
    return {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs", "BRANCHLINE_BUILDER": "buildah",
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"), "REGISTRY_AUTH_FILE": str(folder / "config.json"),
            "DOCKER_CONFIG": str(folder), "XDG_RUNTIME_DIR": str(folder)}


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    """The environment for builds; one storage for the module, so that the base is unpacked once."""
    find_tool("buildah")
    folder = tmp_path_factory.mktemp("buildah") / "storage"
    yield buildah_env(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def python_image(registry_v3, tmp_path_factory):
    """host:port/name@sha256:... of a base with python3 and pip."""
    place = f"{registry_v3}/python"
    return f"{place}@{python_base(place, tmp_path_factory.mktemp('python'))}"


# --- docker without a daemon ------------------------------------------------------------------------

FAKE = """\
#!{python}
import json, os, pathlib, shutil, sys
folder, words = pathlib.Path({folder!r}), sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "info":
    print("/nonexistent" if "DockerRootDir" in words[-1] else "27.0")
    sys.exit(os.environ.get("FAKE_DAEMON") == "off")
if words[:2] == ["buildx", "inspect"]:
    print("Name:   in-use\\nDriver: " + os.environ.get("FAKE_DRIVER", "docker"))
if words[:2] != ["buildx", "build"]:
    sys.exit(0)
if "FAKE_HANGS" in os.environ:
    pathlib.Path(os.environ["FAKE_HANGS"]).touch()
    import signal
    signal.pause()
if "FAKE_SAYS" in os.environ:
    sys.exit(os.environ["FAKE_SAYS"].replace("\\\\n", "\\n"))
shutil.copytree(words[-1], folder / "context", symlinks=True)
config = pathlib.Path(os.environ["DOCKER_CONFIG"]) / "config.json"
if config.exists():
    shutil.copy(config, folder / "config.json")
output = dict(part.split("=", 1) for part in words[words.index("--output") + 1].split(","))
shutil.copytree(folder / "image", output["dest"], dirs_exist_ok=True)
"""


class FakeDocker:
    """A program `docker` that records what it is asked and answers builds with one image."""

    def __init__(self, folder):
        self.folder = folder
        image = Layout(folder / "image")
        image.entries = [image.manifest([{"built/by": b"docker"}])]  # without a name, as of buildx
        image.write_index()
        program = folder / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(FAKE.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.env = {"PATH": f"{program.parent}:/usr/bin:/bin", "BRANCHLINE_BUILDER": "docker"}

    def calls(self):
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def logins(self):
        """{registry: "user:password"} of the configuration that a build saw."""
        auths = json.loads((self.folder / "config.json").read_text())["auths"]
        return {registry: base64.b64decode(entry["auth"]).decode() for registry, entry in auths.items()}

    def context(self):
        return [path.name for path in (self.folder / "context").iterdir()]


@pytest.fixture
def fake_docker(tmp_path):
    folder = tmp_path / "docker"
    folder.mkdir()
    return FakeDocker(folder)
