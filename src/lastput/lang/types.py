"""The types of model memory: how fields are declared, and what the declarations mean.

A model declares structs as annotated classes:

    @struct
    class kvm:
        users_count: Annotated[int, upto(7)]    # an integer with a promised range
        mmu_lock: spinlock_t                    # embedded struct
        mm: ptr[mm_struct]                      # pointer
        slots: array[kvm_memory_slot] = length(lambda: Kvm.slots)

To a type checker `ptr[T]` is `T`, so `kvm.mm.mm_users` checks and an editor can follow it.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, get_args, get_origin

T = TypeVar("T")


# -- markers that a field's annotation carries ----------------------------------------------


@dataclass(frozen=True)
class Unsigned:
    """An unsigned C integer of `bits` bits; a store wraps, as in C."""

    bits: int


@dataclass(frozen=True)
class Signed:
    """A signed C integer of `bits` bits; a store wraps, as in C."""

    bits: int


@dataclass(frozen=True)
class Upto:
    """An integer that the model promises to keep within 0..limit.

    A store outside ends that path and makes the verdict `incomplete`: a bound of the model was
    reached, which is not a fact about the kernel.
    """

    limit: int | Callable[[], int]


@dataclass(frozen=True)
class Pointer:
    """The annotated struct is held by address."""


@dataclass(frozen=True)
class Const:
    """Written by the scenario's set-up only; reading it is no step."""


@dataclass(frozen=True)
class Ghost:
    """Not the kernel's: book-keeping of the model. Reading or writing it is no step."""


@dataclass(frozen=True)
class Holder:
    """Number of the thread that holds the lock, plus one; 0 when it is free."""


@dataclass(frozen=True)
class Holders:
    """Bit mask over thread numbers: who holds the lock or is inside the read section."""


u8 = Annotated[int, Unsigned(8)]
u16 = Annotated[int, Unsigned(16)]
u32 = Annotated[int, Unsigned(32)]
u64 = Annotated[int, Unsigned(64)]
s8 = Annotated[int, Signed(8)]
s16 = Annotated[int, Signed(16)]
s32 = Annotated[int, Signed(32)]
s64 = Annotated[int, Signed(64)]
holder = Annotated[int, Holder()]
holders = Annotated[int, Holders()]

ptr = Annotated[T, Pointer()]
const = Annotated[T, Const()]
ghost = Annotated[T, Ghost()]


def upto(limit: int | Callable[[], int]) -> Upto:
    """Marker for `Annotated[int, upto(n)]`: an integer kept within 0..n (n may be a lambda)."""
    return Upto(limit)


class array(Generic[T]):
    """A field of `length(n)` elements in a row; an index outside is an out-of-bounds access."""

    def __getitem__(self, index: int) -> T:
        raise TypeError("an array lives in a struct")

    def __setitem__(self, index: int, value: T) -> None:
        raise TypeError("an array lives in a struct")

    def __len__(self) -> int:
        raise TypeError("an array lives in a struct")


class cell(Generic[T]):
    """Address of one scalar field, as C's `T *`; made by `ref(lambda: p.field)`."""

    value: T


@dataclass(frozen=True)
class Length:
    """Default value of an `array` field: its number of elements."""

    count: int | Callable[[], int]


def length(count: int | Callable[[], int]) -> Any:
    """Number of elements of an array field: a number, or a lambda over options."""
    return Length(count)


# -- resolved types: what compiler and simulator work with -----------------------------------


@dataclass(frozen=True)
class IntType:
    """An integer cell. `limit` is set for `upto`: values 0..limit, never wrapped."""

    bits: int
    signed: bool
    limit: int | None = None

    def __str__(self) -> str:
        if self.limit is not None:
            return f"upto({self.limit})"
        return f"{'s' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True)
class BoolType:
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class PtrType:
    """Pointer to a struct."""

    target: StructDef

    def __str__(self) -> str:
        return f"ptr[{self.target.name}]"


@dataclass(frozen=True)
class CellType:
    """Pointer to one scalar cell."""

    target: ScalarType

    def __str__(self) -> str:
        return f"cell[{self.target}]"


@dataclass(frozen=True)
class FnType:
    """Pointer to a model function."""

    params: tuple[ScalarType, ...]
    result: ScalarType | None

    def __str__(self) -> str:
        return f"Callable[[{', '.join(map(str, self.params))}], {self.result}]"


@dataclass(frozen=True)
class HolderType:
    def __str__(self) -> str:
        return "holder"


@dataclass(frozen=True)
class HoldersType:
    def __str__(self) -> str:
        return "holders"


ScalarType = IntType | BoolType | PtrType | CellType | FnType | HolderType | HoldersType


@dataclass(frozen=True)
class ArrayType:
    element: ScalarType | StructDef
    count: int

    def __str__(self) -> str:
        return f"array[{self.element}] of {self.count}"


FieldKind: TypeAlias = "ScalarType | ArrayType | StructDef"


@dataclass(frozen=True)
class Field:
    """One field of a struct. `const` and `ghost` fields are read without a step."""

    name: str
    type: FieldKind
    const: bool
    ghost: bool

    @property
    def silent(self) -> bool:
        """True when an access is not a step of its own."""
        return self.const or self.ghost


class StructDef:
    """A struct declared with `@struct`. Fields resolve late, so structs may refer to each other."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.name = cls.__name__

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<struct {self.name}>"

    def fields(self) -> dict[str, Field]:
        """Fields in declaration order, under the active configuration (array lengths)."""
        try:
            # Named globals: a lambda in an annotation then sees them, too.
            scope = vars(sys.modules[self.cls.__module__])
            hints = typing.get_type_hints(self.cls, globalns=scope, include_extras=True)
        except NameError as error:
            raise TypeError(f"struct {self.name}: {error}") from None
        return {name: self._field(name, hint) for name, hint in hints.items()}

    def _field(self, name: str, hint: Any) -> Field:
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        default = self.cls.__dict__.get(name)
        kind = resolve(hint, length=default if isinstance(default, Length) else None)
        if kind is None or isinstance(kind, type(None)):
            raise TypeError(f"struct {self.name}: field {name} has no type")
        has = {type(mark) for mark in marks}
        return Field(name, kind, Const in has, Ghost in has)


STRUCT = "__lastput_struct__"


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(length,))
def struct(cls: type[T]) -> type[T]:
    """Declare a struct of model memory. The class is never instantiated; `new` makes objects."""
    setattr(cls, STRUCT, StructDef(cls))
    return cls


def struct_of(cls: Any) -> StructDef | None:
    """The StructDef of a class declared with `@struct`, else None."""
    found = cls.__dict__.get(STRUCT) if isinstance(cls, type) else None
    return found if isinstance(found, StructDef) else None


def resolve(hint: Any, *, length: Length | None = None) -> FieldKind | None:
    """Meaning of one annotation; None for `None` (no value). Raises TypeError if it has none."""
    if hint is None or hint is type(None):
        return None
    base, marks = hint, ()
    if get_origin(hint) is Annotated:
        base, *rest = get_args(hint)
        marks = tuple(rest)
    return _resolve_base(base, marks, length)


def _resolve_base(base: Any, marks: tuple[Any, ...], length: Length | None) -> FieldKind:
    for mark in marks:
        match mark:
            case Unsigned(bits):
                return IntType(bits, signed=False)
            case Signed(bits):
                return IntType(bits, signed=True)
            case Upto(limit):
                value = limit() if callable(limit) else limit
                return IntType(max(1, value.bit_length()), signed=False, limit=value)
            case Holder():
                return HolderType()
            case Holders():
                return HoldersType()
    if base is bool:
        return BoolType()
    if base is int:
        return IntType(64, signed=True)
    target = struct_of(base)
    if target is not None:
        return PtrType(target) if any(isinstance(m, Pointer) for m in marks) else target
    return _resolve_generic(base, length)


def _resolve_generic(base: Any, length: Length | None) -> FieldKind:
    origin, args = get_origin(base), get_args(base)
    if origin is array:
        if length is None:
            raise TypeError("an array field needs `= length(n)`")
        element = resolve(args[0])
        if element is None or isinstance(element, ArrayType):
            raise TypeError("an array holds scalars, pointers or structs")
        count = length.count() if callable(length.count) else length.count
        return ArrayType(element, count)
    if origin is cell:
        return CellType(_scalar(args[0]))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Callable):  # type: ignore[arg-type]
        params, result = args
        return FnType(
            tuple(_scalar(p) for p in params),
            None if result in (None, types.NoneType) else _scalar(result),
        )
    raise TypeError(f"{base!r} is not a type of the language")


def _scalar(hint: Any) -> ScalarType:
    kind = resolve(hint)
    if kind is None or isinstance(kind, (ArrayType, StructDef)):
        raise TypeError(f"{hint!r} is not a scalar or pointer")
    return kind
