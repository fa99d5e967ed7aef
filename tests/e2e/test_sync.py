# SPDX-License-Identifier: Apache-2.0
"""branchline sync against the strict peer: contents are checked from outside."""
import json
import math
import os
import pathlib
import shutil
import subprocess

import pytest

from cloud import BUCKET, boto, env_of
from conftest import PATIENCE

LONG_AGO = 1_700_000_000
URI = f"s3://{BUCKET}"
LISTS = ("ListObjectsV2",)


class Sync:
    """The verb, called in a directory of its own against one peer."""

    def __init__(self, branchline, peer, path):
        self.branchline, self.peer, self.path = branchline, peer, path

    def env(self, **more):
        return env_of(self.peer, HOME=str(self.path / "home"), XDG_STATE_HOME=str(self.path / "state"),
                      TMPDIR=str(self.path), **more)

    def call(self, *args, status=0, wrap=(), **more):
        done = subprocess.run([*wrap, self.branchline, "sync", *map(str, args)], cwd=self.path,
                              env=self.env(**more), capture_output=True, text=True,
                              errors="replace", timeout=PATIENCE)
        assert done.returncode == status, f"{args}: exit {done.returncode}\n{done.stderr}"
        return done

    def totals(self, *args, status=0, **more):
        return json.loads(self.call(*args, "--json", status=status, **more).stdout)

    def start(self, *args, **more):
        return subprocess.Popen([self.branchline, "sync", *map(str, args)], cwd=self.path,
                                env=self.env(**more), stdin=subprocess.DEVNULL, text=True,
                                errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True)

    def seen(self, after=0):
        """{operation: how often} since that many requests."""
        found = {}
        for operation in self.peer.operations(after):
            found[operation] = found.get(operation, 0) + 1
        return found

    def mark(self):
        return len(self.peer.log())


@pytest.fixture
def sync(branchline, peer, tmp_path):
    return Sync(branchline, peer, tmp_path)


def write(root, files, when=LONG_AGO):
    """{path: bytes or text}"""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (when, when))
    return root


def read(root):
    """{path: bytes} of all files, links not followed; no temporary file may be there."""
    found = {}
    for path in sorted(pathlib.Path(root).rglob("*")):
        if path.is_file() and not path.is_symlink():
            assert not path.name.startswith(".bl-"), f"{path} was left behind"
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def stored(peer, prefix="", bucket=BUCKET):
    return {key[len(prefix):]: peer.get(key, bucket) for key in peer.objects(bucket)
            if key.startswith(prefix)}


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


AWKWARD = ["a b", "a+b", "a%2Fb", "é", "~t", "a?b#c", "(1)*!'", "\x01", "new\nline", "&<>\"'",
           "%", "=", "a\\b", "-", "...", " ", "a:b@c$d,e;f", "/".join(["k" * 127] * 8), "日本/語"]
HOSTILE = {"a//b": "empty part", "a/../b": "..", "./x": "'.'", "..": "..", "../../etc/x": "..",
           "/abs": "begins with '/'", "x//": "ends in '/'", "n" * 256: "255",
           "d/.bl-abcdefghijklmnop.tmp": "temporary"}


def test_every_awkward_key_both_ways(sync, peer, tmp_path):
    assert len(AWKWARD[-2].encode()) == 1023
    src = write(tmp_path / "src", {name: f"of {name}" for name in AWKWARD})
    assert sync.totals("src", URI)["moved"] == len(AWKWARD)
    assert stored(peer) == read(src)
    before = sync.mark()
    assert sync.totals("src", URI, "--delete")["equal"] == len(AWKWARD)
    assert sync.seen(before) == {"ListObjectsV2": 1}
    sync.call(URI, "dst")
    assert read(tmp_path / "dst") == read(src)
    write(src := tmp_path / "one", {"x": "1"})
    assert sync.totals(src, URI, "--delete")["deleted"] == len(AWKWARD)
    assert sorted(stored(peer)) == ["x"]


@pytest.mark.sample
def test_hostile_keys_are_refused_and_named(sync, peer, tmp_path):
    peer.put_many({f"p/{key}": b"evil" for key in HOSTILE})
    peer.put_many({"p/good": b"1", "p/dir/": b"", "p/dir/x": b"2", "p/": b""})
    (tmp_path / "in").mkdir()
    done = sync.call(f"{URI}/p", "in/dst", status=2)
    assert read(tmp_path / "in") == {"dst/good": b"1", "dst/dir/x": b"2"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]
    assert f"{len(HOSTILE)} refused" in done.stderr and "2 skipped" in done.stderr
    for key, why in HOSTILE.items():
        lines = [line for line in done.stderr.splitlines() if f"refused {key}: " in line]
        assert len(lines) == 1 and why in lines[0], (key, lines)
    # the rest is kept, and a second run says the same
    assert sync.totals(f"{URI}/p", "in/dst", status=2)["equal"] == 2


def test_from_bucket_to_bucket_every_key_is_fine(sync, peer, tmp_path):
    other = peer.bucket("other-bucket")
    keys = [key for key in [*AWKWARD, *HOSTILE, "dir/"] if len(key.encode()) < 1000]
    body = {f"p/{key}": key.encode() for key in keys}
    body["p/big"] = os.urandom(9 << 20)
    body["p/" + "k" * 1021] = b"over 1,024 bytes below q/r/"
    peer.put_many(body)
    done = sync.totals(f"{URI}/p", f"s3://{other}/q/r", status=2)
    assert (done["moved"], done["refused"]) == (len(body) - 1, 1)
    assert stored(peer, "q/r/", other) == {key[2:]: text for key, text in body.items()
                                           if len(key.encode()) + 2 <= 1024}
    again = sync.totals(f"{URI}/p", f"s3://{other}/q/r", "--delete", status=2)
    assert (again["moved"], again["deleted"]) == (0, 0)
    assert not list(tmp_path.iterdir()) or sorted(p.name for p in tmp_path.iterdir()) == ["state"]


def test_what_is_in_the_way_stays(sync, peer, tmp_path):
    peer.put_many({key: b"new" for key in ["dir", "file/x", "link", "linked/x", "obj", "obj/x",
                                           "obj-x", "fine"]})
    outside = write(tmp_path / "outside", {"x": "old"})
    dst = write(tmp_path / "dst", {"dir/x": "old", "file": "old"})
    (dst / "link").symlink_to(outside / "x")
    (dst / "linked").symlink_to(outside)
    done = sync.call(URI, "dst", status=2)
    assert "5 refused" in done.stderr
    for name in ["dir", "file/x", "link", "linked/x", "obj/x"]:
        assert f"refused {name}: " in done.stderr
    assert read(dst) == {"dir/x": b"old", "file": b"old", "obj": b"new", "obj-x": b"new",
                         "fine": b"new"}
    assert read(outside) == {"x": b"old"}
    assert (dst / "link").is_symlink() and (dst / "linked").is_symlink()


def test_links_and_special_files_are_skipped_and_their_names_kept(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"real/x": "1"})
    (src / "link").symlink_to("real/x")
    (src / "linked").symlink_to("real")
    os.mkfifo(src / "fifo")
    peer.put_many({"link": b"x", "linked/x": b"x", "linked/y": b"x", "linkedz": b"x"})
    done = sync.call("src", URI, "--delete")
    assert "3 skipped" in done.stderr and "1 deleted" in done.stderr
    for line in ["skipped link: a link", "skipped fifo: a special file"]:
        assert line in done.stderr
    assert sorted(stored(peer)) == ["link", "linked/x", "linked/y", "real/x"]


def test_names_that_are_no_text_are_refused(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"good": "1"})
    (src / os.fsdecode(b"caf\xe9")).write_text("x")
    deep = src / ("d" * 200) / ("e" * 200) / ("f" * 200) / ("g" * 200) / ("h" * 250)
    deep.parent.mkdir(parents=True)
    deep.write_text("x")
    done = sync.call("src", URI, status=2)
    assert "2 refused" in done.stderr and "not UTF-8" in done.stderr and "1,024" in done.stderr
    assert stored(peer) == {"good": b"1"}


def as_nobody():
    if os.geteuid() == 0:
        return ("setpriv", "--reuid=65534", "--clear-groups")
    return ()


def test_what_cannot_be_read_is_named_and_the_rest_done(sync, peer, tmp_path):
    src = write(tmp_path / "src", {"a": "1", "locked": "2", "shut/x": "3", "z": "4"})
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o001:
            os.chmod(path, path.stat().st_mode | 0o055)
    os.chmod(src / "locked", 0)
    os.chmod(src / "shut", 0)
    peer.put_many({"shut/old": b"x", "old": b"x"})
    try:
        done = sync.call("src", URI, "--delete", status=4, wrap=as_nobody())
    finally:
        os.chmod(src / "shut", 0o755)
    assert "failed locked: open 'locked': Permission denied" in done.stderr
    assert "failed shut/: " in done.stderr and "2 failed, the rest is done" in done.stderr
    # what lies below a directory that was not read is not known to be gone
    assert stored(peer) == {"a": b"1", "z": b"4", "shut/old": b"x"}


def test_usage(sync, peer, tmp_path):
    write(tmp_path / "src", {"a": "1"})
    peer.put("dir/object", "1")
    for args, why in [
            (("src", "src2"), "neither"), (("gs://x", "src"), "neither"),
            (("src",), "usage"), (("nowhere", URI), "nowhere"), (("src/a", URI), "src/a"),
            (("src", "s3://UPPER"), "UPPER"), ((f"{URI}/a", f"{URI}/a/b"), "within each other"),
            (("src", URI, "--at-once", "9999"), "--at-once"), (("src", URI, "--exclude", ""), "GLOB"),
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
