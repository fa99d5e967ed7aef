# SPDX-License-Identifier: Apache-2.0
"""`branchline check-data`, and what a run does about its data: from outside."""
import json
import subprocess

import pytest

from conftest import PATIENCE


@pytest.fixture
def check(branchline, tmp_path):
    """Calls check-data in tmp_path and returns what it did."""
    def call(*arguments):
        return subprocess.run([branchline, "check-data", *map(str, arguments)], cwd=tmp_path,
                              capture_output=True, text=True, timeout=PATIENCE)
    return call


def write_config(tmp_path, *data):
    lines = ["version: 1", "command: [python3, train.py]", "data:", *("  " + line for line in data)]
    (tmp_path / "branchline.yaml").write_text("\n".join(lines) + "\n")


@pytest.mark.sample
def test_channels_are_counted(check, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    (tmp_path / "train/b.jsonl").write_text('{"x": 3}\n')
    (tmp_path / "eval.jsonl").write_text('{"x": 4}')
    write_config(tmp_path, "train: {local: train}", "eval: {local: eval.jsonl, format: jsonl}")
    done = check()
    assert done.returncode == 0, done.stderr
    assert "data train: 3 records, 2 files, 27 B" in done.stdout
    assert "data eval: 1 record, 1 file, 8 B" in done.stdout
    channels = {c["name"]: c for c in json.loads(check("--json").stdout)["channels"]}
    assert channels["train"]["records"] == 3
    assert channels["train"]["bytes"] == 27
    assert len(channels["eval"]["digest"]) == 64
    assert channels["eval"]["digest"] != channels["train"]["digest"]


def test_the_first_bad_record_is_named(check, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\n{"text": "bad"\n{"text": worse}\n')
    done = check("--data", "train=bad.jsonl")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "bad.jsonl:2:15:" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_invalid_utf8_is_named(check, tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b'{"text": "\xe9t\xe9"}\n')
    done = check("--data", "train=bad.jsonl")
    assert done.returncode == 2
    assert "bad.jsonl:1:11: invalid UTF-8" in done.stderr


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_no_data(check, tmp_path, text):
    (tmp_path / "none.jsonl").write_text(text)
    done = check("--data", "train=none.jsonl")
    assert done.returncode == 2
    assert "holds no record" in done.stderr


def test_an_empty_directory_is_no_data(check, tmp_path):
    (tmp_path / "data").mkdir()
    done = check("--data", "train=data")
    assert done.returncode == 2
    assert "holds no file" in done.stderr


def test_the_nearest_name_is_said(check, tmp_path):
    (tmp_path / "train.jsonl").write_text("{}\n")
    done = check("--data", "train=trian.jsonl")
    assert done.returncode == 2
    assert "does not exist" in done.stderr
    assert "train.jsonl'?" in done.stderr


def test_judging_can_be_left_out(check, tmp_path):
    (tmp_path / "odd.jsonl").write_text("not json\n")
    assert check("--data", "train=odd.jsonl").returncode == 2
    assert check("--data", "train=odd.jsonl", "--data-check", "exists").returncode == 0
    assert check("--data", "train=odd.jsonl", "--data-check", "off").returncode == 0


def test_no_channel_is_said(check):
    done = check()
    assert done.returncode == 2
    assert "no data channel" in done.stderr


def test_memory_does_not_grow_with_the_file(branchline, tmp_path):
    line = json.dumps({"text": "x" * 1000}) + "\n"
    with open(tmp_path / "big.jsonl", "w", encoding="ascii") as out:
        for _ in range(200):
            out.write(line * 1000)
    # the program may map 120 MB in all, its libraries included; the file has 200 MB
    done = subprocess.run(["/bin/sh", "-c", 'ulimit -v 120000 && exec "$0" "$@"', branchline,
                           "check-data", "--data", "train=big.jsonl", "--json"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["channels"][0]["records"] == 200_000


@pytest.mark.parametrize("content", [None, "{\n"])
def test_a_run_with_bad_data_starts_nothing(branchline, tmp_path, content):
    if content is not None:
        (tmp_path / "data.jsonl").write_text(content)
    done = subprocess.run([branchline, "local", "--data", "train=data.jsonl", "--",
                           "touch", tmp_path / "started"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert "data.jsonl" in done.stderr
    assert not (tmp_path / "started").exists()


def test_the_training_sees_its_channels(branchline, tmp_path):
    (tmp_path / "one.jsonl").write_text("{}\n")
    (tmp_path / "many").mkdir()
    (tmp_path / "many/a.txt").write_text("a")
    script = 'cat "$SM_CHANNEL_ONE/one.jsonl" "$SM_CHANNEL_MANY/a.txt"'
    done = subprocess.run([branchline, "local", "--data", "one=one.jsonl", "--data", "many=many",
                           "--", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "{}\na" in done.stdout
