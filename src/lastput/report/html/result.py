"""The page of one or several results: of a scenario's variants, or of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lastput.report.covered import is_complete, stopped_at_loops
from lastput.report.html import covered
from lastput.report.html.page import badge, escape, page
from lastput.report.html.violation import SCRIPTS, STYLES, has_picture, violation_data, violation_section
from lastput.report.layout import seconds_text
from lastput.report.text import finding
from lastput.result import Result


def results_page(results: Sequence[Result]) -> str:
    """One page with all `results`, whose violations should have their scenes."""
    names = ", ".join(dict.fromkeys(result.scenario for result in results))
    title = names if len(results) != 1 else f"{names}, {results[0].variant}"
    keyed = {f"v{number}": result for number, result in enumerate(results)}
    body = _contents(keyed) if len(results) > 1 else ""
    body += "".join(_section(key, result, alone=len(results) == 1) for key, result in keyed.items())
    found = {key: r.violation for key, r in keyed.items() if r.violation and has_picture(r.violation)}
    about = "".join(f"<p>{escape(text)}</p>" for text in dict.fromkeys(result.title for result in results))
    return page(
        title,
        about + body,
        data={"violations": {key: violation_data(found[key]) for key in found}} if found else None,
        scripts=SCRIPTS if found else (),
        styles=STYLES,
    )


def _contents(results: Mapping[str, Result]) -> str:
    """One row per variant, which leads to its section."""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Variant", "Verdict", "Finding"))
    heads += "".join(f'<th scope="col" class="number">{head}</th>' for head in ("States", "Time"))
    rows = "".join(
        f'<tr><th scope="row"><a href="#{key}-result">{escape(result.variant)}</a></th>'
        f"<td>{badge(result.verdict)}</td><td>{escape(finding(result))}</td>"
        f'<td class="number">{result.counts.states:,}</td>'
        f'<td class="number">{seconds_text(result.seconds.total)}</td></tr>'
        for key, result in results.items()
    )
    return f'<table class="plain contents"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>\n'


def _section(key: str, result: Result, *, alone: bool) -> str:
    """The verdict, the violation, and what both rest on."""
    name = "" if alone else f"{escape(result.variant)} "
    head = f'<h2 id="{key}-result">{name}{badge(result.verdict)}</h2>\n'
    parts = [violation_section(result.violation, key)] if result.violation else []
    if result.verdict == "incomplete":
        where = ", but progress is not known" if stopped_at_loops(result) else " in what was searched so far"
        parts.append(f"<p>This is no verdict: no violation{where}.</p>")
    parts += ["<h3>What was searched</h3>" if result.counts.states else "", covered.facts(result)]
    parts.append(covered.bounds(result.bounds))
    if is_complete(result) or not result.violation:
        parts.append(covered.coverage(result.coverage))
    return f'<section class="result" aria-labelledby="{key}-result">{head}{"".join(parts)}</section>\n'
