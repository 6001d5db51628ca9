"""A thread's step seen through a few cells: what it makes of their values, on every path.

A *group* of cells is known, everything else is not: a step becomes a relation from values of the group to
values behind it. This is Cartesian predicate abstraction's little brother, with the values themselves for
predicates (Ball, Podelski and Rajamani, "Boolean and Cartesian Abstraction for Model Checking C Programs",
TACAS 2001). Nothing is assumed about locks: how a lock behaves is what its steps do with its cells.

A register is known, or unknown; and it is *tainted* if it was computed from a cell of the group. A path is
told by all that depends on the group: the decisions taken, and the tainted values that it lets out, into
other cells or into registers that outlive the step. A path is *opaque* when such a value is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from lastput.compiler import arithmetic, ir
from lastput.compiler.ir import Block, Operand, Point, Reg
from lastput.compiler.ranges import cell_range
from lastput.compiler.reduce.footprint import Cells
from lastput.compiler.steps import StateLayout, ThreadProgram
from lastput.lang.layout import Object
from lastput.lang.types import BoolType, HolderType, IntType, ScalarType

Gone = Literal["unborn", "freed"]
Value = int | Gone
"""Of a cell; a word where its object is not live."""
Values = tuple[Value, ...]
"""Of the cells of a group."""

MOST_PATHS = 256
MOST_INSTRUCTIONS = 4000
MOST_VALUES = 64
"""A store of an unknown value tries all values of a cell, if they are so few."""


class TooMany(Exception):
    """The step has too many paths to look at: nothing is known about this group."""


@dataclass(frozen=True)
class Outcome:
    """One path through a step."""

    kind: Literal["step", "fail", "blocked"]
    after: Values
    written: frozenset[int]
    """Members of the group, by position in it, that were stored to."""
    exit: int
    """Position behind a step; -1 for others."""
    path: tuple[object, ...]
    opaque: bool
    may_fail: bool
    """The path may end in a violation before its end, depending on what is not known."""


@dataclass(frozen=True)
class Known:
    """A register: its value, if known, and whether the group has a part in it."""

    value: int | None
    tainted: bool = False


@dataclass
class _Path:
    block: Block
    index: int
    values: Values
    registers: dict[Reg, Known] = field(default_factory=dict)
    path: tuple[object, ...] = ()
    written: frozenset[int] = frozenset()
    opaque: bool = False
    may_fail: bool = False

    def fork(self) -> _Path:
        return replace(self, registers=dict(self.registers))


class Projection:
    """Steps of `program` as a relation over the cells `group`."""

    def __init__(self, cells: Cells, program: ThreadProgram, group: tuple[int, ...]) -> None:
        self.cells, self.program, self.group = cells, program, group
        self.layout: StateLayout = cells.layout
        self.place = {address: i for i, address in enumerate(group)}
        self.types: list[ScalarType] = []
        for address in group:
            placed = cells.owner(address)
            assert placed is not None
            self.types.append(dict(self.layout.object_cells(placed))[address].type)
        self._made: dict[tuple[int, Values], tuple[Outcome, ...]] = {}

    def outcomes(self, position: int, values: Values) -> tuple[Outcome, ...]:
        """All paths of the step at `position` where the group has `values`. Raises TooMany."""
        key = position, values
        if key not in self._made:
            at = self.program.positions[position]
            self._made[key] = tuple(self._run(_Path(at.block, at.index + 1, values)))
        return self._made[key]

    def start(self, values: Values) -> tuple[Outcome, ...]:
        """The same for what runs before the first switch point."""
        return tuple(self._run(_Path(self.program.flow.entry, 0, values)))

    # -- paths ---------------------------------------------------------------------------------

    def _run(self, first: _Path) -> Iterator[Outcome]:
        work, fuel, paths = [first], MOST_INSTRUCTIONS, 0
        while work:
            here = work.pop()
            ended = False
            while not ended:
                fuel -= 1
                if fuel < 0 or paths > MOST_PATHS:
                    raise TooMany
                instr = here.block.code[here.index]
                here.index += 1
                found = self._do(instr, here, work)
                if found is not None:
                    paths += 1
                    yield found
                    ended = True

    def _do(self, instr: ir.Instr, here: _Path, work: list[_Path]) -> Outcome | None:
        """Run one instruction; the outcome if the path ends there."""
        match instr:
            case Point():
                return self._stop(here, instr)
            case ir.End():
                return self._end(here)
            case ir.Fail():
                return self._failed(here, instr)
            case ir.Jump():
                here.block, here.index = instr.target, 0
            case ir.Branch():
                self._branch(instr, here, work)
            case ir.Guard():
                return self._guard(instr, here, work)
            case ir.Load():
                return self._load(instr, here)
            case ir.Store():
                return self._store(instr, here, work)
            case ir.Alloc():
                return self._alloc(instr, here, work)
            case ir.Free():
                return self._free(instr, here, work)
            case ir.Choose():
                self._choose(instr, here)
            case ir.Move() | ir.Binary() | ir.Wrap() | ir.Element():
                return self._compute(instr, here)
        return None

    def _failed(self, here: _Path, instr: ir.Instr) -> Outcome:
        path = (*here.path, "fail", id(instr))
        return Outcome("fail", here.values, here.written, -1, path, here.opaque, True)

    def _stop(self, here: _Path, point: Point) -> Outcome:
        position = self.program.at(point)
        for reg in sorted(position.live & here.registers.keys(), key=lambda r: r.index):
            self._let_out(here, "live", reg.index, here.registers[reg])
        return self._stepped(here, position.number)

    def _stepped(self, here: _Path, position: int) -> Outcome:
        return Outcome(
            "step", here.values, here.written, position, here.path, here.opaque, here.may_fail
        )  # fmt: skip

    def _end(self, here: _Path) -> Outcome:
        me = self.program.spec.index
        for address in self.cells.lock_cells:
            if address not in self.place:
                here.may_fail |= self.layout.fixed.get(address) != 0
                continue
            value, kind = here.values[self.place[address]], self.types[self.place[address]]
            held = value == me + 1 if isinstance(kind, HolderType) else _bit(value, me)
            if held:
                path = (*here.path, "held", address)
                return Outcome("fail", here.values, here.written, -1, path, here.opaque, True)
        return self._stepped(here, self.program.done)

    def _let_out(self, here: _Path, *what: object) -> None:
        """Note a value that leaves the step."""
        (*names, known) = what
        assert isinstance(known, Known)
        if known.tainted:
            here.path = (*here.path, *names, known.value)
            here.opaque |= known.value is None

    # -- values --------------------------------------------------------------------------------

    def _value(self, operand: Operand, here: _Path) -> Known:
        fixed = self.layout.sets.constant(operand)
        if fixed is not None:
            return Known(fixed)
        assert isinstance(operand, Reg)
        return here.registers.get(operand, Known(None))

    def _compute(self, instr: ir.Instr, here: _Path) -> Outcome | None:
        known = [self._value(reg, here) for reg in ir.reads(instr)]
        tainted = any(k.tainted for k in known)
        dst = ir.writes(instr)
        assert dst is not None
        value, fails = self._result(instr, here)
        if fails is True:
            return self._failed(here, instr)
        if fails is None:
            here.may_fail = True
            here.opaque |= tainted
        here.registers[dst] = Known(value, tainted)
        return None

    def _result(self, instr: ir.Instr, here: _Path) -> tuple[int | None, bool | None]:
        """(value, whether computing it is a violation); None for what is not known."""
        match instr:
            case ir.Move():
                return self._value(instr.src, here).value, False
            case ir.Wrap():
                a = self._value(instr.a, here).value
                if a is None:
                    return None, None
                wrapped = arithmetic.wrap(a, instr.type)
                return wrapped, wrapped > arithmetic.HIGH
            case ir.Element():
                base, index = self._value(instr.base, here).value, self._value(instr.index, here).value
                if index is not None and instr.count is not None and not 0 <= index < instr.count:
                    return None, True
                surely = not instr.checked and (instr.count is None or index is not None)
                moved = None if base is None or index is None else base + index * instr.stride
                return moved, False if surely else None
            case ir.Binary():
                a, b = self._value(instr.a, here).value, self._value(instr.b, here).value
                if a is None or b is None:
                    return None, None if instr.op in _CAN_FAIL else False
                folded = arithmetic.fold(instr.op, a, b)
                return folded, folded is None
        raise AssertionError(f"{instr} computes nothing")

    def _branch(self, instr: ir.Branch, here: _Path, work: list[_Path]) -> None:
        known = self._value(instr.condition, here)
        if known.value is None:
            other = here.fork()
            other.block, other.index = instr.other, 0
            other.path, other.opaque = (*here.path, "?", 0), here.opaque or known.tainted
            work.append(other)
            here.path, here.opaque = (*here.path, "?", 1), here.opaque or known.tainted
        elif known.tainted:
            here.path = (*here.path, "=", bool(known.value))
        here.block, here.index = (instr.then if known.value is None or known.value else instr.other), 0

    def _guard(self, instr: ir.Guard, here: _Path, work: list[_Path]) -> Outcome | None:
        known = self._value(instr.condition, here)
        here.opaque |= known.tainted and known.value is None
        sign = "?" if known.value is None else "="
        blocked = Outcome(
            "blocked", here.values, here.written, -1, (*here.path, sign, 0), here.opaque, here.may_fail
        )
        if known.value == 0:
            return blocked
        here.path = (*here.path, sign, 1)
        # Where the condition is not known, that the step may be blocked is of no interest to anybody.
        return None

    def _choose(self, instr: ir.Choose, here: _Path) -> None:
        self._let_out(here, "choose", self._value(instr.count, here))
        here.may_fail = True
        here.registers[instr.dst] = Known(None)

    # -- memory --------------------------------------------------------------------------------

    def _address(self, access: ir.Load | ir.Store, here: _Path) -> tuple[int | None, bool]:
        """(the one cell that is meant, if it is known; whether the access is a violation for sure)."""
        known, targets = self._value(access.address, here), self.cells.targets(access)
        self._let_out(here, "address", known)
        here.may_fail |= self.layout.sets.constant(access.address) is None
        if known.value is not None and known.value not in targets:
            return None, True
        one = known.value if known.value is not None else targets[0] if len(targets) == 1 else None
        placed = None if one is None else self.cells.owner(one)
        mortal = placed is None or placed.base in self.layout.status or one in self.layout.initialised
        here.may_fail |= mortal and one not in self.place
        return one, False

    def _load(self, instr: ir.Load, here: _Path) -> Outcome | None:
        address, wrong = self._address(instr, here)
        if wrong:
            return self._failed(here, instr)
        if address is None or address not in self.place:
            targets = self.cells.targets(instr)
            near = address is None and any(target in self.place for target in targets)
            tainted = near or self._value(instr.address, here).tainted
            here.registers[instr.dst] = Known(None, tainted)
            return None
        value = here.values[self.place[address]]
        if isinstance(value, str):
            return self._failed(here, instr)
        here.registers[instr.dst] = Known(value, True)
        return None

    def _store(self, instr: ir.Store, here: _Path, work: list[_Path]) -> Outcome | None:
        known = self._value(instr.value, here)
        address, wrong = self._address(instr, here)
        value, refused = self._converted(known.value, instr.type)
        if wrong or refused:
            return self._failed(here, instr)
        here.may_fail |= value is None
        if address is None or address not in self.place:
            self._let_out(here, "store", id(instr), Known(value, known.tainted))
            return None
        if isinstance(here.values[self.place[address]], str):
            return self._failed(here, instr)
        if value is not None:
            self._set(here, address, value)
            return None
        here.opaque = True
        low, high = cell_range(instr.type, self.layout.world)
        if high - low >= MOST_VALUES:
            raise TooMany
        for other in range(low, high):
            fork = here.fork()
            self._set(fork, address, other)
            work.append(fork)
        self._set(here, address, high)
        return None

    def _set(self, here: _Path, address: int, value: Value) -> None:
        at = self.place[address]
        here.values = (*here.values[:at], value, *here.values[at + 1 :])
        here.written |= {at}

    def _converted(self, value: int | None, kind: ScalarType) -> tuple[int | None, bool]:
        """(what a store to a cell of type `kind` leaves there, whether it is a violation)."""
        if value is None:
            return None, False
        if isinstance(kind, BoolType):
            return int(value != 0), False
        if isinstance(kind, IntType) and kind.limit is None and (kind.bits < 64 or kind.signed):
            return arithmetic.wrap(value, kind), False
        _, high = cell_range(kind, self.layout.world)
        return value, not 0 <= value <= min(high, arithmetic.HIGH)

    def _alloc(self, instr: ir.Alloc, here: _Path, work: list[_Path]) -> Outcome | None:
        slots = self.cells.pool(instr)
        here.may_fail = True
        here.registers[instr.dst] = Known(None)
        if not any(self._members(placed) for placed in slots):
            return None
        here.opaque = True
        for placed in slots:
            members = self._members(placed)
            if any(here.values[self.place[a]] != "unborn" for a in members):
                continue
            fork = here.fork()
            for address in members:
                self._set(fork, address, 0)
            fork.registers[instr.dst] = Known(placed.base, True)
            work.append(fork)
        return None if any(not self._members(o) for o in slots) else self._failed(here, instr)

    def _free(self, instr: ir.Free, here: _Path, work: list[_Path]) -> Outcome | None:
        known, targets = self._value(instr.address, here), self.cells.freed(instr)
        here.may_fail = True
        if not any(self._members(placed) for placed in targets):
            self._let_out(here, "free", id(instr), known)
            return None
        here.opaque |= len(targets) > 1 or known.value is None
        for placed in targets:
            if self._members(placed) and known.value in (None, placed.base):
                fork = here.fork()
                if self._die(placed, fork):
                    work.append(fork)
        if known.value is None or all(known.value != o.base or not self._members(o) for o in targets):
            return None
        return self._failed(here, instr)

    def _die(self, placed: Object, here: _Path) -> bool:
        """Free an object with cells in the group; False if that is a violation."""
        for address in self._members(placed):
            value = here.values[self.place[address]]
            if isinstance(value, str):
                return False
            if address in self.cells.lock_cells and value != 0:
                return False
        for address in self._members(placed):
            self._set(here, address, "freed")
        return True

    def _members(self, placed: Object) -> list[int]:
        return [a for a in self.group if placed.base <= a < placed.base + placed.size]


_CAN_FAIL = ("add", "sub", "mul", "div", "mod", "shl", "shr")


def _bit(value: Value, thread: int) -> bool:
    return isinstance(value, int) and bool(value >> thread & 1)
