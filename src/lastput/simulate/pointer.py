"""What model code holds in its hands under CPython: pointers, cells, arrays, function pointers.

Each is a number with a type. They hold no memory: every access goes to the machine that runs now,
so the same value is good in any of its states. `number()` gives the number back.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Protocol, cast

from lastput.lang import intrinsics
from lastput.lang.layout import Layout
from lastput.lang.types import (
    ArrayType,
    BoolType,
    CellType,
    FnType,
    IntType,
    PtrType,
    ScalarType,
    StructDef,
    View,
)
from lastput.simulate.fault import Fault


class Accessor(Protocol):
    """The part of a machine that pointers use."""

    placing: bool

    @property
    def layout(self) -> Layout: ...
    def load(self, address: int, kind: ScalarType, silent: bool, view: View = None) -> Any: ...
    def store(
        self, address: int, kind: ScalarType, value: Any, silent: bool, const: bool, view: View = None
    ) -> None: ...
    def call(self, function: int, args: tuple[Any, ...]) -> Any: ...
    def number_of_static(self, variable: intrinsics.Static) -> int: ...
    def number_of_function(self, function: Callable[..., Any]) -> int: ...


def accessor() -> Accessor:
    """The machine that runs model code now."""
    found: Any = intrinsics._machine
    return found if found is not None else cast(Accessor, intrinsics.machine())


class Number:
    """A typed number. Two are equal when the numbers are, whatever the types; NULL is 0."""

    __slots__ = ("_address",)
    _address: int

    def __eq__(self, other: object) -> bool:
        return self._address == number(other)

    def __hash__(self) -> int:
        return hash(self._address)

    def __bool__(self) -> bool:
        return self._address != 0


class Pointer(Number):
    """Pointer to a struct; its attributes are the struct's fields, in the machine's memory."""

    __slots__ = ("_struct",)
    _struct: StructDef

    def __init__(self, struct: StructDef, address: int) -> None:
        object.__setattr__(self, "_struct", struct)
        object.__setattr__(self, "_address", address)

    def __getattr__(self, name: str) -> Any:
        machine = accessor()
        found = machine.layout.members(self._struct).get(name)
        if found is None:
            raise AttributeError(f"struct {self._struct.name} has no field {name}")
        offset, kind, silent, const, view = found
        address = self._address + offset
        if isinstance(kind, StructDef):
            return Pointer(kind, address)
        if isinstance(kind, ArrayType):
            return Array(kind, address, silent, const, view)
        if machine.placing:
            return Place(kind, address, view)
        return machine.load(address, kind, silent, view)

    def __setattr__(self, name: str, value: Any) -> None:
        machine = accessor()
        found = machine.layout.members(self._struct).get(name)
        if found is None:
            raise AttributeError(f"struct {self._struct.name} has no field {name}")
        offset, kind, silent, const, view = found
        if isinstance(kind, (StructDef, ArrayType)):
            raise TypeError(f"field {name} is no scalar: assign its parts")
        machine.store(self._address + offset, kind, value, silent, const, view)

    def __repr__(self) -> str:
        return f"({self._struct.name} *){self._address:#x}"


class CellPointer(Number):
    """Pointer to one scalar cell: C's `T *`. `value` is what it points at."""

    __slots__ = ("_type",)

    def __init__(self, type: ScalarType, address: int) -> None:
        self._type = type
        self._address = address

    @property
    def value(self) -> Any:
        machine = accessor()
        if machine.placing:
            return Place(self._type, self._address, None)
        return machine.load(self._address, self._type, silent=False)

    @value.setter
    def value(self, value: Any) -> None:
        accessor().store(self._address, self._type, value, silent=False, const=False)

    def __repr__(self) -> str:
        return f"({self._type} *){self._address:#x}"


class Array(Number):
    """An array field. An index outside is a fault as soon as the element's address is computed."""

    __slots__ = ("_const", "_silent", "_type", "_view")

    def __init__(self, type: ArrayType, address: int, silent: bool, const: bool, view: View) -> None:
        self._type = type
        self._address = address
        self._silent = silent
        self._const = const
        self._view = view

    def __len__(self) -> int:
        return self._type.count

    def __bool__(self) -> bool:
        return True

    def element(self, index: int) -> int:
        """Address of element `index`."""
        if not 0 <= index < self._type.count:
            message = f"index {index} of an array of {self._type.count}"
            raise Fault("out-of-bounds", message, self._address, str(self._type.element))
        return self._address + index * accessor().layout.stride(self._type.element)

    def __getitem__(self, index: int) -> Any:
        machine, address, kind = accessor(), self.element(index), self._type.element
        if isinstance(kind, StructDef):
            return Pointer(kind, address)
        if machine.placing:
            return Place(kind, address, self._view)
        return machine.load(address, kind, self._silent, self._view)

    def __setitem__(self, index: int, value: Any) -> None:
        address, kind = self.element(index), self._type.element
        if isinstance(kind, StructDef):
            raise TypeError("an element is no scalar: assign its parts")
        accessor().store(address, kind, value, self._silent, self._const, self._view)

    def __repr__(self) -> str:
        return f"<{self._type} at {self._address:#x}>"


class FunctionPointer(Number):
    """A function pointer read from memory; calling a NULL one is a fault."""

    __slots__ = ()

    def __init__(self, function: int) -> None:
        self._address = function

    def __call__(self, *args: Any) -> Any:
        return accessor().call(self._address, args)

    def __repr__(self) -> str:
        return f"<function {self._address}>"


class Place:
    """A scalar field that `ref` or `container_of` may want the address of; loaded only if used on."""

    def __init__(self, type: ScalarType, address: int, view: View) -> None:
        self.__dict__.update(_type=type, _address=address, _view=view)

    def __getattr__(self, name: str) -> Any:
        machine = accessor()
        return getattr(machine.load(self._address, self._type, False, self._view), name)


def lift(kind: ScalarType, value: int) -> Any:
    """What model code sees when it reads `value` from a cell of type `kind`."""
    # By far the most common first: this runs for every load.
    if isinstance(kind, IntType):
        return value
    if isinstance(kind, PtrType):
        return Pointer(kind.target, value)
    if isinstance(kind, BoolType):
        return bool(value)
    if isinstance(kind, CellType):
        return CellPointer(kind.target, value)
    return FunctionPointer(value) if isinstance(kind, FnType) else value


def number(value: Any) -> int:
    """The number that stands for `value` in memory: an address, a function's number, an int."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (Number, Place)):
        return value._address
    if value is None:
        return 0
    if isinstance(value, intrinsics.Static):
        return accessor().number_of_static(value)
    if isinstance(value, types.FunctionType):
        return accessor().number_of_function(value)
    raise TypeError(f"{value!r} is no value of the language")
