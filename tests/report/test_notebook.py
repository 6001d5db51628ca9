"""What a notebook shows of a result: a page in a sandboxed frame, and the report as text."""

from __future__ import annotations

import gc
import html.parser
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from lastput import checker, target
from lastput.evidence import remembered
from lastput.report.text import report
from lastput.result import Result

from .samples import SAMPLES, VIOLATED

DEVICE = str(Path(__file__).parents[2] / "examples" / "refcounted_device.py")


class Frames(html.parser.HTMLParser):
    """The attributes of all tags of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_frame_and_nothing_else_that_could_run(name: str) -> None:
    found = Frames(SAMPLES[name]._repr_html_()).tags
    assert [tag for tag, _ in found] == ["iframe", "details", "summary", "pre"]
    frame = found[0][1]
    assert frame["sandbox"] == "allow-scripts"
    page = frame["srcdoc"] or ""
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page


def test_names_stay_text() -> None:
    evil = '</iframe><script>alert(1)</script>"'
    found = replace(VIOLATED, scenario=evil, variant=evil, title=evil)
    tags = Frames(found._repr_html_()).tags
    assert [tag for tag, _ in tags] == ["iframe", "details", "summary", "pre"]


def test_a_front_end_chooses() -> None:
    both = VIOLATED._repr_mimebundle_()
    assert set(both) == {"text/plain", "text/html"}
    assert both["text/plain"] == report(VIOLATED)
    assert set(VIOLATED._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(VIOLATED._repr_mimebundle_(exclude={"text/plain"})) == {"text/html"}


@pytest.fixture(scope="module")
def broken() -> Result:
    return checker.check(target.find(DEVICE), "broken")


def test_the_page_has_the_memory_where_the_model_is_at_hand(broken: Result) -> None:
    assert broken.violation
    assert broken.violation.scene is None
    assert "refs.counter" in broken._repr_html_()
    copied: Result = pickle.loads(pickle.dumps(broken))
    assert len(copied._repr_html_()) < len(broken._repr_html_())


def test_no_model_is_kept_without_its_violation(broken: Result) -> None:
    assert broken.violation
    violation = replace(broken.violation)
    assert remembered.world_of(violation) is None
    world = remembered.world_of(broken.violation)
    assert world
    remembered.remember(violation, world)
    known = id(violation)
    del violation
    gc.collect()
    assert known not in remembered._WORLDS
