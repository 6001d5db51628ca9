"""Where things are: structs as rows of cells, objects at addresses.

An address counts cells, not bytes: one scalar field is one cell, whatever its width. Addresses
below NULL_PAGE are never mapped, so that an access through NULL plus any small offset is seen.
At least one unmapped cell (a red zone) separates objects, so that running off an end is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lastput.lang.declared import mistake
from lastput.lang.types import ArrayType, Field, FieldKind, ScalarType, StructDef, View, view_of

NULL_PAGE = 64
"""First address that an object may have."""

CELL_BYTES = 8
"""How many bytes a cell stands for when an address is shown: `pgd + 1` is 0x8."""


@dataclass(frozen=True)
class Cell:
    """One scalar of a struct, flattened: `path` is C's name for it, `field` where it was declared."""

    path: str
    type: ScalarType
    owner: StructDef
    field: Field

    @property
    def view(self) -> View:
        """What an access must name to find this cell."""
        return view_of(self.owner, self.field.name)


class Member(NamedTuple):
    """A field as an access needs it: where it is in its struct, and all that is checked."""

    offset: int
    type: FieldKind
    silent: bool
    const: bool
    view: View


class Layout:
    """Cells and offsets of structs under the configuration that is active when it is asked."""

    def __init__(self) -> None:
        self._cells: dict[StructDef, tuple[Cell, ...]] = {}
        self._offsets: dict[StructDef, dict[str, int]] = {}
        self._fields: dict[StructDef, dict[str, Field]] = {}
        self._members: dict[StructDef, dict[str, Member]] = {}
        self._under_way: list[StructDef] = []

    def members(self, struct: StructDef) -> dict[str, Member]:
        """The fields of `struct` by name, as accesses need them."""
        found = self._members.get(struct)
        if found is None:
            found = self._members[struct] = {
                name: Member(self.offset(struct, name), f.type, f.silent, f.const, view_of(struct, name))
                for name, f in self.fields(struct).items()
            }
        return found

    def fields(self, struct: StructDef) -> dict[str, Field]:
        """The fields of `struct` by name."""
        self._measure(struct)
        return self._fields[struct]

    def cells(self, struct: StructDef) -> tuple[Cell, ...]:
        """All cells of `struct`, in address order."""
        self._measure(struct)
        return self._cells[struct]

    def structs(self) -> list[StructDef]:
        """All structs asked about so far, embedded ones included, in that order."""
        return list(self._cells)

    def size(self, struct: StructDef) -> int:
        """Number of cells of `struct`."""
        return len(self.cells(struct))

    def offset(self, struct: StructDef, name: str) -> int:
        """Cells between the start of `struct` and its field `name`."""
        self._measure(struct)
        return self._offsets[struct][name]

    def stride(self, kind: ScalarType | StructDef) -> int:
        """Cells between two array elements of `kind`."""
        return self.size(kind) if isinstance(kind, StructDef) else 1

    def _measure(self, struct: StructDef) -> None:
        if struct in self._cells:
            return
        self._under_way.append(struct)
        cells: list[Cell] = []
        offsets: dict[str, int] = {}
        fields = struct.fields()
        for f in fields.values():
            offsets[f.name] = len(cells)
            cells += self._expand(struct, f, f.name, f.type)
        if not cells:
            raise TypeError(f"struct {struct.name} has no fields")
        self._under_way.pop()
        self._fields[struct], self._offsets[struct] = fields, offsets
        self._cells[struct] = tuple(cells)

    def _expand(self, struct: StructDef, f: Field, path: str, kind: object) -> list[Cell]:
        if isinstance(kind, StructDef):
            if kind in self._under_way:
                told = f"struct {kind.name} contains itself", f"hold it by address: ptr[{kind.name}]"
                raise mistake(struct.cls, f.name, "annotation", *told)
            return [Cell(f"{path}.{c.path}", c.type, c.owner, c.field) for c in self.cells(kind)]
        if isinstance(kind, ArrayType):
            return [
                c for i in range(kind.count) for c in self._expand(struct, f, f"{path}[{i}]", kind.element)
            ]
        assert not isinstance(kind, (StructDef, ArrayType))
        return [Cell(path, kind, struct, f)]  # type: ignore[arg-type]


@dataclass
class Object:
    """A place in memory for one struct: a static, an object of the set-up, or a pool's slot."""

    name: str
    struct: StructDef
    base: int
    size: int
    live: bool
    """Allocated in the initial state; a pool slot is not."""
    freeable: bool
    """False for statics: never freed, no leak."""
    slot: int = field(default=-1)
    """Position in its pool's order of allocation; -1 outside pools."""


@dataclass
class AddressSpace:
    """Objects by address, in the order in which they were placed."""

    layout: Layout
    objects: list[Object] = field(default_factory=list)
    end: int = NULL_PAGE
    """First address after the last red zone."""

    def place(self, name: str, struct: StructDef, *, live: bool, freeable: bool, slot: int = -1) -> Object:
        """A new object behind the last one, followed by a red zone."""
        size = self.layout.size(struct)
        placed = Object(name, struct, self.end, size, live, freeable, slot)
        self.objects.append(placed)
        self.end += size + 1
        return placed

    def find(self, address: int) -> Object | None:
        """The object that contains `address`, live or not; None in red zones and the NULL page."""
        for placed in self.objects:
            if placed.base <= address < placed.base + placed.size:
                return placed
        return None
