# SPDX-License-Identifier: Apache-2.0
"""What the documents quote of our messages is what the programs say."""
import re

import pytest

from conftest import ROOT

QUOTE = re.compile(r"``\s?(.+?)\s?``|`([^`]+)`")
# What stands for something in a quotation.
OPEN = re.compile(r"\.\.\.|`[a-z-]+: [a-z]+`|\b[A-Z]+\b")
PAGES = [ROOT / "docs" / "troubleshooting.md", *sorted((ROOT / "actions").glob("*/README.md"))]


@pytest.fixture(scope="module")
def said():
    """All texts of the programs, literals that stand side by side joined."""
    sources = [path.read_text() for folder in ("lib", "actions") for path in (ROOT / folder).rglob("*.c")]
    text = "\n".join(re.sub(r'"\s*\n\s*"', "", source) for source in sources)
    return text + (ROOT / "actions" / "launch" / "action.yml").read_text()


def quoted(page):
    """Of tables whose first or second column is what is said: `says`, `word`, `sign`."""
    found, column = [], None
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        named = [cell for cell in cells if cell in ("says", "word", "sign")]
        if not line.startswith("|"):
            column = None
        elif named:
            column = cells.index(named[0])
        elif column is not None and len(cells) > column:
            found += [one or other for one, other in QUOTE.findall(cells[column])]
    return [text for text in found if " " in text or re.fullmatch(r"([A-Z][a-z]+){2,}", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.parent.name)
def test_quoted_messages_are_said(page, said):
    for text in quoted(page):
        for part in OPEN.split(text):
            assert len(part.strip()) < 4 or part.strip() in said, f"nobody says '{part.strip()}' of '{text}'"


def test_there_is_something_to_look_at():
    assert len(quoted(PAGES[0])) >= 20
