"""What a verdict rests on, on a page: how much was searched, under which bounds, and what never ran."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from lastput.report import covered
from lastput.report.html.page import escape
from lastput.report.hunted import told
from lastput.report.layout import plural
from lastput.report.never import place_note
from lastput.result import Bound, Coverage, Place, Result


def facts(result: Result) -> str:
    """Size, time, bounds and options of the search. A replay, which searches nothing, has only options."""
    found: list[tuple[str, str]] = []
    if result.hunt is not None:
        found += [("Hunted", line) for line in told(result.hunt)] + [("Cost", covered.cost(result))]
    elif result.counts.states:
        found += [
            ("Searched", f"{covered.extent(result)}: {covered.size(result)}"),
            ("Cost", covered.cost(result)),
        ]
    found += [("Progress", covered.progress_words(told)) for told in result.progress]
    found += [("Reduced by", ", ".join(result.reductions))] if result.reductions else []
    found += [("Stopped", covered.reason(result))] if result.reason else []
    limits = result.limits
    given = {
        "states": limits.max_states,
        "bytes of memory": limits.max_memory,
        "seconds": limits.timeout,
    }
    named = ", ".join(f"{value:,g} {unit}" for unit, value in given.items() if value is not None)
    found += [("Limits", named)] if named else []
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in found)
    options = f"<dt>Options</dt><dd>{_options(result)}</dd>" if result.settings else ""
    return f'<dl class="facts">{rows}{options}</dl>'


def _options(result: Result) -> str:
    """Those that are not at their defaults; the others when asked for."""
    chosen = covered.unusual(result)
    others = {name: value for name, value in result.settings.items() if name not in chosen}
    shown = f"<code>{escape(covered.settings(chosen))}</code>" if chosen else ""
    if not others:
        return shown
    count = f"{plural(len(others), 'option')} at {'their defaults' if len(others) > 1 else 'its default'}"
    folded = f"<code>{escape(covered.settings(others))}</code>"
    return f"{shown}<details><summary>{count}</summary>{folded}</details>"


def bounds(found: Sequence[Bound]) -> str:
    """The bounds of the model that were met: why nothing is known beyond them."""
    items = "".join(f"<li>{_bound(bound)}</li>" for bound in found)
    return f"<h3>Bounds that were reached</h3><ul>{items}</ul>" if items else ""


def _bound(bound: Bound) -> str:
    where = f" in <code>{escape(bound.function)} ({escape(bound.file)}:{bound.line})</code>"
    times = plural(bound.count, "time")
    return f"{escape(bound.kind)}: {escape(bound.message)}{where if bound.file else ''}, {times}"


def coverage(found: Coverage) -> str:
    """What ran, what was evaluated, and every place that never ran."""
    if not found.lines:
        return ""
    told = [f"<p>{escape(covered.share(found))}.</p>"]
    for what, names in (("Evaluated", found.properties), ("Seen to happen", found.witnesses)):
        told += [f"<p>{what}: {escape(', '.join(names))}.</p>"] if names else []
    loud = [f"Thread {name} never took a step." for name in found.threads_never]
    loud += [f"Never evaluated: {name}." for name in found.properties_never]
    told += [f'<p class="loud"><b aria-hidden="true">!</b> {escape(text)}</p>' for text in loud]
    return f"<h3>What ran</h3>{''.join(told)}{_never(found.never)}"


def _never(places: Sequence[Place]) -> str:
    if not places:
        return "<p>All of it ran.</p>"
    blocks = ""
    for (function, file), group in groupby(places, key=lambda p: (p.function, p.file)):
        name = f'<h4><code>{escape(function)}</code> <span class="soft">{escape(file)}</span></h4>'
        blocks += f"<section>{name}<dl>{''.join(map(_place, group))}</dl></section>"
    return f'<h3>Never ran, so nothing is known about it</h3><div class="never">{blocks}</div>'


def _place(place: Place) -> str:
    note = place_note(place).strip()
    what = f' <span class="soft">{escape(note)}</span>' if note else ""
    return f"<div><dt>{place.line}</dt><dd><code>{escape(place.text)}</code>{what}</dd></div>"
