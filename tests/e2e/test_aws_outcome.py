# SPDX-License-Identifier: Apache-2.0
"""F46: the one outcome, when S3 answers a conditional write with 409."""
import json

from conftest import PATIENCE

OUTCOME = "runs/*/outcome.json"
CONFLICT = {"operation": "PutObject", "key": OUTCOME, "error": "ConditionalRequestConflict"}


def outcome_writes(peer):
    return [entry["status"] for entry in peer.log("PutObject")
            if entry["key"].endswith("/outcome.json")]


def test_conflict_is_tried_again(peer, strict):
    peer.script(dict(CONFLICT, count=2))
    strict.call("local")
    assert outcome_writes(peer) == [409, 409, 200]
    assert strict.bucket.outcome()["status"] == "success"
    assert all(entry["headers"]["if-none-match"] == "*" for entry in peer.log("PutObject")
               if entry["key"].endswith("/outcome.json"))


def test_conflict_that_outlasts_a_call(peer, strict):
    """No outcome is invented meanwhile; it is tried again until it works, and that is said."""
    peer.script(dict(CONFLICT, count=6))
    done = strict.call("local")
    assert outcome_writes(peer) == [409] * 6 + [200]
    assert "tried again" in done.stderr and strict.bucket.outcome()["status"] == "success"


def test_conflict_that_somebody_else_won(peer, strict, processes):
    """Tried again, lost, and then the winner's word holds: in the exit code and the marker."""
    strict.call("local")
    winner = dict(strict.bucket.outcome(), status="cancelled", message="by somebody else",
                  nonce="f" * 32, **{"class": "cancelled"})
    peer.script(dict(CONFLICT, hold="race"))
    process = strict.start("local")
    processes.append(process)
    held = peer.wait_log("PutObject", held="race")[0]
    run = held["key"].rpartition("/")[0]
    peer.put(held["key"], json.dumps(winner))
    peer.release("race")
    out, told = process.communicate(timeout=PATIENCE)
    assert outcome_writes(peer)[-2:] == [409, 412]
    assert json.loads(peer.get(held["key"]))["nonce"] == "f" * 32
    assert f"{run}/FAILURE" in peer.objects() and f"{run}/SUCCESS" not in peer.objects()
    assert process.returncode == 5 and "by somebody else" in out + told
