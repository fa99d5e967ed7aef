# SPDX-License-Identifier: Apache-2.0
"""A bucket as the store: `branchline local` and the verbs on it."""
import json
import os
import shutil
import subprocess

import pytest

from cloud import BUCKET
from conftest import PATIENCE
from s3_project import S3Project, check_success


@pytest.fixture
def project(branchline, tmp_path, bucket):
    return S3Project(branchline, tmp_path / "project", bucket)


# --- a run and its verbs --------------------------------------------------------------------------

@pytest.mark.sample
def test_a_run_succeeds_and_leaves_what_the_design_says(project, tmp_path):
    done = project.call("local")
    assert "done at step 20" in done.stdout
    run = project.bucket.run()
    names = {key[len(run):] for key in project.bucket.keys(run)}
    assert {"run.json", "attempts/001.json", "attempts/001.started.json", "attempts/001.end.json",
            "heartbeats/001.json", "outputs/001.manifest.json", "outputs/001/model/model.bin",
            "log.txt", "metrics.jsonl", "outcome.json", "SUCCESS"} <= names
    assert "reserve" not in names and "FAILURE" not in names
    check_success(project, tmp_path)
    assert project.git("status", "--porcelain") == ""


def test_the_aws_cli_sees_the_run(project):
    if not shutil.which("aws"):
        pytest.skip("the aws CLI is not at hand")
    project.call("local")
    # versions before 2.13 know no AWS_ENDPOINT_URL
    told = subprocess.run(["aws", "--endpoint-url", project.bucket.env["AWS_ENDPOINT_URL"],
                           "s3", "ls", "--recursive", f"s3://{project.bucket.name}"],
                          env=dict(os.environ, **project.bucket.env), text=True, check=True,
                          capture_output=True, timeout=PATIENCE).stdout
    keys = [line.split()[3] for line in told.splitlines()]
    assert keys == sorted(project.bucket.keys())
    assert {key.split("/")[0] for key in keys} == {"runs", "index"}


def test_every_verb_works_on_it(project, tmp_path):
    project.call("local")
    project.call("local", "--param", "steps=10")
    second, first = project.runs()
    assert (first["state"], first["step"], second["step"]) == ("success", 20, 10)
    status = json.loads(project.call("status", "--json").stdout)
    assert status["runs"][0]["run"] == second["run"]
    assert project.call("logs", "-n", "1", first["run"]).stdout.strip() == "done at step 20"
    assert len(project.call("logs", "--metrics").stdout.splitlines()) == 10
    pulled = project.call("pull", first["run"], tmp_path / "out")
    assert (tmp_path / "out/model/model.bin").read_bytes() == bytes(range(256)) * 20
    assert "5120 bytes" in pulled.stderr
    project.call("pull", "--checkpoint", first["run"], tmp_path / "ckpt")
    assert (tmp_path / "ckpt/step-000020.pt").exists()
    assert "steps" in project.call("diff", first["run"], second["run"]).stdout
    assert first["run"] in project.call("report", first["run"]).stdout
    project.call("baseline", first["run"])
    assert "has ended already" in project.call("stop", first["run"]).stderr
    project.call("rm", "--yes", first["run"])
    assert [run["run"] for run in project.runs()] == [second["run"]]
    assert not project.bucket.keys(f"runs/{first['run']}/")


def test_a_run_is_stopped_through_it(project, processes):
    process = project.start("local", "--param", "hold_at=5")
    processes.append(process)
    project.bucket.wait_for("attempts/001.started.json")
    stopped = project.call("stop")
    assert process.wait(timeout=PATIENCE) == 5
    assert "cancelled" in stopped.stderr
    assert project.bucket.outcome()["status"] == "cancelled"
    assert "checkpoint" in project.call("status").stdout


def test_pull_says_the_bytes_before_they_come(strict, peer, tmp_path, processes):
    strict.call("local")
    peer.script(operation="GetObject", key="*model.bin", hold="pull")
    process = strict.start("pull", "latest", tmp_path / "out")
    processes.append(process)
    assert "5120 bytes" in process.stderr.readline()
    peer.release("pull")
    assert process.wait(timeout=PATIENCE) == 0


def copies(strict, peer, n):
    """So many runs more, each a copy of the newest under another name."""
    run = strict.bucket.run().split("/")[1]
    wanted = ("run.json", "outcome.json", "SUCCESS", "attempts/001.json", "attempts/001.end.json",
              "heartbeats/001.json")
    objects, digits = {}, "abcdefghijklmnopqrstuvwxyz234567"
    for i in range(n):
        name = run[:26] + "".join(digits[i // 32 ** k % 32] for k in range(4))
        for key in wanted:
            body = strict.bucket.get(f"runs/{run}/{key}")
            objects[f"runs/{name}/{key}"] = body.replace(run.encode(), name.encode())
    peer.put_many(objects)


def overlap(entries):
    return max(sum(other["began"] <= entry["began"] < other["ended"] for other in entries)
               for entry in entries)


def test_many_runs_are_listed_many_at_once(strict, peer):
    strict.call("local")
    copies(strict, peer, 50)
    peer.script(operation="GetObject", count=0, delay=0.1)
    after = len(peer.log())
    assert len(json.loads(strict.call("runs", "--json", "--limit", "0").stdout)["runs"]) == 51
    seen = peer.log(after=after)
    operations = [entry["operation"] for entry in seen]
    assert operations.count("ListObjectsV2") == 2  # whether it is there; the runs' names
    assert operations.count("GetObject") == 5 * 51 and len(operations) == 5 * 51 + 2
    gets = [entry for entry in seen if entry["operation"] == "GetObject"]
    assert overlap(gets) >= 4, "one after the other"
    after = len(peer.log())
    strict.call("runs", "--limit", "5")
    assert len(peer.log(after=after)) <= 2 + 5 * 5


def test_a_long_log_is_read_many_chunks_at_once(strict, peer):
    strict.call("local")
    run = strict.bucket.run()
    told = strict.call("logs").stdout
    end, more = len(told.encode()), []
    for i in range(40):
        text = f"chunk {i}\n" * (i + 1)
        peer.put(f"{run}logs/001/{end:016}.log", text)
        end += len(text)
        more.append(text)
    peer.script(operation="GetObject", key="*.log", count=0, delay=0.2)
    after = len(peer.log())
    assert strict.call("logs").stdout == told + "".join(more)
    chunks = peer.log("GetObject", after=after)
    chunks = [entry for entry in chunks if entry["key"].endswith(".log")]
    assert len(chunks) == 41
    assert overlap(chunks) >= 4, "one after the other"


def test_many_outputs_are_pulled_many_at_once(strict, peer, tmp_path):
    (strict.path / "many.py").write_text(
        "import os, pathlib\n"
        "for i in range(80):\n"
        "    path = pathlib.Path(os.environ['SM_MODEL_DIR'], f'{i // 10}', f'{i}.bin')\n"
        "    path.parent.mkdir(exist_ok=True)\n"
        "    path.write_bytes(bytes([i]) * i * 100)\n")
    strict.call("local", "--", "python3", "many.py")
    peer.script(operation="GetObject", key="*/model/*", count=0, delay=0.1)
    after = len(peer.log())
    strict.call("pull", "latest", tmp_path / "out")
    for i in range(80):
        assert (tmp_path / f"out/model/{i // 10}/{i}.bin").read_bytes() == bytes([i]) * i * 100
    gets = [entry for entry in peer.log(after=after) if "/model/" in (entry["key"] or "")]
    assert [entry["operation"] for entry in gets] == 80 * ["GetObject"]
    assert overlap(gets) >= 4, "one after the other"
    again = len(peer.log())
    strict.call("pull", "latest", tmp_path / "out")  # all of it is there
    assert not [entry for entry in peer.log(after=again) if "/model/" in (entry["key"] or "")]


def test_a_flipped_bit_in_an_output_is_named(strict, peer, tmp_path):
    strict.call("local")
    (key,) = [key for key in strict.bucket.keys() if key.endswith("model.bin")]
    peer.corrupt(key, bit=77)
    done = strict.call("pull", "latest", tmp_path / "out", check=False)
    assert done.returncode != 0 and "model.bin" in done.stderr, done.stderr
    assert not list((tmp_path / "out").rglob("*.bin"))
    assert not list((tmp_path / "out").rglob(".bl-*"))


def test_a_run_is_removed_in_few_requests(strict, peer):
    strict.call("local")
    after = len(peer.log())
    strict.call("rm", "--yes", "latest")
    operations = peer.operations(after=after)
    assert operations.count("DeleteObjects") == 1 and operations.count("DeleteObject") == 1
    assert not strict.bucket.keys("runs/")


# --- what is not possible -------------------------------------------------------------------------

def test_refusals_say_why(strict):
    cases = [
        ((f"s3://{BUCKET}/team",), {}, 2, "whole bucket"),
        (("s3://no-such-bucket",), {}, 2, "aws s3 mb"),
        ((f"s3://{BUCKET}",), {"AWS_ENDPOINT_URL": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""},
         2, "AWS_REGION"),
        ((f"s3://{BUCKET}",), {"AWS_SECRET_ACCESS_KEY": "wrong"}, 4, "SignatureDoesNotMatch"),
        ((f"s3://{BUCKET}",), {"BRANCHLINE_BUCKET_OWNER": "999999999999"}, 4, "AccessDenied"),
    ]
    for args, env, code, said in cases:
        for verb in ("runs", "local"):
            done = strict.call(verb, "--store", *args, check=False, **env)
            assert done.returncode == code, (verb, args, env, done.stderr)
            assert said in done.stderr and "Traceback" not in done.stderr
            assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert strict.bucket.keys() == {}
