"""The page of one or several results: of a scenario's variants, or of a replay."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.html.page import badge, escape, page
from lastput.report.html.violation import SCRIPTS, STYLES, violation_data, violation_section
from lastput.report.text import report
from lastput.result import Result


def results_page(results: Sequence[Result]) -> str:
    """One page with all `results`, whose violations should have their scenes."""
    names = dict.fromkeys(result.scenario for result in results)
    keyed = {f"v{number}": result for number, result in enumerate(results)}
    body = "".join(_section(key, result) for key, result in keyed.items())
    found = {key: r.violation for key, r in keyed.items() if r.violation and r.violation.steps}
    return page(
        ", ".join(names),
        body,
        data={"violations": {key: violation_data(violation) for key, violation in found.items()}},
        scripts=SCRIPTS if found else (),
        styles=STYLES,
    )


def _section(key: str, result: Result) -> str:
    head = f"<h2>{escape(result.variant)} {badge(result.verdict)}</h2>"
    text = f"<pre>{escape(report(result))}</pre>"
    return (
        f"<section>{head}{violation_section(result.violation, key) if result.violation else text}</section>"
    )
