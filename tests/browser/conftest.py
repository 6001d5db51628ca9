"""Pages in a real browser: Debian's Chromium, driven by Playwright, checked with axe.

    def test_it(visit: Visit, accessible: Accessible) -> None:
        page = visit(file, width=400, scheme="dark")
        page.keyboard.press("ArrowRight")
        accessible(page)

A test fails if one of its pages writes an error on the console, raises, or asks for anything outside
itself, whatever else the test looks at. Without Chromium the tests are skipped, and the skip says what to
install; with LASTPUT_BROWSER=required (as in CI) that is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.watch import Watch

Scheme = Literal["light", "dark"]
HEIGHT = 900
PATIENCE = 5_000
"""Milliseconds that an element may take to appear."""
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # the details of the others take time
}


class Visit(Protocol):
    """Open a file, or an address on this machine, as somebody who has never been there."""

    def __call__(self, where: Path | str, *, width: int = 1280, scheme: Scheme = "light") -> Page: ...


class Accessible(Protocol):
    """Fail unless axe finds nothing to fault, and the page needs no scrolling to the side."""

    def __call__(self, page: Page) -> None: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file's tests. Playwright's event loop runs as long, and suffers no other one."""
    program = chromium.installed()
    if program is None:
        told = f"NOT LOOKED AT, no Chromium installed: {chromium.INSTALL}"
        if os.environ.get("LASTPUT_BROWSER") == "required":
            pytest.fail(told)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(chromium.FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages, each in a new context. `width` in CSS pixels."""
    watches: list[Watch] = []
    contexts = []

    def opened(where: Path | str, *, width: int = 1280, scheme: Scheme = "light") -> Page:
        url = where.resolve().as_uri() if isinstance(where, Path) else where
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, service_workers="block"
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        watches.append(Watch(context))
        watches[-1].opens(url)
        page = context.new_page()
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    problems = [problem for watch in watches for problem in watch.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def accessible() -> Accessible:
    """The check of a page as it is now: call it again after what changes the page."""
    axe = Axe()

    def check(page: Page) -> None:
        results = axe.run(page, options=RULES)
        assert results.violations_count == 0, results.generate_report()
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room, f"{wide} px of content in a window of {room} px"

    return check
