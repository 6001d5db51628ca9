"""Model memory: cells at addresses, the life of objects, and the checks on every access.

Nothing here knows of threads or steps: `Memory` is what a single access does. The order of the
checks is the language's: NULL page, no such cell, unborn, freed, never written.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from lastput.lang.layout import NULL_PAGE, AddressSpace, Cell, Object
from lastput.lang.types import (
    BoolType,
    CellType,
    FnType,
    HoldersType,
    HolderType,
    IntType,
    PtrType,
    ScalarType,
    StructDef,
    View,
)
from lastput.simulate.fault import Fault

UNBORN, LIVE, FREED = 0, 1, 2
"""States of an object: a pool's slot is unborn until it is allocated."""


class Memory:
    """Values of the cells of live objects, and the state of every object.

    A cell that `kmalloc` gave and nothing has written since has the value None. Cells of objects
    that are not live have no entry. `threads` is the number of threads, or None while it is not
    known yet (set-up): it bounds what `holder` and `holders` cells may hold.
    """

    def __init__(self, space: AddressSpace, values: dict[int, int], threads: int | None) -> None:
        self.space = space
        self.values: dict[int, int | None] = {**values}
        self.states = [LIVE if placed.live else UNBORN for placed in space.objects]
        self.threads = threads
        self.cells: dict[int, Cell] = {}
        self.owner: dict[int, int] = {}
        self._rules: dict[int, tuple[ScalarType, View]] = {}
        """The type of each cell, and the view that finds it."""
        self.locks: list[tuple[int, Cell]] = []
        self.locks_in: dict[int, list[tuple[int, Cell]]] = {}
        """The same by the number of the object that they are in."""
        self.noticed: list[Object] = []
        """The objects whose cells are in these tables. Copies share the tables, and this."""
        self.pool_slots: dict[StructDef, list[int]] = {}
        """Numbers of the slots of each pool. They are allocated in this order, and never again."""
        self.grow()

    def grow(self) -> None:
        """Take notice of objects that were placed since."""
        known = len(self.noticed)
        for number, placed in enumerate(self.space.objects[known:], start=known):
            self.noticed.append(placed)
            if placed.slot >= 0:
                self.pool_slots.setdefault(placed.struct, []).append(number)
            for offset, cell in enumerate(self.space.layout.cells(placed.struct)):
                self.cells[placed.base + offset] = cell
                self._rules[placed.base + offset] = (cell.type, cell.view)
                self.owner[placed.base + offset] = number
                if isinstance(cell.type, (HolderType, HoldersType)):
                    self.locks.append((placed.base + offset, cell))
                    self.locks_in.setdefault(number, []).append((placed.base + offset, cell))
        for placed in self.space.objects[len(self.states) :]:
            self.states.append(LIVE if placed.live else UNBORN)

    def copy(self) -> Memory:
        """An independent memory with the same content; what never changes is shared."""
        twin = object.__new__(Memory)
        twin.__dict__.update(self.__dict__)
        twin.values, twin.states = dict(self.values), list(self.states)
        return twin

    # -- one access ---------------------------------------------------------------------------

    def load(self, address: int, kind: ScalarType, view: View = None) -> int:
        """The value of a cell, as an int; Fault if the access breaks a rule."""
        self._check(address, kind, view)
        value = self.values[address]
        if value is None:
            raise Fault("uninit", f"{self.name(address)} is read before it was written", address, str(kind))
        return value

    def store(self, address: int, kind: ScalarType, value: int, view: View = None) -> None:
        """Write `value`, converted as C does; Fault if the access breaks a rule."""
        self._check(address, kind, view)
        self.values[address] = self._convert(address, kind, value)

    def _check(self, address: int, kind: ScalarType, view: View) -> None:
        rule = self._rules.get(address)
        if rule is not None and same_type(rule[0], kind) and (view is None or view == rule[1]):
            state = self.states[self.owner[address]]
            if state == LIVE:
                return
            if state == FREED:
                raise Fault("use-after-free", f"{self.name(address)} was freed", address, str(kind))
        if 0 <= address < NULL_PAGE:
            raise Fault("null-deref", f"access at address {address:#x}", address, str(kind))
        raise Fault("out-of-bounds", f"no {kind} at {self.name(address)}", address, str(kind))

    def _convert(self, address: int, kind: ScalarType, value: int) -> int:
        match kind:
            case IntType(bits=64, signed=False, limit=None):
                # The language computes in 64 signed bits, which the upper half of a u64 leaves.
                return self._within(address, kind, value, (1 << 63) - 1, "range")
            case IntType(limit=None):
                low = value & ((1 << kind.bits) - 1)
                return low - (1 << kind.bits) if kind.signed and low >> (kind.bits - 1) else low
            case IntType(limit=int(limit)):
                return self._within(address, kind, value, limit, "range")
            case BoolType():
                return int(bool(value))
            case PtrType() | CellType():
                return self._within(address, kind, value, self.space.end, "out-of-bounds")
            case HolderType() if self.threads is not None:
                return self._within(address, kind, value, self.threads, "range")
            case HoldersType() if self.threads is not None:
                return self._within(address, kind, value, (1 << self.threads) - 1, "range")
        return value

    def _within(self, address: int, kind: ScalarType, value: int, limit: int, fault: str) -> int:
        if not 0 <= value <= limit:
            raise Fault(fault, f"{value} does not fit {self.name(address)}: 0..{limit}", address, str(kind))
        return value

    # -- the life of objects --------------------------------------------------------------------

    def allocate(self, struct: StructDef, zero: bool) -> int:
        """Address of the pool's next slot; Fault "pool" when all have been used."""
        slots = self.pool_slots.get(struct, [])
        used = bisect_left(slots, True, key=lambda number: self.states[number] == UNBORN)
        if used == len(slots):
            raise Fault("pool", f"no {struct.name} left: enlarge the scenario's pool", None, struct.name)
        self.states[slots[used]] = LIVE
        placed = self.space.objects[slots[used]]
        cells = range(placed.base, placed.base + placed.size)
        self.values.update(dict.fromkeys(cells, 0 if zero else None))
        return placed.base

    def free(self, address: int) -> Object | None:
        """Free the object at `address`; None for NULL. Fault if it is not one, or freed, or locked."""
        if address == 0:
            return None
        number = self.owner.get(address)
        placed = None if number is None else self.space.objects[number]
        if number is None or placed is None or placed.base != address or not placed.freeable:
            raise Fault("invalid-free", f"{self.name(address)} is not the start of an object", address)
        if self.states[number] == UNBORN:
            raise Fault("invalid-free", f"{placed.name} was never allocated", address)
        if self.states[number] == FREED:
            raise Fault("double-free", f"{placed.name} was freed before", address)
        for lock, cell in self.locks_in.get(number, ()):
            if self.values[lock]:
                raise Fault("lock-freed", f"{placed.name} is freed with {cell.path} held", lock)
        self.states[number] = FREED
        for cell_address in range(placed.base, placed.base + placed.size):
            del self.values[cell_address]
        return placed

    def held(self) -> dict[int, int]:
        """Address of every lock cell of a live object that is held -> bit mask of its holders."""
        found = {}
        for address, cell in self.locks:
            value = self.values.get(address)
            if value:
                found[address] = value if isinstance(cell.type, HoldersType) else 1 << (value - 1)
        return found

    def leaked(self) -> list[Object]:
        """Live objects that somebody should have freed."""
        return [
            placed
            for number, placed in enumerate(self.space.objects)
            if placed.freeable and self.states[number] == LIVE
        ]

    # -- names ----------------------------------------------------------------------------------

    def locate(self, address: int) -> tuple[str, str]:
        """Name of the object and path of the cell at `address`; the address itself outside of all."""
        number = self.owner.get(address)
        if number is None:
            return ("NULL" if address == 0 else f"{address:#x}", "")
        return (self.space.objects[number].name, self.cells[address].path)

    def name(self, address: int) -> str:
        """`object.cell` for a message."""
        placed, path = self.locate(address)
        return f"{placed}.{path}" if path else placed

    def pointed(self, address: int, target: StructDef) -> str:
        """A pointer to a `target` as C writes it: the object's name, or that of the struct embedded in it."""
        number = self.owner.get(address)
        if number is None or self.space.objects[number].base == address:
            return self.locate(address)[0]
        first = self.space.layout.cells(target)[0].path
        return "&" + self.name(address).removesuffix(f".{first}")


def same_type(a: ScalarType, b: ScalarType) -> bool:
    """Whether a cell of type `a` may be accessed as `b`: all pointers to structs are alike."""
    return a is b or a == b or (isinstance(a, PtrType) and isinstance(b, PtrType))


def is_pointer(kind: Any) -> bool:
    """True for types whose values are addresses or function numbers."""
    return isinstance(kind, (PtrType, CellType, FnType))
