"""Designs for removing a notifier: Spin, on a Promela model written by hand, reaches the same verdicts.

The Promela model (models/designs.pml) has one notifier, one page and four processes, and shares nothing
with lastput's but the idea. Where both check a property of a design, they must agree.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lastput.study.designs import CELLS, Cell
from lastput.study.experiment import HOLDS

from .test_protocol import need

MODEL = Path(__file__).with_name("models") / "designs.pml"
DESIGNS = {"D0": 0, "D1": 1, "D2a-i": 2, "D2b": 3}
PROPERTIES = {"P-NULL": 1, "P-ONCE": 2, "P-STALE": 3, "P-DEAD": 4, "P-UAF": 5}
"""Numbers of both in the Promela model."""

COMPARED = [cell for cell in CELLS if cell.design in DESIGNS and cell.property in PROPERTIES]


def spin_holds(design: int, name: int, room: Path) -> bool:
    """Whether Spin, without reductions, finds no error. Deadlocks count only where they are asked for."""
    chosen = [f"-DDESIGN={design}", f"-DPROPERTY={name}"]
    subprocess.run(["spin", *chosen, "-a", str(MODEL)], cwd=room, check=True, capture_output=True)
    subprocess.run(["gcc", "-O1", "-DSAFETY", "-DNOREDUCE", "-w", "-o", "pan", "pan.c"], cwd=room, check=True)
    ends = [] if name == PROPERTIES["P-DEAD"] else ["-E"]
    said = subprocess.run(
        ["./pan", *ends, "-m100000"], cwd=room, check=True, capture_output=True, text=True
    ).stdout
    assert "max search depth too small" not in said
    assert "errors: " in said
    return "errors: 0" in said


def test_all_of_them_are_compared() -> None:
    assert len(COMPARED) == len(DESIGNS) * len(PROPERTIES)


@pytest.mark.parametrize("cell", COMPARED, ids=lambda cell: f"{cell.design} {cell.property}")
def test_spin_agrees(cell: Cell, tmp_path: Path) -> None:
    need("spin")
    assert spin_holds(DESIGNS[cell.design], PROPERTIES[cell.property], tmp_path) == (cell.run.expect == HOLDS)
