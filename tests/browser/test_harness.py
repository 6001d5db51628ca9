"""The harness sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Accessible, Visit
from tests.browser.watch import Watch

GOOD = '<!doctype html><html lang="en"><head><title>t</title></head><main><h1>t</h1></main></html>'
POLICY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
BAD = {
    "console error": "<script>console.error('wrong')</script>",
    "exception": "<script>throw new Error('wrong')</script>",
    "console error: Executing inline script violates": "<script>1</script>",
    "request: GET https://example.org/": "<img src=https://example.org/ alt=''>",
    "request: GET http://127.0.0.1:9/": "<img src=http://127.0.0.1:9/ alt=''>",
    "request: GET file:///etc/": "<link rel=stylesheet href=file:///etc/style.css>",
    "socket: ws://127.0.0.1:9/": "<script>new WebSocket('ws://127.0.0.1:9/')</script>",
}


@pytest.mark.parametrize("problem", BAD)
def test_what_a_page_must_not_do_is_seen(problem: str, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    head = POLICY if "violates" in problem else ""
    file.write_text(GOOD.replace("<head>", f"<head>{head}") + BAD[problem], "utf-8")
    context = browser.new_context()
    watch = Watch(context)
    watch.opens(file.as_uri())
    page = context.new_page()
    page.goto(file.as_uri(), wait_until="networkidle" if "socket" in problem else "load")
    context.close()
    assert any(found.startswith(problem) for found in watch.problems), watch.problems


def test_what_not_everybody_can_use_is_seen(visit: Visit, accessible: Accessible, tmp_path: Path) -> None:
    grey = "<p style='color: #999; background: #aaa'>grey on grey</p>"
    file = tmp_path / "page.html"
    file.write_text(GOOD.replace("</main>", f"{grey}<img src='data:,'><button></button></main>"), "utf-8")
    with pytest.raises(AssertionError) as seen:
        accessible(visit(file))
    for rule in ("color-contrast", "image-alt", "button-name"):
        assert rule in str(seen.value)


def test_what_is_too_wide_for_a_phone_is_seen(visit: Visit, accessible: Accessible, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(GOOD.replace("</main>", "<p style='width: 500px'>wide</p></main>"), "utf-8")
    accessible(visit(file, width=1280))
    with pytest.raises(AssertionError, match="in a window of 400 px"):
        accessible(visit(file, width=400))
