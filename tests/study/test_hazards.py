"""The hazards of the designs come out as they are stated."""

from __future__ import annotations

import pytest

from lastput.checker import check
from lastput.study.designs import CELLS, DESIGNS, HAZARDS, PROPERTIES
from lastput.study.experiment import Run, unexpected
from lastput.study.registry import SCENARIOS

RUNS = [(f"{hazard.name}: {run.words}", run) for hazard in HAZARDS for run in hazard.runs]


@pytest.mark.parametrize("run", [run for _, run in RUNS], ids=[name for name, _ in RUNS])
def test_hazard(run: Run) -> None:
    result = check(SCENARIOS[run.scenario], run.variant, settings=run.settings)
    assert not unexpected(run.expect, result)


def test_every_design_is_held_against_every_property() -> None:
    asked = {(cell.design, cell.property) for cell in CELLS}
    assert asked >= {(design, name) for design in DESIGNS for name in PROPERTIES}
