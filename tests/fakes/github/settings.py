# SPDX-License-Identifier: Apache-2.0
"""The repository, its environments, its settings of Actions, its workflow runs."""
from core import Problem
from pages import Page

ACTIONS = (("actions", "read"),)
ADMIN = (("administration", "read"),)

# what a repository begins with; POST /setting of the control port changes one
DEFAULTS = {
    "actions/permissions": {"enabled": True, "allowed_actions": "all", "sha_pinning_required": False},
    "actions/permissions/workflow": {"default_workflow_permissions": "read",
                                     "can_approve_pull_request_reviews": False},
    "actions/permissions/fork-pr-workflows-private-repos": {
        "run_workflows_from_fork_pull_requests": False, "send_write_tokens_to_workflows": False,
        "send_secrets_and_variables": False, "require_approval_for_fork_pr_workflows": True},
    "actions/permissions/fork-pr-contributor-approval": {"approval_policy": "first_time_contributors"},
    "actions/oidc/customization/sub": {"use_default": True},
}


def repository(world, request):
    return world.repository()


def setting(world, request, name):
    path = f"actions/{name}"
    if path == "actions/permissions/fork-pr-workflows-private-repos" and not world.options["private"]:
        raise Problem(422, "This setting is only available for private repositories.")
    if path in world.settings:
        return world.settings[path]
    if path in DEFAULTS:
        return DEFAULTS[path]
    raise Problem(404, "Not Found")


def label(world, request, name):
    if name not in world.options["labels"]:
        raise Problem(404, "Not Found")
    return {"id": 1, "name": name, "color": "ededed", "default": False, "description": None}


def list_environments(world, request):
    found = list(world.environments.values())
    return Page([told(one) for one in found], wrap="environments", total_count=len(found))


def told(environment):
    return {name: value for name, value in environment.items() if name != "branch_policies"}


def environment(world, request, name):
    if name not in world.environments:
        raise Problem(404, "Not Found")
    return told(world.environments[name])


def branch_policies(world, request, name):
    if name not in world.environments:
        raise Problem(404, "Not Found")
    found = world.environments[name].get("branch_policies", [])
    return Page(found, wrap="branch_policies", total_count=len(found))


def make_environment(world, name, reviewers=(), branches=None, **more):
    """branches: None, no rule; "protected"; or a list of patterns."""
    rules = []
    if reviewers:
        rules.append({"id": world.new_id(), "type": "required_reviewers", "prevent_self_review": False,
                      "reviewers": [{"type": "User", "reviewer": world.user(one)} for one in reviewers]})
    policy = None
    if branches is not None:
        rules.append({"id": world.new_id(), "type": "branch_policy"})
        policy = {"protected_branches": branches == "protected",
                  "custom_branch_policies": branches != "protected"}
    world.environments[name] = dict(
        more, id=world.new_id(), name=name, protection_rules=rules, deployment_branch_policy=policy,
        branch_policies=[{"id": world.new_id(), "name": one, "type": "branch"} for one in branches or ()
                         if branches != "protected"])


# --- Workflow runs ------------------------------------------------------------------------------


def run_of(world, identifier):
    if int(identifier) not in world.runs:
        raise Problem(404, "Not Found")
    return world.runs[int(identifier)]


def get_run(world, request, identifier):
    run = run_of(world, identifier)
    return {name: value for name, value in run.items() if name != "jobs"}


def list_jobs(world, request, identifier, *_):
    jobs = run_of(world, identifier).get("jobs", [])
    return Page(jobs, wrap="jobs", total_count=len(jobs))


ROUTES = [
    ("GET", r"repository", "GetRepository", (("metadata", "read"),), repository),
    ("GET", r"labels/([^/]+)", "GetLabel", (("issues", "read"), ("pull-requests", "read")), label),
    ("GET", r"environments", "ListEnvironments", ACTIONS, list_environments),
    ("GET", r"environments/([^/]+)", "GetEnvironment", ACTIONS, environment),
    ("GET", r"environments/([^/]+)/deployment-branch-policies", "ListBranchPolicies", ACTIONS,
     branch_policies),
    ("GET", r"actions/(permissions(?:/[a-z-]+)?)", "GetActionsSetting", ADMIN, setting),
    ("GET", r"actions/(oidc/customization/sub)", "GetOidcSubject", ACTIONS, setting),
    ("GET", r"actions/runs/(\d+)", "GetRun", ACTIONS, get_run),
    ("GET", r"actions/runs/(\d+)/jobs", "ListJobs", ACTIONS, list_jobs),
    ("GET", r"actions/runs/(\d+)/attempts/(\d+)/jobs", "ListJobs", ACTIONS, list_jobs),
]
