# SPDX-License-Identifier: Apache-2.0
"""The fake refuses what GitHub refuses."""
import http.client
import json
import urllib.parse

import pytest

from github_fake import BASE_SHA, BOT, REPOSITORY, SHA


class Client:
    def __init__(self, github, token=None):
        self.github, self.token = github, github.token if token is None else token

    def __call__(self, method, path, body=None, **headers):
        """(status, headers, document)"""
        parts = urllib.parse.urlsplit(self.github.url)
        conn = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
        sent = {"User-Agent": "tests", **headers}
        if self.token:
            sent["Authorization"] = "Bearer " + self.token
        if not path.startswith(("/", "http")):
            path = f"/repos/{REPOSITORY}/{path}"
        conn.request(method, path, None if body is None else json.dumps(body).encode(), sent)
        reply = conn.getresponse()
        told = reply.read()
        conn.close()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, \
            json.loads(told) if told else None


@pytest.fixture
def api(github):
    github.pull(12)
    return Client(github)


def test_comments_are_paged_in_order(github, api):
    for n in range(7):
        github.comment(12, f"number {n}")
    seen, path = [], f"/repos/{REPOSITORY}/issues/12/comments?per_page=3"
    while path:
        status, headers, page = api("GET", path)
        assert status == 200 and len(page) <= 3
        seen += [one["body"] for one in page]
        links = dict(reversed(part.split("; ")) for part in headers["link"].split(", "))
        path = links.get('rel="next"', "").strip("<>").removeprefix(github.url)
        assert not path or path.startswith("/repositories/987654/issues/12/comments?")
    assert seen == [f"number {n}" for n in range(7)]


def test_a_comment_has_an_author_and_a_limit(github, api):
    status, _, made = api("POST", "issues/12/comments", {"body": "hello"})
    assert (status, made["user"]["login"]) == (201, BOT)
    assert api("POST", "issues/12/comments", {"body": "x" * 65536})[0] == 201
    status, _, said = api("POST", "issues/12/comments", {"body": "x" * 65537})
    assert status == 422 and "too long" in said["errors"][0]["message"]
    assert api("POST", "issues/12/comments", {"body": " "})[0] == 422
    assert api("POST", "issues/12/comments", {})[0] == 422
    assert api("POST", "issues/99/comments", {"body": "x"})[0] == 404
    theirs = github.comment(12, "mine", author="mallory")
    assert api("PATCH", f"issues/comments/{theirs}", {"body": "x"})[0] == 403
    assert api("DELETE", f"issues/comments/{theirs}")[0] == 403
    assert api("PATCH", f"issues/comments/{made['id']}", {"body": "again"})[0] == 200
    assert github.comments(12)[0]["edits"] == ["hello", "again"]
    assert api("DELETE", f"issues/comments/{made['id']}")[0] == 204
    assert api("PATCH", f"issues/comments/{made['id']}", {"body": "x"})[0] == 404


def test_a_token_may_what_it_was_given(github, api):
    github.permissions(statuses="none")
    status, _, said = api("POST", f"statuses/{SHA}", {"state": "success"})
    assert (status, said["message"]) == (403, "Resource not accessible by integration")
    github.permissions(pull_requests="read")
    assert api("POST", "issues/12/comments", {"body": "x"})[0] == 403
    github.permissions(issues="write")
    assert api("POST", "issues/12/comments", {"body": "x"})[0] == 201
    assert api("GET", "/user")[0] == 403
    assert Client(github, github.user_token)("GET", "/user")[2]["login"] == "alice"
    assert api("GET", "actions/permissions/workflow")[0] == 403
    assert Client(github, "wrong")("GET", "pulls/12")[0] == 401
    assert Client(github, "")("POST", "issues/12/comments", {"body": "x"})[0] == 401
    assert Client(github, "")("GET", "pulls/12")[0] == 200


def test_limits_are_said_as_github_says_them(github, api):
    github.options(content_per_minute=2)
    assert [api("POST", "issues/12/comments", {"body": "x"})[0] for _ in "123"] == [201, 201, 403]
    github.options(content_per_minute=80, spaced=True)
    status, headers, said = api("POST", "issues/12/comments", {"body": "x"})
    assert status == 403 and headers["retry-after"] == "1" and "secondary rate limit" in said["message"]
    github.options(spaced=False, remaining=0, reset_in=50)
    status, headers, said = api("GET", "pulls/12")
    assert status == 403 and headers["x-ratelimit-remaining"] == "0" and "retry-after" not in headers
    github.clock(60)
    assert api("GET", "pulls/12")[0] == 200
    github.secondary("GetPull", retry_after=7, status=429)
    status, headers, _ = api("GET", "pulls/12")
    assert (status, headers["retry-after"]) == (429, "7")
    assert not github.pending()


def test_statuses(github, api):
    assert api("POST", f"statuses/{SHA}", {"state": "success", "description": "x" * 141})[0] == 422
    assert api("POST", f"statuses/{SHA}", {"state": "fine"})[0] == 422
    assert api("POST", f"statuses/{SHA}", {"state": "success", "target_url": "s3://b"})[0] == 422
    assert api("POST", "statuses/" + "9" * 40, {"state": "success"})[0] == 422
    github.options(statuses_max=2)
    said = [api("POST", f"statuses/{SHA}", {"state": "success", "context": "train"})[0] for _ in "123"]
    assert said == [201, 201, 422]
    assert api("POST", f"statuses/{SHA}", {"state": "failure", "context": "other"})[0] == 201
    assert [one["context"] for one in github.statuses(SHA)] == ["train", "train", "other"]


def test_labels_reactions_people_pulls(github, api):
    github.pull(12, labels=["train", "a b/c"])
    assert api("DELETE", "issues/12/labels/a%20b%2Fc")[2] == [{"name": "train"}]
    assert api("DELETE", "issues/12/labels/none")[0] == 404
    assert api("POST", "issues/12/reactions", {"content": "eyes"})[0] == 201
    assert api("POST", "issues/12/reactions", {"content": "eyes"})[0] == 200
    assert api("POST", "issues/12/reactions", {"content": "shrug"})[0] == 422
    assert github.reactions(12) == ["eyes"] and github.labels(12) == ["train"]
    words = {login: api("GET", f"collaborators/{login}/permission")[2].get("permission")
             for login in ("octo", "alice", "mona", "tina", "ray", "mallory")}
    assert words == {"octo": "admin", "alice": "write", "mona": "write", "tina": "read",
                     "ray": "read", "mallory": "read"}
    assert api("GET", "collaborators/nobody%5Bbot%5D/permission")[0] == 404
    github.pull(13, head_repository="mallory/demo")
    github.pull(14, head_repository=None)
    assert api("GET", "pulls/13")[2]["head"]["repo"]["full_name"] == "mallory/demo"
    assert api("GET", "pulls/14")[2]["head"]["repo"] is None
    assert [one["number"] for one in api("GET", "pulls?head=octo:feature")[2]] == [12]


def test_commits_and_settings(github, api):
    def commit(letter, *parents, date):
        return {"sha": letter * 40, "tree": letter * 40, "parents": [one * 40 for one in parents], "date": date}
    github.commits([commit("a", date=1), commit("b", "a", date=2), commit("c", "a", date=3),
                    commit("d", "b", "c", date=4)], main="d" * 40, side="c" * 40)
    assert [one["sha"][0] for one in api("GET", "commits?sha=main")[2]] == ["d", "c", "b", "a"]
    told = api("GET", "compare/side..." + "b" * 40)[2]
    assert (told["merge_base_commit"]["sha"], told["status"]) == ("a" * 40, "diverged")
    assert "files" in told and "files" not in api("GET", "compare/side...main?page=2&per_page=1")[2]
    github.permissions(actions="read", administration="read")
    assert api("GET", "environments/gpu")[0] == 404
    github.environment("gpu", reviewers=["mona"], branches=["main"])
    kinds = [rule["type"] for rule in api("GET", "environments/gpu")[2]["protection_rules"]]
    assert kinds == ["required_reviewers", "branch_policy"]
    assert api("GET", "actions/permissions/workflow")[2]["default_workflow_permissions"] == "read"
    assert api("GET", "actions/permissions/fork-pr-workflows-private-repos")[0] == 422
    github.options(private=True)
    github.setting("actions/permissions/fork-pr-workflows-private-repos", send_write_tokens_to_workflows=True)
    assert api("GET", "actions/permissions/fork-pr-workflows-private-repos")[2] == {
        "send_write_tokens_to_workflows": True}
    assert BASE_SHA != SHA
