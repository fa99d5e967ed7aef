# SPDX-License-Identifier: Apache-2.0
"""Runs composite actions and later steps of a job as GitHub's runner does, without it."""
import hashlib
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import time

import pytest

from conftest import PATIENCE, ROOT


def actions_with(programs, to):
    """A copy of actions/ whose bin/linux-ARCH holds these programs, as a release has them."""
    shutil.copytree(ROOT / "actions", to, ignore=shutil.ignore_patterns("bin"))
    folder = to / "bin" / f"linux-{platform.machine()}"
    folder.mkdir(parents=True)
    sums = ""
    for name in ("branchline", "branchline-runner"):
        shutil.copy2(programs / name, folder / name)
        sums += f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
    (folder / "SHA256SUMS").write_text(sums)
    return to


def read_entries(text):
    """The runner's reading of GITHUB_ENV and GITHUB_OUTPUT."""
    found, lines = {}, iter(re.split(r"\r\n|\n|\r", text))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            found[line[:equals]] = line[equals + 1:]
            continue
        assert heredoc >= 0, f"Invalid format '{line}'"
        name, delimiter, value = line[:heredoc], line[heredoc + 2:], []
        for line in lines:
            if line == delimiter:
                break
            value.append(line)
        else:
            pytest.fail(f"Matching delimiter not found '{delimiter}'")
        found[name] = "\n".join(value)
    return found


class Step:
    def __init__(self, done, outputs, shown, summary):
        self.returncode, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.outputs, self.shown = outputs, shown  # shown: the log with masks applied
        self.summary = summary
        self.seconds = 0.0
        self.cancelled = False  # by what watched it


class Job:
    """Steps share GITHUB_ENV and RUNNER_TEMP; nothing of this machine's environment but PATH."""

    def __init__(self, tmp_path, env):
        self.path, self.n, self.masks = tmp_path, 0, []
        self.workspace = tmp_path
        self.temp = tmp_path / "runner temp"
        self.temp.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "CI": "true",
                    "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "1",
                    "GITHUB_JOB": "train", "GITHUB_REPOSITORY": "acme/widgets",
                    "RUNNER_TEMP": str(self.temp), **env}
        self.token = self.env.pop("GITHUB_TOKEN", "")  # steps have it by an expression only

    def run(self, script, shell="bash -e {0}", env=(), check=True, timeout=PATIENCE, watch=None):
        """One `run:` step. watch: called with its process; true when it cancelled the job."""
        self.n += 1
        file = self.path / f"step-{self.n}.sh"
        files = {name: self.path / f"{name}-{self.n}" for name in
                 ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
        for path in files.values():
            path.touch()
        file.write_text(script)
        words = [word.replace("{0}", str(file)) for word in shlex.split(shell)]
        with (self.path / f"step-{self.n}.out").open("w+") as out, \
                (self.path / f"step-{self.n}.err").open("w+") as log:
            began = time.monotonic()
            process = subprocess.Popen(words, env={**self.env, **dict(env),
                                                   **{k: str(v) for k, v in files.items()}},
                                       cwd=self.workspace, text=True, stdout=out, stderr=log,
                                       stdin=subprocess.DEVNULL)
            try:
                cancelled = bool(watch and watch(process))
                process.wait(timeout=timeout)
            finally:
                process.kill()
                process.wait()
            ended = time.monotonic()
            out.seek(0)
            log.seek(0)
            done = subprocess.CompletedProcess(words, process.returncode, out.read(), log.read())
        shown = self.show(done.stdout + done.stderr)
        if check and done.returncode:
            pytest.fail(f"step {self.n}: exit {done.returncode}\n{shown}")
        for name, value in read_entries(files["GITHUB_ENV"].read_text()).items():
            assert not name.startswith(("GITHUB_", "RUNNER_")) and name != "NODE_OPTIONS"
            self.env[name] = value
        assert not files["GITHUB_PATH"].read_text()
        step = Step(done, read_entries(files["GITHUB_OUTPUT"].read_text()), shown,
                    files["GITHUB_STEP_SUMMARY"].read_text())
        step.cancelled, step.seconds = cancelled, ended - began
        return step

    def show(self, text):
        shown = []
        for line in text.splitlines():
            if line.startswith("::add-mask::"):
                value = line[len("::add-mask::"):]
                for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
                    value = value.replace(escape, char)
                self.masks.append(value)
                continue
            for mask in self.masks:
                line = line.replace(mask, "***")
            shown.append(line)
        return "\n".join(shown)

    def uses(self, action, check=True, watch=None, **inputs):
        """A composite action: a folder. Inputs as keywords, a_b for a-b."""
        yaml = pytest.importorskip("yaml", reason="PyYAML is not in the tests' environment")
        folder = pathlib.Path(action)
        document = yaml.safe_load((folder / "action.yml").read_text())
        values = {name: entry.get("default", "") for name, entry in document["inputs"].items()}
        for name, value in inputs.items():
            assert name.replace("_", "-") in values, f"{folder.name} has no input {name}"
            values[name.replace("_", "-")] = str(value)
        known, step = {f"inputs.{name}": value for name, value in values.items()}, None
        known["github.token"] = self.token
        for entry in document["runs"]["steps"]:
            assert "${{" not in entry["run"], "an expression in a script"
            env = {name: expand(value, known) for name, value in entry.get("env", {}).items()}
            env["GITHUB_ACTION_PATH"] = str(folder)
            step = self.run(entry["run"], entry["shell"], env, check, watch=watch)
            known.update({f"steps.{entry.get('id')}.outputs.{name}": value
                          for name, value in step.outputs.items()})
            if step.returncode:
                return step
        step.outputs = {name: expand(entry["value"], known)
                        for name, entry in document.get("outputs", {}).items()}
        return step


def expand(text, known):
    """Names that nobody set are empty, as on GitHub."""
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: known.get(found[1], ""), str(text))
