# SPDX-License-Identifier: Apache-2.0
"""branchline config, from outside: what it prints, what it refuses, what it says about it."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

GOOD = """\
version: 1
command: [python, train.py]
hyperparameters: {lr: 3e-4, epochs: 3}
max_runtime: 2h
jobs:
  full: {}
  smoke:
    hyperparameters: {epochs: 1}
default_job: full
"""


@pytest.fixture
def config(branchline, tmp_path):
    """Runs `branchline config ARGS` beside a branchline.yaml with this text."""

    def run(*args, text=GOOD, **env):
        if text is not None:
            (tmp_path / "branchline.yaml").write_text(text)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("INPUT_", "BRANCHLINE_", "GITHUB_"))}
        return subprocess.run(
            [branchline, "config", *args], cwd=tmp_path, env={**clean, **env}, capture_output=True, text=True, timeout=30
        )

    return run


def resolved(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_values_say_where_they_come_from(config):
    doc = resolved(config("--json", "--job", "smoke", "--max-runtime", "1h", INPUT_GRACE="5s", BRANCHLINE_STORE="/s"))
    values = doc["values"]
    assert doc["schema"] == 1
    assert doc["job"] == "smoke"
    assert values["max_runtime"] == {"value": "1h", "origin": "flag --max-runtime"}
    assert values["grace"] == {"value": "5s", "origin": "INPUT_GRACE"}
    assert values["store"] == {"value": "/s", "origin": "environment BRANCHLINE_STORE"}
    assert values["hyperparameters.epochs"] == {"value": 1, "origin": "branchline.yaml:8"}
    assert values["hyperparameters.lr"] == {"value": 0.0003, "origin": "branchline.yaml:3"}
    assert values["retries"] == {"value": 3, "origin": "default"}
    assert doc["config"]["hyperparameters"] == {"lr": 0.0003, "epochs": 1}
    assert doc["overrides"] == ["max_runtime"]


def test_the_table_is_for_people(config):
    done = config()
    assert done.returncode == 0
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["job"] == ["job", "full"]
    assert rows["max_runtime"] == ["max_runtime", "2h", "branchline.yaml:4"]
    assert rows["market"] == ["market", "spot", "default"]


def test_the_digest_depends_on_the_meaning_alone(config):
    digest = resolved(config("--json"))["digest"]
    assert resolved(config("--json", "--max-runtime", "120m"))["digest"] == digest
    assert resolved(config("--json", "--max-runtime", "121m"))["digest"] != digest


def test_a_command_after_two_dashes(config):
    doc = resolved(config("--json", "--", "python", "other.py", "--json", "é"))
    assert doc["config"]["command"] == ["python", "other.py", "--json", "é"]
    assert doc["values"]["command"]["origin"] == "arguments after --"


def test_without_a_file_there_are_defaults(config):
    doc = resolved(config("--json", text=None))
    assert doc["file"] is None
    assert doc["config"]["max_runtime"] == "6h"


@pytest.mark.parametrize(
    "text, args, message",
    [
        ("version: 1\n\nmax_runtim: 6h\n", [], "branchline.yaml:3:1: unknown key 'max_runtim'; did you mean 'max_runtime'?"),
        ("version: 1\ngpus: two\n", [], "branchline.yaml:2:7: gpus: expected a whole number from 0 to 16, found text 'two'"),
        ("version: 1\nmax_runtime: 31d\n", [], "branchline.yaml:2:14: max_runtime: expected a duration from 1s to 30d"),
        ("version: 1\n\tgpus: 1\n", [], "branchline.yaml:2:1: "),
        ("gpus: 1\n", [], "branchline.yaml:1:1: version is missing; begin the file with 'version: 1'"),
        (GOOD, ["--job", "smok"], "there is no job 'smok' (jobs: full, smoke); did you mean 'smoke'?"),
        (GOOD, ["--max-runtim", "2h"], "unknown flag --max-runtim; did you mean --max-runtime?"),
        (GOOD, ["--grace", "soon"], "flag --grace: 'soon' is not a duration like 90s, 30m, 6h or 1h30m"),
        (GOOD, ["--file", "nowhere.yaml"], "'nowhere.yaml': No such file or directory"),
        (
            "version: 1\ncommand: python train.py\nhyperparameters: {lr: 1}\n",
            [],
            'branchline.yaml:2: command: the hyperparameters would not reach this text: it does not say "$@"',
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(config, text, args, message):
    done = config(*args, text=text)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("branchline: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bad_value_in_the_environment_names_the_variable(config):
    done = config(INPUT_GPUS="99")
    assert done.returncode == 2
    assert "INPUT_GPUS: expected a whole number from 0 to 16, found '99'" in done.stderr
    assert config(INPUT_GPUS="").returncode == 0


def test_text_of_a_file_cannot_steer_the_terminal(config):
    done = config(text='version: 1\nlabel: "\\e[31mred"\n')
    assert "\x1b" not in done.stdout
    done = config(text='version: 1\n"\\e]0;x\\a": 1\n')
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_the_documentation_is_what_the_table_says(config):
    done = config("--docs")
    assert done.stdout == (ROOT / "docs" / "configuration.md").read_text()


def test_the_documented_example_is_valid(config):
    docs = (ROOT / "docs" / "configuration.md").read_text()
    example = docs.split("```yaml\n")[1].split("```")[0]
    assert resolved(config("--json", text=example))["config"]["max_cost_usd"] == 5


def test_the_help_begins_with_an_example_and_lists_every_key(config):
    done = config("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("branchline config --job smoke --max-runtime 2h\n")
    for name in resolved(config("--json"))["config"]:
        assert f"\n  {name}" in done.stdout
