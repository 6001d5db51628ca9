"""Steps: a thread's positions, and the layout of a whole state.

A position is a switch point of the thread's flow, or "done". Cells of fields that no code ever
stores keep their initial value and take no room in a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lastput.compiler import ir, packing
from lastput.compiler.ir import Block, Flow, Point, Reg
from lastput.compiler.liveness import live_at_points
from lastput.compiler.packing import Field, ThreadRecord, Words
from lastput.compiler.ranges import Range, cell_range, find_ranges
from lastput.compiler.tree import Function, ValueType
from lastput.lang.layout import Cell, Object
from lastput.lang.types import CellType, StructDef
from lastput.lang.world import ThreadSpec, World

FieldId = tuple[StructDef, str]

UNBORN, LIVE, FREED = 0, 1, 2
"""Status of an object that can be allocated or freed."""


@dataclass
class Position:
    """A switch point: its number in the thread, and where it stands."""

    number: int
    point: Point
    block: Block
    index: int
    live: frozenset[Reg]


@dataclass
class ThreadProgram:
    """A thread ready for code generation. Position `len(positions)` means done."""

    spec: ThreadSpec
    flow: Flow
    positions: list[Position]
    ranges: dict[Reg, Range]
    record: ThreadRecord

    @property
    def done(self) -> int:
        return len(self.positions)

    def at(self, point: Point) -> Position:
        """The position whose switch point is `point`."""
        return self._by_point[id(point)]

    def __post_init__(self) -> None:
        self._by_point = {id(p.point): p for p in self.positions}


@dataclass
class StateLayout:
    """Where everything is. Maps are by address of the cell, or by base address of the object."""

    world: World
    words: int = 0
    cells: dict[int, Field] = field(default_factory=dict)
    """Cells that code may change."""
    initialised: dict[int, Field] = field(default_factory=dict)
    """One bit for each cell of `kmalloc`ed memory: it has been stored."""
    status: dict[int, Field] = field(default_factory=dict)
    """Objects that may be allocated or freed."""
    threads: list[ThreadProgram] = field(default_factory=list)

    def object_cells(self, placed: Object) -> list[tuple[int, Cell]]:
        """(address, cell) of every cell of an object."""
        return list(enumerate(self.world.space.layout.cells(placed.struct), placed.base))


def lay_out(world: World, flows: list[Flow], functions: Iterable[Function]) -> StateLayout:
    """Positions of all threads and bits of all cells."""
    layout, words = StateLayout(world), Words()
    for spec, flow in zip(world.threads, flows, strict=True):
        layout.threads.append(_thread(spec, flow, world, words))
    written = changing_fields(flows, functions) | aliased_fields(layout, functions)
    born = {i.struct for i in _all(flows) if isinstance(i, ir.Alloc)}
    raw = {i.struct for i in _all(flows) if isinstance(i, ir.Alloc) and not i.zero}
    freed = freed_structs(flows, functions)
    for placed in world.space.objects:
        if placed.freeable and (placed.struct in born or _starts_with(placed.struct, freed)):
            layout.status[placed.base] = Field(*words.take(2), 2)
        uninitialised = placed.struct in raw and not placed.live
        for address, cell in layout.object_cells(placed):
            if (cell.owner, cell.field.name) in written or uninitialised:
                width = packing.width_of(cell_range(cell.type, world))
                low = packing.low_of(cell_range(cell.type, world))
                layout.cells[address] = Field(*words.take(width), width, low)
            if uninitialised:
                layout.initialised[address] = Field(*words.take(1), 1)
    layout.words = max(1, len(words.used))
    return layout


def changing_fields(flows: list[Flow], functions: Iterable[Function]) -> set[FieldId]:
    """Fields that code may store to, directly or through an alias."""
    written = {i.owner for i in _all(flows) if isinstance(i, ir.Store) and i.owner is not None}
    for function in functions:
        written |= function.refs
        for old, new in function.casts:
            written |= {(s, name) for s in (old, new) for name in s.fields()}
    return written


def aliased_fields(layout: StateLayout, functions: Iterable[Function]) -> set[FieldId]:
    """Fields that the set-up took the address of: a `T *` in memory or among a thread's arguments."""
    world = layout.world
    params: dict[object, list[ValueType]] = {
        f.source.function: [kind for _, kind in f.params] for f in functions
    }
    taken = {
        argument
        for spec in world.threads
        for argument, kind in zip(spec.args, params.get(spec.function, []), strict=False)
        if isinstance(kind, CellType)
    }
    for placed in world.space.objects:
        if placed.live:
            cells = layout.object_cells(placed)
            taken |= {world.memory[at] for at, cell in cells if isinstance(cell.type, CellType)}
    targets = [(target, world.space.find(target)) for target in taken]
    aliased = [dict(layout.object_cells(placed))[target] for target, placed in targets if placed is not None]
    return {(cell.owner, cell.field.name) for cell in aliased}


def freed_structs(flows: list[Flow], functions: Iterable[Function]) -> set[StructDef]:
    """Structs that `kfree` may get a pointer to, by their own type or seen as another."""
    freed = {i.struct for i in _all(flows) if isinstance(i, ir.Free)}
    for function in functions:
        for old, new in function.casts:
            freed |= {old, new} if freed & {old, new} else set()
    return freed


def _starts_with(struct: StructDef, freed: set[StructDef]) -> bool:
    """`struct`, or what it embeds at its start, is in `freed`: they share an address."""
    first: object = struct
    while isinstance(first, StructDef):
        if first in freed:
            return True
        members: list[object] = [f.type for f in first.fields().values()]
        first = members[0]
    return False


def _all(flows: list[Flow]) -> Iterator[ir.Instr]:
    return (instr for flow in flows for block in flow.blocks() for instr in block.code)


def _thread(spec: ThreadSpec, flow: Flow, world: World, words: Words) -> ThreadProgram:
    live, ranges = live_at_points(flow), find_ranges(flow, world)
    positions: list[Position] = []
    for block in flow.blocks():
        for index, instr in enumerate(block.code):
            if isinstance(instr, Point):
                positions.append(Position(len(positions), instr, block, index, live[id(instr)]))
    places = packing.colour((p.live for p in positions), ranges)
    record = packing.thread_record(words, len(positions) + 1, places, ranges)
    return ThreadProgram(spec, flow, positions, ranges, record)


def show(layout: StateLayout) -> str:
    """Positions and bits as text, for `lastput compile --emit steps`."""
    lines = [f"state: {layout.words} words of 64 bits"]
    for program in layout.threads:
        record = program.record.position
        lines.append(
            f"thread {program.spec.index} {program.spec.name}: {len(program.positions)} positions,"
            f" position in word {record.word} bits {record.shift}..{record.shift + record.width - 1}"
        )
        for position in program.positions:
            lines += _show_position(program, position)
    for placed in layout.world.space.objects:
        lines += _show_object(layout, placed)
    return "\n".join(lines)


def _show_position(program: ThreadProgram, position: Position) -> list[str]:
    at = position.point.where
    calls = " < ".join(f"{f.function}:{f.line}" for f in at.stack)
    lines = [f"  {position.number:>4} {position.point.kind:<28} {calls}"]
    for reg in sorted(position.live, key=lambda r: r.index):
        f = program.record.registers[reg]
        lines.append(f"         live {reg!r} in {program.ranges[reg]}, {f.width} bits")
    return lines


def _show_object(layout: StateLayout, placed: Object) -> list[str]:
    lines = [f"object {placed.name}: struct {placed.struct.name} at {placed.base}"]
    if placed.base in layout.status:
        lines.append("         status: 2 bits")
    for address, cell in layout.object_cells(placed):
        f = layout.cells.get(address)
        room = f"word {f.word} bit {f.shift}, {f.width} bits" if f else "never changes"
        lines.append(f"  {address:>4} {cell.path}: {cell.type}; {room}")
    return lines
