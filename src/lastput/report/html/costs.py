"""What designs cost, in a page: a table for each path, designs of the same cost in one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lastput.report.costs import alike, span
from lastput.report.html.experiments import Section
from lastput.report.html.page import escape
from lastput.report.layout import listing

if TYPE_CHECKING:
    from lastput.study.costs_table import Row


def section(rows: Sequence[Row], names: Sequence[str], about: str) -> Section:
    """`names` are what is counted, in the order of the counts."""
    tables = "".join(_table(path, rows, names) for path in dict.fromkeys(row.path.name for row in rows))
    return "costs", "What each design costs", f"<p>{escape(about)}</p>{tables}"


def _table(path: str, rows: Sequence[Row], names: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in names)
    body = ""
    for costs, designs in alike(rows, path):
        body += f'<tr><th scope="row">{escape(listing(designs))}</th>'
        if costs.executed:
            counts = zip(costs.least, costs.most, strict=True)
            body += "".join(f'<td class="number">{span(low, high)}</td>' for low, high in counts) + "</tr>\n"
        else:
            body += f'<td colspan="{len(names)}">never from entry to exit</td></tr>\n'
    return (
        f'<div class="scroll" role="region" aria-label="Costs of {escape(path)}" tabindex="0">'
        f'<table class="plain costs"><caption>{escape(path)}</caption>'
        f'<thead><tr><th scope="col">Designs</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )
