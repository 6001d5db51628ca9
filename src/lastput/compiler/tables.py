"""Tables for accesses whose address is known only when running.

One 64-bit word per address tells what is there: the type of the cell, where its bits are, and the
status of its object. Address constants fold these look-ups away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lastput.compiler.steps import StateLayout
from lastput.lang.types import PtrType, ScalarType

TYPE, WORD, SHIFT, STATUS_WORD, STATUS_SHIFT, HAS_STATUS = 0, 8, 20, 26, 38, 44
INIT_WORD, INIT_SHIFT, HAS_INIT, CHANGES = 45, 55, 61, 62
"""Bit positions in an entry: 8 bits of type, then 12 + 6 for the cell, and so on."""


def type_key(kind: ScalarType) -> ScalarType | str:
    """Cells of one key may be accessed as each other: all pointers to structs are alike."""
    return "pointer" if isinstance(kind, PtrType) else kind


@dataclass
class Facts:
    """What holds for all cells of one type, so that checks which cannot fail are left out."""

    number: int
    any_status: bool = False
    any_init: bool = False
    any_fixed: bool = False
    """Some cell never changes, so that its value is in `values`."""


@dataclass
class Tables:
    """`entries[address]` and `values[address]`; entry 0 is unmapped memory."""

    entries: list[int]
    values: list[int]
    facts: dict[ScalarType | str, Facts] = field(default_factory=dict)

    def of(self, kind: ScalarType) -> Facts:
        """Facts about cells of type `kind`, whether or not any exists."""
        return self.facts.setdefault(type_key(kind), Facts(len(self.facts) + 1))


def build_tables(layout: StateLayout) -> Tables:
    """Entries for every cell of the world."""
    world = layout.world
    tables = Tables([0] * (world.space.end + 1), [0] * (world.space.end + 1))
    for placed in world.space.objects:
        status = layout.status.get(placed.base)
        for address, cell in layout.object_cells(placed):
            facts = tables.of(cell.type)
            entry = facts.number << TYPE
            tables.values[address] = world.memory.get(address, 0)
            place, init = layout.cells.get(address), layout.initialised.get(address)
            if place is not None:
                entry |= place.word << WORD | place.shift << SHIFT | 1 << CHANGES
            else:
                facts.any_fixed = True
            if status is not None:
                entry |= status.word << STATUS_WORD | status.shift << STATUS_SHIFT | 1 << HAS_STATUS
                facts.any_status = True
            if init is not None:
                entry |= init.word << INIT_WORD | init.shift << INIT_SHIFT | 1 << HAS_INIT
                facts.any_init = True
            tables.entries[address] = entry
    return tables
