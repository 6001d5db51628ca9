"""The page of a walk: steps, keys, the way to a violation, an expression, and back."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lastput.explore.nearest import Model
from lastput.explore.server import Server
from lastput.explore.view import View
from lastput.explore.walk import Walk
from lastput.report.html.explore import explore_page
from tests.browser.conftest import Accessible, Scheme, Visit

TO_THE_BUG = ((0, 0),) * 3 + ((1, 0),) * 5 + ((0, 0),)
SEARCH = 60_000
"""Milliseconds that a search may take: it starts a process, and compiles."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A walk through the broken device, served."""
    walk = Walk(Model("examples/refcounted_device.py", "broken", ()))
    with Server(walk, explore_page(View(walk).fixed(), walk.scenario.title)) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield found
        found.shutdown()
    walk.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_walk_to_the_violation(
    server: Server, visit: Visit, accessible: Accessible, width: int, scheme: Scheme
) -> None:
    page = visit(server.address, width=width, scheme=scheme)
    steps = page.locator(".steps button")
    expect(steps).to_have_count(2)
    accessible(page)
    steps.nth(1).click()
    expect(page.locator(".way li")).to_have_count(2)
    expect(page.locator(".where").first).to_contain_text("waits for unplug in spin_lock(table.lock)")
    expect(page.locator(".memory .cell.changed")).to_contain_text("unplug")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".ahead")).to_have_text("1 more ahead: →")
    page.keyboard.press("ArrowRight")
    expect(page.locator("li[aria-current]")).to_contain_text("spin_lock(table.lock)")
    server.walk.load(TO_THE_BUG)
    page.keyboard.press("End")
    expect(page.locator(".ahead")).to_have_text("9 more ahead: →")
    page.keyboard.press("End")
    expect(page.locator(".headline")).to_contain_text("WARNING: CPU: 0 Comm: reader0")
    accessible(page)
    page.locator(".way button").nth(4).click()
    expect(page.locator("p.now")).to_have_text("4 steps taken")
    expect(page.locator(".headline")).to_have_count(0)
    page.keyboard.press("Home")
    page.keyboard.press("2")
    page.keyboard.press("f")
    expect(page.locator("p.now")).to_contain_text("device is freed")
    expect(page.locator(".memory .thing.freed")).to_contain_text("freed now")


def test_an_expression_help_and_saving(
    server: Server, visit: Visit, accessible: Accessible, tmp_path: Path
) -> None:
    page = visit(server.address)
    expect(page.locator(".steps button")).to_have_count(2)
    page.keyboard.press("?")
    expect(page.locator(".help")).to_contain_text("An expression can name device, table")
    accessible(page)
    page.keyboard.press("/")
    page.keyboard.type("device.refs == <b>2</b>")
    page.keyboard.press("Enter")
    expect(page.locator("p.now.wrong")).to_contain_text("not an expression")
    # The reader has its reference before anybody else acts: nothing can go wrong after that.
    page.locator("#expression").fill("device.refs == 2")
    page.keyboard.press("Enter")
    expect(page.locator("p.now")).to_contain_text("4 steps on: the shortest way", timeout=SEARCH)
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    expect(page.locator("p.now")).to_contain_text("no rule is broken, whatever is done", timeout=SEARCH)
    page.keyboard.press("Home")
    page.keyboard.press("v")
    expect(page.locator(".headline")).to_contain_text("WARNING: CPU: 0 Comm: reader0", timeout=SEARCH)
    expect(page.locator("p.now")).to_have_text(
        re.compile("the shortest way, of [0-9]+ states .* 9 steps taken")
    )
    with page.expect_download() as download:
        page.keyboard.press("s")
    download.value.save_as(tmp_path / "path.json")
    assert len(json.loads((tmp_path / "path.json").read_text())["schedule"]) == 9
    assert download.value.suggested_filename == "open_vs_disconnect.json"


def test_names_of_a_model_are_never_markup(server: Server, visit: Visit) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    server.walk.said = hostile
    page = visit(server.address)
    expect(page.locator("p.now")).to_contain_text(hostile)
    assert page.locator("img").count() == 0
