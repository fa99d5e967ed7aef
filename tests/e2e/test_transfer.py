# SPDX-License-Identifier: Apache-2.0
"""Objects in parts, both ways, against the strict peer: sizes, checksums, many at once."""
import pytest

from cloud import env_of
from flipper import Flipper
from transfer_drive import ABSENT, CORRUPT, DENIED, IS_THERE, PART, end, noise

SIZES = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1]


# --- Sizes ----------------------------------------------------------------------------------------


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


# --- Checksums ------------------------------------------------------------------------------------


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
        told = drive.run("put k f", env=dict(env_of(peer), AWS_ENDPOINT_URL=proxy.url))
        assert told["k"][0] == "ok"
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


# --- Many -----------------------------------------------------------------------------------------


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
