# SPDX-License-Identifier: Apache-2.0
"""Commits, comparisons, files and statuses."""
import base64

from core import Problem, Reply
from pages import Page, invalid

READ = (("contents", "read"),)
STATES = ("error", "failure", "pending", "success")
DESCRIPTION_MAX = 140


def commit_of(world, text):
    sha = world.resolve(text)
    if sha not in world.commits:
        raise Problem(422 if len(text) == 40 else 404, f"No commit found for SHA: {text}")
    return sha


def told(world, sha):
    commit = world.commits[sha]
    person = {"name": "Octo", "email": "octo@example.com", "date": world.stamp(commit["date"])}
    return {"sha": sha, "parents": [{"sha": parent} for parent in commit["parents"]],
            "commit": {"message": commit["message"], "tree": {"sha": commit["tree"]},
                       "author": person, "committer": person}}


def history(world, sha):
    """Newest first by date; of equal ones the nearer."""
    found = world.ancestors(sha)
    return sorted(found, key=lambda one: (-world.commits[one]["date"], found[one]))


def list_commits(world, request):
    start = request.arg("sha") or world.default_branch
    sha = world.resolve(start)
    if sha not in world.commits:
        raise Problem(404, "Not Found")
    return Page([told(world, one) for one in history(world, sha)])


def get_commit(world, request, text):
    return told(world, commit_of(world, text))


def get_git_commit(world, request, sha):
    if sha not in world.commits:
        raise Problem(404, "Not Found")
    commit = told(world, sha)
    return dict(commit["commit"], sha=sha, parents=commit["parents"])


def pulls_of_commit(world, request, text):
    import pulls
    sha = commit_of(world, text)
    return Page([pulls.told(world, one) for one in world.issues.values() if one["head_sha"] == sha])


def compare(world, request, base_text, head_text):
    base, head = world.resolve(base_text), world.resolve(head_text)
    if base not in world.commits or head not in world.commits:
        raise Problem(404, "Not Found")
    left, right = world.ancestors(base), world.ancestors(head)
    both = [sha for sha in left if sha in right]
    if not both:
        raise Problem(404, f"No common ancestor between {base_text} and {head_text}.")
    # the best: no other common one descends from it
    merge_base = next(sha for sha in sorted(both, key=lambda one: right[one])
                      if not any(other != sha and sha in world.ancestors(other) for other in both))
    ahead = [sha for sha in history(world, head) if sha not in left][::-1]
    behind = sum(sha not in right for sha in left)
    status = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
    more = {"files": [{"filename": "train.py", "status": "modified", "patch": "@@"}] if ahead else []}
    return Page([told(world, sha) for sha in ahead], wrap="commits", status=status,
                ahead_by=len(ahead), behind_by=behind, total_commits=len(ahead),
                base_commit=told(world, base), merge_base_commit=told(world, merge_base),
                **(more if request.arg("page", "1") == "1" else {}))


def get_branch(world, request, name):
    if name not in world.refs:
        raise Problem(404, "Branch not found")
    return {"name": name, "commit": told(world, world.refs[name]), "protected": False}


def get_ref(world, request, name):
    if name not in world.refs:
        raise Problem(404, "Not Found")
    return {"ref": f"refs/heads/{name}", "object": {"type": "commit", "sha": world.refs[name]}}


def get_content(world, request, path):
    sha = world.resolve(request.arg("ref") or world.default_branch)
    data = world.contents.get(sha, {}).get(path)
    if data is None:
        raise Problem(404, "Not Found")
    if "raw" in request.header("accept", ""):
        return Reply(200, [("Content-Type", "application/vnd.github.raw")], data)
    return {"type": "file", "path": path, "size": len(data), "encoding": "base64",
            "content": base64.encodebytes(data).decode()}


# --- Statuses -----------------------------------------------------------------------------------


def create_status(world, request, text):
    asked = request.json
    sha = commit_of(world, text)
    if asked.get("state") not in STATES:
        raise invalid("Status", "state", "custom", "State is not included in the list")
    if len(asked.get("description") or "") > DESCRIPTION_MAX:
        raise invalid("Status", "description", "custom",
                      f"Description is too long (maximum is {DESCRIPTION_MAX} characters)")
    target = asked.get("target_url")
    if target and not target.startswith(("http://", "https://")):
        raise invalid("Status", "target_url", "custom", "Target url must use http(s) scheme")
    context = asked.get("context") or "default"
    if len(context) > 255:
        raise invalid("Status", "context", "custom", "Context is too long (maximum is 255 characters)")
    before = world.statuses.setdefault(sha, [])
    if sum(one["context"] == context for one in before) >= world.options["statuses_max"]:
        raise invalid("Status", "base", "custom",
                      "This SHA and context has reached the maximum number of statuses.")
    made = {"id": world.new_id(), "state": asked["state"], "context": context,
            "description": asked.get("description"), "target_url": target,
            "creator": world.user(request.token.login), "created_at": world.stamp()}
    before.append(made)
    return 201, made


def list_statuses(world, request, text):
    return Page(world.statuses.get(commit_of(world, text), [])[::-1])


def combined_status(world, request, text):
    sha = commit_of(world, text)
    newest = {one["context"]: one for one in world.statuses.get(sha, [])}
    states = {one["state"] for one in newest.values()}
    state = ("failure" if states & {"failure", "error"} else
             "success" if states == {"success"} else "pending")
    return {"sha": sha, "state": state, "statuses": list(newest.values()), "total_count": len(newest)}


ROUTES = [
    ("GET", r"commits", "ListCommits", READ, list_commits),
    ("GET", r"commits/([^/]+)", "GetCommit", READ, get_commit),
    ("GET", r"commits/([^/]+)/pulls", "ListPullsOfCommit", (("pull-requests", "read"),), pulls_of_commit),
    ("GET", r"git/commits/([0-9a-f]{40})", "GetGitCommit", READ, get_git_commit),
    ("GET", r"compare/(.+?)\.\.\.(.+)", "Compare", READ, compare),
    ("GET", r"branches/(.+)", "GetBranch", READ, get_branch),
    ("GET", r"git/ref/heads/(.+)", "GetRef", READ, get_ref),
    ("GET", r"contents/(.+)", "GetContent", READ, get_content),
    ("POST", r"statuses/([^/]+)", "CreateStatus", (("statuses", "write"),), create_status),
    ("GET", r"commits/([^/]+)/statuses", "ListStatuses", (("statuses", "read"),), list_statuses),
    ("GET", r"commits/([^/]+)/status", "GetStatus", (("statuses", "read"),), combined_status),
]
