"""Value sets: what each register and each memory cell can ever hold, if that is few values.

Most pointers of a scenario can only be NULL or one address. Knowing it turns accesses through them
into accesses at constants, and spends no bits on what cannot vary. The analysis is inclusion based
and flow-insensitive, as Andersen's points-to analysis (1994), but over all values, with one set per
cell of each object, since the objects of a scenario are known. It only excludes values that no
execution produces, so that counts of states stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lastput.compiler import arithmetic, ir
from lastput.compiler.ir import Flow, Operand, Reg
from lastput.lang.types import BoolType, IntType, PtrType, ScalarType
from lastput.lang.world import World

ValueSet = frozenset[int] | None
"""None: anything."""

LIMIT = 16
"""Larger sets become None."""
PRODUCTS = 256
"""Pairs of operands tried before the result becomes None."""
NOTHING: ValueSet = frozenset()


def type_key(kind: ScalarType) -> ScalarType | str:
    """Cells of one key may be accessed as each other: all pointers to structs are alike."""
    return "pointer" if isinstance(kind, PtrType) else kind


def join(a: ValueSet, b: ValueSet) -> ValueSet:
    """Values of either."""
    if a is None or b is None:
        return None
    both = a | b
    return both if len(both) <= LIMIT else None


@dataclass
class ValueSets:
    """The result: sets of registers (missing: never written) and of cells, by address."""

    registers: dict[Reg, ValueSet] = field(default_factory=dict)
    cells: dict[int, ValueSet] = field(default_factory=dict)

    def of(self, operand: Operand) -> ValueSet:
        """Values that an operand can have."""
        return frozenset((operand,)) if isinstance(operand, int) else self.registers.get(operand, NOTHING)

    def constant(self, operand: Operand) -> int | None:
        """The one value that an operand can have, if there is just one."""
        found = self.of(operand)
        return next(iter(found)) if found is not None and len(found) == 1 else None


def find_values(flows: Iterable[Flow], world: World) -> ValueSets:
    """Sets for all registers of `flows` and all cells of the world."""
    return _Analysis(list(flows), world).run()


class _Analysis:
    def __init__(self, flows: list[Flow], world: World) -> None:
        self.world, self.sets = world, ValueSets()
        code = [i for f in flows for b in f.blocks() for i in b.code]
        self.code = [i for i in code if isinstance(i, ir.Store) or ir.writes(i) is not None]
        self.stale = [True] * len(self.code)
        """Whether something has grown on which an instruction depends, since it was looked at."""
        self.readers: dict[object, list[int]] = {}
        """Instructions that depend on a register, and loads from cells of a `_key`."""
        for number, instr in enumerate(self.code):
            for reg in set(ir.reads(instr)):
                self.readers.setdefault(reg, []).append(number)
            if isinstance(instr, ir.Load):
                self.readers.setdefault(_key(instr), []).append(number)
        self.reachable: dict[object, list[int]] = {}
        """Cells that an access may reach, by its view or the key of its type."""
        self.keys: dict[int, tuple[object, object]] = {}
        """The other way around."""
        for placed in world.space.objects:
            for address, cell in enumerate(world.space.layout.cells(placed.struct), placed.base):
                self.keys[address] = type_key(cell.type), cell.view
                for key in self.keys[address]:
                    self.reachable.setdefault(key, []).append(address)
                # The content of a freed object is never read: nothing is added for it.
                self.sets.cells[address] = frozenset((world.memory[address] if placed.live else 0,))

    def run(self) -> ValueSets:
        """Apply instructions until nothing grows. The order is all one: more values give more values."""
        while any(self.stale):
            for number, instr in enumerate(self.code):
                if not self.stale[number]:
                    continue
                self.stale[number] = False
                if isinstance(instr, ir.Store):
                    self._store(instr)
                    continue
                dst = ir.writes(instr)
                assert dst is not None
                self._grow(dst, self._result(instr))
        return self.sets

    def _grow(self, reg: Reg, more: ValueSet) -> None:
        old = self.sets.registers.get(reg, NOTHING)
        new = join(old, more)
        if new != old or reg not in self.sets.registers:
            self.sets.registers[reg] = new
            self._changed(reg)

    def _changed(self, what: object) -> None:
        for reader in self.readers.get(what, ()):
            self.stale[reader] = True

    def _addresses(self, instr: ir.Load | ir.Store) -> list[int]:
        """Cells that an access may reach; any other address is a violation."""
        known = self.sets.of(instr.address)
        fitting = self.reachable.get(_key(instr), [])
        return fitting if known is None else [a for a in fitting if a in known]

    def _store(self, instr: ir.Store) -> None:
        values = _converted(self.sets.of(instr.value), instr.type)
        for address in self._addresses(instr):
            old = self.sets.cells[address]
            new = join(old, values)
            if new != old:
                self.sets.cells[address] = new
                for key in self.keys[address]:
                    self._changed(key)

    def _result(self, instr: ir.Instr) -> ValueSet:
        of = self.sets.of
        match instr:
            case ir.Move():
                return of(instr.src)
            case ir.Binary():
                return self._binary(instr)
            case ir.Wrap():
                return _each(of(instr.a), lambda v: arithmetic.wrap(v, instr.type))
            case ir.Element():
                return self._element(instr)
            case ir.Load():
                found: ValueSet = NOTHING
                for address in self._addresses(instr):
                    found = join(found, self.sets.cells[address])
                return found
            case ir.Alloc():
                slots = [o.base for o in self.world.space.objects if o.struct is instr.struct and o.slot >= 0]
                return frozenset(slots) if len(slots) <= LIMIT else None
            case ir.Choose():
                counts = of(instr.count)
                most = LIMIT + 1 if counts is None else max(counts, default=0)
                return frozenset(range(most)) if most <= LIMIT else None
        raise AssertionError(f"{instr} writes nothing")

    def _binary(self, instr: ir.Binary) -> ValueSet:
        a, b = self.sets.of(instr.a), self.sets.of(instr.b)
        if a is None or b is None or len(a) * len(b) > PRODUCTS:
            truth = instr.op in ("eq", "ne", "lt", "le", "gt", "ge")
            return frozenset((0, 1)) if truth else None
        results = {arithmetic.fold(instr.op, x, y) for x in a for y in b} - {None}
        return frozenset(v for v in results if v is not None) if len(results) <= LIMIT else None

    def _element(self, instr: ir.Element) -> ValueSet:
        base, index = self.sets.of(instr.base), self.sets.of(instr.index)
        if index is None and instr.count is not None and instr.count <= LIMIT:
            index = frozenset(range(instr.count))
        if base is None or index is None or len(base) * len(index) > PRODUCTS:
            return None
        inside = index if instr.count is None else {i for i in index if 0 <= i < instr.count}
        results = frozenset(b + i * instr.stride for b in base for i in inside)
        return results if len(results) <= LIMIT else None


def _key(instr: ir.Load | ir.Store) -> object:
    """What cells an access may reach have in common."""
    return instr.view or type_key(instr.type)


def _each(values: ValueSet, change: Callable[[int], int]) -> ValueSet:
    return None if values is None else frozenset(change(v) for v in values)


def _converted(values: ValueSet, kind: ScalarType) -> ValueSet:
    """Values as they are after a store to a cell of type `kind`."""
    if isinstance(kind, BoolType):
        return frozenset((0, 1)) if values is None else frozenset(int(v != 0) for v in values)
    if isinstance(kind, IntType) and kind.limit is not None:
        if values is None:
            return frozenset(range(kind.limit + 1)) if kind.limit < LIMIT else None
        return frozenset(v for v in values if 0 <= v <= kind.limit)
    if isinstance(kind, IntType):
        return _each(values, lambda v: arithmetic.wrap(v, kind))
    return values
