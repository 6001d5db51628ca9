"""Designs against properties as a table: kept, or the number of the witness below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import command, finding
from lastput.report.layout import wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.designs import Cell

LABEL = 19
"""Columns of a property's name."""


def table(cells: Sequence[Cell], found: Mapping[int, Any], style: Style) -> list[str]:
    """One row for each property, one column for each design."""
    designs = list(dict.fromkeys(cell.design for cell in cells))
    properties = list(dict.fromkeys(cell.property for cell in cells))
    numbers = {id(cell): str(number) for number, cell in enumerate(_broken(cells, found), 1)}
    at = {(cell.property, cell.design): cell for cell in cells}
    lines = [style.strong(" " * LABEL + "".join(f"{design:>{_width(design)}}" for design in designs))]
    for name in properties:
        row = f"{name:<{LABEL}}"
        for design in designs:
            word = _word(at.get((name, design)), found, numbers)
            row += style.bad(f"{word:>{_width(design)}}") if word.isdigit() else f"{word:>{_width(design)}}"
        lines.append(row)
    return lines


def _width(design: str) -> int:
    return max(len(design), 3) + 1


def _broken(cells: Sequence[Cell], found: Mapping[int, Any]) -> Iterator[Cell]:
    for cell in cells:
        settled = found.get(id(cell.run))
        if settled is not None and settled.result.violation is not None:
            yield cell


def _word(cell: Cell | None, found: Mapping[int, Any], numbers: Mapping[int, str]) -> str:
    if cell is None:
        return "-"
    settled = found.get(id(cell.run))
    if settled is None:
        return "?"
    if settled.wrong and settled.result.violation is None:
        return "?!" if settled.result.verdict == "incomplete" else "yes!"
    return numbers.get(id(cell), "yes")


def witnesses(cells: Sequence[Cell], found: Mapping[int, Any], style: Style, *, commands: bool) -> list[str]:
    """What each number of the table stands for; and whatever did not come out as expected."""
    lines: list[str] = []
    for number, cell in enumerate(_broken(cells, found), 1):
        settled = found[id(cell.run)]
        text = f"{number:>2}  {cell.design}, {cell.property}: {finding(settled.result)}"
        lines += wrapped(text + (f" ({cell.note})" if cell.note else ""), hanging="    ")
        if commands:
            lines += command(settled, indent="      ")
    for cell in cells:
        settled = found.get(id(cell.run))
        if settled is not None and settled.wrong:
            text = f"UNEXPECTED: {cell.design}, {cell.property}: {settled.wrong}"
            lines += map(style.bad, wrapped(text, hanging="    "))
    return lines
