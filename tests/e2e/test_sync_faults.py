# SPDX-License-Identifier: Apache-2.0
"""branchline sync when it is killed, stopped, refused, cut or short of room."""
import json
import os
import random
import signal
import subprocess

import pytest

from cloud import BUCKET
from conftest import PATIENCE, until
from sync_verb import URI, read, stored, write

LARGE = 20 << 20  # three parts
SOAK = bool(os.environ.get("SOAK"))


@pytest.fixture(scope="session")
def compiled(branchline):
    """Failpoints of the verb; skips where it is built without."""
    done = subprocess.run([branchline, "failpoints"], capture_output=True, text=True,
                          timeout=PATIENCE)
    if done.returncode or not done.stdout:
        pytest.skip("this program is built without failpoints")
    return done.stdout.split()


def leftovers(root):
    return sorted(p.name for p in root.rglob(".bl-*")) if root.exists() else []


SOURCE = {"a": "1", "b/c": "2", "b/large": os.urandom(LARGE), "d": "", "e": "5", "f/g": "6"}
UPLOAD = ["sync.put.before", "s3.upload.before_create", "s3.upload.after_create", "s3.upload.part",
          "s3.upload.part@2", "s3.upload.before_complete", "s3.upload.after_complete"]
DOWNLOAD = ["sync.temp.after", "sync.temp.after@3", "s3.download.part", "s3.download.part@4",
            "s3.download.body", "s3.download.body@9", "s3.download.before_verify",
            "sync.rename.before", "sync.rename.before@3", "fs.sync_all", "fs.sync_all@2"]


def whole_or_absent(found, source):
    for name, body in found.items():
        assert body == source[name], f"{name} is torn: {len(body)} of {len(source[name])} bytes"


@pytest.mark.parametrize("point", UPLOAD)
def test_a_killed_upload_goes_on(sync, peer, tmp_path, compiled, point):
    assert point.split("@")[0] in compiled
    src = write(tmp_path / "src", SOURCE)
    name, at, nth = point.partition("@")
    sync.call("src", URI, "--manifest", "m", status=-signal.SIGKILL,
              BRANCHLINE_FAILPOINT=f"{name}=kill{at}{nth}")
    whole_or_absent(stored(peer), read(src))
    done = sync.totals("src", URI, "--manifest", "m")
    assert done["failed"] == 0
    assert stored(peer) == read(src) and peer.uploads() == []
    assert sync.totals("src", URI)["moved"] == 0
    for line in (tmp_path / "m").read_text().splitlines():
        assert json.loads(line)["name"] in SOURCE
    assert list((tmp_path / "state" / "branchline" / "sync").iterdir()) == []


@pytest.mark.parametrize("point", DOWNLOAD)
def test_a_killed_download_goes_on(sync, peer, tmp_path, compiled, point):
    assert point.split("@")[0] in compiled
    peer.put_many({name: body if isinstance(body, bytes) else body.encode()
                   for name, body in SOURCE.items()})
    name, at, nth = point.partition("@")
    sync.call(URI, "dst", status=-signal.SIGKILL, BRANCHLINE_FAILPOINT=f"{name}=kill{at}{nth}")
    dst = tmp_path / "dst"
    torn = {str(p.relative_to(dst)): p.read_bytes() for p in dst.rglob("*")
            if p.is_file() and not p.name.startswith(".bl-")} if dst.exists() else {}
    whole_or_absent(torn, stored(peer))
    before = sync.mark()
    done = sync.totals(URI, "dst")
    assert done["moved"] + len(torn) == len(SOURCE) and done["equal"] == len(torn)
    assert read(dst) == stored(peer) and leftovers(dst) == []
    assert sync.seen(before).get("GetObject", 0) >= done["moved"] - 1
    assert sync.totals(URI, "dst")["moved"] == 0


@pytest.mark.parametrize("point", ["sync.unlink.before@2", "sync.delete.before@2"])
def test_a_killed_delete_goes_on(sync, peer, tmp_path, compiled, point):
    name, _, nth = point.partition("@")
    extra = {f"old/{i:04d}": b"x" for i in range(1003)}
    write(tmp_path / "side", {"keep": "1"})
    peer.put("keep", b"1")
    if "unlink" in name:
        write(tmp_path / "side", extra)
        words = (URI, "side", "--delete")
    else:
        peer.put_many(extra)
        words = ("side", URI, "--delete")
    sync.call(*words, status=-signal.SIGKILL, BRANCHLINE_FAILPOINT=f"{name}=kill@{nth}")
    left = len(stored(peer)) if "delete" in name else len(read(tmp_path / "side"))
    assert 1 < left < 1004
    assert sync.totals(*words)["deleted"] == left - 1
    assert stored(peer) == read(tmp_path / "side") == {"keep": b"1"}


def random_point(rng, points):
    name = rng.choice(points).partition("@")[0]
    return f"{name}=kill@{rng.randint(1, 9)}"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_random_kills(sync, peer, tmp_path, compiled, direction):
    """Killed again and again at points drawn by a seed that is printed; then once to the end."""
    seed = os.environ.get("BRANCHLINE_SEED") or str(random.randrange(1 << 32))
    print(f"BRANCHLINE_SEED={seed}")
    rng = random.Random(f"{seed} {direction}")
    for round_ in range(60 if SOAK else 2):
        tree = {f"{rng.randint(0, 3)}/{i}": rng.randbytes(rng.choice((0, 9, 70000)))
                for i in range(rng.randint(2, 9))}
        tree["large"] = rng.randbytes(rng.randint(9, 30) << 20)
        src = write(tmp_path / f"src{round_}", tree)
        place = f"{URI}/{round_}"
        if direction == "down":
            sync.call(src, place)
        dst = tmp_path / f"dst{round_}"
        words = (src, place) if direction == "up" else (place, dst)
        for _ in range(rng.randint(1, 4)):
            point = random_point(rng, UPLOAD if direction == "up" else DOWNLOAD)
            run = sync.start(*words, BRANCHLINE_FAILPOINT=point)
            _, said = run.communicate(timeout=PATIENCE)
            assert run.returncode in (0, -signal.SIGKILL), (point, said)
            if direction == "up":
                whole_or_absent(stored(peer, f"{round_}/"), read(src))
        done = sync.totals(*words)
        assert done["failed"] == 0
        assert stored(peer, f"{round_}/") == read(src) and peer.uploads() == []
        assert direction == "up" or read(dst) == read(src)


def test_a_killed_copy_goes_on(sync, peer, tmp_path, compiled):
    other = peer.bucket("other-bucket")
    peer.put("large", os.urandom(LARGE))
    sync.call(URI, f"s3://{other}/x", status=-signal.SIGKILL,
              BRANCHLINE_FAILPOINT="s3.upload.part=kill@2")
    assert stored(peer, bucket=other) == {} and len(peer.uploads(other)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state"]
    sync.call(URI, f"s3://{other}/x")
    assert stored(peer, "x/", other) == stored(peer) and peer.uploads(other) == []


def test_a_run_that_lives_keeps_its_uploads_and_files(sync, peer, tmp_path, processes):
    write(tmp_path / "src", SOURCE)
    peer.script(operation="UploadPart", nth=2, hold="part")
    first = sync.start("src", URI)
    processes.append(first)
    until(lambda: peer.uploads() and [e for e in peer.log("UploadPart") if e.get("held")],
          "an upload under way")
    write(tmp_path / "small", {"x": "1"})
    sync.call("small", URI)  # another run to the same place
    assert len(peer.uploads()) == 1
    peer.release("part")
    assert first.wait(timeout=PATIENCE) == 0
    assert peer.uploads() == [] and stored(peer)["b/large"] == SOURCE["b/large"]


def test_old_uploads_of_anybody_are_ended(sync, peer, tmp_path):
    from cloud import boto
    s3 = boto("s3", peer)
    s3.create_multipart_upload(Bucket=BUCKET, Key="p/old")
    peer.age_uploads(25 * 3600)
    s3.create_multipart_upload(Bucket=BUCKET, Key="p/young")
    write(tmp_path / "src", {"small": "1"})
    sync.call("src", f"{URI}/p")
    assert len(peer.uploads()) == 2  # nothing large: nobody asked
    write(tmp_path / "src", {"large": SOURCE["b/large"]})
    sync.call("src", f"{URI}/p")
    assert [upload["key"] for upload in peer.uploads()] == ["p/young"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly(sync, peer, tmp_path, processes, number):
    src = write(tmp_path / "src", SOURCE)
    peer.script(operation="UploadPart", nth=2, hold="part")
    run = sync.start("src", URI)
    processes.append(run)
    until(lambda: [e for e in peer.log("UploadPart") if e.get("held")], "a part under way")
    until(lambda: len(peer.objects()) == 5, "the small ones are there")
    run.send_signal(number)
    _, said = run.communicate(timeout=PATIENCE)
    peer.release("part")
    assert run.returncode == 5, said
    assert "stopped" in said and "synced 5 files" in said
    assert peer.uploads() == []
    whole_or_absent(stored(peer), read(src))


def test_ctrl_c_keeps_what_came_whole(sync, peer, tmp_path, processes):
    peer.put_many({"a": b"1", "b": b"2", "z": b"3"})
    peer.script(operation="GetObject", key="z", hold="z")
    run = sync.start(URI, "dst")
    processes.append(run)
    until(lambda: [e for e in peer.log("GetObject", key="z") if e.get("held")], "one is under way")
    until(lambda: all(entry["ended"] for entry in peer.log("GetObject") if entry["key"] != "z"),
          "the others came")
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=PATIENCE)
    peer.release("z")
    assert run.returncode == 5, said
    assert set(read(tmp_path / "dst")) <= {"a", "b"} and leftovers(tmp_path / "dst") == []


def in_tmpfs(size):
    """Words before a command: it runs where ./small is a file system of that size."""
    script = f'mount -t tmpfs -o size={size} none small && "$@"; s=$?; ls -A small >listed; exit $s'
    return ("unshare", "-m", "sh", "-c", script, "sh")


def can_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="may not mount a small file system")
@pytest.mark.parametrize("large", [6 << 20, LARGE])
def test_a_full_disk_is_one_clear_error(sync, peer, tmp_path, large):
    (tmp_path / "small").mkdir()
    peer.put_many({"a": b"1", "b": os.urandom(large), "c": b"2"})
    done = sync.call(URI, "small", status=1, wrap=in_tmpfs("4m"))
    assert done.stderr.count("No space left on device") == 1 and "sync: b: " in done.stderr
    assert "make room" in done.stderr
    listed = (tmp_path / "listed").read_text().split()
    assert "b" not in listed and not [name for name in listed if name.startswith(".bl-")]
    assert set(listed) <= {"a", "c"} and "a" in listed


def test_a_file_that_changes_while_it_is_read_is_not_uploaded(sync, peer, tmp_path, processes):
    src = write(tmp_path / "src", SOURCE)
    peer.script(operation="UploadPart", nth=3, hold="part")
    run = sync.start("src", URI)
    processes.append(run)
    until(lambda: [e for e in peer.log("UploadPart") if e.get("held")], "a part under way")
    with open(src / "b/large", "r+b") as file:
        file.write(b"changed")
    peer.release("part")
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 2, said
    assert "failed b/large: " in said and "changed while it was read" in said
    assert "b/large" not in peer.objects() and peer.uploads() == []
    assert sorted(stored(peer)) == ["a", "b/c", "d", "e", "f/g"]
    assert sync.totals("src", URI)["moved"] == 1
    assert stored(peer) == read(src)


def test_one_flipped_bit_does_not_become_a_file(sync, peer, tmp_path):
    peer.put_many({"good": b"1" * 100, "bad": b"2" * 100, "large": os.urandom(LARGE)})
    peer.corrupt("bad", bit=77)
    peer.corrupt("large", bit=100_000_000)
    done = sync.call(URI, "dst", status=2)
    assert "failed bad: " in done.stderr and "failed large: " in done.stderr
    assert "CRC64NVME" in done.stderr
    assert sorted(read(tmp_path / "dst")) == ["good"] and leftovers(tmp_path / "dst") == []


def test_one_that_is_denied_is_named_and_the_rest_done(sync, peer, tmp_path):
    peer.put_many({f"{i:02d}": b"x" for i in range(40)})
    peer.script(operation="GetObject", key="1*", count=0, error="AccessDenied")
    done = sync.call(URI, "dst", status=4)
    assert "10 failed, the rest is done" in done.stderr
    assert done.stderr.count("failed 1") == 10 and done.stderr.count("allow s3:GetObject") == 1
    assert len(read(tmp_path / "dst")) == 30


def test_at_most_twenty_are_named(sync, peer, tmp_path):
    peer.put_many({f"x//{i:03d}": b"x" for i in range(130)})
    done = sync.call(URI, "dst", status=2)
    assert done.stderr.count("refused x//") == 20 and "and 110 more" in done.stderr
    assert "130 refused" in done.stderr


def test_archived_objects_are_named_with_the_way_out(sync, peer, tmp_path):
    peer.put("cold", "x", storage_class="GLACIER")
    peer.put("warm", "x")
    done = sync.call(URI, "dst", status=4)
    assert "failed cold: " in done.stderr and "restore" in done.stderr
    assert sorted(read(tmp_path / "dst")) == ["warm"]


def test_a_list_that_fails_deletes_nothing(sync, peer, tmp_path):
    peer.options(max_keys=2)
    peer.put_many({f"{i}": b"x" for i in range(6)})
    dst = write(tmp_path / "dst", {f"{i}": "x" for i in range(9)}, when=4_000_000_000)
    peer.script(operation="ListObjectsV2", nth=2, count=0, error="AccessDenied")
    done = sync.call(URI, "dst", "--delete", status=4)
    assert "AccessDenied" in done.stderr
    assert len(read(dst)) == 9


def test_a_network_that_is_gone_ends_it_early(sync, peer, tmp_path):
    peer.put_many({f"{i:03d}": b"x" for i in range(200)})
    peer.script(operation="GetObject", count=0, cut="before")
    done = sync.call(URI, "dst", status=75, AWS_MAX_ATTEMPTS="1")
    assert "in a row" in done.stderr and "run it again" in done.stderr
    assert len(peer.log("GetObject")) < 60
    peer.script(operation="none")


def test_throttling_is_waited_out(sync, peer, tmp_path):
    src = write(tmp_path / "src", {f"{i}": "x" for i in range(5)})
    peer.script(dict(operation="PutObject", count=2, error="SlowDown"),
                dict(operation="ListObjectsV2", count=1, error="InternalError"))
    assert sync.totals("src", URI)["moved"] == 5
    assert stored(peer) == read(src)


def test_an_object_that_is_replaced_while_listed_is_taken_whole(sync, peer, tmp_path):
    peer.put_many({"a": b"old", "b": b"old"})
    peer.script(operation="GetObject", key="a", hold="a")
    run = sync.start(URI, "dst")
    try:
        until(lambda: [e for e in peer.log("GetObject", key="a") if e.get("held")], "under way")
        peer.put("a", b"another body")
        peer.release("a")
        _, said = run.communicate(timeout=PATIENCE)
    finally:
        run.kill()
    assert run.returncode == 0, said
    assert read(tmp_path / "dst") == {"a": b"another body", "b": b"old"}


def test_memory_stays_flat(sync, peer, tmp_path):
    """The list of many objects is never held."""
    def peak(prefix):
        run = sync.start(f"{URI}/{prefix}", "d", "--dry-run", "--exclude", "*")
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        with run.stdout, run.stderr:
            assert run.returncode == 0, run.stderr.read()
        return usage.ru_maxrss

    for prefix, n in ((1, 1000), (2, 20000)):
        peer.put_many({f"{prefix}/{i:06d}/{'x' * 100}": b"" for i in range(n)})
    assert peak(2) - peak(1) < 2048, "KiB for twenty times as many names"
