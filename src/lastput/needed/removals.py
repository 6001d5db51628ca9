"""Everything that can be removed from the functions of a model, one thing at a time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lastput.checker import Checked
from lastput.compiler.compile import Typed, type_all
from lastput.evidence.source import short
from lastput.lang import roles
from lastput.lang.edits import NONE, Edits, applying
from lastput.lang.edits import replace as edit
from lastput.lang.options import configuration
from lastput.lang.world import World
from lastput.needed.guards import Guard, guards
from lastput.needed.pairs import Pair, pairs, waits
from lastput.needed.reading import Function, Reader


@dataclass(frozen=True)
class Removal:
    """One thing to remove. `refused` says why it cannot be tried, `idle` why it need not be."""

    kind: str
    function: str
    file: str
    line: int
    text: str
    edits: Edits = NONE
    aside: Edits = NONE
    """What only asserts that a lock is held, and goes with it."""
    breaks: Edits = NONE
    """What drops the lock and takes it again."""
    refused: str = ""
    idle: str = ""


Spot = tuple[str, int]
"""File and line."""


class Ran:
    """Which lines and branches the compiled model has, and whether they ran in the search of the whole."""

    def __init__(self, checked: Checked) -> None:
        self._known: dict[tuple[str, Spot], bool] = {}
        for place, ran in zip(checked.places, checked.ran, strict=True):
            key = place.what, (place.file, place.line)
            self._known[key] = ran or self._known.get(key, False)

    def has(self, spot: Spot, *, branch: bool) -> bool:
        """Whether the model has this line, as a branch that can go both ways."""
        wanted = ("branch taken", "branch not taken") if branch else ("line",)
        return all((what, spot) in self._known for what in wanted)

    def never(self, spot: Spot, what: str = "line") -> bool:
        """Whether it was never run."""
        return not self._known.get((what, spot), True)


def find(world: World, ran: Ran) -> list[Removal]:
    """What can be removed, in the order in which threads reach the functions, then of the lines."""
    with configuration(world.configuration), applying(world.edits):
        typed = type_all(world)
        readers = [Reader(typed[f].source, typed) for f in _functions(world, typed)]
        found = [r for reader in readers for r in _of(reader, ran)]
        aside, breaks = (_calls(readers, kind) for kind in ("assertion", "lock break"))
    return [replace(r, aside=aside, breaks=breaks) if r.kind == "lock" and r.edits else r for r in found]


def _functions(world: World, typed: Typed) -> list[Function]:
    """The functions that threads run; properties' own are none of them, nor what primitives are made of."""
    found: dict[Function, None] = {}
    todo = [*(t.function for t in world.threads), *world.functions]
    while todo:
        function = todo.pop(0)
        if function not in found:
            found[function] = None
            # A put is a primitive, but the last one runs what it is for.
            whole = roles.is_primitive(function) and not roles.ends(function, "reference")
            todo = ([] if whole else typed[function].calls) + todo
    return [function for function in found if not roles.is_primitive(function)]


def _of(reader: Reader, ran: Ran) -> list[Removal]:
    # What the arguments of every call decide is not in the model.
    file = reader.source.filename
    checks = (g for g in guards(reader) if ran.has((file, g.at.lineno), branch=_branches(g.at)))
    others = (p for p in (*pairs(reader), *waits(reader)) if ran.has((file, p.at.lineno), branch=False))
    found = [*(_guard(reader, guard, ran) for guard in checks), *(_pair(reader, p, ran) for p in others)]
    return sorted(found, key=lambda r: r.line)


def _branches(node: ast.stmt) -> bool:
    return isinstance(node, (ast.If, ast.While))


def _guard(reader: Reader, guard: Guard, ran: Ran) -> Removal:
    spot = reader.source.filename, guard.at.lineno
    idle = _idle(ran, spot)
    if not idle and guard.fires is True and ran.never(spot, "branch taken"):
        idle = "never true"
    if not idle and guard.fires is False and ran.never(spot, "branch not taken"):
        idle = "never false"
    return _removal(reader, guard.kind, guard.at.lineno, guard.text, edits=(guard.edit,), idle=idle)


def _pair(reader: Reader, pair: Pair, ran: Ran) -> Removal:
    line = pair.at.lineno
    edits = tuple(edit(reader.file, s, text) for s, text in zip(pair.statements, pair.texts, strict=True))
    idle = "" if pair.refused else _idle(ran, (reader.source.filename, line))
    return _removal(reader, pair.kind, line, pair.text, edits=edits, refused=pair.refused, idle=idle)


def _removal(
    reader: Reader, kind: str, line: int, text: str, *, edits: Edits, refused: str = "", idle: str = ""
) -> Removal:
    name, file = reader.source.name, short(reader.source.filename)
    return Removal(kind, name, file, line, text, edits, refused=refused, idle=idle)


def _idle(ran: Ran, spot: Spot) -> str:
    return "never runs" if ran.never(spot) else ""


def _calls(readers: list[Reader], kind: roles.Kind) -> Edits:
    """Edits that remove every call of a function with this role."""

    def found() -> Iterator[Edits]:
        for reader in readers:
            for node in reader.statements():
                call = reader.call_of(node)
                if call is not None and roles.begins(reader.callee(call), kind):
                    yield (edit(reader.file, node, "pass"),)

    return tuple(part for edits in found() for part in edits)
