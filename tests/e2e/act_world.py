# SPDX-License-Identifier: Apache-2.0
"""
A repository with the workflows of docs/setup.md, a GitHub and an AWS of ours around it, and two ways
to run a workflow: act, and workflow.py.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

import workflow
from composite import Job, actions_with
from cloud import BUCKET, boto
from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION
from cloud_services import IMAGE_REPOSITORY, STACK
from conftest import PATIENCE, ROOT
from github_fake import OWNER_ID, REPOSITORY, REPOSITORY_ID
from registries import BASE_LAYERS, Layout

NUMBER = 12
OWNER, NAME = REPOSITORY.split("/")
RELEASE = "acme/branchline@v1"
# The actions of others that our workflows use, by their pins; stand-ins take their place.
PINS = {pin.split("@")[0]: pin for pin in re.findall(
    r"actions/(?:checkout|upload-artifact)@[0-9a-f]{40}", (ROOT / ".github/workflows/train.yml").read_text())}
SUBJECT = f"repo:{OWNER}@{OWNER_ID}/{NAME}@{REPOSITORY_ID}"
CONTEXTS = ("pull_request", "ref:refs/heads/main", "ref:refs/heads/topic")
CONFIG = """\
version: 1
command: [python3, train.py]
hyperparameters: {lr: 0.1}
metrics: {primary: eval_loss}
image: {base: "oci:BASE:base"}
gpu: L4
max_runtime: 1h
max_cost_usd: 5
jobs:
  full: {}
  smoke: {hyperparameters: {lr: 0.2}, max_runtime: 10m}
default_job: full
"""


def find_act():
    for place in (shutil.which("act"), ROOT / "build" / "tools" / "act"):
        if place and os.access(place, os.X_OK):
            return str(place)
    pytest.skip("no act in PATH or build/tools (tools/peers.sh act builds it)")


def callers():
    """The two workflow files that docs/setup.md tells to write, with an owner and a release."""
    text = (ROOT / "docs" / "setup.md").read_text()
    found = {}
    for name, body in re.findall(r"^`\.github/workflows/([a-z]+\.yml)`.*?```yaml\n(.*?)```", text, re.M | re.S):
        found[name] = re.sub(r"OWNER/(branchline/\S+)@<40-hex> # v\S+", r"acme/\1@v1", body)
    assert set(found) == {"train.yml", "branchline.yml"}
    return found


class Repository:
    """main and a branch topic with a commit more, which the pull request is of."""

    def __init__(self, path, config=CONFIG):
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("remote", "add", "origin", f"https://github.com/{REPOSITORY}")
        for name, body in callers().items():
            if name == "train.yml":  # as docs/setup.md says of TRAIN_ON_PUSH
                body = body.replace("\non:\n", "\non:\n  push: {branches: [main]}\n", 1)
            self.write(f".github/workflows/{name}", body)
        self.write("branchline.yaml", config)
        self.main = self.commit("train.py", "print('main')\n")
        self.git("checkout", "-q", "-b", "topic")
        self.topic = self.commit("train.py", "print('topic')\n")

    def git(self, *words):
        done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
                              cwd=self.path, check=True, text=True, capture_output=True)
        return done.stdout.strip()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, name, text):
        self.write(name, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"change {name}")
        return self.git("rev-parse", "HEAD")


class Story:
    """What came out of one workflow; seconds: of each step."""

    def __init__(self, status, steps, log, seconds, outputs=None):
        self.status, self.steps, self.log, self.seconds = status, steps, log, seconds
        self.outputs = outputs or {}

    def __repr__(self):
        return f"status {self.status}, steps {self.steps}\n{self.log}"


class World:
    def __init__(self, path, release, peer, github):
        self.path, self.peer, self.github = path, peer, github
        base = Layout(path / "base")
        base.image("base", BASE_LAYERS)
        self.repo = Repository(path / NAME, CONFIG.replace("BASE", str(path / "base")))
        self.know()
        self.pull()
        peer.role(arn=peer.told["role"], trust={"StringEquals": {
            "aud": "sts.amazonaws.com", "sub": [f"{SUBJECT}:{context}" for context in CONTEXTS]}})
        self.release, self.others = release / "branchline", release / "others"
        self.runs = 0
        self.variables = {"AWS_ROLE_ARN": peer.told["role"], "AWS_REGION": "us-east-1",
                          "TRAINING_IMAGE": IMAGE_REPOSITORY}
        self.env = {name: value for name, value in peer.oidc_env().items()
                    if name not in ("AWS_ROLE_ARN", "AWS_REGION")}
        # ECR's own name leads to the peer, too
        (path / "tls").mkdir()
        tls = peer.tls(path / "tls")
        self.env.update(HTTPS_PROXY=tls["proxy"], AWS_CA_BUNDLE=tls["ca_file"])
        peer.repository(IMAGE_REPOSITORY.split("/")[1])
        peer.stack(templates=[dict(STACK["templates"][0], id=TEMPLATE, version=TEMPLATE_VERSION)],
                   subnets=[{"id": subnet, "zone": zone} for zone, subnet in SUBNETS.items()])
        self.env["ORIGIN"] = f"file://{self.repo.path}"
        self.artifacts = path / "artifacts"
        self.env["ARTIFACTS"] = str(self.artifacts)

    def know(self):
        """GitHub has what the repository has."""
        self.github.know(self.repo.path)
        for sha in (self.repo.main, self.repo.topic):
            self.github.content(sha, "branchline.yaml", self.repo.git("show", f"{sha}:branchline.yaml"))

    # --- the store ----------------------------------------------------------------------------------

    def keys(self, prefix=""):
        pages = boto("s3", self.peer).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def document(self, key):
        return json.loads(boto("s3", self.peer).get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def runs_stored(self):
        return sorted({key.split("/")[1] for key in self.keys("runs/")})

    # --- events -----------------------------------------------------------------------------------

    def pull(self, **more):
        """The pull request of topic, as GitHub has it from now on."""
        self.github.pull(NUMBER, **dict({"head_sha": self.repo.topic, "head_ref": "topic",
                                         "base_sha": self.repo.main, "base_ref": "main", "user": "alice",
                                         "title": "Better `$(id)` loss", "labels": ["train"]}, **more))

    def event(self, name, body, **more):
        return dict(body, name=name, **more)

    def labeled(self, label="train", sender="alice", action="labeled"):
        return self.event("pull_request", self.github.pull_event(NUMBER, action, label, sender))

    def dispatch(self, branch="topic", **inputs):
        sha = self.repo.main if branch == "main" else self.repo.topic
        inputs = {key.replace("_", "-"): value for key, value in inputs.items()}
        return self.event("workflow_dispatch",
                          self.github.dispatch_event(f"refs/heads/{branch}", **inputs), sha=sha)

    def push(self):
        return self.event("push", self.github.push_event(self.repo.main), sha=self.repo.main)

    def schedule(self):
        return self.event("schedule", {"schedule": "7 * * * *", "repository": self.github.repository()},
                          ref="refs/heads/main", sha=self.repo.main)

    def workflow_run(self, event="pull_request", own=False):
        """After the pull request's own workflow, on the default branch."""
        pull = self.github.as_seen(NUMBER)
        head = self.github.repository() if own else {"id": 6006, "full_name": "mallory/demo",
                                                     "owner": {"login": "mallory"}}
        if not own and pull["head"]["repo"]:
            head["id"] = pull["head"]["repo"]["id"]
        return self.event("workflow_run", {
            "action": "completed", "repository": self.github.repository(),
            "sender": {"login": "alice", "id": 7, "type": "User"},
            "workflow_run": {"id": 1001, "event": event, "conclusion": "failure", "head_branch": "patch-1",
                             "head_sha": self.repo.topic, "head_repository": head}},
            ref="refs/heads/main", sha=self.repo.main)

    # --- what a job sees --------------------------------------------------------------------------

    def job_env(self, event, run_id, attempt):
        env = dict(self.env, GITHUB_API_URL=self.github.url, GITHUB_REPOSITORY=REPOSITORY,
                   GITHUB_RUN_ID=str(run_id), GITHUB_RUN_ATTEMPT=str(attempt),
                   GITHUB_REPOSITORY_ID=str(REPOSITORY_ID), GITHUB_REPOSITORY_OWNER_ID=str(OWNER_ID))
        return env

    def issuer(self, event):
        """GitHub's token names the event's context."""
        context = "pull_request" if event["name"] == "pull_request" else f"ref:{event['ref']}"
        self.peer.oidc(claims={"sub": f"{SUBJECT}:{context}", "repository": REPOSITORY,
                               "repository_id": str(REPOSITORY_ID)})

    # --- act --------------------------------------------------------------------------------------

    def start_act(self, event, file="train.yml", run_id=4711, attempt=1, **env):
        self.runs += 1
        home = self.path / f"act-{self.runs}"
        home.mkdir()
        body = {key: value for key, value in event.items() if key != "name"}
        (home / "event.json").write_text(json.dumps(body))
        self.repo.git("checkout", "-q", "main" if event.get("ref") == "refs/heads/main" else "topic")
        words = [find_act(), event["name"], "-W", f".github/workflows/{file}", "-e", home / "event.json",
                 "-P", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--json", "--actor", "alice",
                 "--local-repository", f"{RELEASE}={self.release}",
                 "--secret", f"GITHUB_TOKEN={self.token()}"]
        for name, pin in PINS.items():
            words += ["--local-repository", f"{pin}={self.others / name}"]
        for name, value in self.variables.items():
            words += ["--var", f"{name}={value}"]
        for name, value in {**self.job_env(event, run_id, attempt), **env}.items():
            words += ["--env", f"{name}={value}"]
        self.issuer(event)
        self.log = (home / "log").open("w+")
        return subprocess.Popen(words, cwd=self.repo.path, stdin=subprocess.DEVNULL, stdout=self.log,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                env={"PATH": os.environ["PATH"], "HOME": str(home)})

    def finish_act(self, process, timeout=2 * PATIENCE):
        try:
            process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            pytest.fail("act did not end:\n" + pathlib.Path(self.log.name).read_text()[-4000:])
        text = pathlib.Path(self.log.name).read_text()
        steps, seconds, shown = {}, {}, []
        for line in text.splitlines():
            entry = json.loads(line) if line.startswith("{") else {"msg": line}
            shown.append(entry.get("msg", "").rstrip("\n"))
            if entry.get("stage") == "Main" and entry.get("stepResult") and len(entry["stepID"]) == 1:
                steps[entry["step"]] = entry["stepResult"]
                seconds[entry["step"]] = entry["executionTime"] / 1e9
        return Story(process.returncode, steps, "\n".join(shown), seconds)

    def act(self, event, **more):
        return self.finish_act(self.start_act(event, **more))

    # --- without it ---------------------------------------------------------------------------------

    def token(self):
        return self.github.token

    def run(self, event, file="train.yml", name="train", run_id=4711, attempt=1, cancel_at=None,
            inputs=(), **env):
        """The same job by workflow.py; also gives the Job, whose files are there to look at."""
        self.runs += 1
        place = self.path / f"run-{self.runs}"
        (place / "work").mkdir(parents=True)
        body = {key: value for key, value in event.items() if key != "name"}
        (place / "event.json").write_text(json.dumps(body))
        ref = event.get("ref", f"refs/pull/{NUMBER}/merge")
        sha = event.get("sha", self.repo.topic)
        job = Job(place, {**self.job_env(event, run_id, attempt), "GITHUB_EVENT_NAME": event["name"],
                          "GITHUB_EVENT_PATH": str(place / "event.json"), "GITHUB_REF": ref,
                          "GITHUB_SHA": sha, "GITHUB_JOB": name, "GITHUB_ACTOR": "alice",
                          "GITHUB_TOKEN": self.token(), "GITHUB_SERVER_URL": "https://github.com", **env})
        job.workspace = place / "work"
        self.issuer(event)
        contexts = {"github": {"event": body, "event_name": event["name"], "run_id": str(run_id),
                               "repository": REPOSITORY, "ref": ref, "sha": sha},
                    "inputs": {**event.get("inputs", {}), **dict(inputs)}, "vars": self.variables}
        runner = workflow.Runner(job, contexts, lambda uses: self.release / uses.removeprefix(RELEASE.split("@")[0] + "/").split("@")[0])
        ran = runner.run(workflow.job_of(self.release / ".github" / "workflows" / file, name), cancel_at)
        steps = {step: "failure" if done.returncode else "success" for step, done in runner.results.items()}
        log = "\n".join(f"--- {step}\n{done.shown}" for step, done in runner.results.items())
        story = Story(None if not ran else 1 if runner.failed or runner.cancelled else 0, steps, log,
                      {step: done.seconds for step, done in runner.results.items()},
                      {step: done.outputs for step, done in runner.results.items()})
        story.job, story.results = job, runner.results
        return story


@pytest.fixture(scope="session")
def release(bin_dir, tmp_path_factory):
    """A release's commit, and stand-ins for the actions of others."""
    folder = tmp_path_factory.mktemp("release")
    actions_with(bin_dir, folder / "branchline" / "actions")
    for source in (ROOT / ".github" / "workflows").glob("*.yml"):
        done = subprocess.run([ROOT / "tools" / "render-workflow.sh", source, RELEASE], check=True,
                              text=True, capture_output=True)
        target = folder / "branchline" / ".github" / "workflows" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(done.stdout)
    for name, other in workflow.OTHERS.items():
        (folder / "others" / name).mkdir(parents=True)
        (folder / "others" / name / "action.yml").write_text(other.document())
    return folder


@pytest.fixture
def world(release, peer, github, tmp_path):
    return World(tmp_path, release, peer, github)
