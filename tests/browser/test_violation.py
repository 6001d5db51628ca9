"""The page of a violation, as somebody uses it: by keyboard, slider and mouse, on a phone, on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lastput.evidence.scene import scene
from lastput.report.html.result import results_page
from lastput.result import Violation
from tests.browser.conftest import Accessible, Scheme, Visit
from tests.report.html import sample

STEPS = len(sample.SCHEDULE)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = sample.result(sample.violation())
    fixed = replace(found, variant="fixed", verdict="holds", violation=None)
    path = tmp_path_factory.mktemp("pages") / "result.html"
    path.write_text(results_page([found, fixed]), "utf-8")
    return path


def current(page: Page) -> str:
    """The id of the row that is marked; there must be one."""
    rows = page.locator("table.lanes tr[aria-current=step]")
    expect(rows).to_have_count(1)
    return rows.get_attribute("id") or ""


def cell(page: Page, thing: str, path: str) -> str:
    """What the picture of memory says of a field, without line breaks."""
    box = page.locator(".memory .thing").filter(has=page.locator("header b", has_text=thing))
    row = box.locator(".cell").filter(has=page.get_by_text(path, exact=True))
    return " ".join(row.inner_text().split())


def test_the_page_opens_at_the_violation(visit: Visit, file: Path) -> None:
    page = visit(file)
    assert current(page) == f"v0-s{STEPS}"
    expect(page.locator(".now")).to_contain_text("BUG: KASAN: slab-use-after-free in atomic_inc")
    expect(page.locator(".headline")).to_contain_text("BUG: KASAN: slab-use-after-free in atomic_inc")


def test_keys_step(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.locator(".violation").evaluate("violation => violation.scrollIntoView()")
    keys = [("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1), ("j", 2), ("ArrowDown", 3), ("k", 2)]
    keys += [("ArrowUp", 1), ("n", 7), ("n", 9), ("p", 8), ("End", STEPS), ("j", STEPS)]
    for key, step in keys:
        page.keyboard.press(key)
        assert current(page) == f"v0-s{step}", key
    expect(page.locator("input[type=range]")).to_have_value(str(STEPS))


def test_keys_that_scroll_do_so_until_the_lanes_are_on_the_screen(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.keyboard.press("Home")
    assert current(page) == f"v0-s{STEPS}"
    page.keyboard.press("k")
    assert current(page) == f"v0-s{STEPS - 1}"
    page.keyboard.press("Home")
    assert current(page) == "v0-s0"


def test_help_opens_and_closes(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.locator(".controls").scroll_into_view_if_needed()
    expect(page.locator(".help")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator(".help")).to_be_visible()
    page.get_by_role("button", name="Keys").click()
    expect(page.locator(".help")).to_be_hidden()


def test_slider_buttons_rows_and_addresses_step(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.get_by_role("slider").fill("5")
    assert current(page) == "v0-s5"
    page.get_by_role("button", name="One step on").click()
    assert current(page) == "v0-s6"
    page.get_by_role("button", name="To the start").click()
    assert current(page) == "v0-s0"
    page.locator("#v0-s7 td.lane").last.click()
    assert current(page) == "v0-s7"
    page.get_by_role("link", name="9", exact=True).click()
    assert page.url.endswith("#v0-s9")
    page.goto(f"{file.as_uri()}#v0-s3")
    assert current(page) == "v0-s3"


def test_the_slider_has_arrow_keys_of_its_own(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.get_by_role("slider").fill("5")
    page.get_by_role("slider").press("ArrowRight")
    assert current(page) == "v0-s6"


def test_memory_is_that_of_the_step(visit: Visit, file: Path) -> None:
    page = visit(file)
    slider = page.get_by_role("slider")
    slider.fill("4")
    assert cell(page, "shelf", "first") == "first NULL"
    slider.fill("5")
    assert cell(page, "shelf", "first") == "first ✎ NULL → item#0"
    expect(page.locator(".memory svg.arrows path.line")).to_have_count(1)
    slider.fill("8")
    assert cell(page, "shelf", "first") == "first ◉ → item#0"
    slider.fill(str(STEPS))
    assert cell(page, "item#0", "refs") == "refs ⚠ gone"
    expect(page.locator(".memory .thing.freed header")).to_contain_text("freed")
    slider.fill("0")
    expect(page.locator(".memory .thing.unborn header")).to_contain_text("not allocated yet")


def test_all_fields_can_be_shown(visit: Visit, file: Path) -> None:
    page = visit(file)
    few = page.locator(".memory .cell").count()
    page.get_by_label("all fields").check()
    assert page.locator(".memory .cell").count() > few


def test_each_task_stands_at_its_line(visit: Visit, file: Path) -> None:
    page = visit(file)
    page.get_by_role("slider").fill("5")
    lines = page.locator(".sources .line.current .text")
    expect(lines).to_have_text(["    shelf.first = new", "    srcu_read_lock(shelf.srcu)"])
    expect(page.locator(".where.active .path")).to_have_text("writer › publish")
    page.get_by_role("slider").fill(str(STEPS))
    expect(page.locator(".where").first).to_contain_text("finished")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_everybody_can_use_it(
    visit: Visit, accessible: Accessible, file: Path, width: int, scheme: Scheme
) -> None:
    page = visit(file, width=width, scheme=scheme)
    accessible(page)
    page.get_by_role("slider").fill("5")
    accessible(page)


def test_on_a_phone_a_row_names_its_task(visit: Visit, file: Path) -> None:
    page = visit(file, width=400)
    named = page.locator("#v0-s7 td.lane:not(.idle)")
    assert "reader" in named.evaluate("lane => getComputedStyle(lane, '::before').content")
    expect(page.locator("#v0-s7 td.idle")).to_be_hidden()


def test_lanes_show_the_row_that_is_marked(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "long.html"
    path.write_text(results_page([sample.result(sixty_steps())]), "utf-8")
    page = visit(path)
    page.keyboard.press("k")
    page.keyboard.press("Home")
    for _ in range(40):
        page.keyboard.press("j")
    assert current(page) == "v0-s40"
    expect(page.locator("#v0-s40")).to_be_in_viewport()
    expect(page.locator(".controls")).to_be_in_viewport()


def sixty_steps() -> Violation:
    """The sample five times over: it is about the size, not the story."""
    found = sample.violation()
    assert found.scene is not None
    steps = tuple(replace(step, number=i + 1) for i, step in enumerate(found.steps * 5))
    return replace(found, steps=steps, scene=replace(found.scene, moments=found.scene.moments * 5))


def test_sixty_steps_are_there_within_a_second(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "long.html"
    path.write_text(results_page([sample.result(sixty_steps())]), "utf-8")
    page = visit(path)
    page.wait_for_load_state("load")
    took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < took < 1000


def test_paper_has_every_step(visit: Visit, file: Path) -> None:
    page = visit(file, scheme="dark")
    page.get_by_role("slider").fill("5")
    page.emulate_media(media="print")
    expect(page.locator(".controls")).to_be_hidden()
    for step in range(STEPS + 1):
        expect(page.locator(f"#v0-s{step}")).to_be_visible()
    lanes = page.locator("div.scroll")
    assert lanes.evaluate("lanes => lanes.scrollHeight <= lanes.clientHeight + 1")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_it_is_a_table(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.locator("table.lanes tbody tr")).to_have_count(STEPS + 1)
    expect(page.locator(".controls")).to_be_hidden()
    expect(page.locator(".panel")).to_be_hidden()
    expect(page.locator("#v0-s12")).to_contain_text("touches item#0 after free")
    context.close()


def test_hostile_names_do_nothing(visit: Visit, tmp_path: Path) -> None:
    evil = "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'</script>"
    found = sample.violation()
    assert found.scene is not None
    shown = replace(
        found.scene,
        things=tuple(replace(thing, name=evil, struct=evil) for thing in found.scene.things),
        sources=tuple(replace(s, lines=tuple(evil for _ in s.lines)) for s in found.scene.sources),
    )
    steps = tuple(replace(step, statement=evil) for step in found.steps)
    tasks = tuple(replace(task, name=evil) for task in found.tasks)
    path = tmp_path / "evil.html"
    hostile = replace(found, scene=shown, steps=steps, tasks=tasks, headline=evil)
    path.write_text(results_page([sample.result(hostile, title=evil)]), "utf-8")
    page = visit(path)
    page.get_by_role("slider").fill("5")
    expect(page.locator(".now")).to_contain_text(evil)
    assert page.title() == "publish_and_free, default - lastput"
    expect(page.locator("img")).to_have_count(0)


def test_what_is_wrong_from_the_start_is_a_picture_too(
    visit: Visit, accessible: Accessible, tmp_path: Path
) -> None:
    found = replace(sample.violation(), steps=(), schedule=(), thread=None, scene=scene(sample.world(), ()))
    path = tmp_path / "start.html"
    path.write_text(results_page([sample.result(found)]), "utf-8")
    page = visit(path)
    accessible(page)
    assert current(page) == "v0-s0"
    expect(page.locator(".now")).to_contain_text("Before any step BUG: KASAN")
    expect(page.locator("table.lanes tr.end.oops")).to_be_visible()
    expect(page.locator(".memory .thing header b").first).to_be_visible()
