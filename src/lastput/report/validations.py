"""Many validations as text: a table, what they come to together, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lastput.report.exercised import counted, exercised
from lastput.report.layout import WIDTH, plural, seconds_text, wrapped
from lastput.validate.validation import Tried, Validation, Word

WORDS: tuple[Word, ...] = ("accepted", "refused", "undecided", "vacuous")


def table(all_made: Sequence[Validation], seconds: float) -> str:
    """One line for each recording, two where its name is long; then the totals, with a line's end.

    `seconds` is what all took.
    """
    names = unique(all_made)
    head = f"  VMs  {'verdict':9}  matched  ignored    time"
    rows = [_row(made) for made in all_made]
    room = WIDTH - max(map(len, [head, *rows]))
    width = max(len(name) for name in ["trace", *names] if len(name) <= room)
    lines = [f"{'trace':{width}}{head}"]
    for name, row in zip(names, rows, strict=True):
        if len(name) > width:
            lines += wrapped(name, hanging="  ")
            name = ""
        lines.append(f"{name:{width}}{row}")
    return "\n".join([*lines, "", *wrapped(totals(all_made, seconds))]) + "\n"


def _row(made: Validation) -> str:
    counts = f"{matched(made):7,}  {ignored(made):7,}  {seconds_text(made.seconds):>6}"
    note = f"  ! {made.lost:,} LOST" if made.lost else ""
    return f"  {len(made.tried):3}  {made.word:9}  {counts}{note}"


def totals(all_made: Sequence[Validation], seconds: float) -> str:
    """How many came to what, what they exercised, and what it took."""
    words = Counter(made.word for made in all_made)
    verdicts = ", ".join(f"{words[word]:,} {word}" for word in WORDS if words[word])
    events = plural(sum(map(matched, all_made)), "event")
    said = f"{plural(len(all_made), 'trace')}: {verdicts}; {events} matched, in {seconds_text(seconds)}."
    found = exercised(tried for made in all_made for tried in made.tried)
    if found:
        said += f" Exercised: {counted(found)}."
    if holes := sum(bool(made.lost) for made in all_made):
        said += f" ! {plural(holes, 'trace')} with LOST events: their verdicts are not sure."
    return said


def unique(all_made: Sequence[Validation]) -> list[str]:
    """The recordings' names; where two have the same, with as much of their paths as tells them apart."""
    parts = [made.path.replace(":", "/").split("/")[:-1] for made in all_made]
    names = [made.name for made in all_made]
    for depth in range(1, max((len(one) for one in parts), default=0) + 1):
        shared = {name for name, count in Counter(names).items() if count > 1}
        if not shared:
            break
        names = [
            "/".join([*one[-depth:], made.name]) if name in shared else name
            for name, one, made in zip(names, parts, all_made, strict=True)
        ]
    return names


def matched(made: Validation) -> int:
    """How many events were found in the model, of all its VMs."""
    return sum(sum(tried.matched.values()) for tried in made.tried)


def ignored(made: Validation) -> int:
    """How many of its events the model need not explain."""
    return made.events - sum(_events(tried) for tried in made.tried)


def _events(tried: Tried) -> int:
    """Events of the recording that were matched: a probe and the tracer may both have one entry's."""
    numbers = {s.number for s in tried.seen}
    return sum(sight.events for _, sight in tried.cast.seen if sight.number in numbers)
