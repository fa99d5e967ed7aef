# SPDX-License-Identifier: Apache-2.0
"""Bad input, from outside: it ends with a class, a cause and a next step, and starts nothing."""
import os
import shutil

import pytest

from fault_runs import check_failed


@pytest.mark.parametrize("more, said", [
    ("hyperparametrs: {a: 1}\n", "branchline.yaml:9:1: unknown key 'hyperparametrs'"),
    ("retries: many\n", "branchline.yaml:9:10"),
    ("metrics2: [\n", "branchline.yaml:10:1"),
])
def test_a_bad_configuration_is_named_by_its_place(project, more, said):
    project.configure(more)
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not list(project.store.glob("runs/*"))


@pytest.mark.parametrize("command, code, message, next_step", [
    ("no-such-program-here", 127, "no-such-program-here", "PATH"),
    ("./plain.txt", 126, "./plain.txt", "chmod"),
])
def test_a_command_that_cannot_start(project, command, code, message, next_step):
    (project.path / "plain.txt").write_text("no program\n")
    done = project.call("local", "--", command, check=False)
    outcome = project.outcome()
    check_failed(done, outcome, exit_code=2, klass="config", message=message, next_step=next_step)
    assert (outcome["status"], outcome["exit_code"], outcome["stage"]) == ("failure", code, "start")


@pytest.mark.parametrize("files, said", [
    (None, "data"),
    ({}, "data"),
    ({"a.jsonl": ""}, "holds no record"),
    ({"a.jsonl": '{"a": 1}\n{"a": 1\n{"a": 2}\n'}, "a.jsonl:2:"),
], ids=["absent", "no file", "empty file", "bad line"])
def test_bad_data_starts_nothing(project, files, said):
    shutil.rmtree(project.path / "data")
    if files is not None:
        (project.path / "data").mkdir()
        for name, text in files.items():
            (project.path / "data" / name).write_text(text)
    done = project.call("local", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "train" in done.stderr
    assert not list(project.store.glob("runs/*"))


def test_a_store_that_may_not_be_written(project):
    folder = project.path / "readonly"
    folder.mkdir(mode=0o555)
    # root passes over permissions unless it lacks the right to
    wrap = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = project.call("local", "--store", folder, check=False, wrap=wrap)
    assert done.returncode == 2
    assert "readonly" in done.stderr and "Permission denied" in done.stderr
    assert "--store" in done.stderr
    assert not list(folder.iterdir())
    folder.chmod(0o755)
