# SPDX-License-Identifier: Apache-2.0
"""Pull requests and people."""
from core import Problem
from pages import Page

READ = (("pull-requests", "read"),)
METADATA = (("metadata", "read"),)
WORDS = {"maintain": "write", "triage": "read"}  # what the API says of the finer roles


def side(world, pull, which):
    repository = pull[which + "_repository"]
    login = repository.partition("/")[0] if repository else "ghost"
    if repository == world.full_name:
        told = world.repository()
    elif repository:
        told = {"id": pull[which + "_repository_id"], "full_name": repository, "fork": True,
                "name": repository.partition("/")[2], "owner": {"login": login}, "private": False}
    else:
        told = None  # it is gone
    return {"label": f"{login}:{pull[which + '_ref']}", "ref": pull[which + "_ref"],
            "sha": pull[which + "_sha"], "user": world.user(login), "repo": told}


def told(world, pull):
    return {"id": pull["number"] + 7_000_000, "number": pull["number"], "state": pull["state"],
            "draft": pull["draft"], "title": pull["title"], "locked": pull["locked"],
            "user": world.user(pull["user"]), "merged": pull["merged"],
            "labels": [{"name": name} for name in pull["labels"]],
            "head": side(world, pull, "head"), "base": side(world, pull, "base")}


def get_pull(world, request, number):
    return told(world, world.issue(int(number)))


def list_pulls(world, request):
    state, head = request.arg("state", "open"), request.arg("head")
    found = sorted(world.issues.values(), key=lambda one: -one["number"])
    if state != "all":
        found = [one for one in found if one["state"] == state]
    if request.arg("base"):
        found = [one for one in found if one["base_ref"] == request.arg("base")]
    if head and ":" in head:  # another form is not understood, and left aside
        found = [one for one in found if side(world, one, "head")["label"] == head]
    return Page([told(world, one) for one in found])


def permission(world, request, login):
    role = next((role for name, role in world.collaborators.items() if name.lower() == login.lower()),
                None)
    if role is None:
        if login not in world.strangers:
            raise Problem(404, f"{login} is not a user")
        role = "none" if world.options["private"] else "read"
    return {"permission": WORDS.get(role, role), "role_name": role, "user": world.user(login)}


def user(world, request):
    if request.token is None:
        raise Problem(401, "Requires authentication")
    if request.token.permissions is not None:
        raise Problem(403, "Resource not accessible by integration")
    return world.user(request.token.login)


ROUTES = [
    ("GET", r"/user", "GetUser", (), user),
    ("GET", r"pulls", "ListPulls", READ, list_pulls),
    ("GET", r"pulls/(\d+)", "GetPull", READ, get_pull),
    ("GET", r"collaborators/([^/]+)/permission", "GetPermission", METADATA, permission),
]
