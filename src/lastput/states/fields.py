"""The fields of objects, out of packed states: whole columns at a time.

The layout is that of `compiler.steps`; the words for a value are those of pictures (`evidence.objects`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastput.compiler.packing import Field
from lastput.compiler.steps import LIVE, StateLayout
from lastput.evidence.objects import Objects
from lastput.lang.layout import Cell, Object
from lastput.lang.types import BoolType, IntType
from lastput.simulate.memory import Memory

Rows = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Values:
    """A column: numbers, and where there is one. With `words`, a number is an index into them."""

    numbers: npt.NDArray[np.int64]
    known: Mask
    words: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Member:
    """A cell of an object, as a column. `kind` is integer, boolean or text."""

    name: str
    kind: str
    placed: Object
    cell: Cell
    address: int


class Fields:
    """The columns of a layout's objects."""

    def __init__(self, layout: StateLayout) -> None:
        self.layout = layout
        world = layout.world
        # Only what it says about the value of one cell is asked for: which other cells are live is all one.
        self._objects = Objects(world, Memory(world.space, {}, len(world.threads)))
        self._texts: dict[tuple[int, int], str] = {}

    def lives(self) -> list[Object]:
        """Objects that may be allocated or freed."""
        return [placed for placed in self.layout.world.space.objects if placed.base in self.layout.status]

    def members(self) -> list[Member]:
        """Every cell of every object that is ever live."""
        return [
            Member(f"{placed.name}.{cell.path}", _kind(cell), placed, cell, address)
            for placed in self.layout.world.space.objects
            if placed.live or placed.base in self.layout.status
            for address, cell in self.layout.object_cells(placed)
        ]

    def life(self, placed: Object, rows: Rows) -> Values:
        """Whether an object is allocated, freed, or was never allocated."""
        states = bits(self.layout.status[placed.base], rows)
        return Values(states, np.ones(len(rows), np.bool_), ("unborn", "live", "freed"))

    def values(self, member: Member, rows: Rows) -> Values:
        """What a cell holds; nothing where the object is not live, or the cell was never written."""
        raw = self.raw(member, rows)
        if member.kind != "text":
            return raw
        numbers = np.where(raw.known, raw.numbers, 0)
        low = int(numbers.min(initial=0))
        # These are addresses and numbers of functions and threads, all small: no need to sort.
        seen = np.zeros(int(numbers.max(initial=0)) - low + 1, np.bool_)
        seen[numbers - low] = True
        found = (np.flatnonzero(seen) + low).tolist()
        words = dict.fromkeys(self._text(member.address, value) for value in found)
        index = {word: number for number, word in enumerate(words)}
        codes = np.zeros(len(seen), np.int64)
        codes[seen] = [index[self._text(member.address, value)] for value in found]
        return Values(codes[numbers - low], raw.known, tuple(words))

    def raw(self, member: Member, rows: Rows) -> Values:
        """The same as the model's own numbers: addresses, numbers of functions and threads."""
        field = self.layout.cells.get(member.address)
        if field is None:
            numbers = np.full(len(rows), self.layout.fixed[member.address], np.int64)
        else:
            numbers = unpacked(field, rows)
        return Values(numbers, self._known(member, rows))

    def _known(self, member: Member, rows: Rows) -> Mask:
        known = np.ones(len(rows), np.bool_)
        status = self.layout.status.get(member.placed.base)
        if status is not None:
            known &= bits(status, rows) == LIVE
        written = self.layout.initialised.get(member.address)
        if written is not None:
            known &= bits(written, rows) == 1
        return known

    def _text(self, address: int, value: int) -> str:
        key = (address, value)
        if key not in self._texts:
            self._objects.memory.values[address] = value
            self._texts[key] = self._objects.content(address).text
        return self._texts[key]


def bits(field: Field, rows: Rows) -> npt.NDArray[np.int64]:
    """The bits of a field, unsigned, as a column."""
    column = (rows[:, field.word] >> np.uint64(field.shift)) & np.uint64(field.mask)
    return column.view(np.int64)


def unpacked(field: Field, rows: Rows) -> npt.NDArray[np.int64]:
    """The values of a field, as a column."""
    column = bits(field, rows)
    if field.values is not None:
        # Not every number of bits is the place of a value.
        table = np.array([*field.values, *[0] * (field.mask + 1 - len(field.values))], np.int64)
        return table[column]
    return column + np.int64(field.low)


def _kind(cell: Cell) -> str:
    match cell.type:
        case BoolType():
            return "boolean"
        case IntType():
            return "integer"
    return "text"
