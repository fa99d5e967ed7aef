# SPDX-License-Identifier: Apache-2.0
"""F06: names that do not resolve, and an address that nobody answers at, in a network of our own."""
import os
import shutil
import subprocess
import time

import pytest

from conftest import PATIENCE

CAN_UNSHARE = shutil.which("unshare") and subprocess.run(
    ["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not CAN_UNSHARE, reason="a network namespace needs root, unshare and ip")

ADDRESS = "2001:db8::5"
# A cable whose other end is nobody's: what is sent there is dropped without a word.
DEAD_LINK = ("ip link add dead type veth peer name end && ip link set dead up && "
             "ip link set end up && "
             "ip -6 addr add 2001:db8::1/64 dev dead nodad && "
             f"ip -6 neigh add {ADDRESS} lladdr 02:00:00:00:00:05 dev dead")


def whoami(branchline, folder, hosts, prepare="true", **extra):
    """In a network where only /etc/hosts knows names."""
    (folder / "hosts").write_text(hosts)
    (folder / "resolv.conf").write_text("")
    script = ("mount --make-rprivate / && mount --bind hosts /etc/hosts && "
              "mount --bind resolv.conf /etc/resolv.conf && ip link set lo up && "
              f"{prepare} && exec \"$0\" whoami")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ACCESS_KEY_ID": "a",
           "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
           "AWS_ENDPOINT_URL": "https://peer.test", "BRANCHLINE_DEBUG": "1"} | extra
    began = time.monotonic()
    done = subprocess.run(["unshare", "--net", "--mount", "sh", "-c", script, str(branchline)], env=env,
                          cwd=folder, capture_output=True, text=True, timeout=3 * PATIENCE)
    return done, time.monotonic() - began


def test_a_name_that_does_not_resolve_is_named(branchline, tmp_path):
    done, _ = whoami(branchline, tmp_path, "127.0.0.1 localhost\n")
    assert done.returncode == 75, done.stderr
    assert "peer.test" in done.stderr and "3 attempts" in done.stderr
    # glibc gives up at once; musl asks silent name servers until the deadline: "Resolving timed out"
    assert "resolve host" in done.stderr or "Resolving timed out" in done.stderr


def test_an_address_that_nobody_answers_at_is_given_up(branchline, tmp_path):
    """Only an AAAA, and that dead: the connect deadline of 5 s holds for each attempt."""
    done, seconds = whoami(branchline, tmp_path, f"{ADDRESS} peer.test\n", prepare=DEAD_LINK,
                           AWS_MAX_ATTEMPTS="2")
    assert done.returncode == 75, done.stderr
    assert "peer.test" in done.stderr and "2 attempts" in done.stderr
    assert seconds >= 5, done.stderr  # it did wait: the address swallowed what was sent
