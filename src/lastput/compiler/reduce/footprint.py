"""Footprints: which cells of a state a step may read, and which it may write.

A set of cells is an int with a bit for each. A cell's bit is its address; the status of an object has the
bit `status_bit`, the order in which a pool gives out its slots `pool_bit`. Footprints are the same for all
states in which a thread stands at a position, and so they contain all that the step may do there.

A step that only tells that an object was allocated before it (by having a pointer to it) does not depend on
other allocations: a slot is given out once, and no pointer to it exists before, unless the model computes
pointers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from lastput.compiler import ir
from lastput.compiler.ir import Flow
from lastput.compiler.steps import StateLayout
from lastput.compiler.valuesets import type_key
from lastput.lang.layout import Object
from lastput.lang.types import HoldersType, HolderType


@dataclass
class Footprint:
    """Cells of one step; `vague` are those that it may touch, depending on an address."""

    reads: int = 0
    writes: int = 0
    vague: int = 0

    @property
    def touches(self) -> int:
        return self.reads | self.writes


@dataclass
class Cells:
    """Finds the cells that an instruction may touch."""

    layout: StateLayout
    flows: list[Flow]
    """All threads and properties."""
    private: frozenset[int]
    """`id`s of accesses that only touch private objects."""
    _fitting: dict[object, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = self.layout.world.space
        self._owner: dict[int, Object] = {}
        self.lock_cells: dict[int, Object] = {}
        for placed in self.space.objects:
            for address, cell in self.layout.object_cells(placed):
                self._owner[address] = placed
                for key in (type_key(cell.type), cell.view):
                    self._fitting.setdefault(key, []).append(address)
                if isinstance(cell.type, (HolderType, HoldersType)):
                    self.lock_cells[address] = placed
        # A computed pointer may lead to an object that nobody allocated yet.
        self.computed = any(self._computes(i) for f in self.flows for b in f.blocks() for i in b.code)

    def owner(self, address: int) -> Object | None:
        """The object of a cell."""
        return self._owner.get(address)

    def targets(self, access: ir.Load | ir.Store) -> list[int]:
        """Cells that an access may reach; any other address is a violation."""
        known = self.layout.sets.of(access.address)
        fitting = self._fitting.get(access.view or type_key(access.type), [])
        return fitting if known is None else [a for a in fitting if a in known]

    def freed(self, instr: ir.Free) -> list[Object]:
        """Objects that a `kfree` may free."""
        known = self.layout.sets.of(instr.address)
        return [
            o for o in self.space.objects
            if o.base in self.layout.status and (known is None or o.base in known)
        ]  # fmt: skip

    def pool(self, instr: ir.Alloc) -> list[Object]:
        """Objects that an allocation may give out."""
        return [o for o in self.space.objects if o.struct is instr.struct and o.slot >= 0]

    def footprint(self, code: Iterable[ir.Instr]) -> Footprint:
        """All that `code` may touch."""
        found = Footprint()
        for instr in code:
            match instr:
                case ir.Load() | ir.Store():
                    self._access(instr, found)
                case ir.Alloc():
                    self._alloc(instr, found)
                case ir.Free() if id(instr) not in self.private:
                    self._free(instr, found)
                case ir.End():
                    # A thread that ends is looked for in every lock.
                    found.reads |= self._bits(self.lock_cells)
        return found

    def concerns(self, code: Iterable[ir.Instr], group: Collection[int]) -> bool:
        """Whether `code` may touch a cell of `group`, or the life of its object; private ones included."""
        return any(self._concerns(instr, group) for instr in code)

    def _concerns(self, instr: ir.Instr, group: Collection[int]) -> bool:
        match instr:
            case ir.Load() | ir.Store():
                return any(address in group for address in self.targets(instr))
            case ir.Alloc():
                return any(a in group for o in self.pool(instr) for a in range(o.base, o.base + o.size))
            case ir.Free():
                return any(a in group for o in self.freed(instr) for a in range(o.base, o.base + o.size))
            case ir.End():
                return any(address in group for address in self.lock_cells)
        return False

    def _access(self, instr: ir.Load | ir.Store, found: Footprint) -> None:
        targets = self.targets(instr)
        if id(instr) in self.private:
            # Other threads look into locks of all objects when they end.
            targets = [a for a in targets if a in self.lock_cells]
        bits = self._bits(targets)
        if isinstance(instr, ir.Store):
            found.writes |= bits
        else:
            found.reads |= bits
        if len(targets) > 1:
            found.vague |= bits
        if id(instr) not in self.private:
            for address in targets:
                found.reads |= self.status_bit(self._owner[address])

    def _alloc(self, instr: ir.Alloc, found: Footprint) -> None:
        slots = self.pool(instr)
        if slots:
            found.writes |= self._pool_bit(slots[0])
        for placed in slots if self.computed else ():
            found.writes |= self.status_bit(placed) | self._content(placed)
            found.vague |= self._content(placed)

    def _free(self, instr: ir.Free, found: Footprint) -> None:
        targets = self.freed(instr)
        for placed in targets:
            found.writes |= self.status_bit(placed) | self._content(placed)
            if len(targets) > 1:
                found.vague |= self._content(placed)

    def _bits(self, addresses: Iterable[int]) -> int:
        """Cells that can have more than one value."""
        return sum(1 << a for a in set(addresses) if a in self.layout.cells)

    def _content(self, placed: Object) -> int:
        return self._bits(range(placed.base, placed.base + placed.size))

    def status_bit(self, placed: Object) -> int:
        """Bit of an object's life; 0 where that never changes."""
        return 1 << (self.space.end + placed.base) if placed.base in self.layout.status else 0

    def _pool_bit(self, first: Object) -> int:
        return 1 << (2 * self.space.end + first.base)

    def is_cell(self, bit: int) -> bool:
        """Whether bit number `bit` is a cell, not the life of an object."""
        return bit < self.space.end

    def _computes(self, instr: ir.Instr) -> bool:
        """Whether `instr` may make a pointer to one object from a pointer to another.

        Where a field is in its own struct, and an element in its array, needs no look.
        """
        if not isinstance(instr, ir.Element) or not instr.checked:
            return False
        bases, results = self.layout.sets.of(instr.base), self.layout.sets.of(instr.dst)
        if bases is None or results is None:
            return True
        owners = {id(self._owner[a]) for a in bases if a in self._owner}
        return len(owners) > 1 or any(id(self._owner[a]) not in owners for a in results if a in self._owner)
