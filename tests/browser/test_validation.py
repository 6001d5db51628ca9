"""The page of `lastput validate` in a browser: wide and narrow, light and dark, everything unfolded."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Accessible, Visit
from tests.report.html import validations


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("validation")
    made = folder / "page.html"
    made.write_text(validations.page(folder), "utf-8")
    return made


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_verdicts_suit_everybody(
    file: Path, width: int, scheme: Literal["light", "dark"], visit: Visit, accessible: Accessible
) -> None:
    page = visit(file, width=width, scheme=scheme)
    accessible(page)
    for summary in page.locator("summary").all():
        summary.click()
    accessible(page)
    page.get_by_role("link", name="bad/a7").click()
    expect(page.get_by_role("heading", name="bad/a7")).to_be_in_viewport()
    expect(page.get_by_text("Disagrees")).to_have_count(1)
