# SPDX-License-Identifier: Apache-2.0
"""launch refuses: each time with its exit code, one line and what to do; nothing is bought."""
import os

import pytest

from cloud import peer, peer_process  # noqa: F401
from github_fake import github, github_process  # noqa: F401
from launches import NUMBER, YAML, launches  # noqa: F401


def refused(launches, code, *texts, env=None, words=()):  # noqa: F811
    done = launches(*words, env=env or launches.dispatch(), code=code)
    for text in texts:
        assert text in done.stderr, done
    assert not launches.peer.instances() and not done.outputs
    return done


def test_no_guard(launches):  # noqa: F811
    env = launches.job()
    os.remove(f"{env['RUNNER_TEMP']}/branchline/guard.json")
    refused(launches, 4, "guard has not looked at", "actions/guard", env=env)


def test_a_commit_that_moved(launches):  # noqa: F811
    env = launches.job()
    launches.github.pull(NUMBER, head_sha="e" * 40)
    refused(launches, 4, "moved from", "eeeeeeeeeeee", "set the label again", env=env)


def test_a_pull_request_that_was_closed(launches):  # noqa: F811
    env = launches.job()
    launches.github.pull(NUMBER, state="closed")
    refused(launches, 4, "was closed", env=env)


def test_no_image(launches):  # noqa: F811
    launches.commit(YAML, other="2")
    refused(launches, 1, "there is no image of commit", "push-image")
    assert not launches.runs(), "no run was made: there is nothing to end"


def test_an_image_that_no_driver_serves(launches):  # noqa: F811
    launches.commit(YAML, other="3")
    launches.image(["CUDA_VERSION=13.1.0"], name="cuda13")
    refused(launches, 1, "needs CUDA 13.1.0", "550.54.15", "base image for CUDA 12.4")


@pytest.mark.parametrize("extra, text", [
    ("gpu: h100\n", "has T4, not h100"),
    ("gpu_memory_gb: 80\n", "of memory, not 80"),
    ("min_compute: 9.0\n", "compute capability 8.9, not 9.0"),
])
def test_no_type_fits(launches, extra, text):  # noqa: F811
    launches.commit(YAML.replace("gpus: 1\n", "") + extra)
    launches.image(name="fits")
    refused(launches, 2, text, "types:")


def test_over_a_ceiling(launches):  # noqa: F811
    refused(launches, 2, "over the stack's ceiling of 50", "ceiling raised", words=["--max-cost-usd", "99"])
    refused(launches, 2, "p5.48xlarge", "not among the stack's", words=["--instance-types", "p5.48xlarge"])


def test_over_the_budget(launches):  # noqa: F811
    launches.peer.budget("branchline", 500, 499.9)
    refused(launches, 6, "budget of 500.00 USD", "499.90 spent", "lower max_runtime")
    assert not launches.runs()


def test_our_own_attempts_count_where_aws_is_late(launches):  # noqa: F811
    launches.stack(budget={"name": "branchline", "limit_usd": 13})
    refused(launches, 6, "12.50 spent")


def test_too_many_machines(launches):  # noqa: F811
    for _ in range(4):
        launches.peer.make_instance(type="g6.xlarge", state="running",
                                    tags={"branchline:stack": "branchline"})
    done = launches(env=launches.dispatch(), code=3)
    assert "4 machines of stack 'branchline' are on" in done.stderr and "cancel RUN" in done.stderr
    assert len(launches.peer.instances()) == 4


def test_quota(launches):  # noqa: F811
    launches.peer.quota("L-3819A6DF", 0)
    done = refused(launches, 3, "account:", "vCPU")
    assert not launches.runs(), done


def test_no_capacity_names_every_pool(launches):  # noqa: F811
    launches.peer.capacity()
    launches.peer.capacity(type="g5.*", code="MaxSpotInstanceCountExceeded")
    done = refused(launches, 3, "InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded",
                   "spot-then-on-demand")
    for kind in ("g4dn.xlarge", "g5.xlarge", "g6.xlarge"):
        for zone in "abc":
            assert any(kind in line and f"us-east-1{zone}" in line for line in done.stderr.splitlines()
                       if "nsufficient" in line or "MaxSpot" in line), (kind, zone, done.stderr)
    run, = launches.runs()
    outcome = launches.outcome(run)
    # whoever waits from elsewhere looks for the end of an attempt
    assert launches.document(run, "attempts/001.end.json")["class"] == outcome["class"]
    assert outcome["class"] == "capacity" and outcome["stage"] == "launch" and outcome["next_step"]
    assert launches.has(run, "FAILURE")


@pytest.mark.parametrize("error, code, kind, text", [
    ("InsufficientInstanceCapacity", 3, "capacity", "spot-then-on-demand"),
    ("InsufficientFreeAddressesInSubnet", 3, "capacity", "no free address in the subnet"),
    ("VcpuLimitExceeded", 3, "quota", "Service Quotas"),
    ("MaxSpotInstanceCountExceeded", 3, "quota", "quota forbids every pool"),
    ("UnauthorizedOperation", 4, "auth", "EC2 refuses every pool"),
    ("Unsupported", 2, "config", "no pool has what was asked"),
])
def test_what_every_pool_answers_is_exit_code_and_class(launches, error, code, kind, text):  # noqa: F811
    launches.peer.capacity(code=error)
    refused(launches, code, error, text)
    run, = launches.runs()
    outcome = launches.outcome(run)
    assert (outcome["class"], outcome["stage"]) == (kind, "launch") and outcome["next_step"], outcome
    assert launches.has(run, "FAILURE")


def test_may_not_buy(launches):  # noqa: F811
    launches.peer.script(operation="CreateFleet", status=403, error="UnauthorizedOperation", count=9)
    refused(launches, 4, "UnauthorizedOperation")
    run, = launches.runs()
    assert launches.outcome(run)["class"] == "auth"


def test_no_such_stack(launches):  # noqa: F811
    refused(launches, 2, "stack", "none-such", words=["--stack", "none-such"])


def test_local_data_is_out_of_reach(launches):  # noqa: F811
    launches.commit(YAML + "data: {train: file:///d/train.jsonl}\n")
    launches.image(name="data")
    refused(launches, 2, "data channel 'train'", "branchline sync")


def test_a_store_that_is_no_bucket(launches, tmp_path):  # noqa: F811
    refused(launches, 2, "not in reach of a machine", words=["--store", str(tmp_path / "here")])


def test_nothing_to_train(launches):  # noqa: F811
    launches.commit("version: 1\n")
    refused(launches, 2, "no command: nothing to train")
