# SPDX-License-Identifier: Apache-2.0
"""plan: what launch would do, in words and as JSON; nothing is bought, written or refused."""
import json

import pytest

from cloud import peer, peer_process  # noqa: F401
from github_fake import github, github_process  # noqa: F401
from launches import YAML, launches  # noqa: F401

WRITES = ("PutObject", "CreateFleet", "DeleteObject", "CreateMultipartUpload", "TerminateInstances")


def plan(launches, *words, **more):  # noqa: F811
    """No side effect, whatever it says."""
    before = launches.peer.objects()
    mark = len(launches.peer.log())
    done = launches(*words, verb="plan", **more)
    assert launches.peer.objects() == before and not launches.peer.instances()
    assert not [entry["operation"] for entry in launches.peer.log()[mark:] if entry["operation"] in WRITES]
    return done


@pytest.mark.sample
def test_all_that_a_newcomer_asks(launches):  # noqa: F811
    told = plan(launches).stdout
    assert told.startswith(f"{launches.sha[:12]} (main), job default, stack branchline in us-east-1\n")
    for text in ("Machines that fit, cheapest spot first", "g4dn.xlarge     us-east-1b      1 x T4 16 GB",
                 "0.1999     0.5260    62 %", "0.45 to 1.20 USD for 2 h, never over 10 USD",
                 "up to 120 minutes of the job that waits, 0.72 USD",
                 "ok     budget   12.50 USD spent this month of 500.00, 0 of 4 machines on",
                 "1. CreateFleet, spot, 9 pools", "TagSpecification.2.Tag.4.Key=branchline:deadline",
                 "Overrides.9.SubnetId=", "launch would go ahead"):
        assert text in told, f"{text!r} is not in\n{told}"


def test_the_request_is_the_one_that_launch_sends(launches):  # noqa: F811
    """But for what a moment makes: run, hashes, deadline, token, key."""
    asked = json.loads(plan(launches, "--json").stdout)["requests"][0]
    launches()
    sent = launches.peer.log("CreateFleet")[0]
    tags = {line.partition("=")[2] for line in asked.splitlines() if ".Key=" in line}
    box = launches.one_box()
    assert tags == {name for name in box["tags"] if name.startswith("branchline:")}
    assert f"Tag.2.Value={box['tags']['branchline:run'][:8]}" in asked.replace("\n", " ")
    assert sent["status"] == 200 and "SpotOptions.AllocationStrategy=price-capacity-optimized" in asked


def test_json(launches):  # noqa: F811
    told = json.loads(plan(launches, "--json", "--market", "spot-then-on-demand").stdout)
    assert told["would_launch"] and told["schema"] == 1 and len(told["pools"]) == 9
    assert told["estimate"]["ci_minutes"] == 120 and told["estimate"]["usd_max"] > 1
    assert [one["name"] for one in told["phases"]] == ["run", "data", "image", "types", "account", "prices",
                                                       "budget", "host"]
    assert len(told["requests"]) == 2


def test_what_would_be_refused_is_said_all_at_once(launches):  # noqa: F811
    launches.commit(YAML, other="9")
    launches.peer.budget("branchline", 500, 499.9)
    launches.peer.instance_profile(exists=False)
    told = plan(launches).stdout
    for text in ("REFUSE image    there is no image of commit", "-> push it first", "REFUSE budget",
                 "REFUSE account", "3 things above to put right first", "Machines that fit"):
        assert text in told, f"{text!r} is not in\n{told}"


def test_what_lies_around_the_commit_is_said(launches):  # noqa: F811
    launches.repo.git("update-ref", "refs/remotes/origin/topic", launches.sha)
    assert "Notes" not in plan(launches).stdout
    (launches.repo.path / "train.py").write_text("print(2)\n")
    assert "`git commit` and `git push` them, or `branchline local`" in plan(launches).stdout
    launches.commit(YAML, other="7")
    told = plan(launches).stdout
    assert f"commit {launches.sha[:12]} is on no remote branch: `git push` it" in told
    assert "not committed" not in told


@pytest.mark.parametrize(
    ("is_repo", "text"),
    [(False, "run it in a clone of the repository"), (True, "no commit here to train; commit branchline.yaml")],
)
def test_where_there_is_nothing_yet(launches, tmp_path, is_repo, text):  # noqa: F811
    launches.repo.path = tmp_path / "empty"
    launches.repo.path.mkdir()
    if is_repo:
        launches.repo.git("init", "--quiet")
    done = plan(launches, code=2)
    assert text in done.stderr and not done.stdout


def test_a_stack_that_is_not_there(launches):  # noqa: F811
    assert "apply the Terraform module" in plan(launches, "--stack", "none-such", code=2).stderr


def test_no_machine_fits(launches):  # noqa: F811
    told = json.loads(plan(launches, "--json", "--gpu", "h100").stdout)
    assert not told["would_launch"] and told["pools"] == [] and told["requests"] == []
    assert "has T4, not h100" in told["phases"][-1]["text"]


def test_a_wrong_file_is_an_error(launches):  # noqa: F811
    launches.commit("version: 1\ncommand: [t]\nmax_runtme: 2h\n")
    done = launches(verb="plan", code=2)
    assert "max_runtime" in done.stderr and not done.stdout
