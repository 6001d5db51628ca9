"""Which tasks can meet, in a page: a row for each pair and set-up."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.html.experiments import Section, outcome, sign, stacked
from lastput.report.html.page import escape
from lastput.report.html.witnesses import Witnesses

if TYPE_CHECKING:
    from lastput.study.pairs import Question


def section(
    tables: Sequence[Sequence[Question]], about: str, found: Mapping[int, Any], witnesses: Witnesses
) -> Section:
    """The groups of questions, one after the other, in one table."""
    bodies = "".join(
        _body(pair, list(group), found, witnesses)
        for questions in tables
        for pair, group in itertools.groupby(questions, key=lambda question: question.pair)
    )
    table = stacked(("Pair", "In this set-up", "Can they meet?", "Seen"), bodies)
    return "pairs", "Which tasks can meet", f"<p>{escape(about)}</p>{table}"


def _body(pair: str, group: Sequence[Question], found: Mapping[int, Any], witnesses: Witnesses) -> str:
    rows = ""
    for number, question in enumerate(group, 1):
        head = f'<th scope="rowgroup" rowspan="{len(group)}">{escape(pair)}</th>' if number == 1 else ""
        settled = found.get(id(question.run))
        answer = sign("other", "yes") if question.answer else sign("holds", "never")
        seen = outcome(settled, witnesses, name=f"{pair}-{number}", title=f"{pair}: {question.setup}")
        rows += f"<tr>{head}<td>{escape(question.setup)}</td><td>{answer}</td><td>{seen}</td></tr>\n"
    return f"<tbody>{rows}</tbody>"
