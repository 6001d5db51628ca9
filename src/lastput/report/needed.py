"""What can be removed from a scenario, and what cannot, as a table 80 columns wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from lastput.lang.options import Value
from lastput.needed.removals import Removal
from lastput.needed.trials import Trial
from lastput.report.layout import listing, plural, wrapped
from lastput.report.style import Style
from lastput.report.text import report
from lastput.result import Result, Violation

Row = tuple[int, Removal, Trial]
"""Number from 1, what was removed, what came of it."""

_ANSWERS = ("needed", "redundant", "incomplete", "not tried")
_INDENT = " " * 5


def table(
    whole: Result, rows: Sequence[Row], style: Style, defaults: Mapping[str, Value], *, chosen: bool = True
) -> str:
    """Every removal below its function, and what the verdicts rest on.

    `defaults` are the scenario's options as they are without a variant; `chosen` says whether the user
    named the variant.
    """
    variant = whole.variant if chosen else f"{whole.variant} (first that holds)"
    lines = wrapped(f"{whole.scenario}, variant {variant}: {counted(rows)}", hanging="  ")
    lines[0] = lines[0].replace(whole.scenario, style.strong(whole.scenario), 1)
    lines += wrapped(whole.title, indent="  ")
    for (function, file), group in groupby(rows, key=lambda row: (row[1].function, row[1].file)):
        lines += ["", *wrapped(f"{function} ({file})", hanging="  ")]
        for row in group:
            lines += _row(row, style)
    lines += ["", *(line for text in ground(whole, defaults) for line in wrapped(text))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def shown(row: Row, *, style: Style, full: bool) -> str:
    """One removal in full."""
    _, removal, trial = row
    where = f"{removal.function} ({removal.file}:{removal.line})"
    head = [*wrapped(f"Without this {removal.kind} of {where}:", hanging="  ")]
    head += wrapped(removal.text, indent="    ", hanging="  ")
    if trial.result is None:
        return "\n".join([*head, "", *_answer(trial, style, "")]) + "\n"
    return "\n".join([*head, "", report(trial.result, style=style, full=full)])


def counted(rows: Sequence[Row]) -> str:
    """How many removals have each answer."""
    count: Counter[str] = Counter(trial.answer for _, _, trial in rows)
    return (
        listing([f"{count[answer]} {answer}" for answer in _ANSWERS if count[answer]]) or "nothing to remove"
    )


def _row(row: Row, style: Style) -> list[str]:
    number, removal, trial = row
    what = wrapped(f"line {removal.line}, {removal.kind}: {removal.text}", indent=_INDENT, hanging="  ")
    return [f"{number:>3}  {what[0].lstrip()}", *what[1:], *_answer(trial, style, _INDENT)]


def _answer(trial: Trial, style: Style, indent: str) -> list[str]:
    paint = {"needed": style.good, "redundant": style.loud, "incomplete": style.bad}.get(trial.answer, str)
    words = said(trial)
    text = f"{trial.answer}: {words}" if words else trial.answer
    first, *rest = wrapped(text, indent=indent, hanging="  ")
    return [first.replace(trial.answer, paint(trial.answer), 1), *rest]


def said(trial: Trial) -> str:
    """What is to be said of a removal besides the answer: its witness, or why there is none."""
    if trial.answer == "needed" and trial.result and trial.result.violation:
        return _witness(trial.result.violation)
    return trial.why


def _witness(found: Violation) -> str:
    where = f" in {found.function}" if found.function else f" {found.message}"
    return f"{found.kind}{where} after {plural(len(found.steps), 'step')} of {listing(tasks(found))}"


def tasks(found: Violation) -> list[str]:
    """The tasks that take a step in the witness, in the order of their first."""
    return [found.tasks[i].name for i in dict.fromkeys(step.thread for step in found.steps)]


def ground(whole: Result, defaults: Mapping[str, Value]) -> tuple[str, str]:
    """What the word `redundant` depends on. `defaults` are the scenario's options without a variant."""
    names = listing([t.name for t in whole.threads])
    configured = _configured(whole.settings, defaults)
    redundant = (
        f"Redundant means: in this model, which is {plural(len(whole.threads), 'thread')} ({names}) "
        f"and {plural(whole.counts.states, 'state')}{configured}. More actors or larger bounds may need it."
    )
    barriers = "Memory is sequentially consistent here, so barriers are not modelled, and none was removed."
    return redundant, barriers


def _configured(settings: Mapping[str, Value], defaults: Mapping[str, Value]) -> str:
    """Options that differ from their defaults, and how many do not."""
    changed = [f"{name}={_value(value)}" for name, value in settings.items() if value != defaults[name]]
    rest = len(settings) - len(changed)
    if not changed:
        return ", with every option at its default" if rest else ""
    others = f" and {plural(rest, 'other option')} at {'their defaults' if rest > 1 else 'its default'}"
    return f", with {' '.join(changed)}{others if rest else ''}"


def _value(value: bool | int | str) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def value(whole: Result, rows: Sequence[Row]) -> dict[str, Any]:
    """The table for JSON (docs/reference/needed.md)."""
    return {
        "schema": 1,
        "scenario": whole.scenario,
        "variant": whole.variant,
        "settings": dict(whole.settings),
        "threads": [thread.name for thread in whole.threads],
        "states": whole.counts.states,
        "removals": [_removal(*row) for row in rows],
    }


def _removal(number: int, removal: Removal, trial: Trial) -> dict[str, Any]:
    found = trial.result.violation if trial.answer == "needed" and trial.result else None
    return {
        "number": number,
        "kind": removal.kind,
        "function": removal.function,
        "file": removal.file,
        "line": removal.line,
        "text": removal.text,
        "answer": trial.answer,
        "why": trial.why,
        "states": trial.result.counts.states if trial.result else None,
        "witness": None if found is None else _found(found),
    }


def _found(found: Violation) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "headline": found.headline,
        "function": found.function,
        "file": found.file,
        "line": found.line,
        "tasks": tasks(found),
        "schedule": [list(step) for step in found.schedule],
        "switches": found.switches,
    }
