"""A permutation as it acts on packed states: bits that move as they are, and fields that are translated.

Most bits only move. A field whose code changes with the permutation (an address of an object that moves, the
number of a thread that does) is translated by a table. What a code stands for can depend on more: a register
shares its bits with others, so which one is there is a matter of the thread's position; a freed object has
all bits zero, whatever zero would mean in a live one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lastput.compiler import ir
from lastput.compiler.ir import Reg
from lastput.compiler.packing import Field
from lastput.compiler.reduce.automorphism import Program, Refused, pairs
from lastput.compiler.reduce.kinds import Kind, kind_of
from lastput.compiler.reduce.permutation import Permutation
from lastput.compiler.steps import LIVE, UNBORN, StateLayout, ThreadProgram
from lastput.compiler.valuesets import ValueSet
from lastput.lang.layout import Object

_WIDEST = 12
"""Bits of a field that a table translates."""

Place = tuple[int, int]
"""A word and a bit in it."""


@dataclass(frozen=True)
class Translation:
    """The code in `source` becomes `table[code]` in `target`, if the selector's code is in `when`."""

    source: Field
    target: Field
    table: tuple[int, ...]
    selector: Field | None = None
    when: frozenset[int] = frozenset()


@dataclass
class Moves:
    """What a permutation does to a packed state. A bit that is in no field is zero, and stays."""

    bits: dict[Place, Place] = field(default_factory=dict)
    translations: list[Translation] = field(default_factory=list)

    def shifts(self) -> dict[tuple[int, int, int], int]:
        """Bits that move together: (from word, to word, shift to the left) with the mask of those bits."""
        found: dict[tuple[int, int, int], int] = {}
        for (word, bit), (after, position) in self.bits.items():
            key = word, after, position - bit
            found[key] = found.get(key, 0) | 1 << bit
        return found

    def move(self, source: Field, target: Field) -> None:
        """All bits of one field go to another; Refused if they cannot."""
        if source.width != target.width:
            raise Refused("fields of different widths would change places")
        for i in range(source.width):
            here, there = (source.word, source.shift + i), (target.word, target.shift + i)
            if self.bits.setdefault(here, there) != there:
                raise Refused("registers that share bits would part")


def moves(program: Program, layout: StateLayout, p: Permutation) -> Moves:
    """How `p` acts on states of this layout. Refused if their fields do not allow it."""
    made = Moves()
    for thread in layout.threads:
        _thread(program, made, layout, thread, layout.threads[p.threads[thread.spec.index]], p)
    for placed in layout.world.space.objects:
        _object(made, layout, placed, p)
    return made


def _thread(
    program: Program,
    made: Moves,
    layout: StateLayout,
    thread: ThreadProgram,
    other: ThreadProgram,
    p: Permutation,
) -> None:
    sets = layout.sets
    made.move(thread.record.position, other.record.position)
    twin = dict(_twins(thread, other))
    for reg, source in thread.record.registers.items():
        target = other.record.registers.get(twin[reg])
        if target is None:
            raise Refused("a register is constant in one thread only")
        kind = program.kinds.of(reg)
        _same_values(kind, sets.of(reg), sets.of(twin[reg]), p)
        if reg in program.kinds.picked:
            raise Refused("a bit of a mask is kept over a switch")
        when = frozenset(at.number for at in thread.positions if reg in at.live)
        selector = thread.record.position
        _field(made, kind, sets.of(reg), source, target, p, selector, when)


def _twins(thread: ThreadProgram, other: ThreadProgram) -> Iterator[tuple[Reg, Reg]]:
    """Registers of a thread with those of the thread that it becomes."""
    for one, two in pairs(thread.flow, other.flow):
        here, there = ir.writes(one), ir.writes(two)
        if here is not None and there is not None:
            yield here, there


def _object(made: Moves, layout: StateLayout, placed: Object, p: Permutation) -> None:
    status = layout.status.get(placed.base)
    for address, cell in layout.object_cells(placed):
        after = p.address(address)
        _field_pair(made, layout.initialised.get(address), layout.initialised.get(after))
        source, target = layout.cells.get(address), layout.cells.get(after)
        kind = kind_of(cell.type)
        if source is None or target is None:
            same = source is target and p.value(kind, layout.fixed[address]) == layout.fixed[after]
            if not same:
                raise Refused(f"{placed.name}.{cell.path} is constant in one place only")
            continue
        _same_values(kind, layout.sets.cells[address], layout.sets.cells[after], p)
        _field(made, kind, layout.sets.cells[address], source, target, p, status, None)
    if status is not None:
        owner = layout.world.space.find(p.address(placed.base))
        assert owner is not None
        _field_pair(made, status, layout.status.get(owner.base))


def _same_values(kind: Kind, values: ValueSet, others: ValueSet, p: Permutation) -> None:
    """What one place can hold is, moved, what the other can: so every product of permutations fits, too."""
    if (None if values is None else {p.value(kind, v) for v in values}) != others:
        raise Refused("places that would change can hold different values")


def _field_pair(made: Moves, source: Field | None, target: Field | None) -> None:
    """Bits without a kind: status, and whether a cell was written."""
    if source is None and target is None:
        return
    if source is None or target is None:
        raise Refused("objects that would change places are not kept alike")
    made.move(source, target)


def _field(
    made: Moves,
    kind: Kind,
    values: ValueSet,
    source: Field,
    target: Field,
    p: Permutation,
    selector: Field | None,
    when: frozenset[int] | None,
) -> None:
    """A field goes to another, its value with it. `when` is None for a cell, whose selector is the status
    of its object."""
    table = _table(kind, values or None, source, target, p)
    if when is not None or table is None:
        made.move(source, target)
    if table is None:
        return
    if when is not None:
        made.translations.append(Translation(source, target, table, selector, when))
    elif kind == "threads" and source.values is None and source.low == target.low == 0:
        _mask_bits(made, source, target, p)
    elif selector is None or table[0] == 0:
        made.translations.append(Translation(source, target, table))
    else:
        made.translations.append(Translation(source, target, table, selector, frozenset((UNBORN, LIVE))))


def _mask_bits(made: Moves, source: Field, target: Field, p: Permutation) -> None:
    for i, thread in enumerate(p.threads[: source.width]):
        if thread >= target.width:
            raise Refused("fields of different widths would change places")
        one = replace(source, shift=source.shift + i, width=1)
        made.move(one, replace(target, shift=target.shift + thread, width=1))


def _table(
    kind: Kind, values: ValueSet, source: Field, target: Field, p: Permutation
) -> tuple[int, ...] | None:
    """Code in `target` for each code in `source`; None if they are the same. Codes of values that never
    occur become 0. Refused if a value has no code."""
    alike = (source.width, source.low, source.values) == (target.width, target.low, target.values)
    if alike and p.fixes(kind, None):
        return None
    if source.width > _WIDEST:
        if alike and kind == "number":
            return None
        raise Refused(f"a field of {source.width} bits is too wide to translate")
    table, same = [0] * (1 << source.width), source.width == target.width
    for code in range(1 << source.width):
        value = _value(source, code)
        if value is None or (values is not None and value not in values):
            continue
        table[code] = _code(target, p.value(kind, value))
        same &= table[code] == code
    return None if same else tuple(table)


def _value(f: Field, code: int) -> int | None:
    """What a code stands for; None for a code that is not used."""
    if f.values is None:
        return code + f.low
    return f.values[code] if code < len(f.values) else None


def _code(f: Field, value: int) -> int:
    code = value - f.low if f.values is None else f.values.index(value) if value in f.values else -1
    if not 0 <= code <= f.mask:
        raise Refused("a value would have no place where it goes")
    return code
