# SPDX-License-Identifier: Apache-2.0
"""The charts of reports and comments, parsed by mermaid itself: as GitHub was last seen with, and the newest."""
import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT

TOOLS = ROOT / "build" / "tools"
FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.M | re.S)
VERSIONS = sorted(path.parent.name for path in TOOLS.glob("mermaid-*/done")) or ["none"]


def parse(version, texts):
    if version == "none" or not shutil.which("node"):
        pytest.skip("no mermaid in build/tools, or no node: tools/peers.sh mermaid")
    done = subprocess.run(["node", ROOT / "tests" / "e2e" / "mermaid_parse.mjs", TOOLS / version],
                          input=json.dumps(texts), text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def charts():
    """Of every report and comment that the unit tests have agreed on."""
    found = {}
    for path in sorted((ROOT / "tests" / "unit" / "data").glob("*/*/expect")):
        text = path.read_text(errors="replace")
        for n, chart in enumerate(FENCE.findall(text)):
            found[f"{path.parent.parent.name}/{path.parent.name} {n}"] = chart
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_chart_is_one(version):
    found = charts()
    assert len(found) >= 6
    wrong = {name: told for name, told in zip(found, parse(version, list(found.values()))) if told}
    assert not wrong


@pytest.mark.parametrize("version", VERSIONS)
def test_the_parser_would_say_so(version):
    """What facts say is no chart: else the test above proves nothing."""
    head = "xychart-beta\n  title \"a\"\n  x-axis \"step\" 0 --> 9\n  y-axis 0 --> 3\n"
    bad = [head + "  line [1, nan]\n", head + "  line []\n", head + "  line [1e-5, 2]\n",
           "xychart-beta\n  title a/b\n  line [1, 2]\n", "no chart\n"]
    told = parse(version, [head + "  line [1, 2]\n", *bad])
    assert told[0] is None and all(told[1:]), told
