# SPDX-License-Identifier: Apache-2.0
"""A user's repository whose store is a bucket, and the bucket as boto3 sees it."""
import json

import pytest

from cloud import BUCKET, boto
from conftest import PATIENCE, until
from project import Project, check_store


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
        clean = {name: value for name, value in super().env(extra).items()
                 if not name.startswith("AWS_") or name in extra}
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
def strict(branchline, tmp_path, peer):
    """A project on the strict peer."""
    return S3Project(branchline, tmp_path / "project", Bucket(peer, BUCKET, peer.env()))


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
