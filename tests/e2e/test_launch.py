# SPDX-License-Identifier: Apache-2.0
"""launch: what is bought, and what later steps and readers find."""
import json

import pytest

from cloud import peer, peer_process  # noqa: F401
from cloud_ec2 import TEMPLATE
from github_fake import REPOSITORY_ID, github, github_process  # noqa: F401
from launches import NUMBER, launches  # noqa: F401


@pytest.mark.sample
def test_a_labelled_pull_request_gets_one_machine(launches):  # noqa: F811
    env = launches.job()
    done = launches(env=env)
    box = launches.one_box()
    assert done.outputs["instance"] == box["id"] and done.outputs["type"] == box["type"]
    assert done.outputs["store"] == f"s3://peer-bucket/runs/{done.run}/"
    assert done.outputs["market"] == "spot" and float(done.outputs["price-per-hour"]) > 0
    assert float(done.outputs["estimate"]) > 0 and done.stdout.strip() == done.run
    spec = launches.document(done.run, "run.json")
    assert spec["kind"] == "cloud" and spec["pr"] == NUMBER and spec["labeller"] == "alice"
    assert spec["repository"]["id"] == str(REPOSITORY_ID) and spec["git"]["branch"] == "topic"
    assert spec["image"]["digest"].startswith("sha256:") and spec["compute"]["types"]
    assert box["tags"]["branchline:run"] == done.run
    assert box["tags"]["branchline:key"] == spec["compute"]["launch_key"]
    assert launches.has(done.run, "attempts/001.started.json")
