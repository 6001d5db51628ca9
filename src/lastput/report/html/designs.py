"""Designs against properties in a page; and their hazards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import finding
from lastput.report.hazards import configuration
from lastput.report.html.experiments import Section, commands, outcome, sign, stacked, unexpected
from lastput.report.html.page import escape
from lastput.report.html.witnesses import Witnesses

if TYPE_CHECKING:
    from lastput.study.designs import Cell, Hazard


KEEPS = '<span class="keeps"><span aria-hidden="true">✔</span> keeps</span>'
OPEN = sign("incomplete", "incomplete")


def section(
    cells: Sequence[Cell],
    designs: Mapping[str, str],
    meaning: Mapping[str, str],
    found: Mapping[int, Any],
    witnesses: Witnesses,
) -> Section:
    """One row for each property, one column for each design; above, what designs are and properties say."""
    names = list(dict.fromkeys(cell.design for cell in cells))
    at = {(cell.property, cell.design): cell for cell in cells}
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(at.get((name, design)), found, witnesses) for design in names)
        + "</tr>\n"
        for name in dict.fromkeys(cell.property for cell in cells)
    )
    table = (
        f'<table class="plain matrix"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )
    about = (
        "<p>Each design of the removal of a notifier, against each property: "
        f"it {KEEPS} it in every interleaving, or breaks it after so many steps, which the link shows.</p>"
    )
    region = f'<div class="scroll" role="region" aria-label="Table of designs" tabindex="0">{table}</div>'
    return (
        "designs",
        "Designs for the removal of a notifier",
        about + _legend(designs) + _legend(meaning) + region + _notes(cells),
    )


def _legend(designs: Mapping[str, str]) -> str:
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in designs.items())
    return f'<dl class="facts">{facts}</dl>'


def _cell(cell: Cell | None, found: Mapping[int, Any], witnesses: Witnesses) -> str:
    if cell is None:
        return '<td><span class="soft">-</span></td>'
    settled = found.get(id(cell.run))
    if settled is None:
        return f"<td>{sign('incomplete', 'not run')}</td>"
    violation = settled.result.violation
    if violation is None:
        shown = KEEPS if settled.result.verdict == "holds" else OPEN
        return f"<td>{shown}{unexpected(settled)}</td>"
    title = f"{cell.design} breaks {cell.property}: {finding(settled.result)}"
    link = witnesses.link(
        settled.result,
        f"✘ {len(violation.steps)} steps",
        name=f"{cell.design}-{cell.property}",
        title=title,
        command=settled.run.words,
    )
    return f'<td class="breaks">{link}{unexpected(settled)}</td>'


def _notes(cells: Sequence[Cell]) -> str:
    noted = "".join(
        f"<li>{escape(cell.design)}, {escape(cell.property)}: {escape(cell.note)}</li>"
        for cell in cells
        if cell.note
    )
    return f"<ul>{noted}</ul>" if noted else ""


def hazards(chosen: Sequence[Hazard], found: Mapping[int, Any], witnesses: Witnesses) -> Section:
    """A row for each hazard, with each design and setting that it was tried in."""
    rows = "".join(_hazard(hazard, found, witnesses) for hazard in chosen)
    table = stacked(("Hazard", "What goes wrong", "Tried"), f"<tbody>{rows}</tbody>")
    return "hazards", "Hazards of the designs, and what avoids them", table


def _hazard(hazard: Hazard, found: Mapping[int, Any], witnesses: Witnesses) -> str:
    tried = "".join(
        f"<li><code>{escape(configuration(run))}</code>: "
        + outcome(
            found.get(id(run)),
            witnesses,
            name=f"{hazard.name}-{i}",
            title=f"{hazard.name}: {configuration(run)}",
        )
        + "</li>"
        for i, run in enumerate(hazard.runs, 1)
    )
    settled = [found.get(id(run)) for run in hazard.runs]
    return (
        f'<tr><th scope="row">{escape(hazard.name)}</th><td><p>{escape(hazard.sentence)}</p></td>'
        f"<td><ul>{tried}</ul>{commands(settled)}</td></tr>\n"
    )
