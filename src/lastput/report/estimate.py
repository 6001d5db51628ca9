"""An estimate as text: what was searched, and what the whole would take."""

from __future__ import annotations

from collections.abc import Iterable

from lastput.estimate import Estimate
from lastput.report.layout import bytes_text, listing, seconds_text, wrapped

_NAMED = 5
"""Variants that a line has room for."""
_HOW = (
    "From the growth of the levels so far; of ten such estimates eight are within the range "
    "(docs/explanation/estimates.md)."
)
_TOO_EARLY = (
    "No forecast: too few levels were finished, or their growth does not slow down yet. Give it "
    "more --seconds."
)


def report(found: Estimate) -> str:
    """The report, with a line's end."""
    head = f"{found.scenario}, variant {found.variant}"
    others = _others(found)
    if found.complete:
        ended = (
            f"{head}: the search came to its end, {found.states:,} states in {seconds_text(found.seconds)}."
        )
        return "\n".join([*wrapped(ended), *wrapped("lastput check tells what it found."), *others]) + "\n"
    so_far = (
        f"{head}: searched for {seconds_text(found.seconds)}; {found.states:,} states in "
        f"{found.levels} levels, {found.rate:,.0f} states/s, {found.per_state:.1f} bytes/state."
    )
    lines = wrapped(so_far)
    if found.forecast is None:
        return "\n".join([*lines, "", *wrapped(_TOO_EARLY), *others]) + "\n"
    counts = found.forecast.low, found.forecast.likely, found.forecast.high
    table = [
        _row("", ("low", "likely", "high")),
        _row("states", map(rounded, counts)),
        _row("time", (duration(n / found.rate) for n in counts)),
        _row("memory", (bytes_text(round(n * found.per_state)) for n in counts)),
    ]
    if found.graph:
        table.append(_row("progress", (bytes_text(round(n * found.graph)) for n in counts)))
    return "\n".join([*lines, "", *table, "", *wrapped(_HOW), *others]) + "\n"


def _others(found: Estimate) -> list[str]:
    """Which variants this says nothing of."""
    if not found.others:
        return []
    count = len(found.others)
    named = listing(found.others) if count <= _NAMED else f"{count} other variants"
    return wrapped(f"Nothing is said of {named}: --variant NAME chooses.")


def _row(name: str, values: Iterable[str]) -> str:
    return f"  {name:8}" + "".join(f"{value:>18}" for value in values)


def rounded(number: int) -> str:
    """A number with two digits that count: a forecast has no more."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"


def duration(seconds: float) -> str:
    """A time with about two digits that count."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
