"""The page of the claims in a browser: from a cell to its witness and back, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Accessible, Visit
from tests.report.html import tables

STEPS = 12


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables") / "claims.html"
    made.write_text(tables.page(), "utf-8")
    return made


def opened(page: Page) -> None:
    """Wait until the witness has been unpacked and drawn."""
    expect(page.locator("#witness [aria-busy]")).to_have_count(0)
    expect(page.locator("#witness .controls .now")).to_contain_text(f"of {STEPS}")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_tables_and_witnesses_suit_everybody(
    file: Path, width: int, scheme: Literal["light", "dark"], visit: Visit, accessible: Accessible
) -> None:
    page = visit(file, width=width, scheme=scheme)
    expect(page.locator("#witness")).to_be_hidden()
    accessible(page)
    page.locator("a.witness").first.click()
    opened(page)
    expect(page.locator("#tables")).to_be_hidden()
    accessible(page)


def test_a_witness_is_read_by_keyboard_and_left_again(file: Path, visit: Visit) -> None:
    page = visit(file)
    link = page.locator("a.witness").nth(1)
    link.focus()
    page.keyboard.press("Enter")
    opened(page)
    expect(page.locator("#witness-title")).to_be_focused()
    expect(page).to_have_title("C2: " + tables.EVIL + " - What people said - lastput")
    for key, step in (("ArrowLeft", STEPS - 1), ("k", STEPS - 2), ("ArrowRight", STEPS - 1)):
        page.keyboard.press(key)
        expect(page.locator("#witness .controls .now")).to_contain_text(f"Step {step} of {STEPS}")
    page.get_by_role("link", name="All results").press("Enter")
    expect(page.locator("#tables")).to_be_visible()
    expect(link).to_be_focused()


def test_the_browsers_own_way_back_works(file: Path, visit: Visit) -> None:
    page = visit(file)
    page.locator("a.witness").first.click()
    opened(page)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#witness-title")).to_contain_text("C2")
    page.go_back()
    expect(page.locator("#witness-title")).to_contain_text("C1")
    page.go_back()
    expect(page.locator("#tables")).to_be_visible()
    expect(page.locator("#witness")).to_be_empty()


@pytest.mark.parametrize(
    ("fragment", "heading", "now"),
    [("C1-1", "C1: as it was", f"Step {STEPS} of"), ("C1-1-s3", "C1: as it was", "Step 3 of")],
)
def test_an_address_leads_to_a_witness_and_to_its_steps(
    fragment: str, heading: str, now: str, file: Path, visit: Visit
) -> None:
    page = visit(f"{file.as_uri()}#{fragment}")
    opened(page)
    expect(page.locator("#witness-title")).to_have_text(heading)
    expect(page.locator("#witness .controls .now")).to_contain_text(now)


def test_a_long_table_is_narrowed_to_what_is_looked_for(file: Path, visit: Visit) -> None:
    page = visit(file)
    field = page.get_by_role("searchbox", name="Only claims with")
    rows = page.locator("section[aria-labelledby=claims] tbody tr:visible")
    expect(rows).to_have_count(3)
    field.press_sequentially("reader NOBODY")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Nobody has tried.")
    expect(page.get_by_text("1 of 3")).to_be_visible()
    field.clear()
    expect(rows).to_have_count(3)


@pytest.mark.parametrize("fragment", ["C99", "__proto__", "toString", "%E0%A4%A", "<img src=x>"])
def test_an_address_that_leads_nowhere_shows_the_tables(fragment: str, file: Path, visit: Visit) -> None:
    page = visit(f"{file.as_uri()}#{fragment}")
    expect(page.locator("#tables")).to_be_visible()
    expect(page.locator("#witness")).to_be_hidden()


def test_what_is_on_the_screen_is_what_is_printed(file: Path, visit: Visit) -> None:
    page = visit(file)
    page.emulate_media(media="print")
    expect(page.get_by_role("row", name="C1 ")).to_be_visible()
    page.goto(f"{file.as_uri()}#C1-1")
    opened(page)
    expect(page.locator("nav.ways")).to_be_hidden()
    expect(page.locator("#witness table.lanes")).to_be_visible()
    assert page.pdf().startswith(b"%PDF")
