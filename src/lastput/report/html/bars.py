"""Bars beside the lanes: what each lock, reference count and object is through the steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastput.result import Band, Content, Moment, Scene

MOST = 8
"""So many bars of a kind at most; what changes most often comes first."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a bar: rows `first` to `last`, both included; row 0 is the state before any step."""

    first: int
    last: int
    text: str
    kind: str


@dataclass(frozen=True)
class Bar:
    """One column. `segments` are in order and don't overlap; what is between them is empty."""

    name: str
    segments: tuple[Segment, ...]


class History:
    """The contents of all objects after each step, in turn."""

    def __init__(self, scene: Scene) -> None:
        self.now: list[list[Content] | None] = [list(thing.contents) or None for thing in scene.things]
        self._cells = [len(thing.cells) for thing in scene.things]

    def take(self, moment: Moment) -> None:
        """Go on to after a step."""
        for thing in moment.freed:
            self.now[thing] = None
        for thing in moment.allocated:
            self.now[thing] = [Content("never written")] * self._cells[thing]
        for change in moment.changes:
            contents = self.now[change.thing]
            if contents is not None:
                contents[change.cell] = change.content

    def published(self, thing: int) -> bool:
        """Whether another object points to this one."""
        return any(
            content.target is not None and content.target[0] == thing
            for number, contents in enumerate(self.now)
            if contents is not None and number != thing
            for content in contents
        )


def band_columns(bands: Iterable[Band], steps: int) -> list[Bar]:
    """The bands of one task, in as few columns as keep them apart."""
    columns: list[list[Segment]] = []
    for band in bands:
        last = steps if band.last is None else band.last
        segment = Segment(band.first, last, band.name, band.kind.replace(" ", "-"))
        column = next((c for c in columns if c[-1].last < band.first), None)
        if column is None:
            columns.append([segment])
        else:
            column.append(segment)
    return [Bar("", tuple(column)) for column in columns]


def counts(scene: Scene) -> list[Bar]:
    """The reference counts that change."""
    values: dict[tuple[int, int], list[str]] = {
        (number, index): []
        for number, thing in enumerate(scene.things)
        for index, cell in enumerate(thing.cells)
        if cell.kind == "count"
    }
    for _, history in _moments(scene):
        for (thing, cell), seen in values.items():
            contents = history.now[thing]
            seen.append("" if contents is None else contents[cell].text)
    changing = {place: seen for place, seen in values.items() if len({*seen} - {""}) > 1}
    named = [(_count_name(scene, *place), seen) for place, seen in changing.items()]
    bars = [Bar(name, _segments(seen, "count")) for name, seen in named]
    return sorted(bars, key=lambda bar: -len(bar.segments))[:MOST]


def lives(scene: Scene, victim: str | None = None) -> list[Bar]:
    """What the objects that are allocated or freed go through, and the `victim`."""
    wanted = [
        number
        for number, thing in enumerate(scene.things)
        if thing.name == victim or any(number in (*m.allocated, *m.freed) for m in scene.moments)
    ]
    seen: dict[int, list[str]] = {number: [] for number in wanted}
    gone = dict.fromkeys(wanted, False)
    for moment, history in _moments(scene):
        for number in wanted:
            gone[number] |= moment is not None and number in moment.freed
            seen[number].append(_life(number, gone[number], moment, history))
    bars = [Bar(scene.things[number].name, _segments(_unlinked(seen[number]), "")) for number in wanted]
    return sorted(bars, key=lambda bar: (bar.name != victim, -len(bar.segments)))[:MOST]


def _life(number: int, gone: bool, moment: Moment | None, history: History) -> str:
    if history.now[number] is not None:
        return "published" if history.published(number) else "allocated"
    touched = (
        moment is not None and number not in moment.freed and any(t == number for t, _ in moment.touched)
    )
    return ("touched after" if touched else "freed") if gone else ""


def _unlinked(life: Sequence[str]) -> list[str]:
    """The life with its own word for what was published and is no longer."""
    first = life.index("published") if "published" in life else len(life)
    return ["unlinked" if row > first and word == "allocated" else word for row, word in enumerate(life)]


def _moments(scene: Scene) -> Iterable[tuple[Moment | None, History]]:
    """The start and each step, with the contents after it."""
    history = History(scene)
    yield None, history
    for moment in scene.moments:
        history.take(moment)
        yield moment, history


def _segments(texts: Sequence[str], kind: str) -> tuple[Segment, ...]:
    """Rows of the same text in a row, as segments; none for the empty text."""
    found: list[Segment] = []
    first = 0
    for row in range(1, len(texts) + 1):
        if row == len(texts) or texts[row] != texts[first]:
            if texts[first]:
                found.append(Segment(first, row - 1, texts[first], kind or texts[first].replace(" ", "-")))
            first = row
    return tuple(found)


def _count_name(scene: Scene, thing: int, cell: int) -> str:
    """`mm.mm_users` for `mm.mm_users.counter`: the innermost name is that of the counting type."""
    path = scene.things[thing].cells[cell].path
    for ending in (".refs.counter", ".counter"):
        path = path.removesuffix(ending)
    return f"{scene.things[thing].name}.{path}"
