# SPDX-License-Identifier: Apache-2.0
"""The tests' own port: script, clock, what is there, what was seen."""
import json
import traceback

import issues
import settings
from core import Problem, Reply
from world import TOKEN, Token

PULL = {"state": "open", "draft": False, "title": "A change", "locked": False, "merged": False,
        "head_ref": "feature", "base_ref": "main", "user": "alice", "labels": []}


class Control:
    def __init__(self, world):
        self.world = world

    def route(self, request, stream):
        request.service, request.operation = "control", f"{request.method} {request.path}"
        return self

    def handle(self, request):
        name = request.path.strip("/").replace("-", "_")
        call = getattr(self, f"{request.method.lower()}_{name}", None)
        if call is None:
            raise Problem(404, "NotFound", f"no {request.method} {request.path} here")
        asked = json.loads(request.wire) if request.wire else dict(request.query)
        try:
            with self.world.lock:
                done = call(asked)
        except (KeyError, TypeError, ValueError):
            raise Problem(400, "BadRequest", traceback.format_exc()) from None
        return Reply(200, [("Content-Type", "application/json")],
                     json.dumps(done if done is not None else {}))

    def error(self, request, problem):
        return Reply(problem.status, (), f"{problem.code}: {problem.message}\n")

    # --- faults, time, record ---------------------------------------------------------------------

    def post_script(self, lines):
        self.world.script.add(lines)

    def get_script(self, _):
        return self.world.script.pending()

    def post_heal(self, _):
        self.world.script.clear()

    def post_release(self, asked):
        self.world.script.gate(asked["hold"]).set()

    def post_clock(self, asked):
        self.world.offset = float(asked["offset"])

    def post_options(self, asked):
        unknown = set(asked) - set(self.world.options)
        if unknown:
            raise Problem(400, "BadRequest", f"unknown options: {sorted(unknown)}")
        self.world.options.update(asked)
        if "remaining" in asked or "reset_in" in asked:
            self.world.reset_at = self.world.now() + self.world.options["reset_in"]

    def post_reset(self, _):
        self.world.reset()

    def get_log(self, asked):
        return list(self.world.log[int(asked.get("after", 0)):])

    # --- who may what -----------------------------------------------------------------------------

    def post_token(self, asked):
        """A token of that login; permissions null: a person's."""
        self.world.tokens[asked["token"]] = Token(asked["login"], asked.get("permissions"))

    def post_permissions(self, asked):
        """Of the workflow's token: {"statuses": "none"} beside what it has."""
        self.world.tokens[TOKEN].permissions.update(asked)

    def post_revoke(self, asked):
        self.world.tokens.pop(asked.get("token", TOKEN), None)

    def post_collaborators(self, asked):
        """{login: role}; null takes one out, who then is a stranger."""
        for login, role in asked.items():
            if role is None:
                self.world.collaborators.pop(login, None)
                self.world.strangers.add(login)
            else:
                self.world.collaborators[login] = role

    # --- what is there ----------------------------------------------------------------------------

    def post_repository(self, asked):
        for name in asked:
            if name not in ("owner", "name", "owner_id", "repository_id", "default_branch"):
                raise Problem(400, "BadRequest", f"no {name} of a repository here")
            setattr(self.world, name, asked[name])

    def post_pull(self, asked):
        """Makes one, or changes what is named of one."""
        world, number = self.world, asked["number"]
        before = world.issues.get(number)
        if before is None:
            before = dict(PULL, number=number, labels=[], reactions=[], head_sha="0" * 40,
                          base_sha=world.refs.get("main", "0" * 40), head_repository=world.full_name,
                          head_repository_id=world.repository_id, base_repository=world.full_name,
                          base_repository_id=world.repository_id)
        unknown = set(asked) - set(before)
        if unknown:
            raise Problem(400, "BadRequest", f"no {sorted(unknown)} of a pull request here")
        if asked.get("head_repository", world.full_name) != world.full_name:
            before["head_repository_id"] = 555
        world.issues[number] = dict(before, **asked)
        for sha in (world.issues[number]["head_sha"], world.issues[number]["base_sha"]):
            self.know(sha)
        return world.issues[number]

    def know(self, sha):
        """A commit that only its id is known of."""
        self.world.commits.setdefault(sha, {"tree": sha[::-1], "parents": [], "date": 0,
                                            "message": "a change"})

    def get_pull(self, asked):
        return self.world.issue(int(asked["number"]))

    def post_comment(self, asked):
        return issues.add_comment(self.world, asked["number"], asked["body"],
                                  asked.get("author", "mallory"))

    def get_comments(self, asked):
        found = [one for one in self.world.comments.values() if one["number"] == int(asked["number"])]
        return sorted(found, key=lambda one: one["id"])

    def post_comment_delete(self, asked):
        self.world.comments[asked["id"]]["deleted"] = True

    def post_commits(self, asked):
        """{"commits": [{sha, tree, parents, date, message}], "refs": {branch: sha}}"""
        for one in asked.get("commits", ()):
            self.world.commits[one["sha"]] = {
                "tree": one["tree"], "parents": one.get("parents", []), "date": one.get("date", 0),
                "message": one.get("message", "a change")}
        self.world.refs.update(asked.get("refs", {}))

    def post_content(self, asked):
        self.know(asked["sha"])
        self.world.contents.setdefault(asked["sha"], {})[asked["path"]] = asked["text"].encode()

    def get_statuses(self, asked):
        return self.world.statuses.get(asked["sha"], [])

    def post_environment(self, asked):
        settings.make_environment(self.world, **asked)

    def post_setting(self, asked):
        self.world.settings[asked["path"]] = asked["document"]

    def post_run(self, asked):
        """A workflow run: id, jobs and whatever is to be told of it."""
        self.world.runs[asked["id"]] = asked
