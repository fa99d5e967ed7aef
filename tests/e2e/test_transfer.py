# SPDX-License-Identifier: Apache-2.0
"""Objects in parts, both ways, against the strict peer: sizes, faults, changing files, kills.

The driver is the unit test's program (tests/unit/transfer_drive.h): parts of a few KiB, so that
what takes gigabytes in life takes kilobytes here.
"""
import os
import pathlib
import random
import signal
import subprocess
import threading

import pytest

from cloud import BUCKET, env_of
from conftest import PATIENCE, until
from flipper import Flipper

PART = 64 << 10
SIZES = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1]
IS_THERE, ABSENT, DENIED, CORRUPT, NO_SPACE = 4, 5, 6, 8, 9  # enum bl_code


@pytest.fixture(scope="session")
def driver(bin_dir):
    path = bin_dir.parent / "tests" / "test_transfer"
    if not path.exists():
        pytest.skip("the driver of the transfers is not built beside these programs")
    return path


class Drive:
    """Runs commands in the driver; what it said is kept by key."""

    def __init__(self, driver, peer, cwd):
        self.driver, self.peer, self.cwd = driver, peer, cwd
        peer.options(min_part=1)

    def start(self, *commands, options=(), env=None, processes=None):
        process = subprocess.Popen([self.driver, BUCKET, f"part={PART}", *options], cwd=self.cwd,
                                   env=env or env_of(self.peer), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if processes is not None:
            processes.append(process)
        process.stdin.write("".join(command + "\n" for command in commands))
        process.stdin.close()
        return process

    def run(self, *commands, **more):
        """{key: words after it}; a failed one: ("failed", code, text)."""
        process = self.start(*commands, **more)
        out, err = process.stdout.read(), process.stderr.read()
        status = process.wait(timeout=PATIENCE)
        told = {}
        for line in out.splitlines():
            what, key, rest = line.split(" ", 2)
            if what == "failed":
                code, text = rest.split(" ", 1)
                told[key] = ("failed", int(code), text)
            elif what == "ok":
                told[key] = ("ok", *rest.split(" "))
        assert status in (0, 1), f"{status}: {out}{err}"
        assert (status == 1) == any(words[0] == "failed" for words in told.values())
        return told

    def file(self, name, data):
        (self.cwd / name).write_bytes(data)
        return data


@pytest.fixture
def drive(driver, peer, tmp_path):
    return Drive(driver, peer, tmp_path)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def bodies(peer, operation):
    return peer.log(operation)


# --- Sizes ------------------------------------------------------------------------------------------


@pytest.mark.sample
@pytest.mark.parametrize("options", [[], ["sha256"], ["at_once=1"]], ids=["crc", "sha256", "one"])
def test_every_size_goes_both_ways(drive, peer, options):
    for size in SIZES:
        drive.file(f"f{size}", noise(size, size))
    told = drive.run(*[f"put k{size} f{size}" for size in SIZES], options=options)
    for size in SIZES:
        assert told[f"k{size}"][:2] == ("ok", str(size)), told
        assert peer.get(f"k{size}") == noise(size, size)
    assert peer.uploads() == []
    etags = {key: entry["etag"] for key, entry in peer.objects().items()}
    crcs = {key: words[2] for key, words in told.items()}
    for ask in (lambda s: f"get k{s} g{s} {s} " + etags[f"k{s}"], lambda s: f"get k{s} g{s} {s}",
                lambda s: f"get k{s} g{s}"):
        told = drive.run(*[ask(size) for size in SIZES], options=options)
        for size in SIZES:
            assert told[f"k{size}"] == ("ok", str(size), crcs[f"k{size}"], etags[f"k{size}"])
            assert (drive.cwd / f"g{size}").read_bytes() == noise(size, size)


def test_every_upload_carries_a_checksum_and_what_is_known_is_not_asked(drive, peer):
    drive.file("small", noise(100))
    drive.file("large", noise(2 * PART + 5))
    drive.run("put small small", "put large large")
    assert sorted(peer.operations()) == sorted(
        ["PutObject", "CreateMultipartUpload"] + 3 * ["UploadPart"] + ["CompleteMultipartUpload"])
    for operation in ("PutObject", "UploadPart", "CompleteMultipartUpload"):
        for entry in peer.log(operation):
            assert "x-amz-checksum-crc64nvme" in entry["headers"]
    complete, = peer.log("CompleteMultipartUpload")
    assert complete["headers"]["x-amz-mp-object-size"] == str(2 * PART + 5)
    create, = peer.log("CreateMultipartUpload")
    assert create["headers"]["x-amz-checksum-type"] == "FULL_OBJECT"

    after = len(peer.log())
    etag = peer.objects()["large"]["etag"]
    drive.run("get small s 100", f"get large l {2 * PART + 5} {etag}")
    assert sorted(peer.operations(after)) == ["GetObject"] * 4 + ["HeadObject"]
    ranged = [e for e in peer.log("GetObject", after) if e["key"] == "large"]
    assert all(entry["headers"]["if-match"] == etag for entry in ranged)


def test_a_prefix_of_a_longer_file(drive, peer):
    data = drive.file("f", noise(3 * PART))
    told = drive.run(f"put a f {PART // 2}", f"put b f {2 * PART + 1}")
    assert [told[key][1] for key in "ab"] == [str(PART // 2), str(2 * PART + 1)]
    assert peer.get("a") == data[:PART // 2] and peer.get("b") == data[:2 * PART + 1]


def test_create_replaces_nothing(drive, peer):
    drive.file("small", b"new")
    drive.file("large", noise(PART + 1))
    peer.put("small", b"old")
    peer.put("large", b"old")
    told = drive.run("create small small", "create large large", "create fresh large")
    assert told["small"][:2] == told["large"][:2] == ("failed", IS_THERE)
    assert told["fresh"][0] == "ok"
    assert peer.get("small") == peer.get("large") == b"old"
    assert peer.uploads() == []


def test_an_object_that_is_not_there(drive, peer):
    told = drive.run("get gone a", "get gone2 b 10", f"get gone3 c {PART * 3}")
    assert {words[:2] for words in told.values()} == {("failed", ABSENT)}, told


def test_an_archived_object_names_the_restore_command(drive, peer):
    peer.put("cold", b"x" * 10, storage_class="GLACIER")
    told = drive.run("get cold a 10")
    assert told["cold"][:2] == ("failed", DENIED) and "restore-object" in told["cold"][2]


# --- Checksums --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["", " SIZE", " SIZE ETAG"], ids=["nothing", "size", "etag"])
@pytest.mark.parametrize("size", [1000, 2 * PART + 7])
def test_a_flipped_bit_in_a_download_is_caught(drive, peer, size, ask):
    peer.put("k", noise(size))
    ask = ask.replace("SIZE", str(size)).replace("ETAG", peer.objects()["k"]["etag"])
    peer.script(operation="GetObject", flip_bit=4321)
    assert drive.run("get k out" + ask)["k"][0] == "ok"  # once more, and it is right
    assert (drive.cwd / "out").read_bytes() == noise(size)
    (drive.cwd / "out").unlink()
    peer.script(operation="GetObject", flip_bit=4321, count=0)
    told = drive.run("get k out" + ask)
    assert told["k"][:2] == ("failed", CORRUPT) and "CRC64NVME" in told["k"][2]
    assert not (drive.cwd / "out").exists()


@pytest.mark.parametrize("size", [1000, 2 * PART + 7])
def test_what_lies_there_spoilt_is_never_taken(drive, peer, size):
    peer.put("k", noise(size))
    peer.corrupt("k", bit=777)
    told = drive.run(f"get k out {size}")
    assert told["k"][:2] == ("failed", CORRUPT)
    assert not (drive.cwd / "out").exists()


@pytest.mark.parametrize("operation, size", [("PutObject", 1000), ("UploadPart", 2 * PART)])
def test_a_flipped_bit_in_an_upload_is_caught(drive, peer, operation, size):
    drive.file("f", noise(size))
    with Flipper(peer.url, times=1) as proxy:
        assert drive.run("put k f", env=dict(env_of(peer), AWS_ENDPOINT_URL=proxy.url))["k"][0] == "ok"
        assert proxy.flipped == 1
    assert peer.get("k") == noise(size)
    peer.remove("k")
    with Flipper(peer.url, times=1000) as proxy:
        told = drive.run("put k f", env=dict(env_of(peer), AWS_ENDPOINT_URL=proxy.url))
    assert told["k"][0] == "failed", told
    assert "k" not in peer.objects() and peer.uploads() == []


@pytest.mark.parametrize("operation, size", [("PutObject", 10), ("UploadPart", PART + 1)])
def test_a_wrong_checksum_in_the_reply_is_not_believed(drive, peer, operation, size):
    drive.file("f", noise(size))
    peer.script(operation=operation, wrong_checksum=True, count=1)
    assert drive.run("put k f")["k"][0] == "ok"
    assert peer.pending() == []
    peer.script(operation=operation, wrong_checksum=True, count=0)
    told = drive.run("put k f")
    assert told["k"][:2] == ("failed", CORRUPT)
    assert peer.uploads() == []


def test_a_server_without_checksums_is_not_asked_for_them(drive, peer):
    hide = ["x-amz-checksum-crc64nvme", "x-amz-checksum-type"]
    for operation in ("PutObject", "UploadPart", "GetObject", "HeadObject"):
        peer.script(operation=operation, remove_headers=hide, count=0)
    drive.file("small", noise(10))
    drive.file("large", noise(PART * 2))
    told = drive.run("put small small", "put large large", "wait", "get small s", "get large l")
    assert {words[0] for words in told.values()} == {"ok"}
    assert (drive.cwd / "l").read_bytes() == noise(PART * 2)


def test_an_object_with_a_sha256_only(drive, peer):
    drive.file("f", noise(1000))
    drive.run("put k f", options=["sha256"])
    put, = peer.log("PutObject")
    assert "x-amz-checksum-sha256" in put["headers"]
    peer.script(operation="GetObject", flip_bit=99, count=0)
    told = drive.run("get k out 1000")
    assert told["k"][:2] == ("failed", CORRUPT) and "SHA-256" in told["k"][2]


# --- Faults -----------------------------------------------------------------------------------------


def test_throttling_is_waited_out(drive, peer):
    drive.file("f", noise(3 * PART))
    for operation in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        peer.script(operation=operation, error="SlowDown", count=1)
    assert drive.run("put k f")["k"][0] == "ok"
    peer.script(operation="GetObject", error="SlowDown", count=2)
    peer.script(operation="HeadObject", status=503, count=1)
    assert drive.run("get k g")["k"][0] == "ok"
    assert peer.pending() == []
    assert (drive.cwd / "g").read_bytes() == noise(3 * PART)


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("cut", ["before", 0, 1000, "after"])
def test_a_part_that_is_cut_is_sent_again_alone(drive, peer, cut, how):
    drive.file("f", noise(3 * PART))
    peer.script(operation="UploadPart", cut=cut, how=how)
    peer.script(operation="UploadPart", read_cut=PART // 2, nth=3, how=how)
    assert drive.run("put k f")["k"][0] == "ok"
    assert peer.get("k") == noise(3 * PART)
    assert len(peer.log("CreateMultipartUpload")) == 1
    peer.script(operation="GetObject", cut=cut, how=how, cut_from="body")
    assert drive.run("get k g")["k"][0] == "ok"
    assert (drive.cwd / "g").read_bytes() == noise(3 * PART)
    assert len(peer.log("GetObject")) == 4


def test_an_error_inside_a_200_is_repeated_then_the_upload_is_ended(drive, peer):
    drive.file("f", noise(2 * PART))
    peer.script(operation="CompleteMultipartUpload", error_in_200="InternalError: try again")
    assert drive.run("put k f")["k"][0] == "ok"
    assert len(peer.log("CompleteMultipartUpload")) == 2
    peer.remove("k")
    after = len(peer.log())
    peer.script(operation="CompleteMultipartUpload", error_in_200="InternalError: never",
                status=500, count=0)
    told = drive.run("put k f")
    assert told["k"][0] == "failed" and "InternalError" in told["k"][2]
    assert len(peer.log("AbortMultipartUpload", after)) == 1
    assert "k" not in peer.objects() and peer.uploads() == []


def test_an_abort_is_repeated_until_no_part_is_left(drive, peer):
    drive.file("f", noise(2 * PART))
    peer.script(operation="UploadPart", error="AccessDenied", count=0)
    # the first aborts find the upload still there
    peer.script(operation="AbortMultipartUpload", status=204, count=2)
    told = drive.run("put k f")
    assert told["k"][:2] == ("failed", DENIED)
    assert len(peer.log("AbortMultipartUpload")) == 3
    assert peer.uploads() == []


def test_an_abort_that_is_refused_does_not_hide_the_cause(drive, peer):
    drive.file("f", noise(2 * PART))
    peer.script(operation="UploadPart", error="NoSuchBucket", status=404, count=0)
    peer.script(operation="AbortMultipartUpload", error="AccessDenied", count=0)
    told = drive.run("put k f")
    assert told["k"][0] == "failed" and "NoSuchBucket" in told["k"][2]


@pytest.mark.parametrize("operation, size", [("PutObject", 10), ("CompleteMultipartUpload", 2 * PART)])
def test_a_conflict_begins_the_upload_again(drive, peer, operation, size):
    drive.file("f", noise(size))
    peer.script(operation=operation, error="ConditionalRequestConflict", count=1)
    assert drive.run("create k f")["k"][0] == "ok"
    assert peer.get("k") == noise(size) and peer.uploads() == []


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_somebody_ended_begins_again(drive, peer, operation):
    drive.file("f", noise(2 * PART))
    peer.script(operation=operation, error="NoSuchUpload", count=1)
    assert drive.run("put k f")["k"][0] == "ok"
    assert peer.get("k") == noise(2 * PART)


def test_a_completion_whose_reply_was_lost_is_found(drive, peer):
    peer.options(min_part=1, forget_uploads=True)
    drive.file("f", noise(2 * PART))
    peer.script(operation="CompleteMultipartUpload", cut="after")
    assert drive.run("create k f")["k"][0] == "ok"
    assert len(peer.log("CreateMultipartUpload")) == 1
    assert peer.uploads() == []


def test_an_object_that_changes_is_read_once_more(drive, peer):
    size = 3 * PART
    peer.put("k", noise(size, 1))
    etag = peer.objects()["k"]["etag"]
    peer.put("k", noise(size + 9, 2))
    told = drive.run(f"get k out {size} {etag}")
    assert told["k"][:2] == ("ok", str(size + 9))
    assert (drive.cwd / "out").read_bytes() == noise(size + 9, 2)
    peer.script(operation="GetObject", error="PreconditionFailed", count=0)
    told = drive.run(f"get k other {size} {etag}")
    assert told["k"][:2] == ("failed", CORRUPT) and "changed" in told["k"][2]
    peer.put("k", noise(5, 3))  # and one that is small by now
    peer.script()
    assert not (drive.cwd / "other").exists()


def test_another_range_than_asked_for_is_refused(drive, peer):
    peer.put("k", noise(3 * PART))
    peer.script(operation="GetObject", headers={"Content-Range": f"bytes 0-9/{3 * PART}"}, count=0)
    told = drive.run("get k out")
    assert told["k"][:2] == ("failed", CORRUPT)


def test_credentials_that_expire_in_between_are_told(drive, peer):
    """F12 without a way to renew: a clear failure, no parts left that could be ended."""
    drive.file("f", noise(4 * PART))
    peer.script(operation="UploadPart", expire_session=True, nth=2)
    told = drive.run("put k f", env=dict(env_of(peer), **peer.env(peer.session(3600))))
    assert told["k"][0] == "failed" and "Expired" in told["k"][2]
    assert "k" not in peer.objects()


# --- The source and the target --------------------------------------------------------------------------


def held_upload(drive, peer, processes, size, operation, env=None):
    """The driver in the middle of an upload: its first request of that kind waits at the peer."""
    drive.file("f", noise(size))
    peer.script(operation=operation, hold="h", count=1)
    process = drive.start("put k f", processes=processes, env=env, options=["at_once=1"])
    until(lambda: any(entry.get("held") == "h" for entry in peer.log(operation)), "a request waits")
    return process


def end(process):
    out = process.stdout.read()
    process.wait(timeout=PATIENCE)
    return out


@pytest.mark.parametrize("change", ["write", "append", "truncate", "touch"])
def test_a_file_that_changes_while_it_is_uploaded_is_named(drive, peer, processes, change):
    process = held_upload(drive, peer, processes, 3 * PART, "UploadPart")
    path = drive.cwd / "f"
    if change == "write":
        with open(path, "r+b") as file:
            file.seek(2 * PART)
            file.write(b"other")
    elif change == "append":
        with open(path, "ab") as file:
            file.write(b"more")
    elif change == "truncate":
        os.truncate(path, PART)
    else:
        os.utime(path)
    peer.release("h")
    out = end(process)
    assert out.startswith(f"failed k {CORRUPT} ") and "changed" in out and "/k" in out, out
    assert "k" not in peer.objects() and peer.uploads() == []


def test_a_full_disk_is_said_before_the_first_byte(drive, peer, tmpfs_1m):
    peer.put("k", noise(40 * PART))
    told = drive.run("get k full/out")
    assert told["k"][:2] == ("failed", NO_SPACE), told
    peer.put("s", noise(PART))
    (tmpfs_1m / "fill").write_bytes(bytes(1 << 20))
    told = drive.run(f"get s full/out {PART}")
    assert told["s"][:2] == ("failed", NO_SPACE)
    assert [p.name for p in tmpfs_1m.iterdir()] == ["fill"]


@pytest.fixture
def tmpfs_1m(tmp_path):
    path = tmp_path / "full"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", path],
                          capture_output=True)
    if done.returncode:
        pytest.skip("may not mount a small tmpfs here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


# --- Kills ------------------------------------------------------------------------------------------

UPLOAD_KILLS = ["s3.upload.before_create", "s3.upload.after_create", "s3.upload.part",
                "s3.upload.part@3", "s3.upload.before_complete", "s3.upload.after_complete"]
DOWNLOAD_KILLS = ["s3.download.part", "s3.download.part@3", "s3.download.body",
                  "s3.download.body@3", "s3.download.before_verify"]


@pytest.mark.parametrize("where", UPLOAD_KILLS)
def test_killed_in_an_upload_nothing_torn_is_seen(drive, peer, where):
    drive.file("f", noise(3 * PART + 1))
    name, _, times = where.partition("@")
    fail = f"{name}=kill" + (f"@{times}" if times else "")
    process = drive.start("put k f", env=env_of(peer, BRANCHLINE_FAILPOINT=fail))
    end(process)
    assert process.returncode == -signal.SIGKILL
    if where == "s3.upload.after_complete":
        assert peer.get("k") == noise(3 * PART + 1)
    else:
        assert "k" not in peer.objects()
    assert drive.run("put k f")["k"][0] == "ok"
    assert peer.get("k") == noise(3 * PART + 1)


@pytest.mark.parametrize("where", DOWNLOAD_KILLS)
def test_killed_in_a_download_nothing_torn_is_seen(drive, peer, where):
    peer.put("k", noise(3 * PART + 1))
    name, _, times = where.partition("@")
    fail = f"{name}=kill" + (f"@{times}" if times else "")
    process = drive.start("get k out", env=env_of(peer, BRANCHLINE_FAILPOINT=fail))
    end(process)
    assert process.returncode == -signal.SIGKILL
    assert not (drive.cwd / "out").exists()
    assert drive.run("get k out")["k"][0] == "ok"
    assert (drive.cwd / "out").read_bytes() == noise(3 * PART + 1)


# --- Many -------------------------------------------------------------------------------------------


def test_many_small_and_large_at_once(drive, peer):
    (drive.cwd / "in").mkdir()
    for i in range(100):
        drive.file(f"in/{i:05}", noise(i * 37, i))
    drive.file("large", noise(20 * PART))
    told = drive.run("put large large", "many put s/ in 100", "wait", "get large l",
                     *[f"get s/{i:05} out/{i:05} {i * 37}" for i in range(100)])
    assert {words[0] for words in told.values()} == {"ok"} and len(told) == 101
    for i in range(100):
        assert (drive.cwd / f"out/{i:05}").read_bytes() == noise(i * 37, i)
    assert (drive.cwd / "l").read_bytes() == noise(20 * PART)


def test_a_large_one_does_not_keep_the_small_ones_waiting(drive, peer):
    """With all slots taken by parts, each small one still gets its turn."""
    drive.file("large", noise(40 * PART))
    drive.file("small", b"x")
    drive.run("put large large", "put a small", "put b small", options=["at_once=2"])
    order = [entry["key"] for entry in peer.log()]
    assert order.index("a") < 10 and order.index("b") < 12


def test_progress_ends_at_the_size(drive, peer):
    drive.file("f", noise(3 * PART))
    out = end(drive.start("put k f", options=["progress"]))
    steps = [tuple(map(int, line.split()[2:])) for line in out.splitlines()
             if line.startswith("progress")]
    assert steps[-1] == (3 * PART, 3 * PART) and max(steps) == (3 * PART, 3 * PART)
