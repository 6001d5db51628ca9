"""Steps: a thread's positions, and the layout of a whole state.

A position is a switch point of the thread's flow, or "done". Cells and registers that can have one
value only take no room in a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lastput.compiler import ir, packing
from lastput.compiler.ir import Block, Flow, Point, Reg
from lastput.compiler.liveness import live_at_points
from lastput.compiler.packing import Field, ThreadRecord, Words
from lastput.compiler.ranges import cell_range, find_ranges
from lastput.compiler.valuesets import ValueSets, type_key
from lastput.lang.layout import Cell, Object
from lastput.lang.world import ThreadSpec, World

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
    sets: ValueSets
    words: int = 0
    cells: dict[int, Field] = field(default_factory=dict)
    """Cells that can have more than one value."""
    fixed: dict[int, int] = field(default_factory=dict)
    """The value of every other cell."""
    stray: set[object] = field(default_factory=set)
    """Cells whose address is sometimes known only when running: see `stray_cells`."""
    initialised: dict[int, Field] = field(default_factory=dict)
    """One bit for each cell of `kmalloc`ed memory: it has been stored."""
    status: dict[int, Field] = field(default_factory=dict)
    """Objects that may be allocated or freed."""
    threads: list[ThreadProgram] = field(default_factory=list)

    def object_cells(self, placed: Object) -> list[tuple[int, Cell]]:
        """(address, cell) of every cell of an object."""
        return list(enumerate(self.world.space.layout.cells(placed.struct), placed.base))


def lay_out(world: World, flows: list[Flow], conditions: list[Flow], sets: ValueSets) -> StateLayout:
    """Positions of all threads, and bits of all cells. `conditions` are the flows of the properties."""
    layout, words = StateLayout(world, sets), Words()
    for spec, flow in zip(world.threads, flows, strict=True):
        layout.threads.append(_thread(spec, flow, layout, words))
    layout.stray = stray_cells([*flows, *conditions], sets)
    born = {i.struct for i in _all(flows) if isinstance(i, ir.Alloc)}
    raw = {i.struct for i in _all(flows) if isinstance(i, ir.Alloc) and not i.zero}
    for placed in world.space.objects:
        if placed.freeable and (placed.struct in born or may_be_freed(placed, flows, sets)):
            layout.status[placed.base] = Field(*words.take(2), 2)
        uninitialised = placed.struct in raw and not placed.live
        for address, cell in layout.object_cells(placed):
            _place_cell(layout, words, address, cell, uninitialised)
            if uninitialised:
                layout.initialised[address] = Field(*words.take(1), 1)
    layout.words = max(1, len(words.used))
    return layout


def _place_cell(layout: StateLayout, words: Words, address: int, cell: Cell, uninitialised: bool) -> None:
    values = layout.sets.cells[address]
    if values is not None and len(values) < 2 and not uninitialised:
        layout.fixed[address] = next(iter(values), 0)
        return
    # Cells that a stray pointer may reach have the shape of their type.
    named = {address, type_key(cell.type), cell.view}
    known = None if named & layout.stray else values
    form = packing.shape(cell_range(cell.type, layout.world), known)
    layout.cells[address] = form.at(*words.take(form.width))


def stray_cells(flows: list[Flow], sets: ValueSets) -> set[object]:
    """Cells that are accessed through a pointer with more than one target: addresses, and types
    (as `type_key`) all of whose cells may be meant."""
    found: set[object] = set()
    for instr in _all(flows):
        if isinstance(instr, (ir.Load, ir.Store)) and sets.constant(instr.address) is None:
            targets = sets.of(instr.address)
            found |= {instr.view or type_key(instr.type)} if targets is None else targets
    return found


def may_be_freed(placed: Object, flows: list[Flow], sets: ValueSets) -> bool:
    """Whether some `kfree` can be given the object's address."""
    frees = (sets.of(i.address) for i in _all(flows) if isinstance(i, ir.Free))
    return any(known is None or placed.base in known for known in frees)


def _all(flows: list[Flow]) -> Iterator[ir.Instr]:
    return (instr for flow in flows for block in flow.blocks() for instr in block.code)


def _thread(spec: ThreadSpec, flow: Flow, layout: StateLayout, words: Words) -> ThreadProgram:
    live, ranges = live_at_points(flow), find_ranges(flow, layout.world)
    positions: list[Position] = []
    for block in reached(flow, layout.sets):
        for index, instr in enumerate(block.code):
            if isinstance(instr, Point):
                needed = frozenset(r for r in live[id(instr)] if layout.sets.constant(r) is None)
                positions.append(Position(len(positions), instr, block, index, needed))
    shapes = {r: packing.shape(ranges[r], layout.sets.of(r) or None) for p in positions for r in p.live}
    places = packing.colour((p.live for p in positions), shapes)
    record = packing.thread_record(words, len(positions) + 1, places, shapes)
    return ThreadProgram(spec, flow, positions, record)


def reached(flow: Flow, sets: ValueSets) -> list[Block]:
    """Blocks that some execution may reach: not those behind a condition that never has that value.

    A third of a large model is such. Code is made for none of them; what is live does not depend on it, since
    it is part of what a state is.
    """
    seen: dict[Block, None] = {}
    stack = [flow.entry]
    while stack:
        block = stack.pop()
        if block not in seen:
            seen[block] = None
            last = block.code[-1]
            known = sets.constant(last.condition) if isinstance(last, ir.Branch) else None
            if isinstance(last, ir.Branch) and known is not None:
                stack.append(last.then if known else last.other)
            else:
                stack += reversed(block.successors())
    return list(seen)


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
        lines.append(f"         live {reg!r}: {f.width} bits{_meaning(f)}")
    return lines


def _show_object(layout: StateLayout, placed: Object) -> list[str]:
    lines = [f"object {placed.name}: struct {placed.struct.name} at {placed.base}"]
    if placed.base in layout.status:
        lines.append("         status: 2 bits")
    for address, cell in layout.object_cells(placed):
        f = layout.cells.get(address)
        room = f"word {f.word} bit {f.shift}, {f.width} bits{_meaning(f)}" if f else "never changes"
        lines.append(f"  {address:>4} {cell.path}: {cell.type}; {room}")
    return lines


def _meaning(f: Field) -> str:
    return f" for {', '.join(map(str, f.values))}" if f.values else f" from {f.low}"
