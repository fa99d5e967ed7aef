# SPDX-License-Identifier: Apache-2.0
"""Real registries, images made by hand, and commits to be pushed."""
import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request

import pytest

from conftest import PATIENCE, ROOT, until

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
USER, PASSWORD = "tester", "a pass:word"


def find_tool(name):
    """In PATH, or built by tools/peers.sh; the test skips without it."""
    path = shutil.which(name) or shutil.which(ROOT / "build" / "tools" / name)
    return path or pytest.skip(f"{name} is neither in PATH nor in build/tools")


# --- Images by hand ---------------------------------------------------------------------------------


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    """{path: bytes, or "-> target", or None: a directory}"""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, body in files.items():
            entry = tarfile.TarInfo(path)
            if body is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(body, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, body.removeprefix("-> ")
            else:
                entry.size, entry.mode = len(body), 0o755 if body.startswith((b"\x7fELF", b"#!")) else 0o644
            tar.addfile(entry, io.BytesIO(body if isinstance(body, bytes) else b""))
    return raw.getvalue()


class Layout:
    """An OCI layout that is written by this file alone."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        (self.path / "blobs" / "sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.entries = []
        self.write_index()

    def write_index(self):
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))

    def put(self, data, media_type):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = digest_of(data)
        (self.path / "blobs" / "sha256" / digest[7:]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, layers, architecture="amd64", config=None, docker=False):
        kinds = (("application/vnd.docker.distribution.manifest.v2+json",
                  "application/vnd.docker.container.image.v1+json",
                  "application/vnd.docker.image.rootfs.diff.tar.gzip")
                 if docker else (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER))
        tars = [tar_of(files) for files in layers]
        made = {"architecture": architecture, "os": "linux",
                "config": config or {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
                "history": [{"created_by": f"layer {n}"} for n in range(len(tars))]}
        blobs = [self.put(gzip.compress(tar, 1, mtime=0), kinds[2]) for tar in tars]
        return self.put({"schemaVersion": 2, "mediaType": kinds[0],
                         "config": self.put(made, kinds[1]), "layers": blobs}, kinds[0])

    def name(self, entry, tag):
        self.entries.append(dict(entry, annotations={"org.opencontainers.image.ref.name": tag}))
        self.write_index()
        return entry

    def image(self, tag, layers, **more):
        return self.name(self.manifest(layers, **more), tag)

    def index(self, tag, **by_architecture):
        entries = [dict(entry, platform={"os": "linux", "architecture": name})
                   for name, entry in by_architecture.items()]
        entries.append(dict(entries[0], platform={"os": "unknown", "architecture": "unknown"}))
        return self.name(self.put({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries},
                                  OCI_INDEX), tag)


BASE_LAYERS = [{"etc": None, "etc/hello": b"hello\n", "opt/ml/code/stale.py": b"not of this commit\n"},
               {"usr/lib/libx.so": b"x" * 5000, "usr/lib/liby.so": "-> libx.so"}]


def base_in(place, tmp_path, layers=None, **more):
    """An image `base` of two layers, put into "host:port/name" by skopeo; its digest."""
    layout = Layout(tmp_path / "base-layout")
    entry = layout.image("base", layers or BASE_LAYERS, **more)
    skopeo("copy", f"oci:{layout.path}:base", f"docker://{place}:base", dest=True,
           **({"all": True} if "mediaType" in more else {}))
    return entry["digest"]


def skopeo(verb, *words, dest=False, src=False, all=False, creds=None):
    args = [find_tool("skopeo"), verb]
    names = (["--dest-"] if dest else []) + (["--src-"] if src else [])
    for name in names or ["--"]:
        args.append(f"{name}tls-verify=false")
        if creds:
            args += [f"{name}creds", creds]
    if all:
        args.append("--all")
    done = subprocess.run([*args, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of(layers):
    """{path: (kind, mode & 0o111, bytes or target)} of tars put on top of each other, as OCI says."""
    found = {}
    for raw in layers:
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            entries = [(entry, tar.extractfile(entry).read() if entry.isfile() else None) for entry in tar]
        for entry, _ in entries:
            folder, _, name = entry.name.rpartition("/")
            if name == ".wh..wh..opq":
                found = {path: kept for path, kept in found.items() if not path.startswith(folder + "/")}
            elif name.startswith(".wh."):
                gone = f"{folder}/{name[4:]}"
                found = {path: kept for path, kept in found.items()
                         if path != gone and not path.startswith(gone + "/")}
        for entry, body in entries:
            if entry.name.rpartition("/")[2].startswith(".wh."):
                continue
            kind = "f" if entry.isfile() else "d" if entry.isdir() else "l"
            found[entry.name.rstrip("/")] = (kind, entry.mode & 0o111 if kind == "f" else 0,
                                             body if kind == "f" else entry.linkname)
    return found


def unpack(layout, tag):
    """(config, tars of the layers) of an image in a layout."""
    layout = pathlib.Path(layout)

    def blob(entry):
        data = (layout / "blobs" / "sha256" / entry["digest"][7:]).read_bytes()
        assert digest_of(data) == entry["digest"] and len(data) == entry["size"]
        return data
    index = json.loads((layout / "index.json").read_text())
    entry, = [one for one in index["manifests"]
              if one.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    tars = [gzip.decompress(blob(layer)) for layer in manifest["layers"]]
    assert [digest_of(tar) for tar in tars] == config["rootfs"]["diff_ids"]
    return manifest, config, tars


# --- Registries -------------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5)
        return True
    except urllib.error.HTTPError as problem:
        return problem.code == 401
    except OSError:
        return False


def start_registry(folder, program, words=(), auth=""):
    port = free_port()
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}", secret: x}}\n{auth}')
    process = subprocess.Popen([program, "serve", *words, folder / "config.yml"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))
    until(lambda: answers(f"http://127.0.0.1:{port}/v2/") or process.poll() is not None, "a registry answers")
    assert process.poll() is None, "the registry ended"
    return process, f"localhost:{port}"


def stop(process):
    process.terminate()
    process.wait(timeout=PATIENCE)


@pytest.fixture(scope="session")
def debian_registry(tmp_path_factory):
    """Debian's docker-registry behind a password: host:port."""
    program, htpasswd = find_tool("docker-registry"), find_tool("htpasswd")
    folder = tmp_path_factory.mktemp("docker-registry")
    line = subprocess.run([htpasswd, "-Bbn", "-C", "4", USER, PASSWORD], check=True, capture_output=True)
    (folder / "htpasswd").write_bytes(line.stdout)
    process, host = start_registry(folder, program, auth=f"auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}\n")
    yield host
    stop(process)


@pytest.fixture(scope="session")
def registry_v3(tmp_path_factory):
    """The distribution project's registry, open to all: host:port."""
    program = find_tool("registry")
    process, host = start_registry(tmp_path_factory.mktemp("registry"), program)
    yield host
    stop(process)


def docker_login(folder, host, user=USER, password=PASSWORD):
    """A DOCKER_CONFIG that knows a registry."""
    folder.mkdir(parents=True, exist_ok=True)
    told = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": told}}}))
    return {"DOCKER_CONFIG": str(folder)}


# --- Commits ----------------------------------------------------------------------------------------


class Commits:
    """A git repository that commits what it is given, always at the same time."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words, input=None, ok=True):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env = dict(clean, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="A",
                   GIT_AUTHOR_EMAIL="a@example.org", GIT_AUTHOR_DATE="1700000000 +0000",
                   GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org",
                   GIT_COMMITTER_DATE="1700000000 +0000")
        done = subprocess.run(["git", "-C", self.path, *words], input=input, capture_output=True, env=env)
        assert done.returncode == 0 or not ok, done.stderr
        return done.stdout

    def sha(self, rev="HEAD"):
        return self.git("rev-parse", rev).decode().strip()

    def put(self, files):
        for name, body in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(body, str) and body.startswith("-> "):
                path.symlink_to(body[3:])
            else:
                path.write_bytes(body if isinstance(body, bytes) else body.encode())
        return self

    def commit(self, files=None):
        self.put(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "m")
        return self.sha()

    def archive(self, rev="HEAD", path=None):
        """What `git archive` has, as files_of() of it."""
        raw = self.git("archive", "--format=tar", rev, *([path] if path else []))
        return {name: value for name, value in files_of([raw]).items() if name != "pax_global_header"}
