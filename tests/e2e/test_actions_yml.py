# SPDX-License-Identifier: Apache-2.0
"""Every actions/*/action.yml, its README and the verb that it runs say the same."""
import re
import subprocess

import pytest

from conftest import PATIENCE, ROOT

yaml = pytest.importorskip("yaml", reason="PyYAML is not in the tests' environment")
ACTIONS = sorted(path.parent for path in (ROOT / "actions").glob("*/action.yml"))
NAMES = [path.name for path in ACTIONS]
SHELL = "/usr/bin/env -u ENV -u BASH_ENV /bin/sh -eu {0}"


def read(name):
    return (ROOT / "actions" / name / "action.yml").read_text()


@pytest.fixture(scope="session")
def flags(bin_dir):
    """What `branchline VERB --help` knows, configuration keys included."""
    def of(verb):
        done = subprocess.run([bin_dir / "branchline", verb, "--help"], text=True,
                              capture_output=True, timeout=PATIENCE)
        if done.returncode == 2 and "no verb" in done.stderr:
            pytest.skip(f"branchline {verb} is not there yet")
        assert done.returncode == 0, done.stderr
        found = set(re.findall(r"--([a-z][a-z0-9-]*)", done.stdout))
        if "branchline.yaml" in done.stdout:
            keys = (ROOT / "docs" / "configuration.md").read_text()
            found |= {key.replace("_", "-").replace(".", "-")
                      for key in re.findall(r"^\| `([a-z_.]+)`", keys, re.M)}
        return found
    return of


def test_there_are_actions():
    assert {"guard", "push-image", "launch", "wait", "report", "cancel", "collect",
            "assume-role"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_form(name):
    text, document = read(name), yaml.safe_load(read(name))
    assert text.count("\n") < 60
    assert document["name"] and document["description"] and document["branding"]
    steps = document["runs"]["steps"]
    assert document["runs"]["using"] == "composite" and len(steps) == 1
    step, script = steps[0], steps[0]["run"]
    assert step["shell"] == SHELL
    assert "${{" not in script, "an expression in a script"
    assert script.rstrip().splitlines()[-1] == f'exec "$bin/branchline" {name}'
    for needed in ("$GITHUB_ACTION_PATH/../bin/linux-$(uname -m)", "sha256sum --check --quiet",
                   "use a release tag", f"::error title={name}::"):
        assert needed in script
    env = {key: value for key, value in step["env"].items() if key != "GITHUB_TOKEN"}
    assert env == {"INPUT_" + key.upper().replace("-", "_"): "${{ inputs.%s }}" % key
                   for key in document["inputs"]}
    assert step["env"].get("GITHUB_TOKEN", "${{ github.token }}") == "${{ github.token }}"
    for key, entry in document["inputs"].items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*", key)
        assert entry.get("default", "") == "", "a default would win over the file"
        assert entry["description"].endswith("."), key
    for key, entry in document.get("outputs", {}).items():
        assert entry["value"] == "${{ steps.%s.outputs.%s }}" % (step["id"], key)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_all(name):
    document = yaml.safe_load(read(name))
    readme = (ROOT / "actions" / name / "README.md").read_text()
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", readme, re.M | re.S))
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", sections["Inputs"], re.M) == list(document["inputs"])
    for key in document.get("outputs", {}):
        assert f"`{key}`" in sections["Outputs"], key
    statuses = {int(word) for cells in re.findall(r"^\| ([\d, ]+) \|", sections["Failures"], re.M)
                for word in cells.split(",")}
    assert {2, 70} <= statuses <= {0, 1, 2, 3, 4, 5, 6, 70, 75}
    assert "id-token" in readme or "AWS: none" in readme
    assert "https://" not in sections["Inputs"]


@pytest.mark.parametrize("name", NAMES)
def test_the_verb_knows_every_input(name, flags):
    known = flags(name)
    unknown = [key for key in yaml.safe_load(read(name))["inputs"] if key not in known]
    assert not unknown, f"branchline {name} has no " + ", ".join("--" + key for key in unknown)
