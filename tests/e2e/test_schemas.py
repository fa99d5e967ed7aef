# SPDX-License-Identifier: Apache-2.0
"""docs/schemas against what the programs write: every document of real runs, nothing left over.
"x-cloud": true marks what only a run in the cloud writes; its own tests check it."""
import json
import re

import jsonschema
import pytest

from conftest import ROOT, until
from project import Project, kill_host

SCHEMAS = {path.stem: json.loads(path.read_text())
           for path in sorted((ROOT / "docs" / "schemas").glob("*.json"))}
# Bytes of the training and of its checkpoints, not documents of ours.
OPAQUE = re.compile(r"runs/[^/]+/(checkpoints/\d{3}-\d{6}/|outputs/\d{3}/|logs/|metrics/|log\.txt$"
                    r"|metrics\.jsonl$|patch\.diff$|reserve$)")
TEMPORARY = re.compile(r"\.bl-[a-z2-7]{16}\.tmp$")  # of a writer that was killed: no key


def closed(schema):
    """The same for a writer: a reader ignores members that it does not know, we write none."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        strict.setdefault("additionalProperties", False)
    return strict


WRITTEN = {name: jsonschema.Draft202012Validator(closed(schema))
           for name, schema in SCHEMAS.items()}


def check(name, document, where):
    error = jsonschema.exceptions.best_match(WRITTEN[name].iter_errors(document))
    assert not error, f"{where} is no {name}: {error.json_path}: {error.message}"


def no_constants(word):
    raise ValueError(f"{word} is not JSON")


def parse(text):
    return json.loads(text, parse_constant=no_constants)


def schema_of(key, tag):
    found = [name for name, schema in SCHEMAS.items() if re.search(schema.get(tag, "^$"), key)]
    assert len(found) <= 1, f"{key} may be any of {found}"
    return found[0] if found else None


def check_store(store):
    """Names of the schemas that a document was seen of."""
    seen = set()
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        if TEMPORARY.search(path.name):
            continue
        key = path.relative_to(store).as_posix()
        name = schema_of(key, "x-key")
        lines = schema_of(key, "x-lines")
        if name:
            check(name, parse(path.read_text()), key)
            seen.add(name)
        elif lines:
            for line in path.read_text().splitlines():
                check(lines, parse(line), key)
                seen.add(lines)
        else:
            assert OPAQUE.match(key), f"{key}: no schema knows it"
    return seen


def check_work(work):
    """exec's and observe's documents, in the directories that the training saw."""
    seen = set()
    for name, schema in SCHEMAS.items():
        for path in work.glob(f"*/*/{schema['x-file']}") if "x-file" in schema else ():
            check(name, parse(path.read_text()), path)
            seen.add(name)
    return seen


def new_run(project, known):
    """Directory of the run that joins the known ones: ids of one second come in any order."""
    fresh = until(lambda: {p.parent for p in project.store.glob("runs/*/run.json")} - known,
                  "another run")
    known |= fresh
    return fresh.pop()


@pytest.fixture
def project(branchline, tmp_path):
    return Project(branchline, tmp_path / "repo")


def test_schemas_are_schemas():
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"{name}.json"
        assert schema["description"]
        assert {"x-key", "x-lines", "x-file", "x-parameter"} & set(schema), f"{name}: of which document?"


def test_whole_life_of_runs(project):
    """A success, a failure, one killed and resumed, one stopped, with uncommitted changes."""
    work = project.path / ".branchline" / "work"
    seen, known = set(), set()

    project.call("local")
    new_run(project, known)
    seen |= check_store(project.store) | check_work(work)
    assert project.call("local", "--param", "fail_at=3", check=False).returncode == 1
    new_run(project, known)
    seen |= check_store(project.store) | check_work(work)

    (project.path / "change.txt").write_text("not committed\n")
    local = project.start("local", "--param", "hold_at=11")
    try:
        run = new_run(project, known)
        project.wait_for_manifest(run)
        kill_host(run)
        local.wait(timeout=30)
        seen |= check_store(project.store)
        project.call("local", "--resume", run.name)
    finally:
        local.kill()
        local.communicate()
    seen |= check_store(project.store) | check_work(work)

    local = project.start("local", "--param", "hold_at=6")
    try:
        run = new_run(project, known)
        project.wait_for_manifest(run)
        project.call("stop", run.name)
        assert local.wait(timeout=30) == 5
    finally:
        local.kill()
        local.communicate()
    seen |= check_store(project.store) | check_work(work)
    local = {name for name, schema in SCHEMAS.items() if not schema.get("x-cloud")}
    assert seen == local, f"never seen: {local - seen}"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_refuses(name):
    """None is so wide that it lets anything pass."""
    for document in ({}, [], None, {"schema": 2}, {"schema": 1, "surprise": 1}):
        assert not WRITTEN[name].is_valid(document), document
