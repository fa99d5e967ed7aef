# SPDX-License-Identifier: Apache-2.0
"""The data of a launch: in S3, counted and pinned before anything is bought; with engine local here."""
import json

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import wait_for_json
from github_fake import github, github_process  # noqa: F401
from launches import YAML, launches  # noqa: F401


@pytest.fixture
def data(launches):  # noqa: F811
    """Two channels in the peer's bucket."""
    launches.peer.put("data/train/a.jsonl", '{"text": "a"}\n{"text": "b"}\n')
    launches.peer.put("data/train/b.jsonl", '{"text": "c"}\n')
    launches.peer.put("data/eval.jsonl", '{"text": "d"}\n')
    launches.commit(YAML + "data: {train: s3://peer-bucket/data/train/, eval: s3://peer-bucket/data/eval.jsonl}\n")
    launches.image(name="data")
    return launches


def test_it_is_counted_and_pinned(data):
    done = data(env=data.dispatch())
    channels = data.document(done.run, "run.json")["data"]["channels"]
    assert channels["train"]["files"] == 2 and channels["train"]["uri"] == "s3://peer-bucket/data/train/"
    assert channels["eval"]["bytes"] == 14 and len(channels["eval"]["digest"]) == 64
    assert "data train: " in done.stderr and "in us-east-1" in done.stderr


def refused(data, *texts, code=2):
    done = data(env=data.dispatch(), code=code)
    for text in texts:
        assert text in done.stderr, done
    assert not data.peer.instances() and not data.runs()


def test_a_bad_record_is_found_before_money_is_spent(data):
    data.peer.put("data/train/b.jsonl", '{"text": "c"}\n{"text": \n')
    refused(data, "data channel 'train'", "b.jsonl", "2")


def test_nothing_there(data):
    data.peer.remove("data/eval.jsonl")
    refused(data, "data channel 'eval'", "data/eval.jsonl")


def test_frozen_objects(data):
    data.peer.put("data/train/c.jsonl", '{"text": "c"}\n', storage_class="GLACIER")
    refused(data, "data channel 'train'", "restore-object")


def test_engine_local_reads_here_and_buys_nothing(launches, tmp_path):  # noqa: F811
    launches.commit("version: 1\ncommand: 'echo \"$@\"'\nhyperparameters: {lr: 1}\n"
                    "data: {train: here.jsonl}\n", **{"here.jsonl": '{"a": 1}\n'})
    done = launches("--compute", "local", "--store", str(tmp_path / "store"), "--json", env=launches.dispatch())
    told = json.loads(done.stdout)
    spec = json.loads((tmp_path / "store" / "runs" / told["run"] / "run.json").read_text())
    assert spec["place"]["engine"] == "process" and spec["image"] is None
    assert spec["data"]["channels"]["train"]["records"] == 1
    outcome = wait_for_json(tmp_path / "store" / "runs" / told["run"] / "outcome.json")
    assert outcome["status"] == "success" and not launches.peer.instances()
