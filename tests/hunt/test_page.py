"""The table of docs/explanation/hunting.md is what `benchmarks/hunt.py` measures, where that is no time."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import hunt

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "hunting.md").read_text("utf-8")
NUMBERS = [number for number, _ in hunt.bugs([])]
QUICK = (7, 23)


@pytest.mark.parametrize(
    "number", [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in NUMBERS]
)
def test_steps_are_as_written(number: int) -> None:
    ((_, run),) = hunt.bugs([number])
    row = hunt.table([hunt.measure(number, run, hunt.SEEDS)], "steps")[-1]
    assert settled(row) in [settled(line) for line in PAGE.splitlines()]


def settled(row: str) -> str:
    """A row without what depends on how states are packed: what the deepening's table has room for."""
    return row.rpartition("|")[0].rpartition("|")[0]


def test_every_bug_has_its_row() -> None:
    steps, seconds = PAGE.split("## Seconds")
    for part in (steps, seconds):
        rows = [line for line in part.splitlines() if line.startswith("| ")]
        assert {int(row.split()[1]) for row in rows if row.split()[1].isdigit()} == set(NUMBERS)
