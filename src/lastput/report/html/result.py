"""The page of one or several results: of a scenario's variants, or of a replay."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.html.page import badge, escape, page
from lastput.report.text import report
from lastput.result import Result


def results_page(results: Sequence[Result]) -> str:
    """One page with all `results`, whose violations should have their scenes."""
    names = dict.fromkeys(result.scenario for result in results)
    return page(", ".join(names), "".join(map(_section, results)))


def _section(result: Result) -> str:
    head = f"<h2>{escape(result.variant)} {badge(result.verdict)}</h2>"
    return f"<section>{head}<pre>{escape(report(result))}</pre></section>"
