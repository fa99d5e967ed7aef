# SPDX-License-Identifier: Apache-2.0
"""wait: a launched run followed to its end, whatever becomes of it. The box is a record of the peer's,
and its host is played."""
import re

import pytest

from cloud import peer, peer_process  # noqa: F401
from conftest import until
from github_fake import github, github_process  # noqa: F401
from played import NUMBER, launches, now_ms, played  # noqa: F401
from test_schemas import check

# The waiter's time runs faster in programs that are built for tests.
fast = pytest.mark.usefixtures("has_failpoints")


@fast
@pytest.mark.sample
def test_a_success_is_followed_to_its_end(played):  # noqa: F811
    played.comes_up("step 1\n::add-path::/evil\n")
    process = played.start()
    until(lambda: "Training: step" in played.github.sticky(NUMBER)["body"], "the comment of a running run")
    played.chunk("the last line\n")
    played.end()
    done = played.finish(process, 0)
    assert played.outcome()["status"] == "success"
    assert done.outputs == {"state": "ended", "status": "success", "class": ""}
    assert "the last line" in done.stdout
    assert len(played.github.comments(NUMBER)) == 1
    # nothing that was printed is a command to the runner
    token = re.search(r"^::stop-commands::(\w{16,})$", done.stdout, re.M)[1]
    inside = done.stdout.split(f"::stop-commands::{token}\n")[1].split(f"::{token}::\n")[0]
    assert "::add-path::/evil" in inside and done.stdout.count("::add-path::") == 1
    for phase in ("boot", "training"):
        assert len(re.findall(rf"attempt 1: {phase}\b", done.stderr)) == 1, done.stderr


def test_a_failure_is_the_verbs_own(played):  # noqa: F811
    played.comes_up()
    played.end("failure", "user_exit", "ValueError: wrong shape")
    done = played.call("wait", code=1)
    assert "ValueError: wrong shape" in done.stderr
    assert done.outputs == {"state": "ended", "status": "failure", "class": "user_exit"}


@fast
@pytest.mark.parametrize("reason,klass", [("Server.InsufficientInstanceCapacity", "capacity"),
                                          ("Server.InternalError", "lost"),
                                          ("Server.SpotInstanceTermination", "interrupted")])
def test_a_box_that_is_taken_away_is_bought_again(played, reason, klass):  # noqa: F811
    process = played.start()
    played.peer.instance(played.box()["id"], state="terminated", reason=reason)
    played.wait_for_attempt(2)
    assert played.get("attempts/001.end.json")["class"] == klass
    played.comes_up("again\n")
    played.end()
    done = played.finish(process, 0)
    assert played.outcome()["attempt"] == 2 and "again" in done.stdout
    assert len(played.peer.instances(run=played.run)) == 2
    assert len(played.github.comments(NUMBER)) == 1


@fast
def test_a_box_that_describe_does_not_know_yet_is_waited_for(launches, played):  # noqa: F811
    played.peer.options(ec2_hidden=5)
    played.peer.remove(played.key("attempts/001.started.json"))  # found by tag alone
    process = played.start()
    played.peer.wait_log("DescribeInstances", 6)
    played.comes_up()
    played.end()
    played.finish(process, 0)
    assert len(played.peer.fleets()) == 1


@fast
def test_a_box_that_never_comes_up_is_ended_with_its_last_words(played):  # noqa: F811
    played.peer.instance(played.box()["id"], console="kernel\ncloud-init: no such bucket 'x'\n")
    played.change("attempts/001.started.json", started_at_ms=now_ms() - 11 * 60000)
    process = played.start()
    played.wait_for_attempt(2)
    first = played.get("attempts/001.end.json")
    assert first["class"] == "boot" and "no such bucket" in first["message"]
    assert played.box(1)["state"] in ("shutting-down", "terminated")
    played.comes_up()
    played.end()
    done = played.finish(process, 0)
    assert "cloud-init: no such bucket" in done.stdout


@fast
def test_a_heartbeat_that_stops_ends_the_box(played):  # noqa: F811
    played.comes_up()
    played.change("attempts/001.json", heartbeat_ms=30000)
    process = played.start()
    played.wait_for_attempt(2)
    assert played.get("attempts/001.end.json")["class"] == "lost"
    assert played.box(1)["state"] in ("shutting-down", "terminated")
    played.comes_up()
    played.end()
    played.finish(process, 0)


def test_the_deadline_ends_it(played):  # noqa: F811
    played.comes_up()
    played.change("attempts/001.started.json", deadline_ms=now_ms() - 121000)
    played.call("wait", code=6)
    assert played.outcome()["class"] == "timeout" and not played.live()


def test_the_budget_asks_host_first(played):  # noqa: F811
    played.comes_up()
    played.change("attempts/001.started.json", usd_hour=1e6)
    process = played.start()
    assert played.wait_for("stop.json")["reason"] == "budget"
    assert played.live()
    played.end("budget", "budget", "stopped: budget")
    played.finish(process, 6)
    assert played.outcome()["class"] == "budget"


@fast
def test_the_budget_ends_a_host_that_does_not_listen(played):  # noqa: F811
    played.comes_up()
    played.change("attempts/001.started.json", usd_hour=1e6)
    done = played.call("wait", code=6)
    assert played.outcome()["class"] == "budget" and not played.live()
    assert "max_cost_usd" in done.stderr


def test_retries_used_up_are_the_end(played):  # noqa: F811
    played.change("run.json", limits=dict(played.get("run.json")["limits"], retries=0))
    played.end("interrupted", "interrupted", "spot notice")
    done = played.call("wait", code=75)
    assert done.outputs["status"] == "interrupted" and len(played.peer.fleets()) == 1


@fast
def test_two_interruptions_in_half_an_hour_go_on_demand(played):  # noqa: F811
    document = played.get("run.json")
    document["compute"]["market"] = "spot-then-on-demand"
    played.put("run.json", document)
    process = played.start()
    for attempt in (1, 2):
        played.wait_for_attempt(attempt)
        played.end("interrupted", "interrupted", "spot notice", attempt=attempt)
    played.wait_for_attempt(3)
    assert [one["spot"] for one in played.peer.instances(run=played.run)] == [True, True, False]
    played.end()
    played.finish(process, 0)


def test_it_hands_over_by_the_jobs_clock(played):  # noqa: F811
    played.comes_up()
    played.launches.guard(played.env, job_started_ms=now_ms() - 330 * 60000)
    done = played.call("wait")
    assert done.outputs == {"state": "running", "status": "", "class": ""}
    assert played.live() and not played.has("outcome.json")
    assert f"branchline wait {played.run}" in played.github.sticky(NUMBER)["body"]
    # collect need not wait until the last sign of a waiter is old
    assert "nobody waits for it" in played.call("collect").stdout
    check("waiter", played.get("waiter.json"), "waiter.json of nobody")
    # another job, or a laptop, just goes on
    played.end()
    assert played.call("wait", played.run, "--wait-minutes", "0").outputs["status"] == "success"


def test_it_detaches_when_it_is_told_so(played):  # noqa: F811
    played.comes_up()
    process = played.start("wait", "--on-signal", "detach")
    played.wait_for("waiter.json")
    process.terminate()
    assert played.finish(process, 0).outputs["state"] == "running"
    assert played.live() and not played.has("outcome.json")


@fast
def test_the_issuer_is_gone_and_the_run_goes_on(played):  # noqa: F811
    played.comes_up()
    played.peer.options(session_seconds=2)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del played.env[name]
    played.env.update(played.peer.oidc_env())
    process = played.start(BRANCHLINE_TEST_WAIT_SPEED="3000")
    played.wait_for("waiter.json")
    played.peer.script(service="oidc", status=500, count=100000)
    played.peer.script(service="sts", status=500, count=100000)
    done = played.finish(process, 75)
    assert f"branchline wait {played.run}" in done.stderr
    assert played.live() and not played.has("stop.json") and not played.has("outcome.json")


@fast
def test_a_store_that_does_not_answer_comes_back(played):  # noqa: F811
    played.comes_up()
    process = played.start()
    played.wait_for("waiter.json")
    played.peer.script(service="s3", status=503, count=12)
    until(lambda: not played.peer.pending(), "the outage is over")
    played.end()
    done = played.finish(process, 0)
    assert "the store answers again" in done.stderr


def test_bad_words_cost_nothing(launches):  # noqa: F811
    for words in (["--on-signal", "explode"], ["--wait-minutes", "x"]):
        assert launches(*words, verb="wait", code=2).stderr
    assert "no" in launches("20261124T080301Z-1a2b3c4d-zzzz", verb="wait", code=2).stderr


def test_documents_are_as_documented(played):  # noqa: F811
    played.comes_up()
    played.end()
    played.call("wait")
    check("waiter", played.get("waiter.json"), "waiter.json")
    check("end", played.get("attempts/001.end.json"), "the played end")
    check("heartbeat", played.get("heartbeats/001.json"), "the played heartbeat")
