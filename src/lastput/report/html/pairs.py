"""Which tasks can meet, in a page: a row for each pair and set-up."""

from __future__ import annotations

import itertools
import re
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
    return "pairs", "Which tasks can meet", f"<p>{_words(about)}</p>{table}"


def _words(text: str) -> str:
    """`text` as markup, what is between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _body(pair: str, group: Sequence[Question], found: Mapping[int, Any], witnesses: Witnesses) -> str:
    rows = ""
    for number, question in enumerate(group, 1):
        head = f'<th scope="rowgroup" rowspan="{len(group)}">{escape(pair)}</th>' if number == 1 else ""
        settled = found.get(id(question.run))
        seen = outcome(settled, witnesses, name=f"{pair}-{number}", title=f"{pair}: {question.setup}")
        cells = (escape(question.setup), _answer(question, settled), seen)
        rows += f"<tr>{head}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
    return f"<tbody>{rows}</tbody>"


def _answer(question: Question, settled: Any) -> str:
    """The answer, once it is known to be the right one."""
    if settled is None or settled.wrong:
        return sign("incomplete", "unsettled")
    return sign("other", "yes" if question.answer else "never")
