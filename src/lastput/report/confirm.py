"""A confirmed window as text: the model's schedule beside the trace of a real kernel."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from lastput.confirm.attempt import Found
from lastput.confirm.forced import Touch
from lastput.confirm.kernel import NAMES, family, traceable
from lastput.confirm.window import Window, conflicts
from lastput.ftrace.event import Event
from lastput.report.layout import WIDTH
from lastput.result import Violation
from lastput.validate.seen import VERB, At

HALF = (WIDTH - 3) // 2

BEFORE = 4
"""Points of the model that are shown before the hold."""

_LOCATION = re.compile(r"^\([^)]*\)\s*")

Row = tuple[str, str]
"""What a line is compared by: of whom, and where; and its text."""


def what_to_force(window: Window) -> list[str]:
    """What is held, until what, and why: in sentences."""
    names, race, conflict = window.names, window.race, window.conflict
    reader, writer = names[conflict.reader], names[conflict.writer]
    did = "frees" if conflict.freed else "writes"
    lines = [
        f"{writer} {did} {conflict.cell} (step {conflict.write}), "
        f"{reader} reads it (step {conflict.read}, in {window.reading[-1]}).",
        f"To force it, hold {names[race.holder]} where it {_where(race.hold)}, until "
        f"{names[race.other]} {_where(race.until)}."
        + (
            ""
            if window.in_order
            else " The schedule has them arrive the other way round; this order leads to the same."
        ),
    ]
    if window.nearest != window.reading[-1] and window.nearest:
        lines.append(
            f"{window.reading[-1]} cannot be traced in this kernel (inlined, or of another version); the "
            f"nearest that can is {_called(window)}."
        )
    return [line for text in lines for line in textwrap.wrap(text, WIDTH)]


def side_by_side(found: Found) -> list[str]:
    """The model's schedule and the real trace in two columns, what is the same in the same line."""
    model, real = _model(found.window), _real(found)
    matched = SequenceMatcher(None, [key for key, _ in model], [key for key, _ in real], autojunk=False)
    rows = [_row("the model", "the kernel"), "-" * HALF + "-+-" + "-" * HALF]
    for _, i, k, j, m in matched.get_opcodes():
        left, right = [text for _, text in model[i:k]], [text for _, text in real[j:m]]
        for n in range(max(len(left), len(right))):
            rows += _cells(left[n] if n < len(left) else "", right[n] if n < len(right) else "")
    return rows


def verdict(found: Found, lacking: str) -> list[str]:
    """What the kernel did in the window. `lacking` is the model's variant, with its settings."""
    names, race = found.window.names, found.window.race
    held, met = found.sighting.held, found.sighting.met
    text = (
        f"The window is real: in {found.kernel or 'this kernel'}, {held.task} (the model's "
        f"{names[race.holder]}) {_was(race.hold)}, and {(met.time - held.time) / 1e6:.3f} ms later, before "
        f"it went on, {met.task} ({names[race.other]}) {_was(race.until)}. "
        f"Seen {found.seen} time{'s' if found.seen > 1 else ''}, in {found.how}."
    )
    if found.complaint:
        after = f"The kernel complained: {found.complaint.strip()}"
    else:
        after = (
            f"The kernel went on without a complaint: what {lacking} lacks makes the window harmless there."
        )
    return [*textwrap.wrap(text, WIDTH), *_null(found), *textwrap.wrap(after, WIDTH)]


def _null(found: Found) -> list[str]:
    """What shows that a task found nothing in the window, though the model's other one had it."""
    reader = (
        found.sighting.held
        if found.window.race.holder == found.window.conflict.reader
        else found.sighting.met
    )
    for event in found.sighting.events:
        if event.pid == reader.pid and event.args.get("pgt") == 0:
            text = f"In it, {event.name} was called with pgt=0x0: stage 2 was gone."
            return textwrap.wrap(text, WIDTH)
    return []


def _called(window: Window) -> str:
    """The nearest function that can be traced; what the model calls it, where that is another name."""
    own = [name for name in window.reading if NAMES.get(name, name) == window.nearest]
    other = own[-1] if own and window.nearest not in window.reading else ""
    return window.nearest + (f", which does the work of {other}" if other else "")


def _was(place: tuple[str, At]) -> str:
    return f"entered {place[0]}" if place[1] == "enter" else f"returned from {place[0]}"


def _where(place: tuple[str, At]) -> str:
    return f"{VERB[place[1]]} {place[0]}"


def _model(window: Window) -> list[Row]:
    run, race = window.run, window.race
    shown: list[Row] = []
    tasks = {race.holder: "holder", race.other: "other"}
    for i, one in enumerate(run.told):
        if one.thread not in tasks or i < run.held - BEFORE:
            continue
        name = window.names[one.thread]
        if isinstance(one, Touch):
            text = f"{name}: {_touch(one)}"
            if not shown or shown[-1][1] != text:
                shown.append(("touch", text))
            continue
        mark = ", and is held" if i == run.held else ", and lets it go" if i == run.met else ""
        key = f"{tasks[one.thread]} {one.function} {one.at}"
        if shown and shown[-1][0] == key:  # the model's own layers of one function of the kernel's
            continue
        shown.append((key, f"{name} {_where(one.place)}{mark}"))
    if run.fault is not None:
        shown.append(("fault", window.ends))
    return shown


def _touch(touch: Touch) -> str:
    words = {"load": "reads", "store": "writes", "free": "frees"}
    return f"{words[touch.kind]} {touch.cell}" + (f" = {touch.value}" if touch.value else "")


def _real(found: Found) -> list[Row]:
    held = found.sighting.held.pid
    return [(_key(event, held), _event(event)) for event in found.sighting.events]


def _key(event: Event, held: int) -> str:
    return f"{'holder' if event.pid == held else 'other'} {event.name} {event.kind}"


def _event(event: Event) -> str:
    """The line's own words, without flags and addresses of code."""
    said = event.text.partition(": ")[2] if event.event else ""
    name, _, rest = said.partition(": ")
    told = f"{name}: {_LOCATION.sub('', rest)}".strip() if said else f"{event.name} {event.kind}"
    return f"{event.time / 1e9:.6f} {event.task} {told}"


def _cells(left: str, right: str) -> Iterator[str]:
    lefts, rights = _wrapped(left), _wrapped(right)
    for n in range(max(len(lefts), len(rights))):
        yield _row(lefts[n] if n < len(lefts) else "", rights[n] if n < len(rights) else "")


def _wrapped(text: str) -> Sequence[str]:
    return textwrap.wrap(text, HALF, subsequent_indent="  ", break_long_words=True) or [""]


def _row(left: str, right: str) -> str:
    return f"{left:<{HALF}} | {right}".rstrip()


def no_window(violation: Violation, version: str) -> str:
    """Why there is nothing to hold."""
    found = conflicts(violation)
    if violation.thread is None or not found:
        return "the violation does not rest on memory that one task changed and another one read"
    frames = [frame.function for frame in reversed(violation.steps[found[0].read - 1].frames)]
    known = [NAMES.get(name, name) for name in frames]
    if not any(name in traceable(version) and family(name) for name in known):
        inner = ", ".join(frames[-3:])
        return (
            f"of the functions around it (... {inner}) kernel {version} can trace none, or no experiment of "
            "the lab is about them"
        )
    return "at no point at which this kernel can be held does the model come to the same violation"
