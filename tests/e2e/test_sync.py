# SPDX-License-Identifier: Apache-2.0
"""branchline sync against the strict peer: what moves, is equal, deleted, left alone and told."""
import json
import math
import os
import shutil
import subprocess

import pytest

from cloud import BUCKET, boto
from conftest import PATIENCE
from sync_verb import LONG_AGO, URI, read, stored, write

LISTS = ("ListObjectsV2",)
TREE = {"a": "one", "a.b": "two", "a-dir/x": "three", "d/e/f": "four", "d.x": "five", "empty": "",
        "d/é": "six", "z": b"\0" * 70000}


@pytest.mark.sample
def test_there_and_back(sync, peer, tmp_path):
    src = write(tmp_path / "src", TREE)
    done = sync.call(src, f"{URI}/to", "--manifest", "up.jsonl")
    assert "synced 8 files" in done.stderr and "0 equal, 0 deleted" in done.stderr
    assert stored(peer, "to/") == read(src)
    s3 = boto("s3", peer)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="to/")["Contents"]
    assert {o["Key"]: o["Size"] for o in listed} == {f"to/{name}": len(body)
                                                     for name, body in read(src).items()}
    sync.call(f"{URI}/to/", "back", "--manifest", "down.jsonl")
    assert read(tmp_path / "back") == read(src)
    for name in ("up", "down"):
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        act = {"up": "upload", "down": "download"}[name]
        assert {line["name"]: (line["act"], line["size"]) for line in lines} == {
            file: (act, len(body)) for file, body in read(src).items()}
        for line in lines:
            have = peer.objects()[f"to/{line['name']}"]
            assert line["etag"] == have["etag"].strip('"')
            assert line["crc64nvme"] == have["checksum"]


@pytest.mark.sample
def test_a_second_run_is_nothing_but_lists(sync, peer, tmp_path):
    many = {f"d{i % 7}/n{i:05d}": b"%d" % i for i in range(1203)}
    peer.put_many({f"p/{name}": body for name, body in many.items()})
    assert sync.totals(f"{URI}/p", "dst")["moved"] == 1203
    assert read(tmp_path / "dst") == many
    before = sync.mark()
    down = sync.totals(f"{URI}/p", "dst")
    assert (down["moved"], down["equal"], down["listed_src"]) == (0, 1203, 1203)
    assert sync.seen(before) == {"ListObjectsV2": math.ceil(1203 / 1000)}
    # the other way round what was fetched is equal, too
    before = sync.mark()
    up = sync.totals("dst", f"{URI}/p", "--delete")
    assert (up["moved"], up["equal"], up["deleted"]) == (0, 1203, 0)
    assert sync.seen(before) == {"ListObjectsV2": 2}


def test_pages_of_both_sides_are_merged(sync, peer, tmp_path):
    peer.options(max_keys=3)
    peer.put_many({f"a/{i:02d}": b"x" for i in range(0, 20)})
    peer.put_many({f"b/{i:02d}": b"y" for i in range(10, 30)})
    before = sync.mark()
    done = sync.totals(f"{URI}/a", f"{URI}/b", "--delete")
    # equal: as large, and not older
    assert (done["moved"], done["equal"], done["deleted"]) == (10, 10, 10)
    assert sync.seen(before)["ListObjectsV2"] == 14
    assert sorted(stored(peer, "b/")) == [f"{i:02d}" for i in range(20)]


def test_changed_files_move_and_others_do_not(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"same": "1234", "longer": "1234", "newer": "1234"})
    sync.call("src", URI)
    write(src, {"longer": "12345"})
    write(src, {"newer": "4321"}, when=4_000_000_000)
    assert sync.totals("src", URI)["moved"] == 2
    assert stored(peer) == read(src)
    # the other way: an object written later than the file
    peer.put("same", "9999")
    peer.touch("same", 4_100_000_000)
    # "longer" is younger as an object; "newer" is not
    assert sync.totals(URI, "src")["moved"] == 2
    assert (src / "same").read_text() == "9999"
    assert (src / "same").stat().st_mtime == 4_100_000_000


def test_a_file_written_just_before_is_compared_by_checksum(sync, peer, tmp_path):
    """S3 tells seconds: in the second of the upload neither size nor time can tell."""
    src = write(tmp_path / "src", {"f": "1234"})
    peer.put("f", "1234")
    peer.touch("f", LONG_AGO)
    os.utime(src / "f", ns=((LONG_AGO * 10**9 + 5 * 10**8),) * 2)
    before = sync.mark()
    assert sync.totals("src", URI)["equal"] == 1
    assert sync.seen(before) == {"ListObjectsV2": 1, "HeadObject": 1}
    peer.put("f", "1235")
    peer.touch("f", LONG_AGO)
    assert sync.totals("src", URI)["moved"] == 1
    assert stored(peer) == {"f": b"1234"}


def test_checksum_finds_what_size_and_time_hide(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"a": "1234", "b": "1234"})
    peer.put("a", "1234")
    peer.put("b", "4321")
    assert sync.totals("src", URI)["moved"] == 0
    done = sync.totals("src", URI, "--checksum")
    assert (done["moved"], done["equal"]) == (1, 1)
    assert stored(peer) == read(src)
    write(src, {"b": "9999"}, when=4_000_000_000)
    done = sync.totals(URI, "src", "--checksum")
    assert (done["moved"], done["equal"]) == (1, 1)
    assert (src / "b").read_text() == "1234"


def test_checksums_are_asked_for_once_each(sync, peer, tmp_path):
    other = peer.bucket("other-bucket")
    many = {f"{i:04d}": b"%d" % i for i in range(150)}
    write(tmp_path / "src", many)
    for bucket in (BUCKET, other):
        peer.put_many(many, bucket)
    before = sync.mark()
    assert sync.totals("src", URI, "--checksum")["equal"] == 150
    assert sync.seen(before) == {"ListObjectsV2": 1, "HeadObject": 150}
    before = sync.mark()
    assert sync.totals(URI, f"s3://{other}", "--checksum")["equal"] == 150
    assert sync.seen(before) == {"ListObjectsV2": 2, "HeadObject": 300}
    peer.script(operation="HeadObject", key="0007", count=0, error="AccessDenied")
    done = sync.call("src", URI, "--checksum", status=4)
    assert "failed 0007: " in done.stderr and "149 equal" in done.stderr


def test_delete_removes_what_only_dst_has(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"keep": "1", "d/keep": "2"})
    peer.put_many({"keep": b"1", "old": b"x", "d/old": b"x", "d/odd\n": b"x", "mark/": b"",
                   "e/\x01": b"x"})
    assert sync.totals("src", URI)["deleted"] == 0
    assert sync.totals("src", URI, "--delete")["deleted"] == 4
    assert sorted(stored(peer)) == ["d/keep", "keep", "mark/"]
    dst = write(tmp_path / "dst", {"keep": "1", "gone": "x", "deep/er/gone": "x", "d/keep": "2"})
    (dst / "link").symlink_to("keep")
    (dst / "own").mkdir()
    assert sync.totals(URI, "dst", "--delete")["deleted"] == 2
    assert sorted(read(dst)) == ["d/keep", "keep"]
    assert not (dst / "deep").exists() and (dst / "own").is_dir() and (dst / "link").is_symlink()
    assert read(src) == read(dst)


def test_more_than_a_thousand_are_deleted_in_batches(sync, peer, tmp_path):
    write(tmp_path / "src", {"keep": "1"})
    peer.put_many({f"old/{i:05d}": b"x" for i in range(1203)})
    before = sync.mark()
    assert sync.totals("src", URI, "--delete", "--manifest", "m")["deleted"] == 1203
    assert sync.seen(before)["DeleteObjects"] == 2
    assert sorted(stored(peer)) == ["keep"]
    acts = [json.loads(line)["act"] for line in (tmp_path / "m").read_text().splitlines()]
    assert sorted(acts) == ["delete"] * 1203 + ["upload"]


def test_an_empty_source_does_not_empty_the_target(sync, peer, tmp_path):
    peer.put("a/x", "1")
    (tmp_path / "empty").mkdir()
    done = sync.call("empty", f"{URI}/a", "--delete", status=2)
    assert "holds nothing" in done.stderr and stored(peer) == {"a/x": b"1"}
    dst = write(tmp_path / "dst", {"x": "1"})
    done = sync.call(f"{URI}/mistyped", "dst", "--delete", status=2)
    assert "holds nothing" in done.stderr and read(dst) == {"x": b"1"}
    (tmp_path / "empty" / "link").symlink_to("nowhere")  # nor does what is never moved
    done = sync.call("empty", f"{URI}/a", "--delete", status=2)
    assert "holds nothing" in done.stderr and stored(peer) == {"a/x": b"1"}
    (tmp_path / "empty" / "link").unlink()
    peer.put("folder/", "")
    done = sync.call(f"{URI}/folder", "dst", "--delete", status=2)
    assert "holds nothing" in done.stderr and read(dst) == {"x": b"1"}
    assert sync.totals("empty", f"{URI}/a")["moved"] == 0


def test_excluded_names_are_left_alone_on_both_sides(sync, peer, tmp_path):
    write(tmp_path / "src", {"a.pt": "1", "a.txt": "1", "cache/x.pt": "1", "d/b.pt": "1"})
    peer.put_many({"old.txt": b"x", "old.pt": b"x", "cache/y": b"x"})
    done = sync.totals("src", URI, "--delete", "--exclude", "*", "--include", "*.pt",
                       "--exclude", "cache")
    assert (done["moved"], done["deleted"], done["excluded"]) == (2, 1, 4)
    assert sorted(stored(peer)) == ["a.pt", "cache/y", "d/b.pt", "old.txt"]


def test_a_dry_run_changes_nothing(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"new": "12", "d/same": "1"})
    peer.put_many({"d/same": b"1", "old": b"x", "up/er": b"123"})
    before = (stored(peer), read(src))
    done = sync.call("src", URI, "--delete", "--dry-run", "--manifest", "m")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["upload", "2", "B", "new"], ["delete", "old"], ["delete", "up/er"]] or sorted(
        line.split()[0] for line in done.stdout.splitlines()) == ["delete", "delete", "upload"]
    assert "would sync 1 file, 2 B, 1 equal, 2 to delete" in done.stderr
    done = sync.call(URI, "nowhere", "--dry-run")
    assert "would sync 3 files" in done.stderr
    sync.call(URI, "src", "--dry-run", "--delete")
    assert (stored(peer), read(src)) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["src"]
    assert set(peer.operations()) == set(LISTS)


def test_usage(sync, peer, tmp_path):
    write(tmp_path / "src", {"a": "1"})
    peer.put("dir/object", "1")
    for args, why in [
            (("src", "src2"), "neither"), (("gs://x", "src"), "neither"),
            (("src",), "usage"), (("nowhere", URI), "nowhere"), (("src/a", URI), "src/a"),
            (("src", "s3://UPPER"), "UPPER"), ((f"{URI}/a", f"{URI}/a/b"), "within each other"),
            (("src", URI, "--at-once", "9999"), "--at-once"),
            (("src", URI, "--exclude", ""), "GLOB"),
            (("src", URI, "--bucket-owner", "me"), "12 digits"),
            (("src", "s3://no-such-bucket"), "NoSuchBucket")]:
        done = sync.call(*args, status=2)
        assert why in done.stderr and "next:" in done.stderr or why in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    done = sync.call(f"{URI}/dir/object", "dst", status=2)
    assert "is an object" in done.stderr


def test_the_owner_must_be_the_one_that_was_named(sync, peer, tmp_path):
    write(tmp_path / "src", {"a": "1"})
    sync.call("src", URI, "--bucket-owner", "999999999999", status=4)
    assert stored(peer) == {}
    sync.call("src", URI, "--bucket-owner", "111122223333")
    assert all(entry["headers"].get("x-amz-expected-bucket-owner") for entry in peer.log())


def test_sha256_where_it_is_asked_for(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"small": "1", "large": os.urandom(9 << 20)})
    sync.call("src", URI, "--sha256")
    assert stored(peer) == read(src)
    assert {o["algorithm"].lower() for o in peer.objects().values()} == {"sha256"}
    sync.call(URI, "dst")
    assert read(tmp_path / "dst") == read(src)


def test_the_manifest_beside_the_files_is_not_synced(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"a": "1", "m.jsonl": ""})
    for _ in range(2):
        sync.call("src", URI, "--delete", "--manifest", src / "m.jsonl")
    assert sorted(stored(peer)) == ["a"]
    assert len((src / "m.jsonl").read_text().splitlines()) == 1


def test_the_aws_cli_sees_nothing_left_to_do(sync, peer, tmp_path):
    aws = shutil.which("aws", path="/usr/bin:" + os.environ["PATH"])
    if not aws or subprocess.run([aws, "--version"], capture_output=True).returncode:
        pytest.skip("the aws CLI is not installed")
    def left(src, dst, *args):
        done = subprocess.run([aws, "--endpoint-url", peer.url, "s3", "sync", src, dst, "--dryrun",
                               "--delete", *args], cwd=tmp_path, env=sync.env(),
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    write(tmp_path / "src", TREE)
    sync.call("src", f"{URI}/p")
    assert left("src", f"{URI}/p") == ""
    sync.call(f"{URI}/p", "dst")
    assert left(f"{URI}/p", "dst", "--exact-timestamps") == ""
