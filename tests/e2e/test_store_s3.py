# SPDX-License-Identifier: Apache-2.0
"""A bucket as the store: `branchline local` and the verbs on it, killed, resumed, cut off."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from cloud import BUCKET, boto, minio, moto, peer, peer_process  # noqa: F401
from conftest import PATIENCE, until, wait_gone
from door import Door
from project import Project, check_nothing_lives, check_store

# A training that ends while the store is out of reach: for 3 s, or the two minutes of a real outage.
STEPS = 2400 if os.environ.get("SOAK") else 60
STEP_MS = 50


class Bucket:
    """A server's bucket, seen by boto3: from outside."""

    def __init__(self, server, name, env):
        self.server, self.name, self.env, self.s3 = server, name, env, boto("s3", server)

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def get(self, key):
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()

    def json(self, key):
        return json.loads(self.get(key))

    def run(self):
        """Prefix of the newest run, once there is one."""
        found = until(lambda: [key for key in self.keys("runs/") if key.endswith("/run.json")],
                      "a run")
        return sorted(found)[-1][:-len("run.json")]

    def wait_for(self, glob_end, patience=PATIENCE):
        """Keys of the newest run that end so."""
        run = self.run()
        return until(lambda: [key for key in self.keys(run) if key.endswith(glob_end)],
                     f"a key that ends in {glob_end}", patience)

    def outcome(self):
        return self.json(self.run() + "outcome.json")

    def mirror(self, path):
        """The bucket as a directory, for what looks at directory stores."""
        for key in self.keys():
            target = path / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.get(key))
        return path


class S3Project(Project):
    """Its verbs work on s3://bucket by branchline.yaml."""

    def __init__(self, branchline, path, bucket):
        self.bucket = bucket
        super().__init__(branchline, path)

    def configure(self, more=""):
        super().configure(f"store: s3://{self.bucket.name}\n" + more)

    def env(self, extra):
        clean = {k: v for k, v in super().env(extra).items() if not k.startswith("AWS_") or k in extra}
        return dict(self.bucket.env, **clean)

    def log(self, attempt=1):
        """What the training printed, on this machine."""
        run = self.bucket.run().split("/")[1]
        return self.path / ".branchline/work" / run / str(attempt) / "output/branchline/log"


@pytest.fixture(params=["peer", "moto", "minio"])
def bucket(request):
    server = request.getfixturevalue(request.param)
    name = BUCKET if request.param == "peer" else server.fresh_bucket()
    return Bucket(server, name, server.env())


@pytest.fixture
def project(branchline, tmp_path, bucket):
    return S3Project(branchline, tmp_path / "project", bucket)


@pytest.fixture
def strict(branchline, tmp_path, peer):
    """A project on the strict peer."""
    return S3Project(branchline, tmp_path / "project", Bucket(peer, BUCKET, peer.env()))


@pytest.fixture
def door(strict, peer):
    """The project's way to the peer."""
    made = Door(peer.url)
    strict.bucket.env = dict(strict.bucket.env, AWS_ENDPOINT_URL=made.url)
    yield made
    made.close()


def check_success(project, tmp_path, steps=20):
    """One outcome, and all of the log, the metrics and the outputs."""
    bucket, run = project.bucket, project.bucket.run()
    assert bucket.outcome()["status"] == "success"
    store = bucket.mirror(tmp_path / "mirror")
    check_store(store)
    assert f"done at step {steps}" in (store / run / "log.txt").read_text()
    points = [json.loads(line) for line in (store / run / "metrics.jsonl").read_text().splitlines()]
    assert sorted({point["step"] for point in points}) == list(range(1, steps + 1))
    outcome = bucket.outcome()
    manifest = bucket.json(f"{run}outputs/{outcome['attempt']:03}.manifest.json")
    assert [entry["path"] for entry in manifest["entries"]] == ["model/model.bin"]


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
    objects = {}
    for i in range(n):
        name = run[:26] + "".join("abcdefghijklmnopqrstuvwxyz234567"[i // 32 ** k % 32] for k in range(4))
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
    assert not list((tmp_path / "out").rglob("*.bin")) and not list((tmp_path / "out").rglob(".bl-*"))


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


# --- killed and resumed ---------------------------------------------------------------------------

@pytest.mark.parametrize("failpoint", [
    "host.exec.after", "host.flush.before", "host.outputs.before", "host.end.before", "host.end"])
def test_a_killed_host_is_resumed(strict, tmp_path, has_failpoints, failpoint):
    strict.call("local", check=False, BRANCHLINE_FAILPOINT=f"{failpoint}=kill")
    if failpoint != "host.end":
        assert not [key for key in strict.bucket.keys() if key.endswith("outcome.json")]
        strict.call("local", "--resume", "latest")
    check_success(strict, tmp_path)
    check_nothing_lives(strict.bucket.run().split("/")[1])


@pytest.mark.parametrize("failpoint", [
    "ship.claim.after", "checkpoint.object.after", "checkpoint.manifest.after", "ship.outputs.after",
    "ship.end.before", "ship.end.after", "ship.outcome.after"])
def test_a_killed_ship_is_no_end(strict, tmp_path, has_failpoints, failpoint):
    """Its write may be in the bucket: who goes on finds it, and takes it for its own."""
    strict.call("local", check=False, BRANCHLINE_FAILPOINT=f"{failpoint}=kill@1")
    if not [key for key in strict.bucket.keys() if key.endswith("outcome.json")]:
        strict.call("local", "--resume", "latest")
    check_success(strict, tmp_path)


def test_a_run_killed_in_the_middle_goes_on(project, tmp_path, processes):
    process = project.start("local", "--param", "hold_at=12")
    processes.append(process)
    project.bucket.wait_for(".manifest.json")
    claim = project.bucket.json(project.bucket.run() + "attempts/001.json")
    os.kill(claim["owner"]["pid"], signal.SIGKILL)
    process.wait(timeout=PATIENCE)
    wait_gone(claim["owner"]["pid"])
    project.call("local", "--resume", "latest", "--param", "hold_at=12")
    outcome = project.bucket.outcome()
    assert (outcome["status"], outcome["attempt"]) == ("success", 2)
    assert "start at step 10, attempt 2" in project.call("logs").stdout
    check_success(project, tmp_path)


# --- replies that are lost ------------------------------------------------------------------------

def test_replies_lost_after_the_write(strict, peer, tmp_path):
    """Each kind of key once: what stands is found to be our own."""
    for key in ("*/run.json", "*/attempts/001.json", "*/001.started.json", "*.manifest.json",
                "*.log", "*.jsonl", "*/001.end.json", "*/outcome.json", "*/SUCCESS", "index/*"):
        peer.script(operation="PutObject", key=key, cut="after")
    strict.call("local")
    assert peer.pending() == []
    check_success(strict, tmp_path)


# --- out of reach ---------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_out_of_reach_while_training(strict, door, tmp_path, processes, how):
    """Training goes on and ends meanwhile; all of it is stored when the store is back."""
    process = strict.start("local", "--param", f"steps={STEPS}", "--param", f"step_ms={STEP_MS}",
                           "--stall", "2s", "--stop-on", "stall")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    before = len(strict.bucket.keys())
    door.shut(how)
    until(lambda: f"done at step {STEPS}" in strict.log().read_text(), "the training ends",
          PATIENCE + STEPS * STEP_MS / 1000)
    # so often that one whole call of the client, with its retries, has failed
    tries = 8 if how == "refuse" else 1
    until(lambda: door.turned_away >= tries, "the door is tried", PATIENCE)
    assert process.poll() is None
    assert len(strict.bucket.keys()) == before
    door.open()
    _, err = process.communicate(timeout=PATIENCE + 60)
    assert process.returncode == 0, err
    if how == "refuse":  # the other one a single request outlasts
        assert "tried again until it works" in err
        assert "reached again" in err
    check_success(strict, tmp_path, steps=STEPS)


def test_out_of_reach_for_longer_than_the_reserve(strict, door, tmp_path, processes):
    """Then the run is left to be resumed, and nothing that was stored is lost."""
    strict.configure("flush_reserve: 2s\n")
    process = strict.start("local", "--param", "steps=40", "--param", "step_ms=50")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    door.shut()
    _, err = process.communicate(timeout=PATIENCE + 60)
    assert process.returncode == 75, err
    assert "--resume" in err
    door.open()
    strict.call("local", "--resume", "latest", "--param", "steps=40", "--param", "step_ms=50")
    check_success(strict, tmp_path, steps=40)


def test_out_of_reach_at_the_beginning(strict, door, processes):
    door.shut()
    done = strict.call("local", check=False)
    assert done.returncode == 75, done.stderr
    assert strict.bucket.keys() == {}


def test_who_follows_the_log_waits_for_it(strict, door, processes):
    """Neither who trains nor who reads along, each by the same way, gives up."""
    training = strict.start("local", "--param", "hold_at=5")
    processes.append(training)
    strict.bucket.wait_for("attempts/001.started.json")
    reader = strict.start("logs", "-f")
    processes.append(reader)
    assert "start at step 0" in reader.stdout.readline()
    door.shut()
    assert "tried again until it works" in reader.stderr.readline()
    door.open()
    strict.call("stop")
    out, _ = reader.communicate(timeout=PATIENCE)
    assert reader.returncode == 0 and training.wait(timeout=PATIENCE) == 5


def test_a_second_ctrl_c_does_not_wait_for_it(strict, door, processes):
    process = strict.start("local", "--param", "hold_at=5", "--param", "ignore_term=true",
                           "--grace", "60s")
    processes.append(process)
    strict.bucket.wait_for(".manifest.json")
    door.shut()
    for said in ("stopping: the last checkpoint is kept", "--resume"):
        os.kill(process.pid, signal.SIGINT)
        line = process.stderr.readline()
        while line and said not in line:
            line = process.stderr.readline()
        assert line, f"{said} was not said"
    assert process.wait(timeout=PATIENCE) == 75
