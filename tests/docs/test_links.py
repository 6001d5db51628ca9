"""Links between the pages lead somewhere, on the site and where nothing builds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def links(text: str) -> Iterator[str]:
    for token in MarkdownIt().parse(text):
        for child in token.children or []:
            if child.type == "link_open":
                yield str(child.attrs["href"])


def anchors(text: str) -> set[str]:
    """What a forge and MyST make of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> list[str]:
    """The links of a page to files or headings that are not there."""
    found = []
    for link in links(text):
        name, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text("utf-8")) == []


def test_a_broken_link_is_found() -> None:
    page = ROOT / "docs" / "index.md"
    text = "[a](tutorial.md#one-step) [b](nowhere.md) [c](tutorial.md#nowhere) [d](https://example.org)"
    assert broken(page, text) == ["nowhere.md", "tutorial.md#nowhere"]


def test_every_page_is_linked_from_the_first() -> None:
    """Directly, or by way of others."""
    start = ROOT / "docs" / "index.md"
    seen, work = set[Path](), [start]
    while work:
        page = work.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            names = (link.partition("#")[0] for link in links(page.read_text("utf-8")) if ":" not in link)
            work += [(page.parent / name).resolve() for name in names if name]
    assert {page for page in PAGES if page.is_relative_to(start.parent)} <= seen
