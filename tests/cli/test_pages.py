"""`--html` of the commands that print tables."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lastput.study import scenes, settle
from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.experiment import Run, violated
from lastput.study.registry import WHERE
from tests.report.html import sample

from .conftest import Cli

REFCOUNTED = Path(__file__).parents[2] / "examples" / "refcounted_device.py"
RUN = Run("shelf", "default", expect=violated("use-after-free"))
CLAIMS = (Claim("C1", "A. Reader", "It crashes.", "confirmed", (Exhibit("it does", RUN),)),)


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """One claim, about a model that is found in milliseconds, and searched by this process."""

    def settled(runs: Sequence[Run], **_: Any) -> Iterator[settle.Settled]:
        known = sample.result(replace(sample.violation(), scene=None))
        for run in runs:
            yield settle.Settled(run, known, False)

    monkeypatch.setitem(WHERE, "shelf", (sample.__name__, "publish_and_free"))
    monkeypatch.setattr(settle, "settle", settled)
    monkeypatch.setattr("lastput.study.claims.claims", lambda: CLAIMS)


def witness(file: str, name: str) -> dict[str, Any]:
    """What the page in `file` draws a witness from."""
    text = Path(file).read_text("utf-8").partition('id="data">')[2].partition("</script>")[0]
    packed = json.loads(text)["witnesses"][name]["packed"]
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))["violation"]
    return found


@pytest.mark.usefixtures("claims")
def test_a_page_is_written_besides_the_text(cli: Cli) -> None:
    done = cli("claims", "C1", "--html", "page.html")
    assert (done.status, done.err) == (0, "Wrote page.html\n")
    assert done.out.endswith("All as expected.\n")
    assert len(witness("page.html", "C1-1")["scene"]["moments"]) == len(sample.SCHEDULE)


@pytest.mark.usefixtures("claims")
def test_pictures_are_made_once(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("claims", "C1", "--html", "page.html").status == 0
    monkeypatch.setattr(scenes, "_scene", lambda *_: pytest.fail("it is known"))
    assert cli("claims", "C1", "--html", "again.html").status == 0
    assert witness("again.html", "C1-1") == witness("page.html", "C1-1")


@pytest.mark.usefixtures("claims")
def test_what_stops_the_drawing_takes_nothing_from_the_verdict(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(scenes, "pictured", stopped)
    done = cli("claims", "C1", "--html", "page.html")
    assert done.status == 0
    assert done.err == "lastput: stopped; 1 witness in the page without a picture\nWrote page.html\n"
    assert "scene" not in witness("page.html", "C1-1")


@pytest.mark.parametrize("command", [("claims", "C3"), ("corpus", "1"), ("needed", str(REFCOUNTED))])
def test_a_page_that_cannot_be_written_is_said_before_the_work(cli: Cli, command: tuple[str, ...]) -> None:
    done = cli(*command, "--html", "nowhere/page.html")
    assert (done.status, done.out) == (2, "")
    assert done.err == "lastput: --html nowhere/page.html: no directory nowhere\n"


def test_the_page_of_what_is_needed_has_every_witness(cli: Cli) -> None:
    done = cli("needed", str(REFCOUNTED), "--jobs", "1", "--html", "page.html")
    assert (done.status, done.err) == (0, "Wrote page.html\n")
    found = json.loads(cli("needed", str(REFCOUNTED), "--json").out)["removals"]
    wanted = {str(row["number"]): row["witness"]["schedule"] for row in found if row["witness"]}
    assert wanted
    for name, schedule in wanted.items():
        assert len(witness("page.html", name)["scene"]["moments"]) == len(schedule)
