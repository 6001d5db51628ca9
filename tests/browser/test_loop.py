"""The page of a run without end: where its loop begins, and that it is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lastput.checker import check, pictured
from lastput.report.html.result import results_page
from tests.browser.conftest import Accessible, Scheme, Visit
from tests.lasso import models


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = pictured(models.two_polite, check(models.two_polite))
    assert found.violation is not None
    assert found.violation.lasso is not None
    path = tmp_path_factory.mktemp("pages") / "loop.html"
    path.write_text(results_page([found]), "utf-8")
    return path


def test_the_loop_is_marked(visit: Visit, file: Path) -> None:
    page = visit(file)
    lasso = check(models.two_polite).violation
    assert lasso is not None
    assert lasso.lasso is not None
    first, last = lasso.lasso.begins + 1, len(lasso.steps)
    marked = [row.get_attribute("id") for row in page.locator("table.lanes tr.loop[id]").all()]
    assert marked == [f"v0-s{step}" for step in range(first, last + 1)]
    expect(page.locator(f"#v0-s{first}")).to_contain_text("the loop begins")
    expect(page.locator("tr.end.loop")).to_have_text(f"back to step {first}, again and again")
    expect(page.locator(".headline")).to_contain_text("INFO: task one:0 runs for ever")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_anybody_can_read_it(
    visit: Visit, file: Path, accessible: Accessible, width: int, scheme: Scheme
) -> None:
    accessible(visit(file, width=width, scheme=scheme))
