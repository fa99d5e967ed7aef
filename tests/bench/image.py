#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Images of docs/benchmarks.md: ours beside the peers', in turn, on one registry.

    tests/bench/image.py [--rounds N] [--part NAME]... BIN TOOLS

BIN holds the static programs, TOOLS the built tests/bench/measure. Parts: append unchanged newlayer tree. The registry is
Debian's docker-registry on loopback, plain HTTP; its data and all files lie in memory (/dev/shm). Round 1
is dropped. Peers that are not there are left out and named. Nothing here is asserted by a test.
"""
import argparse
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import urllib.request

PARTS = ("append", "unchanged", "newlayer", "tree")
GIB = 1 << 30
ROOT = pathlib.Path(__file__).resolve().parents[2]


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def find(name):
    return shutil.which(name) or shutil.which(ROOT / "build" / "tools" / name)


def version_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "not there"
    return (done.stdout or done.stderr).strip().splitlines()[0]


class Bench:
    def __init__(self, bin_dir, tools, work, rounds):
        self.bin, self.tools, self.work, self.rounds = bin_dir, tools, work, rounds
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("AWS_", "BRANCHLINE_", "GITHUB_"))}
        self.env.update(HOME=str(work), TMPDIR=str(work), DOCKER_CONFIG=str(work),
                        BUILDAH_ISOLATION="chroot", STORAGE_DRIVER="vfs", GIT_CONFIG_GLOBAL="/dev/null",
                        GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org", GIT_COMMITTER_NAME="A",
                        GIT_COMMITTER_EMAIL="a@example.org", OTEL_TRACES_EXPORTER="none",
                        XDG_RUNTIME_DIR=str(work / "run"))
        (work / "run").mkdir(mode=0o700)
        (work / "config.json").write_text("{}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (work / "registry.yml").write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {work}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}', secret: x}}\n")
        self.registry = subprocess.Popen([find("docker-registry"), "serve", work / "registry.yml"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        self.host = f"localhost:{port}"
        for _ in range(500):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5)
                break
            except OSError:
                time.sleep(0.01)

    def close(self):
        self.registry.terminate()
        self.registry.wait(timeout=10)

    def measure(self, command, cwd=None):
        """(wall ms, CPU ms, peak MiB) of one run, which must succeed."""
        done = subprocess.run([self.tools / "measure", "1", *map(str, command)], cwd=cwd or self.work, env=self.env,
                              capture_output=True, text=True)
        _, wall, cpu, rss, status = done.stdout.split()
        if status != "0":
            sys.exit(f"{command}: status {status}\n{done.stderr}")
        return float(wall) / 1000, float(cpu) / 1000, int(rss) / 1024

    def run(self, command, cwd):
        """Once, not measured; its failure in its own words."""
        done = subprocess.run(command, cwd=cwd, env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{command}: {done.stderr}")

    def compare(self, rows, rounds=None, few=()):
        """{name: [measures]}; rows: {name: command_of(round)}; those in `few` run twice only."""
        seen = {name: [] for name in rows}
        for n in range((rounds or self.rounds) + 1):
            for name, command_of in rows.items():
                if name in few and n > 2:
                    continue
                command, cwd = command_of(n)
                got = self.measure(command, cwd)
                if n:
                    seen[name].append(got)
        return seen

    def git(self, repo, *words):
        subprocess.run(["git", "-C", repo, *words], check=True, env=self.env, stdout=subprocess.DEVNULL)

    @staticmethod
    def words():
        """Source text of many hands: ours and Python's own library."""
        files = [*ROOT.glob("*/*/*.[ch]"), *pathlib.Path(sysconfig.get_path("stdlib")).glob("*.py")]
        return b"".join(path.read_bytes() for path in sorted(files))

    def commits(self, name, count, files, size):
        """A repository with `count` commits, each of so many files with so many bytes in all; text."""
        repo = self.work / name
        repo.mkdir()
        self.git(repo, "init", "-q", "-b", "main")
        words, chance = self.words(), random.Random(1)
        for n in range(count):
            for k in range(files):
                path = repo / f"d{k % 50:02}" / f"f{k}.py"
                path.parent.mkdir(exist_ok=True)
                start = chance.randrange(len(words) - size // files)
                path.write_bytes(f"# {n} {k}\n".encode() + words[start:start + size // files])
            self.git(repo, "add", "-A")
            self.git(repo, "commit", "-q", "-m", f"{n}")
        self.git(repo, "repack", "-adq")
        return repo

    def layout(self, size):
        """An OCI layout with an image `base` of one layer that does not compress."""
        at = self.work / "layout"
        if at.exists():
            return at
        (at / "blobs" / "sha256").mkdir(parents=True)

        def put(data):
            digest = hashlib.sha256(data).hexdigest()
            (at / "blobs" / "sha256" / digest).write_bytes(data)
            return {"digest": "sha256:" + digest, "size": len(data)}
        raw = self.work / "layer.tar"
        with open(self.work / "random", "wb") as out:
            for _ in range(size >> 20):
                out.write(os.urandom(1 << 20))
        with tarfile.open(raw, "w") as tar:
            tar.add(self.work / "random", "data")
        (self.work / "random").unlink()
        data = raw.read_bytes()
        raw.unlink()
        diff_id = "sha256:" + hashlib.sha256(data).hexdigest()
        layer = dict(put(gzip.compress(data, 0, mtime=0)), mediaType="application/vnd.oci.image.layer.v1.tar+gzip")
        config = dict(put(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                                      "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()),
                      mediaType="application/vnd.oci.image.config.v1+json")
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = dict(put(json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config,
                                        "layers": [layer]}).encode()), mediaType=kind,
                        annotations={"org.opencontainers.image.ref.name": "base"})
        (at / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (at / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        return at

    def seed(self, name):
        subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{self.layout(GIB)}:base",
                        f"docker://{self.host}/{name}:base"], check=True, env=self.env, stdout=subprocess.DEVNULL)

    def ours(self, to, base, rev="HEAD"):
        return [self.bin / "branchline", "push-image", "--to", to, "--image-base", base, "--commit", rev]

    # --- Parts ------------------------------------------------------------------------------------------

    def part_append(self):
        rounds = self.rounds
        self.seed("demo")
        repo = self.commits("small", rounds + 2, 50, 1 << 20)
        place, base = f"{self.host}/demo", f"{self.host}/demo:base"
        # the runner's layer is sent once per repository
        self.run(self.ours(place, base, f"HEAD~{rounds + 1}"), repo)
        subprocess.run(f"git -C {repo} archive --prefix=opt/ml/code/ HEAD | gzip -6 > {self.work}/code.tgz", shell=True,
                       check=True, env=self.env)
        rows = {"branchline push-image": lambda n: (self.ours(place, base, f"HEAD~{rounds - n}"), repo)}
        if find("crane"):
            append = f"{find('crane')} append --insecure -b {base} -f {self.work}/code.tgz -t {place}:$1"
            rows["crane append (layer made before)"] = lambda n: (["sh", "-c", append, "sh", f"c{n}"], repo)
            made = f"git archive --prefix=opt/ml/code/ HEAD~$2 | gzip -6 > {self.work}/code.tgz && " + append
            rows["git archive, gzip -6, crane append"] = lambda n: (["sh", "-c", made, "sh", f"d{n}", rounds - n], repo)
        few = ()
        if find("buildah"):
            (self.work / "tree").mkdir()
            own = f"b='buildah --root {self.work}/bs --runroot {self.work}/br'; "
            script = own + (f"c=$($b from --tls-verify=false {base}) && git archive HEAD | tar -xC {self.work}/tree && "
                            f"$b copy -q $c {self.work}/tree /opt/ml/code && $b commit -q --rm $c x && "
                            f"$b push -q --tls-verify=false x docker://{place}:$1")
            fresh = own + "$b rm -a >/dev/null; $b rmi -af >/dev/null; "
            few = ("buildah from, copy, commit, push; base to be pulled",)
            rows[few[0]] = lambda n: (["sh", "-c", fresh + script, "sh", f"b{n}"], repo)
            rows["buildah, base in its store"] = lambda n: (["sh", "-c", script, "sh", f"s{n}"], repo)
        seen = self.compare(rows, few=few)
        self.table("Append a 50-file 1 MB commit to a 1 GiB base in the same repository", seen, "branchline push-image")
        told = json.loads(subprocess.run([*self.ours(place, base), "--json", "--tag", "again"], cwd=repo, env=self.env,
                                         capture_output=True, text=True, check=True).stdout)
        print(f"\nRequests of an append: {self.requests(repo, place, base)}; code layer {told['pushed_bytes']} bytes sent "
              "when it was there.\n")

    def requests(self, repo, place, base):
        """Of a commit that nobody pushed yet."""
        (repo / "d00" / "new.py").write_text("one line\n")
        self.git(repo, "add", "-A")
        self.git(repo, "commit", "-q", "-m", "new")
        done = subprocess.run([*self.ours(place, base), "--json"], cwd=repo, env=self.env, capture_output=True,
                              text=True, check=True)
        return json.loads(done.stdout)["requests"]

    def part_unchanged(self):
        repo = self.work / "small"
        if not repo.exists():
            self.seed("demo")
            repo = self.commits("small", 1, 50, 1 << 20)
        place, base = f"{self.host}/demo", f"{self.host}/demo:base"
        self.run(self.ours(place, base), repo)
        seen = self.compare({
            "branchline push-image": lambda n: (self.ours(place, base), repo),
            "skopeo copy (same image)": lambda n: (
                ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{base}",
                 f"docker://{place}:copy"], None)})
        self.table("An unchanged commit again", seen, "branchline push-image")

    def part_newlayer(self):
        repo = self.work / "tiny"
        repo = self.commits("tiny", 1, 1, 1000) if not repo.exists() else repo
        base = self.layout(GIB)
        rounds = min(self.rounds, 3)
        seen = self.compare({
            "branchline push-image": lambda n: (self.ours(f"{self.host}/ours{n}", f"oci:{base}:base"), repo),
            # without what it remembers of other repositories: it would mount the layer from there
            "skopeo copy": lambda n: (["unshare", "-m", "sh", "-c",
                                       "mkdir -p /var/lib/containers/cache && mount -t tmpfs none /var/lib/containers/cache "
                                       f"&& exec skopeo copy --dest-tls-verify=false oci:{base}:base "
                                       f"docker://{self.host}/skopeo{n}:x"], None)}, rounds)
        self.table("A 1 GiB layer that the registry does not have, from an OCI layout", seen, "branchline push-image")

    def part_tree(self):
        repo = self.commits("many", 1, 50_000, 200 << 20)
        self.layout_small()
        out = self.work / "out"
        rows = {"branchline push-image --to oci:DIR": lambda n: (
            self.ours(f"oci:{self.work}/o{n}", f"oci:{self.work}/small-layout:base"), repo)}
        for name, words in (("gzip -6", ["gzip", "-6"]), ("pigz -6", ["pigz", "-6"]), ("pigz -1", ["pigz", "-1"]),
                            ("igzip -1", ["igzip", "-1"])):
            if find(words[0]):
                script = f"git archive HEAD | {' '.join(words)} > {out}.{words[0]}{words[1]}"
                rows[f"git archive \\| {name}"] = lambda n, script=script: (["sh", "-c", script], repo)
        seen = self.compare(rows, min(self.rounds, 3))
        told = json.loads(subprocess.run([*self.ours(f"oci:{self.work}/o1", f"oci:{self.work}/small-layout:base"),
                                          "--json", "--tag", "t"], cwd=repo, env=self.env, capture_output=True, text=True,
                                         check=True).stdout)
        self.table("50,000 files, 200 MB of source text, from a pack to a compressed layer", seen,
                   "branchline push-image --to oci:DIR")
        tar = int(subprocess.run("git archive HEAD | wc -c", shell=True, cwd=repo, env=self.env, capture_output=True,
                                 text=True, check=True).stdout)
        sizes = {path.suffix[1:]: path.stat().st_size / tar for path in self.work.glob("out.*")}
        layer = max((path.stat().st_size for path in (self.work / "o1" / "blobs" / "sha256").iterdir()), default=0)
        print(f"\nSize of a tar of {tar / 1e6:.0f} MB: ours {layer / tar:.3f}, "
              + ", ".join(f"{name} {ratio:.3f}" for name, ratio in sorted(sizes.items())) + f" ({told['digest'][:19]})\n")

    def layout_small(self):
        at = self.work / "small-layout"
        keep, self.work = self.work, self.work / "s"
        self.work.mkdir()
        made = self.layout(1 << 20)
        self.work = keep
        made.rename(at)

    @staticmethod
    def table(title, seen, us):
        print(f"\n### {title}\n\n| | wall ms | CPU ms | peak RSS MiB | our wall | our CPU |\n|---|---|---|---|---|---|")
        mine = [statistics.median(column) for column in zip(*seen[us])]
        for name, rows in seen.items():
            wall, cpu, rss = zip(*rows)
            ratios = (f"{mine[0] / statistics.median(wall):.3f}x | {mine[1] / statistics.median(cpu):.3f}x"
                      if name != us else " | ")
            print(f"| {name} | {spread(wall, 1)} | {spread(cpu, 1)} | {spread(rss, 1)} | {ratios} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    asked = parser.parse_args()
    if not find("docker-registry") or not find("skopeo"):
        print("images: docker-registry and skopeo are not there; left out")
        return
    print("## Images\n\n" + "; ".join((
        version_of(asked.bin / "branchline", "--version"), version_of("skopeo", "--version"),
        "crane " + (version_of(find("crane"), "version") if find("crane") else "not there"),
        version_of("buildah", "--version"), version_of("pigz", "--version"), version_of("igzip", "--version"))))
    work = pathlib.Path(tempfile.mkdtemp(prefix="bl-image-", dir="/dev/shm"))
    bench = Bench(asked.bin.absolute(), asked.tools.absolute(), work, asked.rounds)
    try:
        for part in asked.part or PARTS:
            getattr(bench, "part_" + part)()
    finally:
        bench.close()
        shutil.rmtree(work, ignore_errors=True)


main()
