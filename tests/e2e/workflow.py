# SPDX-License-Identifier: Apache-2.0
"""
Reads a workflow's job and runs its steps as GitHub does, for what act cannot show: a job that is
cancelled, and machines without act. Expressions are GitHub's grammar, as far as our workflows go;
what is beyond it fails.
"""
import re
import signal
import subprocess

import pytest

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*(?:\.[\w-]+)*)"
                   r"|(?P<number>\d+)|(?P<op>\|\||&&|==|!=|[!(),]))")


class Expression:
    """One expression over known names; a name that nobody set is null."""

    def __init__(self, text, names, functions):
        self.names, self.functions = names, functions
        self.tokens, at = [], 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            assert found, f"no expression of ours: {text[at:]}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at = 0

    def value(self):
        result = self.either()
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at:]}"
        return result

    def taken(self, *words):
        if self.at < len(self.tokens) and self.tokens[self.at][1] in words:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def either(self):
        left = self.both()
        while self.taken("||"):
            right = self.both()
            left = left or right
        return left

    def both(self):
        left = self.compared()
        while self.taken("&&"):
            right = self.compared()
            left = left and right
        return left

    def compared(self):
        left = self.single()
        operator = self.taken("==", "!=")
        if not operator:
            return left
        right = self.single()
        same = loose(left) == loose(right)
        return same if operator == "==" else not same

    def single(self):
        if self.taken("!"):
            return not self.single()
        if self.taken("("):
            inner = self.either()
            assert self.taken(")")
            return inner
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return int(word)
        assert kind == "name", word
        if self.taken("("):
            arguments = []
            while not self.taken(")"):
                arguments.append(self.either())
                self.taken(",")
            return self.functions[word](*arguments)
        return {"true": True, "false": False}.get(word, self.look_up(word))

    def look_up(self, name):
        if name in self.names:
            return self.names[name]
        node, _, rest = name.partition(".")
        node = self.names.get(node)
        for part in rest.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return node


def loose(value):
    """null, '' and false are equal, texts whatever their case."""
    if value in (None, False, ""):
        return ""
    return value.lower() if isinstance(value, str) else "true" if value is True else value


def as_text(value):
    return {None: "", True: "true", False: "false"}.get(value, str(value)) if not isinstance(value, str) else value


class Runner:
    """
    One job. contexts: github (with `event`), inputs, vars. find: a folder for what `uses` names.
    `between(n, name)` may return "cancel": the job is cancelled when that step is about to start.
    """

    def __init__(self, job, contexts, find):
        self.job, self.find = job, find
        self.names = {"steps": {}, **contexts}
        self.failed = self.cancelled = False
        self.ran, self.results = [], {}

    def functions(self):
        def form(text, *values):
            return re.sub(r"\{(\d+)\}", lambda found: as_text(values[int(found[1])]), text)
        return {"success": lambda: not self.failed and not self.cancelled, "always": lambda: True,
                "failure": lambda: self.failed and not self.cancelled, "cancelled": lambda: self.cancelled,
                "format": form, "contains": lambda a, b: as_text(b).lower() in as_text(a).lower(),
                "startsWith": lambda a, b: as_text(a).lower().startswith(as_text(b).lower())}

    def evaluate(self, text):
        return Expression(text, self.names, self.functions()).value()

    def fill(self, text):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: as_text(self.evaluate(found[1])), as_text(text))

    def holds(self, condition):
        """Without a function of status a condition also means success()."""
        if condition is None:
            return not self.failed and not self.cancelled
        inner = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", str(condition).strip(), flags=re.S)
        if not re.search(r"\b(success|failure|cancelled|always)\(\)", inner):
            inner = f"success() && ({inner})"
        return bool(self.evaluate(inner))

    def run(self, definition, cancel_at=None):
        """The job's steps; cancel_at(name, process) is told of each step's process and says True
        once the job is cancelled: it then has signalled as GitHub does."""
        condition = definition.get("if")
        if condition is not None and not self.holds(condition):
            return False
        assert int(definition["timeout-minutes"]) <= 355
        for name, value in definition.get("env", {}).items():
            self.job.env[name] = self.fill(value)
        self.names["env"] = {name: self.job.env[name] for name in definition.get("env", {})}
        for step in definition["steps"]:
            if self.holds(step.get("if")):
                self.step(step, cancel_at)
        return True

    def step(self, step, cancel_at):
        inputs = {key.replace("-", "_"): self.fill(value) for key, value in step.get("with", {}).items()}
        self.ran.append(step["name"])
        other = step["uses"].split("@")[0]
        if other in OTHERS:
            env = {f"INPUT_{name.upper()}": inputs.get(name, "") for name in OTHERS[other].inputs}
            assert set(inputs) <= set(OTHERS[other].inputs), inputs
            done = self.job.run(OTHERS[other].script, "sh -eu {0}", env, check=False)
        else:
            watch = None if cancel_at is None else lambda process: cancel_at(step["name"], process)
            done = self.job.uses(self.find(step["uses"]), check=False, watch=watch, **inputs)
            self.cancelled = self.cancelled or bool(getattr(done, "cancelled", False))
        self.results[step["name"]] = done
        if step.get("id"):
            self.names["steps"][step["id"]] = {"outputs": done.outputs}
        if done.returncode and not step.get("continue-on-error"):
            self.failed = True


class Other:
    """A stand-in for somebody else's action: inputs (a_b for a-b) as INPUT_A_B, and a script."""

    def __init__(self, inputs, script):
        self.inputs, self.script = inputs, script

    def document(self):
        """Its action.yml, for act."""
        names = {name: name.replace("_", "-") for name in self.inputs}
        return "\n".join([
            "name: stand-in", "description: .", "inputs:",
            *(f'  {key}: {{description: ".", default: ""}}' for key in names.values()),
            "runs:", "  using: composite", "  steps:", "    - shell: sh -eu {0}", "      env:",
            *(f'        INPUT_{name.upper()}: "${{{{ inputs.{key} }}}}"' for name, key in names.items()),
            "      run: |", *("        " + line for line in self.script.splitlines()), ""])


# One commit, no credential left behind.
CHECKOUT = """\
[ "$INPUT_PERSIST_CREDENTIALS" = false ]
git init -q . && git remote add origin "https://github.com/$GITHUB_REPOSITORY"
git fetch -q --depth 1 "$ORIGIN" "${INPUT_REF:-$GITHUB_SHA}" && git checkout -q --detach FETCH_HEAD
"""
# A folder's files into a folder of $ARTIFACTS; a name that is there is refused, as GitHub does also
# when a job runs again.
UPLOAD = """\
[ "$INPUT_OVERWRITE" = true ] || [ ! -e "$ARTIFACTS/$INPUT_NAME" ]
rm -rf "$ARTIFACTS/$INPUT_NAME" && mkdir -p "$ARTIFACTS" && cp -R "$INPUT_PATH" "$ARTIFACTS/$INPUT_NAME"
"""
OTHERS = {"actions/checkout": Other(["ref", "persist_credentials"], CHECKOUT),
          "actions/upload-artifact": Other(["name", "path", "if_no_files_found", "overwrite"], UPLOAD)}


def cancel_as_github(process, first=7.5, second=2.5):
    """SIGINT to the step's own process, SIGTERM 7.5 s later, then the tree is killed."""
    process.send_signal(signal.SIGINT)
    for wait, number in ((first, signal.SIGTERM), (second, signal.SIGKILL)):
        try:
            return process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    return process.wait(timeout=10)


def job_of(path, name):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not in the tests' environment")
    return yaml.safe_load(path.read_text())["jobs"][name]
