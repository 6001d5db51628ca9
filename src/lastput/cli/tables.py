"""The tables of `lastput claims`: designs, hazards, costs, pairs. Each has experiments, a text and JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lastput.cli import experiments
from lastput.report import costs, designs, hazards, pairs
from lastput.report.json import experiment_value
from lastput.report.layout import wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.report.html.experiments import Section
    from lastput.report.html.witnesses import Witnesses
    from lastput.study.experiment import Run


_ABOUT_COSTS = (
    "Counted from entry to exit of each path, the smallest and the largest over all executions: loads, "
    "stores, branches, atomic operations, locks taken, RCU or SRCU read sections entered, grace periods "
    "waited for. The last two are KVM/arm's whole way through ageing and through a fault that maps a page: "
    "a fault does not enter the notifier core, but D5's test is where it looks up an entry."
)
_ABOUT_PAIRS = (
    "E: exit_mmap calls release. U: mmu_notifier_unregister. A: reclaim ages a page. I: a range is "
    "unmapped by way of the file. V: a vcpu is in KVM_RUN. M, D: an ioctl of the VM, of a device. "
    "`yes` has a witness of so many steps; `never` means that all states were searched."
)


@dataclass(frozen=True)
class Table:
    """Experiments, their text (given the results, the style, and whether to show commands), JSON and HTML."""

    runs: Callable[[], list[Run]]
    text: Callable[[experiments.Found, Style, bool], list[str]]
    value: Callable[[experiments.Found], list[dict[str, Any]]]
    html: Callable[[experiments.Found, Witnesses], Section]


def _design_runs() -> list[Run]:
    from lastput.study.designs import CELLS

    return [cell.run for cell in CELLS]


def _hazard_runs() -> list[Run]:
    from lastput.study.designs import HAZARDS

    return [run for hazard in HAZARDS for run in hazard.runs]


def _pair_runs() -> list[Run]:
    from lastput.study.pairs import ORDERS, QUESTIONS, STRANGERS, WINDOW

    return [question.run for question in (*QUESTIONS, *ORDERS, *STRANGERS, *WINDOW)]


def _designs(found: experiments.Found, style: Style, commands: bool) -> list[str]:
    from lastput.study.designs import CELLS, LEGEND, MEANING

    lines = [style.strong("Designs for the removal of a notifier"), ""]
    for name, words in {**LEGEND, **MEANING}.items():
        lines += wrapped(f"{name:<11} {words}", indent="  ", hanging=" " * 12)
    lines += ["", *wrapped("What each keeps; a number stands for the witness below that it does not.")]
    lines += ["", *designs.table(CELLS, found.by_run, style)]
    return [*lines, "", *designs.witnesses(CELLS, found.by_run, style, commands=commands)]


def _hazards(found: experiments.Found, style: Style, commands: bool) -> list[str]:
    from lastput.study.designs import HAZARDS

    shown = hazards.listed(HAZARDS, found.by_run, style, commands=commands)
    return [style.strong("Hazards of the designs, and what avoids them"), "", *shown]


def _costs(found: experiments.Found, style: Style, commands: bool) -> list[str]:
    return [
        style.strong("What each design costs"),
        "",
        *wrapped(_ABOUT_COSTS),
        *costs.table(found.costs, style),
    ]


def _pairs(found: experiments.Found, style: Style, commands: bool) -> list[str]:
    from lastput.study.pairs import ORDERS, QUESTIONS, STRANGERS, WINDOW

    lines = [style.strong("Which tasks can meet"), "", *wrapped(_ABOUT_PAIRS)]
    for questions in (QUESTIONS, ORDERS, STRANGERS, WINDOW):
        lines += ["", *pairs.table(questions, found.by_run, style, commands=commands)]
    return lines


def _experiment(run: Run, found: experiments.Found) -> list[dict[str, Any]]:
    """The experiment; nothing if it was not run."""
    return [experiment_value(found.by_run[id(run)])] if id(run) in found.by_run else []


def _designs_value(found: experiments.Found) -> list[dict[str, Any]]:
    from lastput.study.designs import CELLS

    return [
        {"design": cell.design, "property": cell.property, "note": cell.note, **value}
        for cell in CELLS
        for value in _experiment(cell.run, found)
    ]


def _hazards_value(found: experiments.Found) -> list[dict[str, Any]]:
    from lastput.study.designs import HAZARDS

    return [
        {
            "name": hazard.name,
            "sentence": hazard.sentence,
            "experiments": [value for run in hazard.runs for value in _experiment(run, found)],
        }
        for hazard in HAZARDS
    ]


def _costs_value(found: experiments.Found) -> list[dict[str, Any]]:
    from lastput.simulate.meter import NAMES

    return [
        {
            "design": row.design,
            "path": row.path.name,
            "counts": {name: row.costs.of(name) for name in NAMES} if row.costs.executed else None,
        }
        for row in found.costs
    ]


def _pairs_value(found: experiments.Found) -> list[dict[str, Any]]:
    from lastput.study.pairs import ORDERS, QUESTIONS, STRANGERS, WINDOW

    return [
        {"pair": question.pair, "setup": question.setup, "answer": question.answer, **value}
        for question in (*QUESTIONS, *ORDERS, *STRANGERS, *WINDOW)
        for value in _experiment(question.run, found)
    ]


def _designs_html(found: experiments.Found, witnesses: Witnesses) -> Section:
    from lastput.report.html import designs as html
    from lastput.study.designs import CELLS, LEGEND, MEANING

    return html.section(CELLS, LEGEND, MEANING, found.by_run, witnesses)


def _hazards_html(found: experiments.Found, witnesses: Witnesses) -> Section:
    from lastput.report.html import designs as html
    from lastput.study.designs import HAZARDS

    return html.hazards(HAZARDS, found.by_run, witnesses)


def _costs_html(found: experiments.Found, witnesses: Witnesses) -> Section:
    from lastput.report.html import costs as html
    from lastput.simulate.meter import NAMES

    return html.section(found.costs, NAMES, _ABOUT_COSTS)


def _pairs_html(found: experiments.Found, witnesses: Witnesses) -> Section:
    from lastput.report.html import pairs as html
    from lastput.study.pairs import ORDERS, QUESTIONS, STRANGERS, WINDOW

    return html.section((QUESTIONS, ORDERS, STRANGERS, WINDOW), _ABOUT_PAIRS, found.by_run, witnesses)


TABLES = {
    "designs": Table(_design_runs, _designs, _designs_value, _designs_html),
    "hazards": Table(_hazard_runs, _hazards, _hazards_value, _hazards_html),
    "costs": Table(list, _costs, _costs_value, _costs_html),
    "pairs": Table(_pair_runs, _pairs, _pairs_value, _pairs_html),
}
"""By the name to ask for them."""
