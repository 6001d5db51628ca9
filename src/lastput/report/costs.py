"""What designs cost, as a table: per path, designs of the same cost share a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.layout import listing, wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.costs import Costs
    from lastput.study.costs_table import Row

HEADINGS = ("loads", "stores", "branch", "atomics", "locks", "(S)RCU", "GPs")
"""In the order of `lastput.simulate.meter.NAMES`; at most seven letters, as a column takes eight."""
INDENT = 4


def table(rows: Sequence[Row], style: Style) -> list[str]:
    """A block for each path; every count is `smallest-largest` over all executions."""
    lines: list[str] = []
    for name in dict.fromkeys(row.path.name for row in rows):
        lines += ["", style.strong(f"{name:<24}" + "".join(f"{heading:>8}" for heading in HEADINGS))]
        for costs, designs in alike(rows, name):
            lines += _row(listing(designs), costs.least, costs.most, costs.executed)
    return lines


def alike(rows: Sequence[Row], path: str) -> list[tuple[Costs, list[str]]]:
    """The costs of the path called `path`, each with the designs that have them."""
    found: dict[Any, tuple[Costs, list[str]]] = {}
    for row in rows:
        if row.path.name == path:
            key = (row.costs.least, row.costs.most, row.costs.executed)
            found.setdefault(key, (row.costs, []))[1].append(row.design)
    return list(found.values())


def _row(label: str, least: Sequence[int], most: Sequence[int], executed: bool) -> list[str]:
    cells = [span(low, high) for low, high in zip(least, most, strict=True)] if executed else []
    numbers = "".join(f"{cell:>8}" for cell in cells) if cells else "  never from entry to exit"
    parts = wrapped(label, indent=" " * 2, hanging="  ", width=24)
    first = f"{parts[-1]:<24}{numbers}"
    return [*parts[:-1], first]


def span(low: int, high: int) -> str:
    """`12`, `12-31`, or `12-...` where it may go on for ever."""
    if high < 0:
        return f"{low}-..."
    return str(low) if low == high else f"{low}-{high}"
