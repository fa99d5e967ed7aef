# SPDX-License-Identifier: Apache-2.0
"""Credentials by GitHub's OIDC that end, are refused, or cannot be renewed."""
import os
import time

import pytest

from conftest import until
from sync_runs import MIB, SOAK, files, job  # noqa: F401


def mints(peer):
    return len(peer.log("AssumeRoleWithWebIdentity"))


def test_f12_session_ends_in_the_middle_of_an_upload(peer, job, tmp_path):  # noqa: F811
    """Renewed once, and only the parts that were refused are sent again."""
    body = os.urandom(20 * MIB)
    peer.jwt()  # the issuer's key
    peer.script(operation="UploadPart", nth=2, expire_session=True)
    job.up(files(tmp_path / "src", {"a": body}))
    assert peer.get("a") == body and mints(peer) == 2
    seen = peer.log("UploadPart")
    assert sorted(e["target"].split("partNumber=")[1][0] for e in seen if e["status"] == 200) == [
        "1", "2", "3"]
    assert {e["status"] for e in seen} == {200, 400}
    assert len(peer.log("CreateMultipartUpload")) == 1


@pytest.mark.parametrize("n", [24 if SOAK else 8])
def test_one_mint_for_each_expiry(peer, job, tmp_path, n):  # noqa: F811
    """Under eight transfers at once; 24 are the expiries of six hours."""
    peer.options(session_requests=20)
    done = job.up(files(tmp_path / "src", {f"{i:04}": b"x" for i in range(35 * n)}), "--at-once", "8")
    assert done["moved"] == 35 * n and done["failed"] == 0
    ended = [session for session in peer.sessions() if session["expires"] <= time.time()]
    assert len(ended) >= n and mints(peer) - len(ended) in (0, 1)
    assert mints(peer) == len(peer.log("Token")) == len(peer.sessions())


def test_f13_issuer_fails_before_the_session_ends(peer, job, tmp_path):  # noqa: F811
    """The old credential serves, and no request fails; when the issuer is back, one is fetched."""
    peer.options(session_seconds=12)  # renewed from 3 s before its end
    peer.script({"operation": "Token", "nth": 2, "count": 5, "status": 500},
                {"operation": "PutObject", "hold": "late"})
    process = job.start("sync", files(tmp_path / "src", {f"{i:02}": b"x" for i in range(8)}),
                        "s3://peer-bucket", "--at-once", "1")
    try:
        peer.wait_log("PutObject", held="late")
        session = peer.sessions()[0]
        until(lambda: time.time() > session["expires"] - 2.5, "the session is near its end")
        peer.release("late")
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, told
    seen = peer.log("PutObject")
    assert [entry["status"] for entry in seen] == [200] * 8
    assert seen[1]["access_key"] == session["key_id"]
    assert len([e for e in peer.log("Token") if e["status"] == 500]) >= 1


@pytest.mark.parametrize("where, fetch", [("imds_env", 2), ("container_env", 2)])
def test_machines_credentials_are_renewed_too(peer, job, tmp_path, where, fetch):  # noqa: F811
    job.env = getattr(peer, where)()
    peer.script(operation="PutObject", nth=3, expire_session=True)
    done = job.up(files(tmp_path / "src", {f"{n}": b"1" for n in range(6)}), "--at-once", "1")
    assert done["moved"] == 6 and len(peer.log("Credentials")) == fetch
    assert [entry["status"] for entry in peer.log("PutObject")] == [200, 200, 400] + [200] * 4
