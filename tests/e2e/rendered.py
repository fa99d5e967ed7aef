# SPDX-License-Identifier: Apache-2.0
"""
Markdown as a pull request shows it: by GitHub's own parser (cmarkgfm), charts by mermaid, and a
picture by Chromium, each where it is at hand.

    rendered.py COMMENT.md PAGE.html [PICTURE.png]
"""
import html
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "tools" / "py-cmarkgfm" / "bin" / "python"
MERMAID = ROOT / "build" / "tools" / "mermaid-12.3.0" / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
TO_HTML = """\
import sys, cmarkgfm
from cmarkgfm.cmark import Options
print(cmarkgfm.github_flavored_markdown_to_html(sys.stdin.read(), Options.CMARK_OPT_UNSAFE))
"""
PAGE = """\
<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.5 "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2328; margin: 16px; max-width: 860px }}
.box {{ border: 1px solid #d1d9e0; border-radius: 6px }}
.who {{ background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e }}
.text {{ padding: 0 16px 8px }}
h3 {{ font-size: 1.25em; margin: 16px 0 8px }}
table {{ border-collapse: collapse; margin: 8px 0 }}
td, th {{ border: 1px solid #d1d9e0; padding: 4px 12px }}
code, pre {{ font: 12px "DejaVu Sans Mono", monospace; background: #f0f1f3; border-radius: 6px }}
code {{ padding: 2px 5px }} pre {{ padding: 12px; overflow: auto }} pre code {{ padding: 0; background: none }}
blockquote {{ border-left: 4px solid #d1d9e0; margin-left: 0; padding-left: 12px; color: #59636e }}
summary {{ cursor: pointer }} sub {{ color: #59636e }} a {{ color: #0969da; text-decoration: none }}
</style>
<div class="box"><div class="who"><b>github-actions</b> bot commented</div><div class="text">
{body}
</div></div>
{script}
"""


def to_html(markdown):
    """None where the parser is not at hand."""
    if not PYTHON.exists():
        return None
    done = subprocess.run([PYTHON, "-c", TO_HTML], input=markdown, text=True, capture_output=True,
                          check=True, timeout=60)
    return done.stdout


def page(markdown, path, title="comment"):
    body = to_html(markdown)
    if body is None:
        body = f"<pre>{html.escape(markdown)}</pre>"
    charts = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.S)
    script = ""
    if charts.search(body) and MERMAID.exists():
        body = charts.sub(r'<pre class="mermaid">\1</pre>', body)
        script = f'<script src="{MERMAID.as_uri()}"></script><script>mermaid.initialize({{startOnLoad: true}})</script>'
    pathlib.Path(path).write_text(PAGE.format(title=html.escape(title), body=body, script=script))
    return path


def picture(path, png, height=900):
    """Chromium's picture of a page; False without Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        return False
    profile = pathlib.Path(png).with_suffix(".profile")
    subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--user-data-dir={profile}", f"--window-size=900,{height}", "--virtual-time-budget=5000",
                    f"--screenshot={png}", pathlib.Path(path).resolve().as_uri()],
                   check=True, capture_output=True, timeout=60)
    shutil.rmtree(profile, ignore_errors=True)
    return True


if __name__ == "__main__":
    page(pathlib.Path(sys.argv[1]).read_text(), sys.argv[2])
    if len(sys.argv) > 3:
        picture(sys.argv[2], sys.argv[3])
