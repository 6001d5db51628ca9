"""Tables for accesses whose address is known only when running.

One 64-bit word per address tells what is there: the type of the cell, where its bits are, and the
status of its object. Address constants fold these look-ups away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lastput.compiler.steps import StateLayout
from lastput.compiler.valuesets import type_key
from lastput.lang.errors import UsageError
from lastput.lang.layout import Cell, Object
from lastput.lang.types import ScalarType, View

TYPE, FIELD, WORD, SHIFT, STATUS_WORD, STATUS_SHIFT, HAS_STATUS, CHANGES = 0, 8, 20, 32, 38, 50, 56, 57
"""Bit positions in an entry: 8 bits of type, 12 of the field, 12 + 6 for the cell's place, and so on."""
INIT_SHIFT, INIT_WORD = 1, 7
"""In an entry of `initialised`: bit 0 tells that the cell has such a bit, then where it is."""


@dataclass
class Facts:
    """What holds for all cells that one kind of access may reach, so that checks which cannot
    fail are left out. `shift` is where an entry has the number that must equal `number`."""

    number: int
    shift: int
    width: int
    any_status: bool = False
    any_init: bool = False
    any_fixed: bool = False
    """Some cell has one value only, which is in `values`."""

    def matches(self, entry: int) -> bool:
        """Whether the cell of this entry may be accessed so."""
        return entry >> self.shift & ((1 << self.width) - 1) == self.number


@dataclass
class Tables:
    """`entries`, `values` and `initialised`, by address; entry 0 is unmapped memory."""

    entries: list[int]
    values: list[int]
    initialised: list[int]
    types: dict[ScalarType | str, Facts] = field(default_factory=dict)
    fields: dict[View, Facts] = field(default_factory=dict)

    def of(self, kind: ScalarType, view: View) -> Facts:
        """Facts about the cells that an access through `view` (None: any of type `kind`) may reach."""
        if view is None:
            return self.types.setdefault(type_key(kind), Facts(len(self.types) + 1, TYPE, 8))
        return self.fields.setdefault(view, Facts(len(self.fields) + 1, FIELD, 12))


def build_tables(layout: StateLayout) -> Tables:
    """Entries for every cell of the world; UsageError if there are too many kinds of them to number."""
    size = layout.world.space.end + 1
    tables = Tables([0] * size, [0] * size, [0] * size)
    for placed in layout.world.space.objects:
        # A slot that no code allocates stays unborn: unmapped memory.
        for address, cell in layout.object_cells(placed) if exists(layout, placed) else ():
            _enter(tables, layout, placed, address, cell)
    if len(tables.types) >= 1 << 8 or len(tables.fields) >= 1 << 12 or layout.words > 1 << 12:
        raise UsageError(
            f"the model is too large: {len(tables.types)} types (255), {len(tables.fields)} fields (4095),"
            f" {layout.words} words of state (4096)"
        )
    return tables


def exists(layout: StateLayout, placed: Object) -> bool:
    """Whether the object is there in some state."""
    return placed.live or placed.base in layout.status


def _enter(tables: Tables, layout: StateLayout, placed: Object, address: int, cell: Cell) -> None:
    both = tables.of(cell.type, None), tables.of(cell.type, cell.view)
    place, init = layout.cells.get(address), layout.initialised.get(address)
    status = layout.status.get(placed.base)
    entry = sum(facts.number << facts.shift for facts in both)
    if place is not None:
        entry |= place.word << WORD | place.shift << SHIFT | 1 << CHANGES
    if status is not None:
        entry |= status.word << STATUS_WORD | status.shift << STATUS_SHIFT | 1 << HAS_STATUS
    if init is not None:
        tables.initialised[address] = init.word << INIT_WORD | init.shift << INIT_SHIFT | 1
    for facts in both:
        facts.any_fixed |= place is None
        facts.any_status |= status is not None
        facts.any_init |= init is not None
    tables.entries[address] = entry
    tables.values[address] = layout.fixed.get(address, 0)
