# SPDX-License-Identifier: Apache-2.0
"""What the fake knows: one repository, its people, pull requests, commits, tokens."""
import secrets
import threading
import time

from core import Problem
from script import Script

TOKEN = "ghs_fakefakefakefakefakefakefakefakefake"       # of a workflow's job
USER_TOKEN = "ghp_alicealicealicealicealicealicealice"  # alice's own
BOT = "github-actions[bot]"
PERMISSIONS = {"contents": "read", "pull-requests": "write", "statuses": "write", "metadata": "read"}
OPTIONS = {
    "remaining": 1000,         # requests of the primary limit; 0: 403 for `reset_in` seconds
    "reset_in": 3600,          # from when this is set
    "content_per_minute": 80,  # content creations of a token
    "content_per_hour": 500,
    "spaced": False,           # two writes of a token within a second: the secondary limit
    "statuses_max": 1000,      # of a commit and context
    "private": False,
    "labels": ["train"],       # of the repository
}


class Token:
    """permissions None: a person's, who may what the person may."""

    def __init__(self, login, permissions):
        self.login, self.permissions = login, permissions
        self.created, self.wrote = [], 0.0  # when

    def level(self, permission):
        if self.permissions is None:
            return "write"
        return self.permissions.get(permission, "none")

    def may(self, needs):
        """needs: any of these ("statuses", "write")."""
        rank = {"none": 0, "read": 1, "write": 2}
        return any(rank[self.level(name)] >= rank[level] for name, level in needs)


class World:
    def __init__(self):
        self.lock = threading.RLock()
        self.script, self.api_url, self.connections = Script(), "", 0
        self.reset()

    def reset(self):
        self.script.clear()
        with self.lock:
            self.offset, self.log, self.options = 0.0, [], dict(OPTIONS)
            self.reset_at = self.now() + 3600
            self.owner, self.name = "octo", "demo"
            self.owner_id, self.repository_id = 4242, 987654
            self.default_branch = "main"
            self.tokens = {TOKEN: Token(BOT, dict(PERMISSIONS)), USER_TOKEN: Token("alice", None)}
            # role names as people see them; the API says four words
            self.collaborators = {"octo": "admin", "alice": "write", "mona": "maintain",
                                  "tina": "triage", "ray": "read"}
            self.strangers = {"mallory"}
            self.issues, self.comments, self.statuses = {}, {}, {}
            self.commits, self.refs, self.contents = {}, {}, {}
            self.environments, self.runs = {}, {}
            self.settings = {}  # path below the repository: document
            self.next_id = 1_900_000_000

    @property
    def full_name(self):
        return f"{self.owner}/{self.name}"

    def now(self):
        return time.time() + self.offset

    def stamp(self, at=None):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() if at is None else at))

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def next_connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def record(self, request, connection):
        entry = request.entry
        entry.update(service=request.service, operation=request.operation, key=request.key,
                     method=request.method, target=request.target, headers=dict(request.headers),
                     connection=connection, began=time.time(), status=None,
                     request_id="{0}:{1}:{2}".format(*(secrets.token_hex(2).upper() for _ in "123")))
        with self.lock:
            entry["n"] = len(self.log)
            self.log.append(entry)

    # --- what is asked of it ----------------------------------------------------------------------

    def issue(self, number):
        if number not in self.issues:
            raise Problem(404, "Not Found")
        return self.issues[number]

    def repository(self):
        return {"id": self.repository_id, "name": self.name, "full_name": self.full_name,
                "private": self.options["private"], "default_branch": self.default_branch,
                "visibility": "private" if self.options["private"] else "public", "fork": False,
                "owner": {"login": self.owner, "id": self.owner_id, "type": "Organization"}}

    def user(self, login):
        return {"login": login, "id": sum(login.encode()) * 7 + len(login),
                "type": "Bot" if login.endswith("[bot]") else "User"}

    def resolve(self, text):
        """A commit id, an unambiguous beginning of one, or a branch; None."""
        if text in self.refs:
            return self.refs[text]
        found = [sha for sha in self.commits if sha.startswith(text)] if len(text) >= 7 else []
        return found[0] if len(found) == 1 else None

    def ancestors(self, sha):
        """{sha: distance}, itself too."""
        seen, row, distance = {}, [sha], 0
        while row:
            after = []
            for one in row:
                if one not in seen and one in self.commits:
                    seen[one] = distance
                    after += self.commits[one]["parents"]
            row, distance = after, distance + 1
        return seen
