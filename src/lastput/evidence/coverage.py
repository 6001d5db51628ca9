"""From the search's coverage bits to what ran and what did not.

A line that reports a violation, and the branch that leads to it, are left out: where no rule is
broken they never run, and that is no gap. Nor is the code of properties part of it: it asks about the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from lastput.evidence.source import blocks, is_alarm, short
from lastput.lang.world import World
from lastput.result import Coverage, Place

_BRANCHES = ("branch taken", "branch not taken")


class Spot(Protocol):
    """What the compiler says about one coverage bit (lastput.compiler.places.Place)."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def function(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def asks(self) -> bool: ...


class _Key(NamedTuple):
    file: str
    line: int
    function: str
    what: str
    text: str


def coverage(world: World, spots: Sequence[Spot], ran: Sequence[int]) -> Coverage:
    """What ran, and what did not in the order of the source. A spot met twice ran if one of them did."""
    seen: dict[_Key, bool] = {}
    asks: set[_Key] = set()
    for spot, hit in zip(spots, ran, strict=True):
        key = _Key(spot.file, spot.line, spot.function, spot.what, spot.text)
        seen[key] = seen.get(key, False) or bool(hit)
        if spot.asks:
            asks.add(key)
    code = [key for key in seen if key.what in ("line", *_BRANCHES) and key not in asks]
    code = [key for key in code if not is_alarm(key.file, key.line, key.what)]
    lines = [key for key in code if key.what == "line"]
    branches = [key for key in code if key.what in _BRANCHES]
    evaluated = {key.text for key in seen if key.what == "property" and seen[key]}
    asserted = [p for p in world.properties if p.kind in ("invariant", "final")]
    return Coverage(
        lines_run=sum(seen[key] for key in lines),
        lines=len(lines),
        branches_run=sum(seen[key] for key in branches),
        branches=len(branches),
        never=tuple(_never(key for key in code if not seen[key])),
        properties=tuple(f"{p.kind} {p.name}" for p in asserted if p.name in evaluated),
        properties_never=tuple(f"{p.kind} {p.name}" for p in asserted if p.name not in evaluated),
        witnesses=tuple(sorted({key.text for key in seen if key.what == "reachable" and seen[key]})),
        threads_never=tuple(key.text for key in seen if key.what == "thread" and not seen[key]),
    )


def _never(keys: Iterable[_Key]) -> list[Place]:
    """The places to report: not the branches of a line that never ran, nor the lines of a branch."""
    missing = sorted(keys, key=lambda key: (key.file, key.line, key.what))
    dead = {(key.file, key.line) for key in missing if key.what == "line"}
    implied: set[tuple[str, int]] = set()
    places = []
    for key in missing:
        if key[:2] in implied or (key.what in _BRANCHES and key[:2] in dead):
            continue
        inside = [(key.file, line) for line in blocks(key.file, key.line, key.what)]
        inside = [at for at in inside if at in dead and at not in implied]
        implied.update(inside)
        places.append(Place(key.function, short(key.file), key.line, key.what, key.text, len(inside)))
    return places
