# SPDX-License-Identifier: Apache-2.0
"""Engine ec2 against the strict peer: one instance for an attempt, whatever is cut or repeated."""
import json
import os
import random
import signal

import pytest

from cloud import SUBNETS, env_of
from compute_drive import (BUG, BUSY, CANCELLED, CAPACITY, DENIED, INPUT, RETRY, RUN,  # noqa: F401
                           REPOSITORY, Drive, compute_driver)
from conftest import until
from test_schemas import check

SOAK = bool(os.environ.get("SOAK"))
POINTS = ("compute.claim.before", "compute.claim.after", "compute.try.before", "compute.try.after",
          "compute.fleet.before", "compute.fleet.answered", "compute.started.before",
          "compute.started.after")


@pytest.fixture
def drive(compute_driver, peer, tmp_path):  # noqa: F811
    return Drive(compute_driver, tmp_path / "store", peer)


def live(peer):
    return [one["id"] for one in peer.instances(live=True)]


def test_a_purchase(peer, drive):
    instance, type, zone, market, usd, disk, _ = drive("start")
    assert (type, zone, market, usd, disk) == ("g6.xlarge", "us-east-1b", "spot", "0.4", "0.01")
    one, = peer.instances()
    assert one["id"] == instance
    assert {name: one["tags"]["branchline:" + name] for name in (
        "stack", "run", "attempt", "deadline", "repository", "pr", "job", "spec", "host", "key",
        "mode")} == {
            "stack": "branchline", "run": RUN, "attempt": "1", "deadline": "1795651200",
            "repository": REPOSITORY, "pr": "12", "job": "train", "spec": "5e0c", "host": "405f",
            "key": "key1", "mode": "spot"}
    claim, started = drive.document("001.json"), drive.document("001.started.json")
    asked = drive.document("001.try-001.json")
    check("claim", claim, "claim")
    check("started", started, "started")
    check("try", asked, "try")
    assert claim["owner"] == {"instance_tag": f"{RUN}/1"}
    assert started["instance"] == instance and started["nonce"] == claim["nonce"]
    assert started["on_demand_usd_hour"] == 1 and started["fleet"].startswith("fleet-")
    fleet, = peer.fleets()
    assert fleet["token"] == asked["token"] == one["token"]
    assert f"ClientToken={asked['token']}\n" in asked["request"]
    # once more: nothing is asked of EC2
    before = len(peer.operations())
    assert drive("start")[0] == instance
    assert len(peer.operations()) == before


def test_dry_pools_one_line_each(peer, drive):
    peer.capacity(market="spot")
    instance, type, _, market, usd, _, _ = drive("start")
    assert market == "on-demand" and usd == "1" and type == "g6.xlarge"
    lines = [line for line in drive.said.splitlines() if "no capacity" in line]
    assert len(lines) == 6
    assert lines[0].startswith("g6.xlarge us-east-1b spot: no capacity "
                               "(InsufficientInstanceCapacity: We currently do not have")
    assert drive.tries() == ["001.try-001.json", "001.try-002.json"]
    assert [fleet["spot"] for fleet in peer.fleets()] == [True, False]
    assert live(peer) == [instance]


def test_nothing_anywhere(peer, drive):
    peer.capacity()
    code, lack, text = drive("start")
    assert (code, lack) == (CAPACITY, "capacity")
    assert "no pool has capacity" in text and "wait_for_capacity" in text
    assert len(drive.tries()) == 2 and live(peer) == []
    # another call asks the last try again, to the letter, then new ones
    peer.capacity(code=None)
    assert drive("start")[0] == live(peer)[0]
    assert len(drive.tries()) == 3
    assert len(peer.log("CreateFleet")) == 4 and len(peer.fleets()) == 3


def test_a_quota_skips_the_family(peer, drive):
    peer.capacity("g6.*", code="VcpuLimitExceeded")
    peer.capacity("g5.*", "us-east-1a", "spot", "UnfulfillableCapacity")
    peer.capacity("g5.*", "us-east-1[bc]", "spot", "MaxSpotInstanceCountExceeded")
    assert drive("start", types="g6.xlarge,g6.2xlarge,g5.xlarge", market="both")[3] == "on-demand"
    peer.capacity(code="VcpuLimitExceeded")
    code, lack, text = drive("start", 2, market="spot")
    assert (code, lack) == (CAPACITY, "quota") and "Service Quotas" in text
    assert len(drive.tries(2)) == 1


def test_what_is_not_offered_anywhere(peer, drive):
    peer.capacity()
    code, lack, _ = drive("start", types="p4d.24xlarge,g6.xlarge", market="spot")
    assert (code, lack) == (CAPACITY, "capacity")
    code, _, text = drive("start", 2, types="g9.huge", market="on-demand")
    assert code == INPUT and "Unsupported" in text


@pytest.mark.parametrize("status", [500, 503])
def test_capacity_as_a_server_error_is_not_repeated(peer, drive, status):
    """F17"""
    peer.script(operation="CreateFleet", error="InsufficientInstanceCapacity", status=status)
    assert drive("start")[3] == "on-demand"
    assert len(peer.log("CreateFleet")) == 2
    assert "InsufficientInstanceCapacity" in drive.said


@pytest.mark.parametrize("fault", [
    dict(cut="after"), dict(cut="after", how="close"), dict(cut=0), dict(cut=200), dict(cut=700),
    dict(html502=True, commit=True), dict(status=500, error="InternalError", commit=True),
    dict(truncate_at=300), dict(cut="before"),
])
@pytest.mark.parametrize("count", [1, 4])
def test_a_lost_reply(peer, drive, fault, count):
    """F16"""
    peer.script(operation="CreateFleet", count=count, **fault)
    told = drive("start")
    assert told[0] == live(peer)[0] and len(peer.instances()) == 1
    assert peer.pending() == [] or fault.get("truncate_at")


def test_an_answer_that_never_comes(peer, drive):
    """Found by its tags, though Describe does not see it at once."""
    peer.options(ec2_hidden=2)
    peer.script(operation="CreateFleet", count=0, cut="after")
    told = drive("start")
    assert told[0] == live(peer)[0]
    assert "bought before" in drive.said


def test_surplus_is_ended(peer, drive):
    """F19"""
    peer.options(ec2_surplus=2, ec2_hidden=1)
    told = drive("start")
    assert len(peer.instances()) == 3 and live(peer) == [told[0]]
    assert "EC2 launched 3 instances for one" in drive.said


def test_what_is_refused(peer, drive):
    peer.script(operation="CreateFleet", error="UnauthorizedOperation", status=403,
                message="You are not authorized to perform this operation.")
    code, _, text = drive("start")
    assert code == DENIED and "ec2:CreateFleet" in text
    # once it may, the same request is sent again
    assert drive("start")[0] == live(peer)[0]
    assert len(drive.tries()) == 1


def test_a_mistake_that_is_mended(peer, drive):
    peer.template(drop=["imageId"])
    peer.script(operation="CreateFleet", error="InvalidLaunchTemplateId.NotFound", count=2)
    assert drive("start")[0] == INPUT
    assert drive("start")[0] == live(peer)[0]  # what stands is refused again, the next is not
    assert len(drive.tries()) == 2


def test_another_owner(drive):
    (drive.dir / "attempts").mkdir()
    (drive.dir / "attempts" / "001.json").write_text(
        '{"schema":1,"attempt":1,"owner":{"machine_id":"m","boot_id":"b","pidns":1,"pid":7,'
        '"start_ticks":1},"nonce":"abcdefgh234567zz","heartbeat_ms":30000,"claimed_ms":1}')
    code, _, text = drive("start")
    assert code == BUSY and "held by process 7" in text


def test_a_signal_while_ec2_buys(peer, drive):
    peer.script(operation="CreateFleet", hold="buying")
    process = drive.open("start")
    peer.wait_log("CreateFleet", held="buying")
    process.send_signal(signal.SIGTERM)
    peer.release("buying")
    out, said = process.communicate(timeout=30)
    assert out.startswith(f"failed {CANCELLED} ") and "was ended" in out
    assert len(peer.instances()) == 1 and live(peer) == []


def test_a_signal_and_no_answer(peer, drive):
    """The reply is not waited for: whoever cancels looks for it by its tags."""
    peer.script(operation="CreateFleet", hold="buying")
    process = drive.open("start")
    peer.wait_log("CreateFleet", held="buying")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out.startswith(f"failed {CANCELLED} ")
    ending = drive.open("end", look=30000)
    peer.wait_log("DescribeInstances")
    peer.release("buying")
    out, _ = ending.communicate(timeout=30)
    assert out == f"ok 1 {RUN}\n" and len(peer.instances()) == 1 and live(peer) == []


def wish_to_stop(drive):
    (drive.dir / "stop.json").write_text(json.dumps({
        "schema": 1, "reason": "cancelled", "by": "ada", "at": "2026-11-24T08:03:01Z", "at_ms": 1}))


def test_what_was_asked_to_stop_is_not_bought(peer, drive):
    wish_to_stop(drive)
    code, _, text = drive("start")
    assert code == CANCELLED and "stopped (cancelled)" in text and peer.fleets() == []


def test_a_wish_to_stop_while_ec2_buys(peer, drive):
    """Whoever cancelled has looked for machines already."""
    peer.script(operation="CreateFleet", hold="buying")
    process = drive.open("start")
    peer.wait_log("CreateFleet", held="buying")
    wish_to_stop(drive)
    peer.release("buying")
    out, _ = process.communicate(timeout=30)
    assert out.startswith(f"failed {CANCELLED} ") and "was ended" in out
    assert len(peer.instances()) == 1 and live(peer) == []


def test_a_wish_to_stop_between_two_purchases(peer, drive):
    peer.capacity()
    peer.script(operation="CreateFleet", hold="buying")
    process = drive.open("start")
    peer.wait_log("CreateFleet", held="buying")
    wish_to_stop(drive)
    peer.release("buying")
    out, _ = process.communicate(timeout=30)
    assert out.startswith(f"failed {CANCELLED} ") and len(peer.fleets()) == 1


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_run_again(peer, drive, point):
    assert drive("start", failpoint=f"{point}=kill") is None
    told = drive("start")
    assert [one["id"] for one in peer.instances()] == [told[0]]
    assert drive("probe")[:2] == ["alive", told[0]]


def fault_of(lot):
    """Where this launch is cut, by lot: the reply at a byte, or the program at a point."""
    kind = lot.randrange(3)
    if kind == 0:
        return dict(script=dict(operation="CreateFleet", cut=lot.randrange(1500),
                                count=lot.choice((1, 2, 3, 7)), how=lot.choice(("reset", "close"))))
    if kind == 1:
        return dict(script=dict(operation="CreateFleet", cut=lot.choice(("before", "after")),
                                count=lot.choice((1, 2, 3, 4))))
    return dict(failpoint=f"{lot.choice(POINTS)}=kill")


def test_as_many_instances_as_launches(compute_driver, peer, tmp_path):  # noqa: F811
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    lot, env = random.Random(seed), dict(env_of(peer), BRANCHLINE_TEST_LOOK_MS="0")
    for n in range(1000 if SOAK else 40):
        run = f"20261124T08{n // 60 % 60:02}{n % 60:02}Z-{n:08x}-q7xk"
        one = Drive(compute_driver, tmp_path / "store", peer, run=run)
        if lot.random() < 0.3:
            peer.capacity(market="spot", count=lot.randrange(1, 12))
        fault = fault_of(lot)
        if "script" in fault:
            peer.script(fault["script"])
        told = one("start", failpoint=fault.get("failpoint"), env=env)
        peer.heal()
        for _ in range(3):
            if told is None or told[0] == RETRY:
                told = one("start", env=env)
        peer.capacity(code=None)
        assert told and len(told) == 7, f"SEED={seed}, launch {n}, {fault}: {told} {one.said}"
        assert [i["id"] for i in peer.instances(run=run)] == [told[0]], f"SEED={seed}, launch {n}"
    assert len(live(peer)) == n + 1


# --- Looking after it, and its end ------------------------------------------------------------------


def test_probe(peer, drive):
    instance = drive("start")[0]
    assert drive("probe")[:3] == ["alive", instance, "pending"]
    assert drive("probe")[:3] == ["alive", instance, "running"]
    peer.instance(instance, state="stopping")
    assert drive("probe")[:3] == ["unknown", instance, "stopping"]
    for reason, word in (("Server.SpotInstanceTermination", "interrupted"),
                         ("Server.InsufficientInstanceCapacity", "capacity"),
                         ("Client.InstanceInitiatedShutdown", "boot"),
                         ("Client.UserInitiatedShutdown", "cancelled")):
        peer.instance(instance, state="terminated", reason=reason)
        assert drive("probe")[:4] == ["dead", instance, "terminated", word]


def test_a_new_instance_is_not_seen_at_once(peer, drive):
    """F20"""
    peer.options(ec2_hidden=5)
    instance = drive("start")[0]
    for _ in range(5):
        assert drive("probe")[:3] == ["unknown", instance, "-"]
    assert drive("probe")[:2] == ["alive", instance]


def test_one_that_nobody_knows_any_more(peer, drive):
    drive("start")
    path = drive.dir / "attempts" / "001.started.json"
    told = drive.document("001.started.json")
    told.update(instance="i-00000000000000000", started_at_ms=1)
    path.write_text(json.dumps(told))
    assert drive("probe")[:4] == ["dead", "i-00000000000000000", "-", "lost"]


def test_probe_without_a_record(peer, drive):
    """Its launcher was killed before it wrote what it had bought."""
    assert drive("start", failpoint="compute.started.before=kill") is None
    instance, = live(peer)
    assert drive("probe")[:2] == ["alive", instance]
    peer.instance(instance, state="terminated", reason="Server.SpotInstanceTermination")
    assert drive("probe")[:4] == ["dead", instance, "terminated", "interrupted"]


def test_probe_of_what_was_never_bought(peer, drive):
    assert drive("start", failpoint="compute.try.after=kill") is None
    assert drive("probe")[0] == "unknown"
    for name in ("001.json", "001.try-001.json"):
        path = drive.dir / "attempts" / name
        told = drive.document(name)
        for member in ("claimed_ms", "created_ms"):
            if member in told:
                told[member] = 1
        path.write_text(json.dumps(told))
    assert drive("probe")[:4] == ["dead", "-", "-", "lost"]


def test_end(peer, drive, compute_driver, tmp_path):  # noqa: F811
    other = Drive(compute_driver, tmp_path / "store", peer,
                  run="20261124T090000Z-1a2b3c4d-aaaa")
    mine, theirs = drive("start")[0], other("start")[0]
    stranger = peer.make_instance(state="running", tags={"branchline:run": RUN,
                                                         "branchline:stack": "another"})["id"]
    before = len(peer.operations())
    assert drive("end", instance=mine) == ["1", RUN]
    assert peer.operations(after=before)[0] == "TerminateInstances"
    assert live(peer) == [theirs, stranger]
    assert drive("end") == ["0"] and drive("end", instance=mine) == ["1", RUN]
    assert drive("end", pr=12) == ["1", other.run]
    assert live(peer) == [stranger]


def test_end_of_many_by_pages(peer, drive):
    peer.options(ec2_page=2)
    for n in range(7):
        peer.make_instance(state="running", subnet=SUBNETS["us-east-1a"], tags={
            "branchline:stack": "branchline", "branchline:run": f"{RUN[:-1]}{'abcdefg'[n]}",
            "branchline:repository": REPOSITORY, "branchline:pr": "12"})
    told = drive("end", pr=12)
    assert told[0] == "7" and len(set(told[1:])) == 7 and live(peer) == []


def test_end_of_one_that_is_not_seen_yet(peer, drive):
    peer.options(ec2_hidden=3)
    instance = drive("start")[0]
    assert drive("end", instance=instance, look=30000)[0] == "1"
    assert live(peer) == []


def test_console(peer, drive):
    instance = drive("start")[0]
    assert drive("console", instance=instance) == [""]
    peer.instance(instance, console="cloud-init: no such key")
    assert " ".join(drive("console", instance=instance)) == "cloud-init: no such key"


def test_it_gets_there(peer, drive):
    """Its requests, in order: what a launch costs AWS."""
    drive("start")
    assert peer.operations() == ["CreateFleet"]
    assert until(lambda: drive("probe")[2] == "running", "it runs")
