# SPDX-License-Identifier: Apache-2.0
"""The fake GitHub (tests/fakes/github) as a fixture."""
import http.client
import json
import subprocess
import sys
import urllib.parse

import pytest

from conftest import PATIENCE, ROOT, until

REPOSITORY = "octo/demo"
REPOSITORY_ID, OWNER_ID = 987654, 4242
BOT = "github-actions[bot]"
SHA = "d4e5f6a7" * 5
BASE_SHA = "a1b2c3d4" * 5


class GitHub:
    """A running fake. It is as new after reset()."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, ROOT / "tests" / "fakes" / "github", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the fake GitHub did not start: exit {self.process.wait()}")
        self.told = json.loads(line)
        self.url, self.token, self.user_token = (self.told[name] for name in ("api", "token", "user_token"))
        self.port = urllib.parse.urlsplit(self.told["control"]).port

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    def control(self, method, path, body=None, **query):
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            conn.request(method, target, None if body is None else json.dumps(body).encode())
            reply = conn.getresponse()
            told = reply.read()
        finally:
            conn.close()
        assert reply.status == 200, f"{method} {path}: {told.decode()}"
        return json.loads(told)

    def reset(self):
        self.control("POST", "/reset", {})

    # --- for a child's environment ----------------------------------------------------------------

    def env(self, token=None, **more):
        """Of a workflow's step, without an event."""
        return dict({
            "GITHUB_API_URL": self.url, "GITHUB_GRAPHQL_URL": self.url + "/graphql",
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_TOKEN": token or self.token,
            "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_REPOSITORY_ID": str(REPOSITORY_ID),
            "GITHUB_REPOSITORY_OWNER": REPOSITORY.partition("/")[0],
            "GITHUB_REPOSITORY_OWNER_ID": str(OWNER_ID)}, **more)

    def user_env(self):
        """Of alice's laptop."""
        return self.env(token=self.user_token)

    def job_env(self, event_name, event, folder, sender="alice", **more):
        """Of a step of a job that this event began; its files are made in folder."""
        folder.mkdir(parents=True, exist_ok=True)
        temp = folder / "runner-temp"
        temp.mkdir(exist_ok=True)
        path = folder / "event.json"
        path.write_text(json.dumps(event))
        for name in ("output", "summary", "env"):
            (folder / name).touch()
        pull = event.get("pull_request")
        sha = SHA if pull is None else "f" * 40  # of a pull request it is a merge commit
        ref = f"refs/pull/{pull['number']}/merge" if pull else event.get("ref", "refs/heads/main")
        env = self.env(
            GITHUB_ACTIONS="true", CI="true", GITHUB_EVENT_NAME=event_name, GITHUB_EVENT_PATH=str(path),
            GITHUB_SHA=event.get("after", sha), GITHUB_REF=ref, GITHUB_REF_NAME=ref.split("/", 2)[2],
            GITHUB_ACTOR=sender, GITHUB_TRIGGERING_ACTOR=sender, GITHUB_RUN_ID="1001",
            GITHUB_RUN_NUMBER="7", GITHUB_RUN_ATTEMPT="1", GITHUB_JOB="train", GITHUB_WORKFLOW="train",
            GITHUB_WORKSPACE=str(folder), GITHUB_OUTPUT=str(folder / "output"),
            GITHUB_STEP_SUMMARY=str(folder / "summary"), GITHUB_ENV=str(folder / "env"),
            RUNNER_TEMP=str(temp), RUNNER_OS="Linux", RUNNER_ARCH="X64",
            RUNNER_ENVIRONMENT="github-hosted", ACTIONS_ID_TOKEN_REQUEST_URL=f"{self.url}/oidc",
            ACTIONS_ID_TOKEN_REQUEST_TOKEN="request-token")
        if pull:
            env.update(GITHUB_HEAD_REF=pull["head"]["ref"], GITHUB_BASE_REF=pull["base"]["ref"])
        return dict(env, **more)

    # --- events -----------------------------------------------------------------------------------

    def as_seen(self, number):
        """A pull request as events and the API tell it."""
        return self.api("GET", f"/repos/{REPOSITORY}/pulls/{number}", token=self.user_token)

    def pull_event(self, number, action="labeled", label="train", sender="alice", **more):
        """The payload of `pull_request`, of the pull request as it is now."""
        user = {"login": sender, "id": 7, "type": "Bot" if sender.endswith("[bot]") else "User"}
        event = {"action": action, "number": number, "pull_request": self.as_seen(number),
                 "repository": self.repository(), "sender": user}
        if action in ("labeled", "unlabeled"):
            event["label"] = {"name": label}
        return dict(event, **more)

    def dispatch_event(self, ref="refs/heads/main", sender="alice", **inputs):
        return {"ref": ref, "inputs": inputs, "repository": self.repository(),
                "sender": {"login": sender, "id": 7, "type": "User"}, "workflow": ".github/workflows/train.yml"}

    def push_event(self, after, ref="refs/heads/main", before="0" * 40, sender="alice"):
        return {"ref": ref, "after": after, "before": before, "repository": self.repository(),
                "sender": {"login": sender, "id": 7, "type": "User"}, "head_commit": {"id": after}}

    def repository(self):
        return self.api("GET", f"/repos/{REPOSITORY}", token=self.user_token)

    # --- faults, time, record ---------------------------------------------------------------------

    def script(self, *lines, **line):
        """Each line a dict, or one line by its fields: tests/fakes/aws/README.md."""
        self.control("POST", "/script", [*lines, line] if line else list(lines))

    def secondary(self, operation=None, retry_after=1, status=403, **more):
        """The secondary limit: the next such request is refused."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.script(operation=operation, status=status, headers=headers, **dict({"body": {
            "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you "
                       "try again."}}, **more))

    def pending(self):
        return self.control("GET", "/script")

    def heal(self):
        self.control("POST", "/heal", {})

    def release(self, hold):
        self.control("POST", "/release", {"hold": hold})

    def clock(self, seconds):
        self.control("POST", "/clock", {"offset": seconds})

    def options(self, **options):
        self.control("POST", "/options", options)

    def log(self, operation=None, after=0, **match):
        """Requests seen, oldest first; match: fields that must be equal."""
        match = dict(match, **({"operation": operation} if operation else {}))
        return [entry for entry in self.control("GET", "/log", after=after)
                if all(entry.get(name) == value for name, value in match.items())]

    def operations(self, after=0):
        return [entry["operation"] for entry in self.log(after=after)]

    def wait_log(self, operation, n=1, **match):
        def seen():
            found = self.log(operation, **match)
            return found if len(found) >= n else None
        return until(seen, f"{n} x {operation} {match or ''} at GitHub")

    # --- who may what -----------------------------------------------------------------------------

    def permissions(self, **levels):
        """Of the workflow's token, beside what it has: pull_requests="none"."""
        self.control("POST", "/permissions", {name.replace("_", "-"): level
                                              for name, level in levels.items()})

    def new_token(self, token, login, permissions=None):
        """permissions None: a person's own."""
        self.control("POST", "/token", {"token": token, "login": login, "permissions": permissions})
        return token

    def revoke(self, **which):
        self.control("POST", "/revoke", which)

    def collaborator(self, login, role):
        """admin maintain write triage read; None: a stranger."""
        self.control("POST", "/collaborators", {login: role})

    # --- what is there ----------------------------------------------------------------------------

    def pull(self, number=12, **more):
        """Makes a pull request or changes it: head_sha head_ref base_sha base_ref head_repository
        (None: gone) state draft locked title user labels."""
        before = {} if number in self.made else {"head_sha": SHA, "base_sha": BASE_SHA}
        self.made.add(number)
        return self.control("POST", "/pull", dict(before, number=number, **more))

    def labels(self, number=12):
        return self.control("GET", "/pull", number=number)["labels"]

    def reactions(self, number=12):
        return [one["content"] for one in self.control("GET", "/pull", number=number)["reactions"]]

    def comment(self, number, body, author="mallory"):
        return self.control("POST", "/comment", {"number": number, "body": body, "author": author})["id"]

    def comments(self, number=12, deleted=False):
        """Each {id, body, author, edits, created, updated, deleted, ...}; edits: all its bodies."""
        return [one for one in self.control("GET", "/comments", number=number)
                if deleted or not one["deleted"]]

    def sticky(self, number=12, key=None):
        """The one comment of ours."""
        marker = "<!-- branchline:report v1 key=" + (f"{key} -->" if key else "")
        found = [one for one in self.comments(number) if one["body"].startswith(marker)]
        assert len(found) == 1, f"{len(found)} comments of ours: {found}"
        return found[0]

    def delete_comment(self, identifier):
        """As a person would."""
        self.control("POST", "/comment-delete", {"id": identifier})

    def statuses(self, sha=SHA):
        """Oldest first."""
        return self.control("GET", "/statuses", sha=sha)

    def commits(self, commits, **refs):
        self.control("POST", "/commits", {"commits": commits, "refs": refs})

    def know(self, folder):
        """All commits and branches of a local repository."""
        def git(*arguments):
            return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True,
                                  text=True, timeout=PATIENCE).stdout.splitlines()
        commits = []
        for line in git("log", "--all", "--format=%H|%T|%ct|%P"):
            sha, tree, date, parents = line.split("|")
            commits.append({"sha": sha, "tree": tree, "date": int(date), "parents": parents.split()})
        refs = dict(line.split(" ") for line in git("for-each-ref", "refs/heads",
                                                    "--format=%(refname:short) %(objectname)"))
        self.control("POST", "/commits", {"commits": commits, "refs": refs})
        return refs

    def content(self, sha, path, text):
        self.control("POST", "/content", {"sha": sha, "path": path, "text": text})

    def environment(self, name, **more):
        """reviewers [login], branches (None, "protected" or patterns)."""
        self.control("POST", "/environment", dict(more, name=name))

    def setting(self, path, **document):
        """"actions/permissions/workflow" and what it says then."""
        self.control("POST", "/setting", {"path": path, "document": document})

    def workflow_run(self, identifier=1001, **more):
        self.control("POST", "/run", dict(more, id=identifier))

    # --- as somebody else would -------------------------------------------------------------------

    def api(self, method, path, body=None, token=None):
        """The parsed reply of the API itself, asked by the tests."""
        parts = urllib.parse.urlsplit(self.url)
        conn = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE)
        try:
            conn.request(method, parts.path + path, None if body is None else json.dumps(body).encode(),
                         {"Authorization": f"Bearer {token or self.token}", "User-Agent": "tests"})
            reply = conn.getresponse()
            told = reply.read()
        finally:
            conn.close()
        assert reply.status < 400, f"{method} {path}: {reply.status} {told.decode()}"
        return json.loads(told) if told else None


@pytest.fixture(scope="session")
def github_process():
    started = GitHub()
    yield started
    started.stop()


@pytest.fixture
def github(github_process):
    """The fake GitHub, as new; one process for all tests of a worker."""
    github_process.reset()
    github_process.made = set()
    return github_process
