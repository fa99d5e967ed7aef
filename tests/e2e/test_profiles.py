# SPDX-License-Identifier: Apache-2.0
"""Random configuration files read by us and by botocore: what both know must be equal.

What differs on purpose is not tried: " #" ends a value, a key or a section may be there twice, and
[profile default] replaces [default].
"""
import os
import random
import subprocess

import pytest

loader = pytest.importorskip("botocore.configloader")
from botocore.exceptions import ConfigParseError  # noqa: E402

COUNT = 5_000 if os.environ.get("SOAK") else 100
SEED = int(os.environ.get("BRANCHLINE_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
KEYS = ["region", "output", "role_arn", "aws_access_key_id", "credential_process", "x-y", "sso.z"]
NESTED = ["endpoint_url", "addressing_style", "max_bandwidth"]
VALUES = ["eu-central-1", "", "a=b==", "a : b", "http://h:1/#f", "\"q r\"", "[x]", "é", "a;b", "a#c"]
CONFIG_HEADERS = ["[profile a]", "[profile \"a b\"]", "[profile 'q']", "[services s]", "[other]",
                  "[sso-session o]", "[profile two words]", "[profile \"open]", "[profile]",
                  "[profile z] tail", "[profile\tt]"]
SHARED_HEADERS = ["[a]", "[a b]", "[profile a]", "[q]", "[it's]"]
NAMES = ["default", "a", "a b", "q", "two", "z", "t", "profile a", "other", "it's"]


@pytest.fixture(scope="module")
def reader(bin_dir):
    program = bin_dir.parent / "tests" / "test_profile"
    if not program.exists():
        pytest.skip(f"no {program}: built by make test, not by make dist")
    return program


def some_case(rng, word):
    return "".join(rng.choice([c, c.upper()]) for c in word)


def some_setting(rng, key, indent, nested):
    """One setting's lines: with its value, with more lines of it, or with nested ones."""
    sign = rng.choice(["=", " = ", "= ", " =\t", ":"])
    if nested:
        inner = rng.sample(NESTED, rng.randrange(1, 3))
        return [indent + key + sign] + [indent + rng.choice([" ", "  ", "\t"]) + k +
                                        rng.choice(["=", " = "]) + rng.choice(VALUES[:1] + VALUES[2:])
                                        for k in inner]
    lines = [indent + some_case(rng, key) + sign + rng.choice(VALUES)]
    if rng.random() < 0.2 and not lines[0].rstrip().endswith(("=", ":")):
        lines += [indent + "  more " + rng.choice(VALUES[:5]) for _ in range(rng.randrange(1, 3))]
    return lines


def some_file(rng, headers):
    lines = []
    for header in ["[default]"] * (rng.random() < 0.7) + rng.sample(headers, rng.randrange(4)):
        lines.append(header)
        indent = rng.choice(["", "", "", " ", "   "])
        for key in rng.sample(KEYS, rng.randrange(5)) + ["s3"] * (rng.random() < 0.4):
            lines += some_setting(rng, key, indent, key == "s3")
            if rng.random() < 0.2:
                lines.append(rng.choice(["", "# c", "   ; c = d", "\t", "  # x"]))
    if rng.random() < 0.1:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(["lost", "[open", "= v", "k = v"]))
    return rng.choice(["\n", "\r\n"]).join(lines) + rng.choice(["", "\n"])


def theirs(config, shared):
    """{(kind, name, key): value} as botocore has it; None when it refuses a file."""
    try:
        known = loader.load_config(config)
        for name, settings in loader.raw_config_parse(shared).items():
            mine = known["profiles"].setdefault(name, {})
            for key, value in settings.items():
                if isinstance(value, dict):  # botocore has no nested settings of both files
                    value = {**mine.get(key, {}), **value}
                mine[key] = value or mine.get(key, "")  # an empty one is none
    except ConfigParseError:
        return None
    found = {}
    for kind, group in [("profile", "profiles"), ("services", "services"),
                        ("sso-session", "sso_sessions")]:
        for name, settings in known[group].items():
            for key, value in settings.items():
                if isinstance(value, dict):
                    found.update({(kind, name, f"{key}.{k}"): v for k, v in value.items()})
                else:  # blank lines inside a value are not kept
                    found[kind, name, key] = "\n".join(filter(None, value.split("\n")))
    return found


def ours(reader, config, shared, questions):
    done = subprocess.run([reader] + ["/".join(q) for q in questions], capture_output=True, text=True,
                          encoding="utf-8", check=True, timeout=30,
                          env=os.environ | {"AWS_CONFIG_FILE": config,
                                            "AWS_SHARED_CREDENTIALS_FILE": shared})
    if done.stdout == "error\n":
        return None
    return dict(zip(questions, done.stdout.splitlines(), strict=True))


def test_files_read_as_botocore_reads_them(reader, tmp_path):
    rng = random.Random(SEED)
    config, shared = str(tmp_path / "config"), str(tmp_path / "credentials")
    questions = [(kind, name, key) for kind, names in
                 [("profile", NAMES), ("services", ["s"]), ("sso-session", ["o"])]
                 for name in names
                 for key in [k for k in KEYS if "." not in k] + [f"s3.{k}" for k in NESTED]]
    values = errors = 0
    for i in range(COUNT):
        texts = some_file(rng, CONFIG_HEADERS), some_file(rng, SHARED_HEADERS)
        for path, text in zip((config, shared), texts):
            with open(path, "w", encoding="utf-8", newline="") as out:
                out.write(text)
        want, got = theirs(config, shared), ours(reader, config, shared, questions)
        case = f"seed {SEED}, case {i}:\n{texts[0]}\n----\n{texts[1]}"
        assert (got is None) == (want is None), case
        if want is None:
            errors += 1
            continue
        for question in questions:
            expect = want.get(question, "").replace("\n", "\\n") or "-"
            assert got[question] == expect, f"{question} in {case}"
            values += expect != "-"
    assert values > COUNT and errors  # the comparison is not of nothing
