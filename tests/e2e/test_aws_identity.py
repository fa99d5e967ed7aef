# SPDX-License-Identifier: Apache-2.0
"""Why STS says no, and replies of it that are no whole: against the strict peer."""
import pytest

from sync_runs import SOAK, files, job  # noqa: F401


def mints(peer):
    return len(peer.log("AssumeRoleWithWebIdentity"))


@pytest.mark.parametrize("code, tries", [
    ("InvalidIdentityToken", 2), ("ExpiredTokenException", 2), ("IDPCommunicationError", 3),
    ("IDPRejectedClaim", 1), ("PackedPolicyTooLarge", 1), ("RegionDisabledException", 1)])
def test_refusals_of_sts(peer, job, code, tries):  # noqa: F811
    peer.script(operation="AssumeRoleWithWebIdentity", error=code, count=0)
    done = job.call("credentials", ok=False)
    assert mints(peer) == tries and code in done.stderr
    # each exchange has a token of its own; repeats of one exchange may share it
    assert len(peer.log("Token")) <= tries


@pytest.mark.timeout(900)
def test_f09_replies_of_sts_cut_anywhere(peer, job):  # noqa: F811
    job.call("credentials")
    size = peer.log("AssumeRoleWithWebIdentity")[-1]["sent"]
    for at in range(size) if SOAK else sorted({0, 1, size - 1} | {size * n // 8 for n in range(8)}):
        peer.script(operation="AssumeRoleWithWebIdentity", truncate_at=at, count=0)
        done = job.call("credentials", ok=False)
        assert "AssumeRoleWithWebIdentity" in done.stderr, (at, done.stderr)
        assert done.stdout == ""
        peer.reset()


@pytest.mark.parametrize("skew", [-21600, 1200])
def test_f11_a_clock_that_is_off_and_short_sessions(peer, job, tmp_path, skew):  # noqa: F811
    """An expiry in AWS's time is not taken for one in ours."""
    peer.clock(skew)
    job.up(files(tmp_path / "src", {f"{n:02}": b"1" for n in range(10)}))
    assert mints(peer) <= 2
