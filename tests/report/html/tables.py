"""Tables with little in them: claims about the model of sample.py, with everything a cell can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lastput.report.html import claims, designs
from lastput.report.html.experiments import last_lines, tables_page
from lastput.report.html.witnesses import Witnesses
from lastput.result import Result
from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.designs import Cell
from lastput.study.experiment import HOLDS, Run, violated
from lastput.study.settle import Settled
from tests.report import samples
from tests.report.html import sample

EVIL = "<img src=x onerror=alert(1)></script>\"'&"

BROKEN = Run("shelf", "broken", expect=violated("use-after-free"))
AGAIN = Run("shelf", "broken", {}, expect=violated("use-after-free"))
FIXED = Run("shelf", "fixed", expect=HOLDS)
OTHER = Run("shelf", "broken", {"evil": EVIL}, expect=HOLDS)
ABSENT = Run("shelf", "absent")

CLAIMS = (
    Claim(
        "C1",
        "A. Reader",
        "It crashes without the fix.",
        "confirmed",
        (Exhibit("as it was", BROKEN), Exhibit("fixed", FIXED)),
    ),
    Claim("C2", EVIL, EVIL, "in part", (Exhibit(EVIL, OTHER),), EVIL),
    Claim(
        "C3",
        "B. Reader",
        "Nobody has tried.",
        "refuted",
        (Exhibit("not tried", ABSENT), Exhibit("again", AGAIN)),
    ),
)
CELLS = (Cell("D0", "P-UAF", BROKEN, EVIL), Cell("D1", "P-UAF", FIXED), Cell("D2", "P-END", ABSENT))


def found() -> Mapping[int, Any]:
    """What the experiments came to; that of ABSENT is not known."""
    broken = replace(samples.VIOLATED, scenario="shelf", variant="broken", violation=sample.violation())
    results: dict[int, Result] = {id(run): broken for run in (BROKEN, AGAIN, OTHER)}
    results[id(FIXED)] = samples.HOLDS
    return {id(run): Settled(run, results[id(run)], False) for run in (BROKEN, AGAIN, OTHER, FIXED)}


def page() -> str:
    """The page of all of it."""
    witnesses, settled = Witnesses(), found()
    sections = [
        claims.section(CLAIMS, settled, witnesses),
        designs.section(CELLS, {"D0": EVIL, "D1": "fixed"}, {"P-UAF": EVIL}, settled, witnesses),
    ]
    about = last_lines(list(settled.values()), 1, 2.5, stopped=True)
    return tables_page("What people said", about, sections, witnesses)
