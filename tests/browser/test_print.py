"""Long interleavings on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lastput.report.html.result import results_page
from lastput.result import Band, Moment, Scene
from tests.browser.conftest import Visit
from tests.report import samples

STEPS = 120


def test_bars_over_many_steps_leave_no_page_empty(visit: Visit, tmp_path: Path) -> None:
    steps = tuple(
        samples.step(n, (n - 1) // 60, "walk", f"step({n})", samples.load("kvm.slot", str(n)))
        for n in range(1, STEPS + 1)
    )
    bands = tuple(Band(n % 2, "lock", f"lock{n}", n * 7 + 1, n * 7 + 60) for n in range(8))
    scene = Scene((), (Moment(),) * STEPS, bands, ())
    found = replace(samples.NULL_DEREF, steps=steps, scene=scene)
    file = tmp_path / "long.html"
    file.write_text(results_page([replace(samples.VIOLATED, violation=found)]), "utf-8")
    paper = visit(file).pdf(format="A4")
    assert paper.count(b"/Type /Page\n") <= 8
