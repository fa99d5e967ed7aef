# SPDX-License-Identifier: Apache-2.0
"""branchline sync and names: awkward, hostile, in the way, linked, unreadable."""
import os

import pytest

from sync_verb import URI, read, stored, write

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
