#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A launch of docs/benchmarks.md: its requests, its CPU, and the time from the label to CreateFleet.

    tests/bench/launch.py [--rounds N] BIN [TOOLS]

AWS, the registry and GitHub are the tests' own peers on loopback, so that what is left is ours. Each
round is a commit of its own, labelled: guard, push-image, launch. Round 1 is dropped: it sends the host
program. Nothing here is asserted by a test.
"""
import argparse
import collections
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
try:
    import pytest  # noqa: F401: what the peers' helpers are made with
except ImportError:
    python = ROOT / "build" / "venv" / "bin" / "python"
    if sys.executable == str(python) or not python.exists():
        raise
    os.execv(python, [python, *sys.argv])

from cloud import Peer  # noqa: E402
from github_fake import GitHub  # noqa: E402
from launches import YAML, Launches  # noqa: E402
from registries import BASE_LAYERS, Layout  # noqa: E402


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


class Timed:
    """One verb: wall and CPU milliseconds, peak RSS in MiB."""

    def __init__(self, words, cwd, env):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"{words[1]}: exit {done.returncode}\n{done.stderr}")
        self.began, self.wall = began, (time.monotonic() - began) * 1000
        self.cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def one_round(launches, base, number):
    """A commit, its label, and all verbs up to the machine; what they took and asked."""
    peer, github = launches.peer, launches.github
    launches.commit(YAML, number=str(number))
    env = launches.job(GITHUB_RUN_ID=str(5000 + number))
    program = launches.bin / "branchline"
    guard = Timed([program, "guard"], launches.repo.path, env)
    push = Timed([program, "push-image", "--to", f"{peer.registry}/demo", "--image-base", base],
                 launches.repo.path, env)
    before, hub_before = len(peer.log()), len(github.log())
    launch = Timed([program, "launch"], launches.repo.path, env)
    asked = peer.log()[before:]
    for box in peer.instances(live=True):
        peer.instance(box["id"], state="terminated")
    return {"guard": guard, "push": push, "launch": launch, "requests": asked,
            "github": [entry["operation"] for entry in github.log()[hub_before:]]}


def show(rounds):
    launch = [one["launch"] for one in rounds]
    whole = [one["guard"].wall + one["push"].wall + one["launch"].wall for one in rounds]
    print("### A launch\n\nAim: 60 ms of CPU; 2 s from the label to CreateFleet, on peers that answer at once.\n")
    print("| | wall ms | CPU ms |\n|---|---|---|")
    print(f"| branchline launch | {spread([one.wall for one in launch])} | **{spread([one.cpu for one in launch])}** |")
    print(f"| label to machine: guard, push-image, launch | **{spread(whole)}** | "
          f"{spread([one['guard'].cpu + one['push'].cpu + one['launch'].cpu for one in rounds])} |\n")
    last = rounds[-1]
    found = collections.Counter((entry["service"], entry["operation"]) for entry in last["requests"])
    found.update(("github", operation) for operation in last["github"])
    print(f"{sum(found.values())} requests of `launch`:\n\n| service | requests |\n|---|---|")
    for service in dict.fromkeys(service for service, _ in found):
        told = [f"{operation}{f' x {count}' if count > 1 else ''}"
                for (name, operation), count in found.items() if name == service]
        print(f"| {service} | {', '.join(told)} |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path, nargs="?")
    options = parser.parse_args()
    peer, github = Peer(), GitHub()
    try:
        peer.reset()
        github.reset()
        github.made = set()
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
            launches = Launches(pathlib.Path(work), options.bin.absolute(), peer, github)
            layout = Layout(pathlib.Path(work) / "base")
            layout.image("base", BASE_LAYERS)
            rounds = [one_round(launches, f"oci:{layout.path}:base", n) for n in range(options.rounds)]
        show(rounds[1:])
    finally:
        peer.stop()
        github.stop()


if __name__ == "__main__":
    main()
