# SPDX-License-Identifier: Apache-2.0
"""EC2's query protocol: parameters in, XML out, filters and pages."""
import fnmatch
import re
import secrets
from datetime import datetime, timezone
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from core import Problem

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
KEEPERS = ("NextToken", "MaxResults", "DryRun", "Filter")


def parse(wire):
    """{"Filter": [{"Name": "x", "Value": ["a"]}], ...}"""
    nested = {}
    for name, value in parse_qsl(wire.decode("utf-8", "replace"), True):
        at, *rest = name.split(".")
        where = nested
        for word in rest:
            where = where.setdefault(at, {})
            if not isinstance(where, dict):
                raise Problem(400, "InvalidParameter", f"{name} is a value and a structure")
            at = word
        if at in where:
            raise Problem(400, "InvalidParameter", f"{name} is given twice")
        where[at] = value
    return listed(nested)


def listed(value):
    """Members that are numbered from 1 become lists."""
    if not isinstance(value, dict):
        return value
    if not value or not all(re.fullmatch("[1-9][0-9]*", key) for key in value):
        return {key: listed(inner) for key, inner in value.items()}
    if sorted(map(int, value)) != list(range(1, len(value) + 1)):
        raise Problem(400, "InvalidParameterValue", "the numbers of a list have a gap")
    return [listed(value[str(n)]) for n in range(1, len(value) + 1)]


def check(asked, *known):
    """A parameter that EC2 does not know is an error there, too."""
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise Problem(400, "UnknownParameter", f"The parameter {unknown[0]} is not recognized")


def need(asked, name):
    if asked.get(name) in (None, ""):
        raise Problem(400, "MissingParameter", f"The request must contain the parameter {name}")
    return asked[name]


def xml(value):
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(v)}</{name}>" for name, v in value.items() if v is not None)
    if isinstance(value, list):
        return "".join(f"<item>{xml(v)}</item>" for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def tags_of(tags):
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def filtered(items, filters, value_of):
    """Those that fit every filter; value_of(item, name): text, list, or None for no such filter."""
    for one in filters or []:
        name, wanted = one.get("Name", ""), one.get("Value", [])
        kept = []
        for item in items:
            have = value_of(item, name)
            have = have if isinstance(have, list) else [have]
            if any(fnmatch.fnmatchcase(str(h), w) for h in have for w in wanted if h is not None):
                kept.append(item)
        items = kept
    return items


def check_filters(filters, names):
    for one in filters or []:
        name = one.get("Name", "")
        if name not in names and not (name.startswith("tag:") and "tag:" in names):
            raise Problem(400, "InvalidParameterValue", f"The filter '{name}' is invalid")
        if not 1 <= len(one.get("Value", [])) <= 200:
            raise Problem(400, "InvalidParameterValue", f"The filter '{name}' has 1 to 200 values")


class Pages:
    """Tokens that were handed out; each leads to one place of one list."""

    def __init__(self):
        self.tokens = {}

    def cut(self, asked, items, most, least=5):
        size = asked.get("MaxResults")
        if size is not None and not (size.isdigit() and least <= int(size) <= 1000):
            raise Problem(400, "InvalidParameterValue",
                          f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value "
                          f"between {least} and 1000.")
        at, token = 0, asked.get("NextToken")
        if token is not None:
            if token not in self.tokens:
                raise Problem(400, "InvalidNextToken", "The token is invalid")
            at = self.tokens[token]
        size = min(int(size or most), most)
        if at + size >= len(items):
            return items[at:], None
        made = "PeerPage//" + secrets.token_urlsafe(30)
        self.tokens[made] = at + size
        return items[at:at + size], made
