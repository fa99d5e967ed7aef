#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes chat training data from the running Python's own documentation.

    make_data.py OUT

writes OUT/train/train.jsonl, OUT/eval/eval.jsonl and OUT/provenance.json. Every line of the
first two is one conversation:

    {"messages": [{"role": "user", "content": "What does os.path.join do?"},
                  {"role": "assistant", "content": "Join two or more pathname components, ..."}]}

The text is the documentation strings of the standard library and the language reference that
`help()` shows, both under the Python Software Foundation licence. The same interpreter gives
the same bytes: names are sorted, the split is by hash, and nothing depends on the clock, the
network or installed packages.
"""
import argparse
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import platform
import re
import sys
import warnings

# Modules that act when imported, need a display, or are separate packages on some systems, so
# that their presence would change the data from one machine to the next.
SKIPPED = {
    "antigravity", "crypt", "curses", "dbm", "distutils", "encodings", "ensurepip", "idlelib",
    "lib2to3", "nis", "ossaudiodev", "pydoc_data", "readline", "rlcompleter", "spwd", "test",
    "this", "tkinter", "turtle", "turtledemo", "venv",
}
ANSWER_MAX = 1200       # characters
ANSWER_MIN = 24
EVAL_PERCENT = 5
LICENCE = "Python-2.0 (Python Software Foundation License Version 2)"
LICENCE_URL = "https://docs.python.org/3/license.html"

# What would differ between two processes or two machines: addresses, sets, paths.
UNSTABLE = re.compile(r" at 0x[0-9a-fA-F]+|frozenset\(|\{[^}]|site-packages|/usr/|/home/|/root/")


def module_names():
    """Importable public modules of the standard library, submodules included, sorted."""
    names = []
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in SKIPPED:
            continue
        names.append(name)
        module = load(name)
        for entry in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if not entry.name.startswith(("_", "test")):
                names.append(f"{name}.{entry.name}")
    return sorted(set(names) | {"os.path"})


def load(name):
    """The module, or None where this system lacks it (other platforms' modules)."""
    try:
        return importlib.import_module(name)
    except (ImportError, AttributeError, OSError):
        return None


def clean(doc):
    """Documentation cut to ANSWER_MAX at the end of a paragraph or line, or None."""
    if not isinstance(doc, str):
        return None
    text = inspect.cleandoc(doc).strip()
    text = "".join(c for c in text if c == "\n" or c.isprintable())
    if len(text) > ANSWER_MAX:
        head = text[:ANSWER_MAX]
        for mark in ("\n\n", "\n", " "):
            if mark in head[ANSWER_MAX // 3:]:
                head = head[:head.rindex(mark)]
                break
        text = head.rstrip()
    return text if len(text) >= ANSWER_MIN and not UNSTABLE.search(text) else None


def signature(thing):
    """`(a, b=1)`, or None where it is unknown or differs between processes."""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError, AttributeError):   # 3.13 fails on select.epoll
        return None
    return None if UNSTABLE.search(text) or len(text) > 200 else text


def members(owner):
    """Public (name, value) pairs of a module or class, without running properties."""
    for name in sorted(vars(owner)):
        if not name.startswith("_"):
            yield name, inspect.getattr_static(owner, name)


def documented(module_name, module):
    """Yields (kind, dotted name, object) for what the module itself defines."""
    yield "module", module_name, module
    for name, value in members(module):
        if inspect.isclass(value):
            if value.__module__ not in (module_name, module.__name__):
                continue
            yield "class", f"{module_name}.{name}", value
            for method, body in members(value):
                body = getattr(body, "__func__", body)
                if callable(body) or isinstance(body, property):
                    yield "method", f"{module_name}.{name}.{method}", body
        elif inspect.isroutine(value) and value.__module__ in (module_name, module.__name__, None):
            yield "function", f"{module_name}.{name}", value


def from_docstrings():
    """Yields (question, answer) for modules, classes, functions and methods."""
    seen = set()
    for module_name in module_names():
        module = load(module_name)
        if module is None:
            continue
        for kind, name, thing in documented(module_name, module):
            answer = clean(getattr(thing, "__doc__", None))
            # Aliases and inherited text would put one answer into both channels.
            if answer is None or answer in seen:
                continue
            seen.add(answer)
            name = name.removeprefix("builtins.")
            if kind == "module":
                yield f"What is the Python module {name} for?", answer
            elif kind == "class" or isinstance(thing, property):
                yield f"What is {name}?", answer
            else:
                yield f"What does {name} do?", answer
            call = signature(thing) if kind in ("function", "method") else None
            if call is not None:
                summary = answer.split("\n\n")[0].replace("\n", " ")
                yield f"How do I call {name}?", f"{name}{call}\n\n{summary}"


def from_topics():
    """Yields (question, answer) from the language reference that `help('TOPIC')` shows."""
    from pydoc_data import topics
    for name in sorted(topics.topics):
        text = topics.topics[name].replace("*", "").strip()
        part = []
        number = 1
        for paragraph in text.split("\n\n") + [None]:
            full = sum(map(len, part)) > ANSWER_MAX // 2
            if part and (paragraph is None or full):
                answer = clean("\n\n".join(part))
                asked = "" if number == 1 else f" (part {number})"
                if answer:
                    yield f"Explain {name} in Python{asked}.", answer
                    number += 1
                part = []
            if paragraph is not None:
                part.append(paragraph.strip("\n"))


def conversation(question, answer):
    """One JSON line."""
    record = {"messages": [{"role": "user", "content": question},
                           {"role": "assistant", "content": answer}]}
    return json.dumps(record, ensure_ascii=False) + "\n"


def is_eval(question):
    """True for the fixed share of names that training never sees: by name, not by wording."""
    subject = re.sub(r" \(part \d+\)|[?.]$", "", question).removeprefix("How do I call ")
    subject = subject.removeprefix("What does ").removesuffix(" do")
    return int(hashlib.sha256(subject.encode()).hexdigest(), 16) % 100 < EVAL_PERCENT


def shuffled(lines):
    """A fixed order that mixes modules, so that a prefix of the file is already varied."""
    return sorted(lines, key=lambda line: hashlib.sha256(line.encode()).digest())


def write(path, data):
    """Writes bytes, replacing the file whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "wb") as out:
        out.write(data)
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", help="directory to write into; made if absent")
    out = parser.parse_args().out

    warnings.simplefilter("ignore")         # deprecated modules say so when imported
    pairs = dict(list(from_docstrings()) + list(from_topics()))

    files = {}
    for channel in ("train", "eval"):
        lines = shuffled(conversation(q, a) for q, a in pairs.items()
                         if is_eval(q) == (channel == "eval"))
        data = "".join(lines).encode()
        write(os.path.join(out, channel, channel + ".jsonl"), data)
        files[f"{channel}/{channel}.jsonl"] = {
            "conversations": len(lines), "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest()}
    provenance = {
        "schema": 1,
        "source": "documentation strings of the Python standard library and the language "
                  "reference in pydoc_data, read from the running interpreter",
        "version": f"{platform.python_implementation()} {platform.python_version()}",
        "copyright": "Copyright (c) 2001 Python Software Foundation; All Rights Reserved",
        "licence": LICENCE,
        "licence_url": LICENCE_URL,
        "made_by": "trainer-image/make_data.py",
        "changes": "cut to %d characters, re-indented, put into question and answer form"
                   % ANSWER_MAX,
        "files": files,
    }
    write(os.path.join(out, "provenance.json"), json.dumps(provenance, indent=2).encode() + b"\n")
    for name in sorted(files):
        print(f"{name}: {files[name]['conversations']} conversations, "
              f"{files[name]['bytes'] / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
