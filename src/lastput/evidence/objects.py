"""Memory in words: what each object is made of, and what its cells hold now.

Works on the memory of any run, so that a live state is shown as one of a replayed schedule is. Objects
are known by their position in the address space.
"""

from __future__ import annotations

import functools
import re

from lastput.lang import roles
from lastput.lang.layout import Cell as PlacedCell
from lastput.lang.layout import Object
from lastput.lang.types import CellType, FnType, HoldersType, HolderType, IntType, PtrType, StructDef
from lastput.lang.types import struct_of as struct_of_class
from lastput.lang.world import World
from lastput.result import Cell, Content, Thing
from lastput.simulate.memory import LIVE, Memory

_COUNT_NAMES = re.compile(r"_?(refs?|refcnt|refcount|users|\w+_(refs|refcnt|refcount|users))")
"""Fields that are counts of references by their name, in models that declare no role."""


class Objects:
    """The objects of `memory`, which may go on changing: each answer is about now."""

    def __init__(self, world: World, memory: Memory) -> None:
        self.world, self.memory = world, memory
        self._counts = _count_structs()

    def things(self) -> tuple[Thing, ...]:
        """Every object, live or not, in the order of the address space."""
        return tuple(self.thing(number) for number in range(len(self.memory.space.objects)))

    def thing(self, number: int) -> Thing:
        """One object with what it holds."""
        placed = self._placed(number)
        return Thing(placed.name, placed.struct.name, self._cells(placed), self.contents(number))

    def contents(self, number: int) -> tuple[Content, ...]:
        """What the cells of an object hold; nothing if it is not allocated, or freed."""
        if self.memory.states[number] != LIVE:
            return ()
        placed = self._placed(number)
        return tuple(self.content(placed.base + offset) for offset in range(placed.size))

    def content(self, address: int) -> Content:
        """What the cell at `address` of a live object holds."""
        value = self.memory.values[address]
        kind = self.memory.cells[address].type
        if value is None:
            return Content("never written")
        match kind:
            case PtrType():
                return Content(self.memory.pointed(value, kind.target), self.place(value))
            case CellType():
                name = f"&{self.memory.name(value)}" if value else "NULL"
                return Content(name, self.place(value))
            case FnType():
                return Content(self._function(value))
            case HolderType():
                return Content(self.names(1 << (value - 1)) if value else "free")
            case HoldersType():
                return Content(self.names(value) or "nobody")
        return Content(str(value))

    def place(self, address: int) -> tuple[int, int] | None:
        """(object, cell) at `address`; None where there is none."""
        number = self.memory.owner.get(address)
        return None if number is None else (number, address - self._placed(number).base)

    def names(self, mask: int) -> str:
        """The threads of a bit mask."""
        return ", ".join(thread.name for thread in self.world.threads if mask >> thread.index & 1)

    def _placed(self, number: int) -> Object:
        return self.memory.space.objects[number]

    def _cells(self, placed: Object) -> tuple[Cell, ...]:
        cells = self.memory.space.layout.cells(placed.struct)
        return tuple(Cell(cell.path, str(cell.type), self._kind(cell)) for cell in cells)

    def _kind(self, cell: PlacedCell) -> str:
        if isinstance(cell.type, (HolderType, HoldersType)):
            return "lock"
        if cell.field.ghost:
            return "ghost"
        if isinstance(cell.type, (PtrType, CellType)):
            return "pointer"
        if isinstance(cell.type, FnType):
            return "function"
        named = _COUNT_NAMES.fullmatch(cell.field.name)
        counts = isinstance(cell.type, IntType) and (cell.owner in self._counts or named)
        return "count" if counts else "value"

    def _function(self, number: int) -> str:
        functions = self.world.functions
        return functions[number - 1].__name__ if 0 < number <= len(functions) else "NULL"


@functools.cache
def _count_structs() -> frozenset[StructDef]:
    """Structs of one field that the functions that take references are about: `atomic_t`."""
    found = set()
    for function in roles.declared("reference"):
        for hint in list(function.__annotations__.values())[:1]:
            named = re.fullmatch(r"ptr\[(\w+)\]", hint) if isinstance(hint, str) else None
            struct = struct_of_class(function.__globals__.get(named[1])) if named else None
            if struct is not None and len(struct.cls.__annotations__) == 1:
                found.add(struct)
    return frozenset(found)
