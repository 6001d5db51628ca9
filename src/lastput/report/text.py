"""A result as text for a terminal, 80 columns wide, in the shapes that kernel developers know."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.covered import covered, is_complete, kept, reason, searched, stopped_at_loops
from lastput.report.layout import plural, seconds_text, wrapped
from lastput.report.oops import oops
from lastput.report.style import Style
from lastput.result import Bound, Result

PLAIN = Style()


def report(result: Result, *, style: Style = PLAIN, full: bool = False) -> str:
    """The report of one result, ending in a newline. `full` folds nothing."""
    body = {"violated": _violated, "holds": _holds, "incomplete": _incomplete}[result.verdict]
    lines = [*_title(result, style), "", *body(result, style, full)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def summary(results: Sequence[Result], *, style: Style = PLAIN) -> str:
    """One line per result, for several variants of a scenario."""
    width = max(len("variant"), *(len(r.variant) for r in results))
    lines = [style.strong(f"{'variant':<{width}}  verdict     {'states':>12}  {'time':>7}  finding")]
    for r in results:
        verdict = style.verdict(r.verdict, f"{r.verdict:<10}")
        numbers = f"{r.counts.states:>12,}  {seconds_text(r.seconds.total):>7}"
        lines.append(f"{r.variant:<{width}}  {verdict}  {numbers}  {finding(r)}".rstrip())
    return "\n".join(lines) + "\n"


def finding(result: Result) -> str:
    """What was found, in a few words: `null-deref in stage2_get_pmd`; what stopped it; or nothing."""
    if result.violation:
        return f"{result.violation.kind} in {result.violation.function}".removesuffix(" in ")
    return result.reason


def _title(result: Result, style: Style) -> list[str]:
    verdict = style.verdict(result.verdict, result.verdict)
    return [
        f"{style.strong(result.scenario)}, variant {result.variant}: {verdict}",
        *wrapped(result.title, indent="  "),
    ]


def _violated(result: Result, style: Style, full: bool) -> list[str]:
    assert result.violation is not None
    lines = [*oops(result.violation, style=style, full=full), "", *searched(result, full=full)]
    return [*lines, "", *covered(result.coverage, style, full=full)] if is_complete(result) else lines


def _holds(result: Result, style: Style, full: bool) -> list[str]:
    return [*searched(result, full=full), "", *covered(result.coverage, style, full=full)]


def _incomplete(result: Result, style: Style, full: bool) -> list[str]:
    loud = wrapped(f"INCOMPLETE: {reason(result)}. This is no verdict.", hanging="  ")
    known = "No violation in what was searched so far."
    if result.reason == "approximate" and result.progress:
        known += "\nProgress properties are not looked at without whole states (--store hash, bits)."
    if result.glimpsed:
        known = style.bad("A rule was seen to be broken, but not yet how to get there: search again.")
    if stopped_at_loops(result):
        known = "No interleaving breaks a rule; progress properties are not known."
    return [
        *(style.loud(line) for line in loud),
        *(line for bound in result.bounds for line in _bound(bound)),
        known,
        *kept(result),
        "",
        *searched(result, full=full),
        "",
        *covered(result.coverage, style, full=full),
    ]


def _bound(bound: Bound) -> list[str]:
    where = f" in {bound.function} ({bound.file}:{bound.line})" if bound.file else ""
    text = f"{bound.kind}: {bound.message}{where}, {plural(bound.count, 'time')}"
    return wrapped(text, indent="  ", hanging="  ")
