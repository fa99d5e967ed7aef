# SPDX-License-Identifier: Apache-2.0
"""Objects in parts, both ways, against the strict peer: faults, changing files, kills."""
import os
import signal
import subprocess

import pytest

from cloud import env_of
from conftest import until
from transfer_drive import CORRUPT, DENIED, NO_SPACE, PART, end, noise


# --- Faults ---------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("operation, size", [("PutObject", 10),
                                             ("CompleteMultipartUpload", 2 * PART)])
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


# --- The source and the target --------------------------------------------------------------------


def held_upload(drive, peer, processes, size, operation, env=None):
    """The driver in the middle of an upload: its first request of that kind waits at the peer."""
    drive.file("f", noise(size))
    peer.script(operation=operation, hold="h", count=1)
    process = drive.start("put k f", processes=processes, env=env, options=["at_once=1"])
    until(lambda: any(entry.get("held") == "h" for entry in peer.log(operation)), "a request waits")
    return process


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


# --- Kills ----------------------------------------------------------------------------------------

UPLOAD_KILLS = ["s3.upload.before_create", "s3.upload.after_create", "s3.upload.part",
                "s3.upload.part@3", "s3.upload.before_complete", "s3.upload.after_complete"]
DOWNLOAD_KILLS = ["s3.download.part", "s3.download.part@3", "s3.download.body",
                  "s3.download.body@3", "s3.download.before_verify"]


def kill_at(drive, peer, command, where):
    """The driver dies at a failpoint; @: at which of the times that it gets there."""
    name, _, times = where.partition("@")
    fail = f"{name}=kill" + (f"@{times}" if times else "")
    process = drive.start(command, env=env_of(peer, BRANCHLINE_FAILPOINT=fail))
    end(process)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("where", UPLOAD_KILLS)
def test_killed_in_an_upload_nothing_torn_is_seen(drive, peer, where):
    drive.file("f", noise(3 * PART + 1))
    kill_at(drive, peer, "put k f", where)
    if where == "s3.upload.after_complete":
        assert peer.get("k") == noise(3 * PART + 1)
    else:
        assert "k" not in peer.objects()
    assert drive.run("put k f")["k"][0] == "ok"
    assert peer.get("k") == noise(3 * PART + 1)


@pytest.mark.parametrize("where", DOWNLOAD_KILLS)
def test_killed_in_a_download_nothing_torn_is_seen(drive, peer, where):
    peer.put("k", noise(3 * PART + 1))
    kill_at(drive, peer, "get k out", where)
    assert not (drive.cwd / "out").exists()
    assert drive.run("get k out")["k"][0] == "ok"
    assert (drive.cwd / "out").read_bytes() == noise(3 * PART + 1)
