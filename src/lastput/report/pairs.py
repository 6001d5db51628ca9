"""Which tasks can meet, as text: for each pair, in which set-up it can and in which never."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import command
from lastput.report.layout import plural, wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.pairs import Question

LABEL = 14


def table(
    questions: Sequence[Question], found: Mapping[int, Any], style: Style, *, commands: bool
) -> list[str]:
    """A line or two for each set-up, under its pair."""
    lines: list[str] = []
    for pair, group in itertools.groupby(questions, key=lambda question: question.pair):
        for number, question in enumerate(group):
            lines += _line(pair if number == 0 else "", question, found, style)
            if commands and id(question.run) in found:
                lines += command(found[id(question.run)], indent=" " * LABEL + "  ")
    return lines


def _line(pair: str, question: Question, found: Mapping[int, Any], style: Style) -> list[str]:
    settled = found.get(id(question.run))
    if settled is None:
        return [f"{pair:<{LABEL}}{style.loud('not run')}  {question.setup}"]
    answer = "yes  " if question.answer else "never"
    steps = settled.result.violation.steps if settled.result.violation else ()
    size = plural(len(steps), "step") if question.answer else plural(settled.result.counts.states, "state")
    lines = wrapped(
        f"{pair:<{LABEL}}{answer}  {question.setup} ({size})", hanging=" " * (LABEL + 7), indent=""
    )
    if settled.wrong:
        lines += map(style.bad, wrapped(f"UNEXPECTED: {settled.wrong}", indent=" " * LABEL, hanging="  "))
    return lines
