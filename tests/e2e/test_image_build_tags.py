# SPDX-License-Identifier: Apache-2.0
"""Whose builds become whose bases: main takes nothing that a branch or a pull request built."""
import json
import shutil

import pytest

from build_base import fake_docker  # noqa: F401 (fixture)
from push_runs import Pusher
from registries import Commits, Layout, files_of, skopeo, unpack


def event(tmp_path, name, ref):
    """The environment of a workflow's job."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"ref": ref, "repository": {"default_branch": "main"}}))
    return {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_REF": ref, "GITHUB_EVENT_PATH": str(path),
            "GITHUB_OUTPUT": str(tmp_path / "outputs"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}


class Builds:
    """Pushes of one commit, each build leaving its builder's name in the base."""

    def __init__(self, branchline, tmp_path, place, docker):
        self.pusher, self.place, self.docker, self.tmp_path = Pusher(branchline, tmp_path / "home"), place, docker, tmp_path
        self.pusher.env |= docker.env
        self.commits = Commits(tmp_path / "repo")
        self.commits.commit({"branchline.yaml": "version: 1\ncommand: [a]\nimage: {dockerfile: Dockerfile}\n",
                             "Dockerfile": "FROM scratch\n", ".dockerignore": "*\n"})

    def push(self, by, env):
        shutil.rmtree(self.docker.folder / "image")
        image = Layout(self.docker.folder / "image")
        image.entries = [image.manifest([{"built/by": by.encode()}])]
        image.write_index()
        shutil.rmtree(self.docker.folder / "context", ignore_errors=True)
        (self.docker.folder / "calls").write_text("")
        return self.pusher(self.commits, self.place, env=env)

    def builder(self):
        """Whose base the pushed image has."""
        skopeo("copy", f"docker://{self.place}:{self.commits.sha()}", f"oci:{self.tmp_path}/pulled:all", src=True)
        by = files_of(unpack(self.tmp_path / "pulled", "all")[2])["built/by"][2].decode()
        shutil.rmtree(self.tmp_path / "pulled")
        return by

    def bases(self):
        tags = json.loads(skopeo("list-tags", f"docker://{self.place}"))["Tags"]
        return sorted(tag for tag in tags if tag.startswith("base-"))

    def caches(self, flag):
        """What the build was told to read, or to write; None: there was none."""
        words = next((call for call in self.docker.calls() if call[:2] == ["buildx", "build"]), None)
        if words is None:
            return None
        values = [words[i + 1] for i, word in enumerate(words) if word == flag]
        return [dict(part.split("=", 1) for part in value.split(","))["ref"] for value in values]


@pytest.fixture
def builds(branchline, tmp_path, registry_v3, fake_docker):  # noqa: F811
    return Builds(branchline, tmp_path, f"{registry_v3}/tags-{tmp_path.name.strip('_')}", fake_docker)


def test_main_never_takes_what_a_branch_built(builds, tmp_path):
    branch = event(tmp_path, "push", "refs/heads/feature")
    builds.push("a branch", branch)
    tag, = builds.bases()
    assert tag.startswith("base-pr-") and len(tag) == len("base-pr-") + 16
    assert builds.builder() == "a branch"
    assert builds.caches("--cache-to") == [f"{builds.place}:cache-base-pr"]
    assert builds.caches("--cache-from") == [f"{builds.place}:cache-base", f"{builds.place}:cache-base-pr"]

    builds.push("a branch again", branch)
    assert builds.caches("--cache-to") is None, "the same inputs build nothing"

    main = event(tmp_path, "push", "refs/heads/main")
    builds.push("main", main)
    assert builds.bases() == sorted([tag, tag.replace("base-pr-", "base-")]), "one hash, two tags"
    assert builds.builder() == "main", "the inputs are the same, but a branch's build is not trusted"
    assert builds.caches("--cache-to") == [f"{builds.place}:cache-base"]
    assert builds.caches("--cache-from") == [f"{builds.place}:cache-base"]

    builds.push("nobody", branch)
    assert builds.caches("--cache-to") is None and builds.builder() == "main", "main's is for all"


@pytest.mark.parametrize("name, ref, is_main", [
    ("workflow_dispatch", "refs/heads/main", True),
    ("push", "refs/tags/main", False),
    ("issue_comment", "refs/heads/main", False),  # anyone's words, in main's place
    (None, None, False),
])
def test_only_mains_own_events_write_mains_base(builds, tmp_path, name, ref, is_main):
    builds.push("someone", event(tmp_path, name, ref) if name else {})
    tag, = builds.bases()
    assert tag.startswith("base-pr-") != is_main
