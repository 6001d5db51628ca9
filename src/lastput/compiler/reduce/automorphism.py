"""Whether a permutation of threads and objects leaves a model as it is.

If it maps the initial state to itself, and every thread's program to that of the thread it becomes, then it
maps steps to steps: states that differ by it are violated, deadlocked, finished alike, and one of them is
enough (Ip and Dill, "Better Verification Through Symmetry", 1996; Clarke, Enders, Filkorn and Jha,
"Exploiting Symmetry in Temporal Logic Model Checking", 1996). Where they ask the user for a type, the
scalarset, whose values are only stored, compared for equality and used as an index, here a permutation is
tried and checked: calls are inlined and arguments folded, so a thread's program names its own objects and its
own number as constants, and two programs are compared instruction by instruction. Whatever cannot be shown to
commute with the permutation refuses it: an ordering of addresses, arithmetic on them, a thread's number used
as a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from lastput.compiler import ir
from lastput.compiler.ir import Flow, Operand, Reg
from lastput.compiler.reduce.kinds import BITWISE, EQUALITY, Kind, Kinds, kind_of
from lastput.compiler.reduce.permutation import Permutation
from lastput.compiler.valuesets import ValueSets
from lastput.lang.layout import Object
from lastput.lang.world import World

_MOST_ELEMENTS = 256
"""Elements of an array looked at one by one."""


class Refused(Exception):
    """Why a permutation cannot be used, in a line."""


@dataclass(frozen=True)
class Program:
    """What must be mapped to itself: flows by thread, flows by property, and what is known of values."""

    world: World
    threads: list[Flow]
    properties: list[Flow]
    sets: ValueSets
    kinds: Kinds


Roles = tuple[tuple[str, Kind], ...]
"""Names of an instruction's operands, with their kinds."""


def operands(program: Program, instr: ir.Instr) -> Roles:
    """Operands of an instruction that may be constants, and the kind that a constant there has."""
    kinds = program.kinds
    match instr:
        case ir.Move():
            return (("src", kinds.of(instr.dst)),)
        case ir.Binary():
            if instr.op == "shr" and instr.dst in kinds.shifted:
                return (("a", kinds.of(instr.a)),)
            structural = instr.op in EQUALITY or (instr.op in BITWISE and instr.a not in kinds.shifted)
            kind = kinds.common(instr.a, instr.b) if structural else "number"
            return (("a", kind), ("b", kind))
        case ir.Wrap():
            return (("a", "number"),)
        case ir.Element():
            return (("base", "address"), ("index", "number"))
        case ir.Load():
            return (("address", "address"),)
        case ir.Store():
            return (("address", "address"), ("value", kind_of(instr.type)))
        case ir.Free():
            return (("address", "address"),)
        case ir.Choose():
            return (("count", "number"),)
        case ir.Guard() | ir.Branch():
            return (("condition", kinds.of(instr.condition)),)
        case ir.End():
            return () if instr.result is None else (("result", kinds.of(instr.result)),)
    return ()


def check(program: Program, p: Permutation) -> tuple[int, ...]:
    """Refused unless `p` maps the model to itself. Returns what becomes of each property."""
    _check_memory(program.world, p)
    for thread, flow in enumerate(program.threads):
        world, target = program.world, p.threads[thread]
        if world.threads[thread].daemon != world.threads[target].daemon:
            raise Refused(f"only one of {_name(world, thread)} and {_name(world, target)} is a daemon")
        _check_flow(program, flow, program.threads[target], p)
    return tuple(_property(program, number, p) for number in range(len(program.properties)))


def _name(world: World, thread: int) -> str:
    return world.threads[thread].name


def _property(program: Program, number: int, p: Permutation) -> int:
    """The property that `number` becomes: itself, or another of the same kind."""
    named = program.world.properties
    reason = Refused()
    for other in sorted(range(len(named)), key=lambda n: n != number):
        if named[other].kind != named[number].kind:
            continue
        try:
            _check_flow(program, program.properties[number], program.properties[other], p)
        except Refused as refused:
            reason = refused if other == number else reason
        else:
            return other
    raise Refused(f"{named[number].kind} {named[number].name}: {reason}")


# -- memory ------------------------------------------------------------------------------------


def _check_memory(world: World, p: Permutation) -> None:
    space = world.space
    if sorted(p.addresses) != sorted(p.addresses.values()):
        raise Refused("not a permutation of addresses")
    for placed in space.objects:
        _check_object(world, placed, p)


def _check_object(world: World, placed: Object, p: Permutation) -> None:
    """The object becomes one like it: each cell one like it with the same content, moved; its end an end."""
    after = [p.address(a) for a in range(placed.base, placed.base + placed.size + 1)]
    other = _owner(world, after[0])
    alike = (other.struct, other.live, other.freeable, other.slot < 0)
    if alike != (placed.struct, placed.live, placed.freeable, placed.slot < 0):
        raise Refused(f"{placed.name} and {other.name} are not alike")
    end = other.base + other.size
    if after[-1] != end or not all(other.base <= a < end for a in after[:-1]):
        raise Refused(f"{placed.name} would be torn")
    if placed.freeable and after[0] != other.base:
        raise Refused(f"{placed.name} would not begin where it is freed")
    cells = world.space.layout.cells(placed.struct)
    for cell, address in zip(cells, after, strict=False):
        image = cells[address - other.base]
        if (cell.view, cell.type) != (image.view, image.type):
            raise Refused(f"{placed.name}: {cell.path} and {image.path} are not alike")
    if placed.live:
        for offset, cell in enumerate(cells):
            value = world.memory[placed.base + offset]
            if p.value(kind_of(cell.type), value) != world.memory[after[offset]]:
                raise Refused(f"{placed.name}.{cell.path} tells {_moved(world, p)} apart")


def _owner(world: World, address: int) -> Object:
    for placed in world.space.objects:
        if placed.base <= address <= placed.base + placed.size:
            return placed
    raise Refused(f"there is nothing at {address}")


def _moved(world: World, p: Permutation) -> str:
    """What a permutation interchanges, in words."""
    threads = [t.name for t in world.threads if p.threads[t.index] != t.index]
    objects = [o.name for o in world.space.objects if p.address(o.base) != o.base]
    return " and ".join(threads or objects or ["elements of an array"])


# -- programs ----------------------------------------------------------------------------------


def _check_flow(program: Program, flow: Flow, other: Flow, p: Permutation) -> None:
    """Refused unless `other` is what `p` makes of `flow`."""
    registers: dict[Reg, Reg] = {}
    for one, two in pairs(flow, other):
        for name, kind in operands(program, one):
            _check_operand(program, one, two, name, kind, p)
        _check_registers(program, one, two, registers)
        _check_meaning(program, one, p)
        if isinstance(one, ir.Binary) and isinstance(two, ir.Binary) and one.dst in program.kinds.shifted:
            _check_bit_test(program, one, two, p)
    if len(set(registers.values())) != len(registers):
        raise Refused(f"{flow.name} and {other.name} differ")


def pairs(flow: Flow, other: Flow) -> Iterator[tuple[ir.Instr, ir.Instr]]:
    """The instructions of two flows of one shape, side by side; Refused if the shapes differ."""
    blocks, others = flow.blocks(), other.blocks()
    number = {block: n for n, block in enumerate(blocks)}
    twin = {block: n for n, block in enumerate(others)}
    if len(blocks) != len(others):
        raise Refused(f"{flow.name} and {other.name} differ")
    for a, b in zip(blocks, others, strict=True):
        exits = [number[x] for x in a.successors()], [twin[x] for x in b.successors()]
        if len(a.code) != len(b.code) or exits[0] != exits[1]:
            raise Refused(f"{flow.name} and {other.name} differ after {a.code[0].where.frame.function}")
        for one, two in zip(a.code, b.code, strict=True):
            if type(one) is not type(two) or _fixed_parts(one) != _fixed_parts(two):
                raise Refused(f"{flow.name} and {other.name} differ {at(one)}")
            yield one, two


def _fixed_parts(instr: ir.Instr) -> list[object]:
    """What an instruction consists of besides operands, the blocks it goes to and its place."""
    skipped = (int, Reg, ir.Block, ir.Where)
    parts = [getattr(instr, f.name) for f in fields(instr)]
    known: list[object] = []
    known += [instr.stride, instr.count, instr.checked] if isinstance(instr, ir.Element) else []
    known += [instr.place] if isinstance(instr, ir.Cover) else []
    known += [instr.zero] if isinstance(instr, ir.Alloc) else []
    return [part for part in parts if not isinstance(part, skipped)] + known


def at(instr: ir.Instr) -> str:
    """Where an instruction stands, in words."""
    frame = instr.where.frame
    return f"in {frame.function}, line {frame.line}"


def _check_operand(
    program: Program, one: ir.Instr, two: ir.Instr, name: str, kind: Kind, p: Permutation
) -> None:
    a, b = getattr(one, name), getattr(two, name)
    if isinstance(a, int) != isinstance(b, int):
        raise Refused(f"the programs differ {at(one)}")
    if not isinstance(a, int):
        return
    if kind == "mixed":
        if not p.fixes(kind, frozenset((a, b))) or a != b:
            raise Refused(f"values of several kinds meet {at(one)}")
    elif p.value(kind, a) != b:
        what = {"number": "a number", "address": "an object"}.get(kind, "a thread")
        raise Refused(f"{what} is named {at(one)}")


def _check_registers(program: Program, one: ir.Instr, two: ir.Instr, registers: dict[Reg, Reg]) -> None:
    """Registers of one program stand for registers of the other, of the same kind."""
    kinds = program.kinds
    for f in fields(one):
        a, b = getattr(one, f.name), getattr(two, f.name)
        if not isinstance(a, Reg):
            continue
        if registers.setdefault(a, b) is not b or kinds.of(a) != kinds.of(b):
            raise Refused(f"the programs differ {at(one)}")


def _check_meaning(program: Program, instr: ir.Instr, p: Permutation) -> None:
    """What the instruction computes commutes with `p`."""
    match instr:
        case ir.Move():
            _plain(program, p, instr, instr.dst, only=("mixed",))
        case ir.Binary() if instr.op in EQUALITY:
            _plain(program, p, instr, instr.a, instr.b, only=("mixed",))
        case ir.Binary() if instr.op == "and" and instr.a in program.kinds.shifted:
            pass  # the bit was picked where it was shifted
        case ir.Binary() if instr.op in BITWISE:
            _plain(program, p, instr, instr.a, instr.b, instr.dst, only=("mixed", "address", "holder"))
        case ir.Binary() if instr.dst in program.kinds.shifted:
            pass  # `_check_bit_test` has both programs
        case ir.Binary():
            _plain(program, p, instr, instr.a, instr.b, instr.dst)
        case ir.Wrap():
            _plain(program, p, instr, instr.a, instr.dst)
        case ir.Choose():
            _plain(program, p, instr, instr.count, instr.dst)
        case ir.Load():
            _plain(program, p, instr, instr.dst, only=("mixed",))
        case ir.Store():
            _plain(program, p, instr, instr.value, only=("mixed",))
        case ir.Element():
            _plain(program, p, instr, instr.index)
            _check_element(program, instr, p)


def _plain(
    program: Program,
    p: Permutation,
    instr: ir.Instr,
    *used: Operand,
    only: tuple[Kind, ...] = ("mixed", "address", "holder", "threads"),
) -> None:
    """Operands of the kinds `only` are not moved: the instruction treats them as numbers."""
    for operand in used:
        kind = program.kinds.of(operand)
        if isinstance(operand, Reg) and kind in only and not p.fixes(kind, program.sets.of(operand)):
            what = {"address": "an address", "mixed": "a value of several kinds"}.get(kind, "a thread")
            raise Refused(f"{what} is used as a number {at(instr)}")


def _check_bit_test(program: Program, one: ir.Binary, two: ir.Binary, p: Permutation) -> None:
    """`(mask >> thread) & 1`: the other program shifts by what the thread becomes."""
    kind, threads = program.kinds.of(one.a), p.threads
    assert isinstance(one.b, int)
    wanted = threads[one.b] if kind == "threads" and 0 <= one.b < len(threads) else one.b
    if wanted != two.b:
        raise Refused(f"a thread is named {at(one)}")
    if kind not in ("threads", "number"):
        _plain(program, p, one, one.a)


def _check_element(program: Program, instr: ir.Element, p: Permutation) -> None:
    """Address arithmetic gives the moved result for the moved base."""
    if not p.addresses:
        return
    bases, indices = program.sets.of(instr.base), program.sets.of(instr.index)
    if indices is None and instr.count is not None and instr.count <= _MOST_ELEMENTS:
        indices = frozenset(range(instr.count))
    if bases is None or indices is None:
        raise Refused(f"an address is computed of too many values {at(instr)}")
    for base in bases:
        for index in indices:
            if instr.count is not None and not 0 <= index < instr.count:
                continue
            offset = index * instr.stride
            if p.address(base + offset) != p.address(base) + offset:
                raise Refused(f"elements that would be interchanged are told apart {at(instr)}")
