# SPDX-License-Identifier: Apache-2.0
"""The API's door: routes, tokens, permissions, limits, pages."""
import json
import re
import time

import commits
import issues
import pulls
import settings
from core import Problem, Reply, decode
from pages import Page

DOCS = "https://docs.github.com/rest"
SECONDARY = ("You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")


class Api:
    def __init__(self, world, prefix=""):
        self.world, self.prefix = world, prefix
        self.routes = [(method, re.compile(path + r"\Z"), name, needs, call)
                       for module in (issues, pulls, commits, settings)
                       for method, path, name, needs, call in module.ROUTES]

    # --- which operation --------------------------------------------------------------------------

    def route(self, request, stream):
        request.service, request.operation = "github", "Unknown"
        request.call, request.needs, request.found = None, (), ()
        path = self.below(request.path)
        for method, pattern, name, needs, call in self.routes:
            found = pattern.match(path) if path is not None else None
            if found and method == request.method:
                request.operation, request.needs, request.call = name, needs, call
                request.found = [decode(part) for part in found.groups()]
                request.key = request.found[0] if request.found else None
                break
        return self

    def below(self, path):
        """"issues/1" of this repository's paths; others whole; None: not of this API."""
        if not path.startswith(self.prefix + "/"):
            return None
        path = path[len(self.prefix):]
        world = self.world
        for base in (f"/repos/{world.full_name}", f"/repositories/{world.repository_id}"):
            if path.lower() == base.lower():
                return "repository"
            if path.lower().startswith(base.lower() + "/"):
                return path[len(base) + 1:]
        return path

    # --- who asks, and whether they may -----------------------------------------------------------

    def token(self, request):
        kind, _, text = request.header("authorization", "").partition(" ")
        if not kind:
            return None
        token = self.world.tokens.get(text.strip())
        if kind.lower() not in ("bearer", "token") or token is None:
            raise Problem(401, "Bad credentials")
        return token

    def handle(self, request):
        world = self.world
        request.entry["body"] = request.wire.decode("utf-8", "replace") or None
        if not request.header("user-agent"):
            raise Problem(403, "Request forbidden by administrative rules. Please make sure your "
                               "request has a User-Agent header")
        with world.lock:
            token = request.token = self.token(request)
            self.limit(request, token)
            if request.call is None:
                raise Problem(404, "Not Found")
            if token is None and (request.needs is None or request.method != "GET" or
                                  world.options["private"]):
                raise Problem(401 if request.method != "GET" else 404,
                              "Requires authentication" if request.method != "GET" else "Not Found")
            if token and request.needs and not token.may(request.needs):
                raise Problem(403, "Resource not accessible by integration")
            if request.method in ("POST", "PATCH", "PUT") and request.wire:
                try:
                    request.json = json.loads(request.wire)
                except ValueError:
                    raise Problem(400, "Problems parsing JSON") from None
            else:
                request.json = {}
            done = request.call(world, request, *request.found)
        return done if isinstance(done, Reply) else self.told(request, done)

    def limit(self, request, token):
        world, now = self.world, time.time()
        if world.now() >= world.reset_at:
            world.options["remaining"], world.reset_at = 1000, world.now() + 3600
        if world.options["remaining"] <= 0:
            raise Problem(403, "API rate limit exceeded for installation ID 1.")
        world.options["remaining"] -= 1
        if token is None or request.method == "GET":
            return
        if world.options["spaced"] and now - token.wrote < 0.99:
            raise Problem(403, SECONDARY, headers=[("Retry-After", "1")])
        token.wrote = now
        if request.operation in ("CreateComment", "AddLabels", "CreateReaction"):
            token.created = [at for at in token.created if now - at < 3600]
            if len(token.created) >= world.options["content_per_hour"] or sum(
                    now - at < 60 for at in token.created) >= world.options["content_per_minute"]:
                raise Problem(403, SECONDARY, headers=[("Retry-After", "60")])
            token.created.append(now)

    # --- replies ----------------------------------------------------------------------------------

    def headers(self, request):
        world = self.world
        return [("Content-Type", "application/json; charset=utf-8"),
                ("X-GitHub-Media-Type", "github.v3; format=json"),
                ("X-GitHub-Request-Id", request.entry.get("request_id", "")),
                ("X-RateLimit-Limit", "1000"),
                ("X-RateLimit-Remaining", str(max(world.options["remaining"], 0))),
                ("X-RateLimit-Reset", str(int(world.reset_at)))]

    def told(self, request, done, status=200):
        """done: a document; (status, document); Page."""
        more = []
        if isinstance(done, tuple):
            status, done = done
        if isinstance(done, Page):
            done, more = done.cut(request, self)
        body = b"" if done is None else json.dumps(done).encode()
        return Reply(204 if done is None else status, self.headers(request) + more, body)

    def error(self, request, problem):
        document = {"message": problem.code, "documentation_url": DOCS}
        if "errors" in problem.members:
            document["errors"] = problem.members["errors"]
        document["status"] = str(problem.status)
        return Reply(problem.status, self.headers(request) + problem.headers, json.dumps(document))

    def link(self, request, page):
        """By the repository's number, as GitHub's links are."""
        world = self.world
        path = request.path[len(self.prefix):]
        base = f"/repos/{world.full_name}"
        if path.lower().startswith(base.lower()):
            path = f"/repositories/{world.repository_id}" + path[len(base):]
        rest = [part for part in request.query_text.split("&") if part and not part.startswith("page=")]
        return f"{world.api_url}{path}?" + "&".join([*rest, f"page={page}"])
