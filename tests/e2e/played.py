# SPDX-License-Identifier: Apache-2.0
"""The life of a launched run, played in the store as its host would write it."""
import json
import time

import pytest

from conftest import PATIENCE, until
from launches import Launched, NUMBER, launches  # noqa: F401

SPEED = "150"  # the waiter's own time runs so much faster
# but a heartbeat that stands still while a test is busy is not dead: only where a claim says 30 s
FAST = {"BRANCHLINE_TEST_WAIT_SPEED": SPEED, "BRANCHLINE_TEST_WRITES_AT_ONCE": "1",
        "BRANCHLINE_TEST_HEARTBEAT_MS": "6000000"}


def utc(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000))


def now_ms():
    return int(time.time() * 1000)


class Played:
    """One run of `launches`; its newest attempt is played unless another is named."""

    def __init__(self, launches, run, env):  # noqa: F811
        self.launches, self.peer, self.github = launches, launches.peer, launches.github
        self.run, self.env = run, env
        self.seq, self.sent, self.step = 0, {}, 0

    # --- documents --------------------------------------------------------------------------------

    def key(self, name):
        return f"runs/{self.run}/{name}"

    def has(self, name):
        return self.key(name) in self.peer.objects()

    def get(self, name):
        return json.loads(self.peer.get(self.key(name)))

    def put(self, name, document):
        self.peer.put(self.key(name), json.dumps(document))

    def change(self, name, **members):
        self.put(name, dict(self.get(name), **members))

    def attempt(self):
        return max(int(key.split("/")[-1][:3]) for key in self.peer.objects()
                   if key.startswith(self.key("attempts/")) and key.split("/")[-1][3:] == ".json")

    def box(self, attempt=None):
        return self.peer.instances(run=self.run, attempt=str(attempt or self.attempt()))[-1]

    def live(self):
        return self.peer.instances(live=True, run=self.run)

    # --- what host writes -------------------------------------------------------------------------

    def beat(self, phase="training", attempt=None, at=None, **more):
        attempt = attempt or self.attempt()
        self.seq += 1
        self.step += 1
        at = at or now_ms()
        self.put(f"heartbeats/{attempt:03}.json", dict({
            "schema": 1, "attempt": attempt, "seq": self.seq, "at": utc(at), "at_ms": at, "phase": phase,
            "step": self.step, "total_steps": 100, "metrics": {"loss": 4 / self.step}, "cost_usd": None,
            "checkpoint": None, "log": {"offset": 0, "end": self.sent.get(attempt, 0)},
            "metrics_stream": {"offset": 0, "end": 0}, "phases": {}}, **more))

    def chunk(self, text, attempt=None):
        attempt = attempt or self.attempt()
        at = self.sent.get(attempt, 0)
        self.peer.put(self.key(f"logs/{attempt:03}/{at:016}.log"), text.encode())
        self.sent[attempt] = at + len(text.encode())

    def end(self, status="success", klass=None, message="", attempt=None, at=None):
        attempt, at = attempt or self.attempt(), at or now_ms()
        self.put(f"attempts/{attempt:03}.end.json", {
            "schema": 1, "attempt": attempt, "by": "host", "nonce": "a" * 16, "status": status,
            "class": klass, "stage": "training", "exit_code": 0 if status == "success" else 1,
            "signal": None, "message": message, "next_step": "", "finished_at": utc(at),
            "finished_ms": at, "outputs_crc": None, "last_step": None})

    def comes_up(self, text="hello from the box\n"):
        self.chunk(text)
        self.beat()

    # --- the verbs --------------------------------------------------------------------------------

    def start(self, verb="wait", *words, **more):
        env = {**self.env, **FAST, **more}
        return self.launches.start(*words, env=env, verb=verb)

    def finish(self, process, code):
        done = self.launches.finish(process, self.env)
        assert done.code == code, done
        return done

    def call(self, verb, *words, code=0, **more):
        return self.finish(self.start(verb, *words, **more), code)

    def wait_for(self, name, patience=PATIENCE):
        until(lambda: self.has(name), f"{name} of the run", patience)
        return self.get(name)

    def wait_for_attempt(self, attempt):
        self.wait_for(f"attempts/{attempt:03}.started.json")

    def outcome(self):
        return self.get("outcome.json")

    def said(self):
        """Each text that the one comment ever had, oldest first."""
        return [edit for edit in self.github.sticky(NUMBER)["edits"]]


@pytest.fixture
def played(launches):  # noqa: F811
    """A labelled pull request's run: bought, and not up yet."""
    env = launches.job()
    done = launches(env={**env, **FAST})
    open(env["GITHUB_OUTPUT"], "w").close()
    return Played(launches, done.run, env)


__all__ = ["FAST", "Launched", "NUMBER", "Played", "SPEED", "launches", "now_ms", "played"]
