"""A page for each race of the gallery: made by `lastput check ... --html` as the site is built.

In gallery.md a comment `<!-- page: NAME -->` stands before the command that a reader would type; its page is
that command's. With `-D gallery_pages=0` there are none, and no links to them, which is quicker.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import cpu_count
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

GALLERY = "gallery"
PAGES = "races"
"""Directory of the pages, inside the site's."""
MARK = re.compile(
    r"<!-- page: (\S+) -->\n(```console\n\$ (lastput check (?:[^\n]*\\\n)*[^\n]*)\n.*?^```\n)",
    re.DOTALL | re.MULTILINE,
)


def wanted(text: str) -> Iterator[tuple[str, list[str]]]:
    """(name, command) of every page that the gallery names."""
    for name, _, command in MARK.findall(text):
        yield name, shlex.split(command.replace("\\\n", ""))


def make(directory: Path, page: tuple[str, list[str]]) -> str:
    """Write one page; what went wrong, or nothing. One that is there is kept: a fresh build has none."""
    name, command = page
    file = directory / f"{name}.html"
    if file.exists():
        return ""
    run = [sys.executable, "-m", *command, "--html", str(file)]
    ended = subprocess.run(run, capture_output=True, text=True, check=False)
    if ended.returncode == 1 and file.exists():
        return ""
    return f"{shlex.join(command)} did not end in a violation with a page: {ended.stderr[-500:]}"


def make_all(app: Sphinx) -> None:
    """Write every page before the site is."""
    if app.config.gallery_pages and app.builder.format == "html":
        directory = Path(app.outdir) / PAGES
        directory.mkdir(parents=True, exist_ok=True)
        pages = list(wanted((Path(app.srcdir) / f"{GALLERY}.md").read_text("utf-8")))
        if not pages:
            raise ExtensionError(f"{GALLERY}.md names no page")
        with ThreadPoolExecutor(cpu_count()) as pool:
            wrong = [told for told in pool.map(partial(make, directory), pages) if told]
        if wrong:
            raise ExtensionError("\n".join(wrong))


def link(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put a link to its page below each command."""
    if docname == GALLERY and app.config.gallery_pages:
        there = f'<p><a href="{PAGES}/\\1.html">See it step by step</a></p>'
        source[0] = MARK.sub(rf"\2\n{there}\n", source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("gallery_pages", True, "env", bool)
    app.connect("builder-inited", make_all)
    app.connect("source-read", link)
    return {"parallel_read_safe": True}
