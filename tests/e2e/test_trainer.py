# SPDX-License-Identifier: Apache-2.0
"""The example trainer and its data, driven from outside as a user would."""
import filecmp
import hashlib
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAIN = ROOT / "trainer-image" / "train.py"
MAKE_DATA = ROOT / "trainer-image" / "make_data.py"
SMALL = ["--dim", "32", "--layers", "1", "--context", "32", "--batch-size", "4",
         "--eval-batches", "2", "--warmup", "5"]
SECONDS = 120           # a bound, not a wait: importing torch takes seconds on a busy machine


def python_with_torch():
    for python in ("/usr/bin/python3", sys.executable):
        found = subprocess.run([python, "-c", "import importlib.util as u, sys; "
                                "sys.exit(u.find_spec('torch') is None)"], timeout=SECONDS)
        if found.returncode == 0:
            return python
    return None


PYTHON = python_with_torch()
needs_torch = pytest.mark.skipif(PYTHON is None, reason="no PyTorch here: `make demo` installs it")


def make_data(out, seed):
    subprocess.run([PYTHON or "/usr/bin/python3", MAKE_DATA, out], check=True, timeout=SECONDS,
                   env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "out", "1")


@pytest.fixture(scope="module")
def few(data, tmp_path_factory):
    """The first records of each channel: enough to train on for seconds."""
    small = tmp_path_factory.mktemp("few")
    for channel in ("train", "eval"):
        lines = (data / channel / f"{channel}.jsonl").read_bytes().splitlines(True)
        (small / channel).mkdir()
        (small / channel / "part.jsonl").write_bytes(b"".join(lines[:100]))
    return small


def conversations(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["messages"] for line in lines]


def environment(few, out, **more):
    """What `branchline-runner exec` sets, and nothing that a launcher would."""
    launched = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "RESUME_FROM_CHECKPOINT")
    env = {k: v for k, v in os.environ.items() if k not in launched}
    return {**env, "SM_CHANNEL_TRAIN": str(few / "train"), "SM_CHANNEL_EVAL": str(few / "eval"),
            "BRANCHLINE_CHECKPOINT_DIR": str(out / "checkpoints"),
            "BRANCHLINE_METRICS": str(out / "metrics.jsonl"), "SM_MODEL_DIR": str(out / "model"),
            "SM_OUTPUT_DATA_DIR": str(out / "output"), "RESUME_FROM_CHECKPOINT": "",
            "OPENBLAS_NUM_THREADS": "1", **more}


def start(env, *flags):
    return subprocess.Popen([PYTHON, TRAIN, *SMALL, *flags], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(env, *flags):
    process = start(env, *flags)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def points(out):
    """The metrics file: ((step, total_steps) of its attempts, {(step, name): value})."""
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    begun = [(r["step"], r["total_steps"]) for r in records if "total_steps" in r]
    return begun, {(r["step"], name): value for r in records for name, value in r.items()
                    if name not in ("step", "total_steps")}


def test_data_is_the_same_every_time(data, tmp_path):
    again = make_data(tmp_path / "again", "2")
    names = ["train/train.jsonl", "eval/eval.jsonl", "provenance.json"]
    same, different, missing = filecmp.cmpfiles(data, again, names, shallow=False)
    assert (same, different, missing) == (names, [], [])


def test_data_is_chat_with_provenance(data):
    provenance = json.loads((data / "provenance.json").read_text())
    assert "Python Software Foundation" in provenance["licence"]
    said = {}
    for channel in ("train", "eval"):
        path = data / channel / f"{channel}.jsonl"
        told = provenance["files"][f"{channel}/{channel}.jsonl"]
        said[channel] = conversations(path)
        assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert told["conversations"] == len(said[channel])
        for messages in said[channel]:
            assert [m["role"] for m in messages] == ["user", "assistant"]
            assert all(m["content"].strip() for m in messages)
    assert 1e6 < sum(f["bytes"] for f in provenance["files"].values()) < 5e6
    answers = {channel: {m[1]["content"] for m in said[channel]} for channel in said}
    assert not answers["train"] & answers["eval"], "the evaluation's answers were trained on"


def test_data_names_no_place_on_this_machine(data):
    text = (data / "train" / "train.jsonl").read_text()
    assert " at 0x" not in text
    assert os.path.expanduser("~/") not in text


@needs_torch
def test_training_writes_what_its_contract_says(few, tmp_path):
    status, out, err = run(environment(few, tmp_path), "--max_steps", "40", "--log-every", "10",
                           "--eval-every", "20", "--save-every", "10")
    assert status == 0, err
    begun, values = points(tmp_path)
    assert begun == [(0, 40)]
    assert sorted(s for s, name in values if name == "eval_loss") == [20, 40]
    assert sorted(s for s, name in values if name == "loss") == [1, 10, 20, 30, 40]
    assert values[1, "loss"] == pytest.approx(math.log(259), abs=0.1)
    assert values[40, "loss"] < values[1, "loss"] - 1
    assert out.count("{'loss': ") == 5 and out.count("{'eval_loss': ") == 2
    kept = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-000030.pt", "step-000040.pt"]
    last = json.loads((tmp_path / "output" / "metrics.json").read_text())
    assert last["eval_loss"] == pytest.approx(values[40, "eval_loss"], rel=1e-4)
    assert (tmp_path / "model" / "model.pt").stat().st_size > 0
    assert "sample: What does os.path.join do? -> " in out


@needs_torch
def test_term_saves_and_resume_goes_on_as_if_nothing_had_been(few, tmp_path):
    flags = ["--max-steps", "60", "--log-every", "4", "--eval-every", "15", "--save-every", "25"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(environment(few, whole), *flags)[0] == 0

    process = start(environment(few, parts), *flags)
    for line in process.stdout:         # the line of step 1: training is under way
        if "'loss'" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 143, err
    assert "stopped by SIGTERM after step" in out
    newest = max((parts / "checkpoints").iterdir())
    step = int(newest.stem.removeprefix("step-"))
    assert 1 <= step < 60

    (parts / "checkpoints" / ".step-000099.pt.tmp").write_bytes(b"of a killed writer")
    status, out, err = run(environment(few, parts, RESUME_FROM_CHECKPOINT=str(newest.parent)),
                           *flags)
    assert status == 0, err
    assert f"step-{step:06d}.pt: step {step} of 60" in out
    begun, values = points(parts)
    _, expected = points(whole)
    assert begun == [(0, 60), (step, 60)]
    assert values == pytest.approx(expected, rel=1e-4)
    assert not list((parts / "checkpoints").glob(".*"))


@needs_torch
def test_a_damaged_checkpoint_is_named_and_not_trained_over(few, tmp_path):
    torn = tmp_path / "step-000010.pt"
    torn.write_bytes(b"PK\x03\x04 the beginning of a zip file")
    status, _, err = run(environment(few, tmp_path, RESUME_FROM_CHECKPOINT=str(tmp_path)))
    assert status == 2
    assert err.startswith(f"train.py: load {torn}: ") and len(err.splitlines()) == 1
    assert not (tmp_path / "metrics.jsonl").exists()


@needs_torch
def test_a_bad_record_is_named_by_file_and_line(few, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes((few / "train" / "part.jsonl").read_bytes() + b'{"messages": [{"role"\n')
    status, _, err = run(environment(few, tmp_path, SM_CHANNEL_TRAIN=str(bad)))
    assert status == 2
    assert err.startswith(f"train.py: {bad}:101: ") and len(err.splitlines()) == 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@needs_torch
def test_two_processes_train_as_one_and_the_first_writes(few, tmp_path):
    flags = ["--max-steps", "8", "--log-every", "4", "--save-every", "8", "--eval-every", "8"]
    ranks = []
    port = str(free_port())
    for rank in ("0", "1"):
        (tmp_path / rank).mkdir()
        ranks.append(start(environment(few, tmp_path / rank, WORLD_SIZE="2", RANK=rank,
                                       LOCAL_RANK=rank, MASTER_ADDR="127.0.0.1",
                                       MASTER_PORT=port), *flags))
    said = [process.communicate(timeout=SECONDS) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said
    _, values = points(tmp_path / "0")
    assert (8, "eval_loss") in values
    assert said[1][0] == "" and not list((tmp_path / "1").iterdir())


@needs_torch
def test_world_size_without_a_launcher_is_refused(few, tmp_path):
    status, _, err = run(environment(few, tmp_path, WORLD_SIZE="2"))
    assert status == 2
    assert "torchrun" in err and len(err.splitlines()) == 1
