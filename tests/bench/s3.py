#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""S3 transfers of docs/benchmarks.md: ours beside the peers', in turn, on one server.

    tests/bench/s3.py [--rounds N] [--part NAME]... BIN TOOLS

BIN holds the static programs, TOOLS the built tests/bench/*.c (s3_server and measure). Parts: get1g
put1g get64k put64k noop latency oidc. Files lie in memory (/dev/shm), the server on loopback, plain HTTP. Round 1 is
dropped. As root all of it runs in a network namespace of its own, with the server at port 80: one peer knows
no other. Nothing here is asserted by a test.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BIG, SMALL, KEYS = 1 << 30, 64 << 10, 10_000
AWS = ["/usr/bin/aws", "--endpoint-url", "http://127.0.0.1"]
PARTS = ("get1g", "put1g", "get64k", "put64k", "noop", "latency", "oidc")


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


class Server:
    """tests/bench/s3_server, ended with us; its CPU seconds."""

    def __init__(self, tools, *args):
        self.process = subprocess.Popen([tools / "s3_server", *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def cpu(self):
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def counts(self):
        import urllib.request
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + "/_counts") as reply:
            words = reply.read().split()
        return dict(zip(("lists", "heads", "gets", "puts", "others", "in", "out"), map(int, words)))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Bench:
    def __init__(self, bin_dir, tools, work, rounds):
        self.bin, self.tools, self.work, self.rounds = bin_dir, tools, work, rounds
        self.server = None
        (work / "home" / ".aws").mkdir(parents=True)
        (work / "home" / ".aws" / "config").write_text(
            "[default]\nregion = us-east-1\n"
            "[profile crt]\nregion = us-east-1\ns3 =\n  preferred_transfer_client = crt\n")

    def env(self, **extra):
        url = self.server.url
        return {"PATH": os.environ["PATH"], "HOME": str(self.work / "home"), "LANG": "C.UTF-8",
                "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": url,
                "S3_ENDPOINT_URL": url, "RCLONE_CONFIG_N_TYPE": "s3",
                "RCLONE_CONFIG_N_PROVIDER": "Other", "RCLONE_CONFIG_N_ENV_AUTH": "true",
                "RCLONE_CONFIG_N_ENDPOINT": url, "RCLONE_CONFIG": "/dev/null"} | extra

    def one(self, command, extra, cwd):
        """wall s, CPU s, peak RSS MiB, status; and the server's CPU s and counts."""
        self.server.counts()
        before = self.server.cpu()
        done = subprocess.run([self.tools / "measure", "1", *map(str, command)], cwd=cwd,
                              env=self.env(**extra), stdout=subprocess.PIPE, check=True, text=True)
        _, wall, cpu, rss, status = done.stdout.split()
        return {"wall": float(wall) / 1e6, "cpu": float(cpu) / 1e6, "rss": int(rss) / 1024,
                "status": int(status), "server": self.server.cpu() - before,
                "counts": self.server.counts()}

    def compare(self, title, commands, unit, before=None, note="", check=None):
        """commands: name -> (argv, extra env); unit: (divisor, name of CPU column)."""
        runs = {name: [] for name in commands}
        for round_ in range(self.rounds + 1):
            for name, (argv, extra) in commands.items():
                cwd = self.work / "run"
                shutil.rmtree(cwd, ignore_errors=True)
                cwd.mkdir()
                if before:
                    before(cwd)
                result = self.one(argv, extra, cwd)
                if check and not check(cwd):
                    result["status"] = result["status"] or "incomplete"
                if round_:
                    runs[name].append(result)
        shutil.rmtree(self.work / "run", ignore_errors=True)
        self.print(title, runs, unit, note)

    def print(self, title, runs, unit, note):
        ours = next(iter(runs))
        divisor, column = unit
        good = {n: r for n, r in runs.items() if n == ours or not any(x["status"] for x in r)}
        median = {n: statistics.median(x["cpu"] for x in r) for n, r in good.items()}
        wall = {n: statistics.median(x["wall"] for x in r) for n, r in good.items()}
        print(f"\n### {title}\n\n{note}\n" if note else f"\n### {title}\n")
        print(f"| client | {column} | ours / it | wall s | ours / it | peak RSS MiB | server CPU s | requests |")
        print("|---|---|---|---|---|---|---|---|")
        for name, rs in runs.items():
            bad = {x["status"] for x in rs if x["status"]}
            if bad:
                print(f"| {name} FAILED ({', '.join(map(str, bad))}) | | | | | | | |")
                continue
            counts = rs[-1]["counts"]
            asked = " ".join(f"{counts[k]} {k}" for k in ("lists", "heads", "gets", "puts", "others")
                             if counts[k])
            print(f"| {name} | {spread([x['cpu'] / divisor for x in rs])} | "
                  f"{median[ours] / median[name]:.2f} | {spread([x['wall'] for x in rs])} | "
                  f"{wall[ours] / wall[name]:.2f} | {max(x['rss'] for x in rs):.1f} | "
                  f"{statistics.median(x['server'] for x in rs):.2f} | {asked} |")
        print(flush=True)

    # --- The parts ----------------------------------------------------------------------------

    def peers(self, argvs):
        """Those that are installed; an old aws-cli knows only the option for another endpoint."""
        have = {"s5cmd": "s5cmd", "rclone": "rclone", "aws": "/usr/bin/aws"}
        return {name: ([self.server.url if word == AWS[2] else word for word in argv], extra)
                for name, (argv, extra) in argvs.items()
                if shutil.which(have.get(str(argv[0]), str(argv[0])))}

    def ours(self, *args):
        """Unsigned payload as over TLS, and signed as over plain HTTP."""
        argv = [self.bin / "branchline", "sync", *args]
        return {"branchline, unsigned + CRC64NVME": (argv, {"BRANCHLINE_S3_UNSIGNED": "1"}),
                "branchline, signed payload": (argv, {})}

    def get1g(self):
        def whole(cwd):
            return any(f.stat().st_size == BIG for f in cwd.rglob("*") if f.is_file())
        ours = {"branchline sync": ([self.bin / "branchline", "sync", "s3://bench/big/", "out"], {})}
        self.compare("GET of one object of 1 GiB to a file", ours | self.peers({
            "s5cmd": (["s5cmd", "cp", "s3://bench/big/1g", "1g"], {}),
            "rclone, 8 streams": (["rclone", "copyto", "n:bench/big/1g", "1g", "--multi-thread-streams", "8"], {}),
            "aws s3 cp": ([*AWS, "s3", "cp", "s3://bench/big/1g", "1g"], {}),
            "aws s3 cp, CRT": ([*AWS, "s3", "cp", "s3://bench/big/1g", "1g"], {"AWS_PROFILE": "crt"}),
        }), (BIG / 1e9, "CPU s/GB"), check=whole)

    def put1g(self):
        folder = self.work / "big"
        folder.mkdir()
        with open(folder / "1g", "wb") as to:
            piece = os.urandom(16 << 20)
            for _ in range(BIG // len(piece)):
                to.write(piece)
        self.compare("PUT of one file of 1 GiB", self.ours(f"{folder}/", "s3://bench/up/") | self.peers({
            "s5cmd": (["s5cmd", "cp", f"{folder}/1g", "s3://bench/up/1g"], {}),
            "rclone": (["rclone", "copyto", f"{folder}/1g", "n:bench/up/1g", "--s3-no-check-bucket"], {}),
            "aws s3 cp": ([*AWS, "s3", "cp", f"{folder}/1g", "s3://bench/up/1g"], {}),
            "aws s3 cp, CRT": ([*AWS, "s3", "cp", f"{folder}/1g", "s3://bench/up/1g"], {"AWS_PROFILE": "crt"}),
        }), (BIG / 1e9, "CPU s/GB"))
        shutil.rmtree(folder)

    def small_files(self, old=False):
        folder = self.work / "small"
        folder.mkdir()
        piece = os.urandom(SMALL)
        for i in range(KEYS):
            path = folder / f"{i:05d}"
            path.write_bytes(piece)
            if old:
                os.utime(path, (1.6e9, 1.6e9))
        return folder

    def get64k(self):
        def whole(cwd):
            return sum(1 for f in cwd.rglob("*") if f.is_file()) == KEYS
        ours = {"branchline sync": ([self.bin / "branchline", "sync", "s3://bench/small/", "out"], {})}
        self.compare("GET of 10,000 objects of 64 KiB", ours | self.peers({
            "s5cmd": (["s5cmd", "cp", "s3://bench/small/*", "out/"], {}),
            "rclone, 32 transfers": (["rclone", "copy", "n:bench/small", "out", "--transfers", "32"], {}),
        }), (KEYS / 1e6, "CPU us per object"), check=whole)

    def put64k(self):
        folder = self.small_files()
        self.compare("PUT of 10,000 files of 64 KiB", self.ours(f"{folder}/", "s3://bench/up/") | self.peers({
            "s5cmd": (["s5cmd", "cp", f"{folder}/", "s3://bench/up/"], {}),
            "rclone, 32 transfers": (["rclone", "copy", folder, "n:bench/up", "--transfers", "32",
                                      "--s3-no-check-bucket"], {}),
        }), (KEYS / 1e6, "CPU us per object"))
        shutil.rmtree(folder)

    def noop(self):
        folder = self.small_files(old=True)
        self.compare("Sync of 10,000 files that are all there", {
            "branchline sync": ([self.bin / "branchline", "sync", f"{folder}/", "s3://bench/small/"], {}),
        } | self.peers({
            "s5cmd sync": (["s5cmd", "sync", f"{folder}/", "s3://bench/small/"], {}),
            "aws s3 sync": ([*AWS, "s3", "sync", f"{folder}/", "s3://bench/small/"], {}),
        }), (1, "CPU s"))
        shutil.rmtree(folder)

    def latency(self):
        """Each reply waits 25 ms: what counts is how many are under way."""
        plain, self.server = self.server, Server(self.tools, "--md5", "--delay", "25")
        ours = {"branchline sync --at-once 128":
                ([self.bin / "branchline", "sync", "--at-once", "128", "s3://bench/small/", "out"], {})}
        self.compare("GET of 10,000 objects of 64 KiB, each reply 25 ms late", ours | self.peers({
            "s5cmd, 256 workers": (["s5cmd", "cp", "s3://bench/small/*", "out/"], {}),
            "rclone, 128 transfers": (["rclone", "copy", "n:bench/small", "out", "--transfers", "128"], {}),
        }), (KEYS / 1e6, "CPU us per object"))
        self.server.close()
        self.server = plain

    def oidc(self):
        """GitHub's token, then STS: both on loopback."""
        url = self.server.url
        self.compare("Credentials by OIDC: `branchline credentials`", {
            "branchline credentials": ([self.bin / "branchline", "credentials"], {
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/_oidc?x=1",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/train"}),
        }, (1e-3, "CPU ms"))


def versions():
    for argv in (["s5cmd", "version"], ["rclone", "version"], ["/usr/bin/aws", "--version"]):
        if shutil.which(argv[0]):
            done = subprocess.run(argv, capture_output=True, text=True)
            print("- " + ", ".join(done.stdout.split("\n")[:1]))
        else:
            print(f"- {argv[0]}: not here, left out")


def own_network():
    """As root: a network namespace of our own, so that port 80 is free."""
    if os.geteuid() or os.environ.get("BRANCHLINE_BENCH_NETWORK") or not shutil.which("unshare"):
        return
    os.environ["BRANCHLINE_BENCH_NETWORK"] = "own"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    args = parser.parse_args()
    own_network()
    port = []
    if os.environ.get("BRANCHLINE_BENCH_NETWORK"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        port = ["--port", "80"]
    venv = pathlib.Path("build/venv/bin").absolute()
    os.environ["PATH"] = f"{venv}:{os.environ['PATH']}"
    print(f"## S3 on loopback, plain HTTP, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}\n")
    versions()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="branchline-bench-") as work:
        bench = Bench(args.bin.absolute(), args.tools.absolute(), pathlib.Path(work), args.rounds)
        bench.server = Server(bench.tools, "--md5", *port)
        try:
            for part in args.part or PARTS:
                getattr(bench, part)()
        finally:
            bench.server.close()


if __name__ == "__main__":
    main()
