# SPDX-License-Identifier: Apache-2.0
"""Comments, labels and reactions of pull requests."""
from core import Problem
from pages import Page, invalid

BODY_MAX = 65536
CONTENTS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
WRITE = (("issues", "write"), ("pull-requests", "write"))
READ = (("issues", "read"), ("pull-requests", "read"))


def told(world, comment):
    return {"id": comment["id"], "body": comment["body"], "user": world.user(comment["author"]),
            "created_at": world.stamp(comment["created"]), "author_association": "NONE",
            "updated_at": world.stamp(comment["updated"]),
            "html_url": f"https://github.com/{world.full_name}/pull/{comment['number']}"
                        f"#issuecomment-{comment['id']}",
            "issue_url": f"{world.api_url}/repos/{world.full_name}/issues/{comment['number']}"}


def body_in(request):
    body = request.json.get("body") if isinstance(request.json, dict) else None
    if not isinstance(body, str):
        raise Problem(422, "Invalid request.\n\nFor 'properties/body', nil is not a string.")
    if not body.strip():
        raise invalid("IssueComment", "data", "unprocessable", "Body cannot be blank")
    if len(body) > BODY_MAX:
        raise invalid("IssueComment", "data", "unprocessable",
                      f"Body is too long (maximum is {BODY_MAX} characters)")
    return body


def live(world, identifier):
    comment = world.comments.get(int(identifier))
    if comment is None or comment["deleted"]:
        raise Problem(404, "Not Found")
    return comment


def own(world, request, identifier):
    comment = live(world, identifier)
    if comment["author"] != request.token.login:
        raise Problem(403, "Must have admin rights to Repository." if request.token.permissions is None
                      else "Resource not accessible by integration")
    return comment


# --- Comments -----------------------------------------------------------------------------------


def list_comments(world, request, number):
    world.issue(int(number))
    found = [comment for comment in world.comments.values()
             if comment["number"] == int(number) and not comment["deleted"]]
    return Page([told(world, comment) for comment in sorted(found, key=lambda one: one["id"])])


def create_comment(world, request, number):
    if world.issue(int(number))["locked"]:
        raise Problem(403, "Unable to create comment because issue is locked.")
    made = add_comment(world, int(number), body_in(request), request.token.login)
    return 201, told(world, made)


def add_comment(world, number, body, author):
    now, identifier = world.now(), world.new_id()
    world.comments[identifier] = {
        "id": identifier, "number": number, "body": body, "author": author, "created": now,
        "updated": now, "deleted": False, "pinned": False, "edits": [body], "reactions": []}
    return world.comments[identifier]


def get_comment(world, request, identifier):
    return told(world, live(world, identifier))


def update_comment(world, request, identifier):
    comment = own(world, request, identifier)
    comment.update(body=body_in(request), updated=world.now())
    comment["edits"].append(comment["body"])
    return told(world, comment)


def delete_comment(world, request, identifier):
    own(world, request, identifier)["deleted"] = True


def pin(world, request, identifier):
    live(world, identifier)["pinned"] = request.method == "PUT"


# --- Issues, labels -----------------------------------------------------------------------------


def get_issue(world, request, number):
    issue = world.issue(int(number))
    return {"number": issue["number"], "state": issue["state"], "title": issue["title"],
            "labels": [{"name": name} for name in issue["labels"]], "user": world.user(issue["user"]),
            "pull_request": {"url": f"{world.api_url}/repos/{world.full_name}/pulls/{number}"}}


def list_labels(world, request, number):
    return Page([{"name": name} for name in world.issue(int(number))["labels"]])


def add_labels(world, request, number):
    issue, names = world.issue(int(number)), request.json.get("labels", [])
    issue["labels"] += [name for name in names if name not in issue["labels"]]
    return [{"name": name} for name in issue["labels"]]


def remove_label(world, request, number, name):
    labels = world.issue(int(number))["labels"]
    for one in labels:
        if one.lower() == name.lower():
            labels.remove(one)
            return [{"name": left} for left in labels]
    raise Problem(404, "Label does not exist")


# --- Reactions ----------------------------------------------------------------------------------


def react(world, request, reactions):
    content = request.json.get("content")
    if content not in CONTENTS:
        raise invalid("Reaction", "content", "invalid")
    for one in reactions:
        if (one["user"]["login"], one["content"]) == (request.token.login, content):
            return 200, one
    reactions.append({"id": world.new_id(), "content": content, "user": world.user(request.token.login)})
    return 201, reactions[-1]


def react_to_issue(world, request, number):
    return react(world, request, world.issue(int(number))["reactions"])


def react_to_comment(world, request, identifier):
    return react(world, request, live(world, identifier)["reactions"])


def list_reactions(world, request, number):
    return Page(world.issue(int(number))["reactions"])


def delete_reaction(world, request, number, identifier):
    reactions = world.issue(int(number))["reactions"]
    for one in reactions:
        if one["id"] == int(identifier):
            reactions.remove(one)
            return
    raise Problem(404, "Not Found")


ROUTES = [
    ("GET", r"issues/(\d+)/comments", "ListComments", READ, list_comments),
    ("POST", r"issues/(\d+)/comments", "CreateComment", WRITE, create_comment),
    ("GET", r"issues/comments/(\d+)", "GetComment", READ, get_comment),
    ("PATCH", r"issues/comments/(\d+)", "UpdateComment", WRITE, update_comment),
    ("DELETE", r"issues/comments/(\d+)", "DeleteComment", WRITE, delete_comment),
    ("PUT", r"issues/comments/(\d+)/pin", "PinComment", WRITE, pin),
    ("DELETE", r"issues/comments/(\d+)/pin", "UnpinComment", WRITE, pin),
    ("POST", r"issues/comments/(\d+)/reactions", "CreateReaction", WRITE, react_to_comment),
    ("GET", r"issues/(\d+)", "GetIssue", READ, get_issue),
    ("GET", r"issues/(\d+)/labels", "ListLabels", READ, list_labels),
    ("POST", r"issues/(\d+)/labels", "AddLabels", WRITE, add_labels),
    ("DELETE", r"issues/(\d+)/labels/([^/]+)", "RemoveLabel", WRITE, remove_label),
    ("GET", r"issues/(\d+)/reactions", "ListReactions", READ, list_reactions),
    ("POST", r"issues/(\d+)/reactions", "CreateReaction", WRITE, react_to_issue),
    ("DELETE", r"issues/(\d+)/reactions/(\d+)", "DeleteReaction", WRITE, delete_reaction),
]
