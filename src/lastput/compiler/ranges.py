"""Ranges: an interval for every register, so that a packed state spends few bits on it.

Interval analysis (Cousot and Cousot 1976), flow-insensitive: one interval per register, joined over
all its assignments and widened to 64 bits when it keeps growing. Loop counters carry their own
limits from lowering, which is where most of the precision comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lastput.compiler import ir
from lastput.compiler.arithmetic import HIGH, LOW
from lastput.compiler.ir import Flow, Operand, Reg
from lastput.lang.types import (
    BoolType,
    CellType,
    FnType,
    HoldersType,
    HolderType,
    IntType,
    PtrType,
    ScalarType,
)
from lastput.lang.world import World

Range = tuple[int, int]
PATIENCE = 8
"""Rounds of growth before an interval is widened."""


def cell_range(kind: ScalarType, world: World) -> Range:
    """Values that a cell of type `kind` can hold."""
    match kind:
        case IntType():
            if kind.limit is not None:
                return 0, kind.limit
            return (
                (-(1 << kind.bits - 1), (1 << kind.bits - 1) - 1)
                if kind.signed
                else (0, (1 << kind.bits) - 1)
            )
        case BoolType():
            return 0, 1
        case PtrType() | CellType():
            return 0, world.space.end
        case FnType():
            return 0, len(world.functions)
        case HolderType():
            return 0, len(world.threads)
        case HoldersType():
            return 0, (1 << len(world.threads)) - 1


def find_ranges(flow: Flow, world: World) -> dict[Reg, Range]:
    """An interval for every register of `flow` that is written."""
    ranges: dict[Reg, Range] = {}
    rounds = 0
    code = [(i, dst) for block in flow.blocks() for i in block.code if (dst := ir.writes(i)) is not None]
    readers: dict[Reg, list[int]] = {}
    for number, (instr, dst) in enumerate(code):
        for reg in {*ir.reads(instr), *_limits(dst)}:
            readers.setdefault(reg, []).append(number)
    stale = [True] * len(code)
    """Whether an operand has grown since the instruction was looked at: the others give what they gave."""
    while any(stale):
        rounds += 1
        for number, (instr, dst) in enumerate(code):
            if not stale[number]:
                continue
            stale[number] = False
            found = _result(instr, ranges, world)
            old = ranges.get(dst)
            new = found if old is None else (min(old[0], found[0]), max(old[1], found[1]))
            if new != old:
                ranges[dst] = new if rounds <= PATIENCE else _widen(old or new, new)
                for reader in readers.get(dst, ()):
                    stale[reader] = True
    return ranges


def _limits(dst: Reg) -> Iterator[Reg]:
    """Registers on which a loop's counter depends, besides what it is computed from."""
    return (limit for limit in (dst.loop or ())[:2] if isinstance(limit, Reg))


def _widen(old: Range, new: Range) -> Range:
    return (LOW if new[0] < old[0] else new[0], HIGH if new[1] > old[1] else new[1])


def _result(instr: ir.Instr, ranges: dict[Reg, Range], world: World) -> Range:
    def of(operand: Operand) -> Range:
        return (operand, operand) if isinstance(operand, int) else ranges.get(operand, (0, 0))

    dst = ir.writes(instr)
    if dst is not None and dst.loop is not None:
        start, stop, step = dst.loop
        return _counter(of(start), of(stop), step)
    match instr:
        case ir.Move():
            return of(instr.src)
        case ir.Binary():
            return _clamp(_BINARY[instr.op](of(instr.a), of(instr.b)))
        case ir.Wrap():
            low, high = cell_range(instr.type, world)
            a = of(instr.a)
            return a if low <= a[0] and a[1] <= high else (low, high)
        case ir.Element(checked=True):
            return 0, world.space.end
        case ir.Element():
            return _clamp(_element(of(instr.base), of(instr.index), instr))
        case ir.Load():
            return cell_range(instr.type, world)
        case ir.Alloc():
            return 0, world.space.end
        case ir.Choose():
            return 0, max(0, of(instr.count)[1] - 1)
    raise AssertionError(f"{instr} writes nothing")


def _counter(start: Range, stop: Range, step: int) -> Range:
    """A loop's counter inside the loop."""
    if step > 0:
        return start[0], max(start[1], stop[1] - 1)
    return min(start[0], stop[0] + 1), start[1]


def _element(base: Range, index: Range, instr: ir.Element) -> Range:
    """Addresses. A field of an object at the end of memory may lie beyond it."""
    if instr.count is not None:
        index = max(0, index[0]), min(instr.count - 1, index[1])
    return base[0] + index[0] * instr.stride, base[1] + index[1] * instr.stride


def _clamp(r: Range) -> Range:
    return max(LOW, r[0]), min(HIGH, r[1])


def _corners(f: Callable[[int, int], int]) -> Callable[[Range, Range], Range]:
    def apply(a: Range, b: Range) -> Range:
        values = [f(x, y) for x in a for y in b]
        return min(values), max(values)

    return apply


def _truth(a: Range, b: Range) -> Range:
    return 0, 1


def _divide(a: Range, b: Range) -> Range:
    if b[0] <= 0 <= b[1]:
        return -max(abs(a[0]), abs(a[1])), max(abs(a[0]), abs(a[1]))
    return _corners(lambda x, y: x // y)(a, b)


def _modulo(a: Range, b: Range) -> Range:
    if b[0] > 0:
        return 0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1
    bound = max(abs(b[0]), abs(b[1]))
    return -bound, bound


def _bits(a: Range, b: Range) -> Range:
    """Bounds of and/or/xor: the smallest power of two above both."""
    if a[0] < 0 or b[0] < 0:
        size = max(abs(v).bit_length() for v in (*a, *b)) + 1
        return -(1 << size), (1 << size) - 1
    return 0, (1 << max(a[1].bit_length(), b[1].bit_length())) - 1


def _and(a: Range, b: Range) -> Range:
    if a[0] >= 0 and b[0] >= 0:
        return 0, min(a[1], b[1])
    if a[0] >= 0 or b[0] >= 0:
        return 0, a[1] if a[0] >= 0 else b[1]
    return _bits(a, b)


def _shift_left(a: Range, b: Range) -> Range:
    top = min(max(b[1], 0), 64)
    return min(a[0], a[0] << top), max(a[1], a[1] << top)


def _shift_right(a: Range, b: Range) -> Range:
    return min(a[0], 0), max(a[1], 0)


_BINARY: dict[str, Callable[[Range, Range], Range]] = {
    "add": _corners(lambda x, y: x + y),
    "sub": _corners(lambda x, y: x - y),
    "mul": _corners(lambda x, y: x * y),
    "div": _divide,
    "mod": _modulo,
    "and": _and,
    "or": _bits,
    "xor": _bits,
    "shl": _shift_left,
    "shr": _shift_right,
    "min": _corners(min),
    "max": _corners(max),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _truth),
}
