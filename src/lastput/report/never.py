"""Places of the model that never ran. A large model has many, of which a report names the weightiest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from lastput.report.layout import listing, plural, wrapped
from lastput.report.style import Style
from lastput.result import Place

FEW = 12
"""So many are shown as they are."""
NAMED = 6
"""Of more, so many are shown, and the others counted."""
FUNCTIONS = 3
"""Functions of a file that are named where places are counted."""


def never_ran(places: Sequence[Place], style: Style, *, full: bool) -> list[str]:
    """Every place that never ran, if they are few or `full`; else the largest, and how many are where."""
    if full or len(places) <= FEW:
        return [style.strong("Never ran, so nothing is known about it:"), *_shown(places)]
    named = sorted(places, key=lambda place: -max(1, place.lines))[:NAMED]
    others = [place for place in places if place not in named]
    return [
        style.strong(f"Never ran, so nothing is known about it: {len(places)} places, first the largest."),
        *_shown([place for place in places if place in named]),
        f"  {plural(len(others), 'other place')} (--full shows each):",
        *_counted(others),
    ]


def _shown(places: Sequence[Place]) -> list[str]:
    lines: list[str] = []
    for (function, file), group in groupby(places, key=lambda p: (p.function, p.file)):
        lines += wrapped(f"{function} ({file})", indent="  ", hanging="  ")
        for place in group:
            lines += _place(place)
    return lines


def _place(place: Place) -> list[str]:
    number = f"{place.line:>7}  "
    lines = wrapped(place.text + place_note(place), indent=" " * len(number), hanging="    ")
    return [number + lines[0].lstrip(), *lines[1:]]


def place_note(place: Place) -> str:
    """What of a place never ran, where that is not all of it."""
    more = f"; {plural(place.lines, 'line')}" if place.lines else ""
    return _NOTES[place.what].format(more)


_NOTES = {"line": "", "branch taken": "  (never true{})", "branch not taken": "  (never false{})"}


def _counted(places: Sequence[Place]) -> list[str]:
    """A line for each file: how many places, and in which functions most of them are."""
    lines: list[str] = []
    for file, group in groupby(places, key=lambda place: place.file):
        functions = [place.function for place in group]
        found = sorted(dict.fromkeys(functions), key=lambda name: -functions.count(name))
        rest = len(found) - FUNCTIONS
        names = [*found[:FUNCTIONS], f"{rest} more"] if rest > 1 else found
        lines += wrapped(f"{len(functions):>3}  {file}: {listing(names)}", indent="    ", hanging="     ")
    return lines
