"""`lastput needed` as a page: what can be removed from a scenario, and the witness of what cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from lastput.lang.options import Value
from lastput.report.html.experiments import sign, stacked, tables_page
from lastput.report.html.page import escape
from lastput.report.html.witnesses import Witnesses
from lastput.report.needed import Row, counted, ground, said
from lastput.result import Result

KINDS = {"needed": "holds", "redundant": "other", "incomplete": "incomplete", "not tried": "other"}


def needed_page(whole: Result, rows: Sequence[Row], command: str, defaults: Mapping[str, Value]) -> str:
    """The whole page. `command` is what made it; `defaults` the scenario's options without a variant."""
    witnesses = Witnesses()
    about = (
        f"<p>{escape(whole.title)}</p>"
        f"<p>Variant <strong>{escape(whole.variant)}</strong>: {escape(counted(rows))}. "
        "Each was taken away, and every interleaving run without it.</p>"
    )
    bodies = "".join(
        f'<tbody><tr><th scope="rowgroup" colspan="4"><code>{escape(function)}</code> '
        f'<span class="soft">{escape(file)}</span></th></tr>'
        + "".join(_row(row, witnesses, command) for row in group)
        + "</tbody>\n"
        for (function, file), group in groupby(rows, key=lambda row: (row[1].function, row[1].file))
    )
    table = stacked(("No.", "Removed", "Answer", "Without it"), bodies)
    after = "".join(f"<p>{escape(text)}</p>" for text in ground(whole, defaults))
    section = ("removals", "Taken away, one at a time", table + after)
    return tables_page(f"What is needed in {whole.scenario}", about, [section], witnesses)


def _row(row: Row, witnesses: Witnesses, command: str) -> str:
    number, removal, trial = row
    words = said(trial)
    if trial.answer == "needed" and trial.result is not None:
        shown = witnesses.link(
            trial.result,
            words,
            name=str(number),
            title=f"Without the {removal.kind} of {removal.function}, line {removal.line}: {removal.text}",
            command=f"{command} --show {number}",
        )
    else:
        shown = escape(words)
    return (
        f'<tr><th scope="row">{number}</th><td>line {removal.line}, {escape(removal.kind)}: '
        f"<code>{escape(removal.text)}</code></td>"
        f"<td>{sign(KINDS[trial.answer], trial.answer)}</td><td>{shown}</td></tr>\n"
    )
