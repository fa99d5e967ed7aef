# SPDX-License-Identifier: Apache-2.0
"""`branchline report` and `diff`, from outside: two real runs, every format, what a page may hold."""
import base64
import hashlib
import html.parser
import json
import os
import re
import subprocess

import pytest

from project import Project

VOID = {"meta", "input", "br", "path", "line", "rect", "circle", "link"}


class Page(html.parser.HTMLParser):
    """Tags balance, ids are unique; keeps what styles, scripts and attributes say."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.raw, self.ids = [], [], {}, []
        self.attributes = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            self.raw.setdefault(self.open[-1], []).append(data)
        else:
            self.text.append(data)


def ids(project):
    return {p.parent.name for p in project.store.glob("runs/*/run.json")}


@pytest.fixture(scope="module")
def runs(branchline, tmp_path_factory):
    """A clean first run on main, then one on a branch with another step time."""
    project = Project(branchline, tmp_path_factory.mktemp("report") / "project")
    project.call("local")
    (first,) = ids(project)
    project.git("checkout", "-q", "-b", "faster")
    (project.path / "new.txt").write_text("new\n")
    project.commit("a file more")
    project.call("local", "--param", "step_ms=4")
    (second,) = ids(project) - {first}  # of one second: their names need not be in order
    return project, (first, second)


@pytest.mark.sample
def test_the_first_clean_success_is_the_baseline_of_the_next(runs):
    project, (first, second) = runs
    report = json.loads(project.call("report", "--json").stdout)
    assert report["schema"] == 1
    assert report["this"]["run"] == second and report["baseline"]["run"] == first
    assert report["primary"] == "loss"
    (loss,) = [m for m in report["metrics"] if m["name"] == "loss"]
    assert loss["goal"] == "min" and loss["change"] == pytest.approx(loss["value"] - loss["baseline"])
    differs = {d["name"]: (d["from"], d["to"]) for d in report["differences"]}
    assert differs["step_ms"] == ("5", "4")
    assert "commit" in differs and "steps" not in differs


def test_markdown_is_what_github_gets(runs):
    project, (first, second) = runs
    text = project.call("report", second, "--baseline", first).stdout
    assert text.startswith("<!-- branchline:report v1 key=default -->\n### 🟢 Training finished: loss ")
    assert "```mermaid\n" in text and "xychart-beta" in text
    assert len(text.encode()) <= 60000
    visible, folded = 0, False
    for line in text.splitlines():
        visible += not folded
        folded = (folded or line.startswith("<details>")) and line != "</details>"
    assert visible <= 25
    assert text.count("<details>") == text.count("</details>")


def test_the_page_is_whole_and_asks_nobody(runs, tmp_path):
    project, (first, second) = runs
    path = tmp_path / "report.html"
    path.write_text("old")
    project.call("report", second, "-o", path)
    text = path.read_text()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    (policy,) = [v for tag, name, v in page.attributes if name == "content" and "default-src" in v]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[tag][-1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    names = {name for _, name, _ in page.attributes}
    assert not names & {"src", "href", "style", "srcset", "action", "xlink:href"}
    assert not [n for n in names if n.startswith("on")]
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", text)
    assert [v for tag, name, v in page.attributes if tag == "svg" and name == "aria-label"]
    charts = json.loads(page.raw["script"][0])
    assert charts and all(len(s["x"]) == len(s["y"]) for c in charts for s in c["s"])


def test_the_format_follows_the_name_unless_said(runs, tmp_path):
    project, _ = runs
    for name, start in (("r.md", "<!--"), ("r.json", "{"), ("r.html", "<!doctype"), ("r.txt", "●")):
        project.call("report", "-o", tmp_path / name)
        assert (tmp_path / name).read_text().startswith(start)
    assert project.call("report", "--format", "term").stdout.startswith("●")
    assert "\x1b[" in project.call("report", "--format", "term", FORCE_COLOR="1").stdout


def test_what_cannot_be_is_said_in_one_line(runs, tmp_path):
    project, (first, second) = runs
    for args in (["report", "nope"], ["report", "--format", "pdf"], ["report", "--baseline", "nope"],
                 ["report", "-o", tmp_path / "absent" / "r.md"], ["diff", first, first],
                 ["diff", first], ["report", "--store", tmp_path / "none"]):
        done = project.call(*args, check=False)
        assert done.returncode == 2, args
        assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, done.stderr
    with open("/dev/full", "w") as full:
        done = subprocess.run([project.branchline, "report"], cwd=project.path, stdout=full,
                              stderr=subprocess.PIPE, env=project.env({}), text=True)
    assert done.returncode == 1 and "No space left" in done.stderr
    assert os.listdir(tmp_path) == []


def test_diff_names_parameters_files_and_metrics(runs):
    project, (first, second) = runs
    text = project.call("diff", first, second).stdout
    assert re.search(r"^parameter step_ms  5 → 4$", text, re.M)
    assert re.search(r"^file .*new\.txt", text, re.M)
    assert re.search(r"^metric +loss  ", text, re.M)
    doc = json.loads(project.call("diff", first, second, "--json").stdout)
    assert (doc["a"], doc["b"]) == (first, second)
    assert any("new.txt" in line for line in doc["files"])


def test_a_gate_decides_what_becomes_a_baseline(branchline, tmp_path):
    """The trainer's loss falls below 9 and not below 0."""
    project = Project(branchline, tmp_path / "project")
    entries = lambda: sorted(project.store.glob("index/*/*/trees/*.json"))
    text = (project.path / "branchline.yaml").read_text()
    (project.path / "branchline.yaml").write_text(
        text.replace("metrics: {primary: loss}", "metrics: {primary: loss, fail_if: [loss > 0]}"))
    project.commit("a gate that nothing passes")
    done = project.call("local", check=False)
    assert done.returncode == 1 and "fails its gate: loss" in done.stderr and not entries()
    assert project.outcome()["status"] == "success"
    done = project.call("report", "--format", "md", check=False)
    assert done.returncode == 1 and "Training finished, but fails its gate" in done.stdout
    (project.path / "branchline.yaml").write_text(
        text.replace("metrics: {primary: loss}", "metrics: {primary: loss, fail_if: [loss > 9]}"))
    project.commit("one that it passes")
    project.call("local")
    assert len(entries()) == 1
