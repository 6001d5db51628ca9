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

import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, get_args, get_origin

from lastput.lang.declared import mistake
from lastput.lang.errors import LastputError

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
        return "int" if self == IntType(64, signed=True) else f"{'s' if self.signed else 'u'}{self.bits}"


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

    def __init__(self, cls: type[Any], *, over: StructDef | None = None) -> None:
        self.cls = cls
        self.name = cls.__name__
        self.over = over

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<struct {self.name}>"

    def fields(self) -> dict[str, Field]:
        """Fields in declaration order, under the active configuration (array lengths).

        ModelError, at its place in the declaration, for what is no field.
        """
        if self.cls.__bases__ != (object,):
            base = self.cls.__bases__[0].__name__
            raise mistake(
                self.cls, None, "base", "a struct has no base", f"embed it as a field: base: {base}"
            )
        declared = inspect.get_annotations(self.cls)
        for name, value in vars(self.cls).items():
            if name not in declared and not _is_machinery(name):
                raise self._no_field(name, value)
        if not declared:
            raise mistake(self.cls, None, "line", f"struct {self.name} has no fields", "declare at least one")
        found = {name: self._field(name, hint) for name, hint in declared.items()}
        if self.over is not None:
            self._lies_over(list(found.values()), self.over)
        return found

    def _lies_over(self, fields: list[Field], over: StructDef) -> None:
        """Refuse an overlay whose fields are not those of the struct below, in order and type."""
        below = list(over.fields().values())
        for i, mine in enumerate(fields):
            if i >= len(below) or not _same_cell(mine.type, below[i].type):
                there = (
                    f"whose field {i + 1} is {below[i].type}" if i < len(below) else "which ends before it"
                )
                told = f"{self.name} lies over {over.name}, {there}", "use the same types in order"
                raise mistake(self.cls, mine.name, "annotation", *told)
        if len(fields) < len(below):
            told = f"{self.name} lies over {over.name}, which has {len(below)} fields", "declare them all"
            raise mistake(self.cls, None, "line", *told)

    def _no_field(self, name: str, value: object) -> LastputError:
        if isinstance(value, types.FunctionType):
            remedy = f"write a function that takes ptr[{self.name}]"
            return mistake(self.cls, name, "line", "a struct has no methods", remedy)
        return mistake(self.cls, name, "line", f"{name} has no type", f"write {name}: int")

    def _field(self, name: str, declared: Any) -> Field:
        text = declared if isinstance(declared, str) else getattr(declared, "__name__", str(declared))
        if name in ("_address", "_struct"):  # attributes of pointers under CPython
            raise mistake(self.cls, name, "line", f"a field cannot be called {name}", "use another name")
        hint = self._evaluated(name, declared)
        length = self._length(name, hint, text)
        try:
            kind = resolve(hint, length=length)
        except TypeMistake as error:
            raise mistake(self.cls, name, "annotation", *error.about(text)) from None
        if kind is None:
            raise mistake(self.cls, name, "annotation", *TypeMistake().about(text))
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        has = {type(mark) for mark in marks}
        return Field(name, kind, Const in has, Ghost in has)

    def _evaluated(self, name: str, declared: Any) -> Any:
        """The annotation of a field, in the scope of the struct's module."""
        # Named globals: a lambda in an annotation then sees them, too.
        scope = vars(sys.modules[self.cls.__module__])
        alone: Any = types.SimpleNamespace(__annotations__={name: declared})
        try:
            return typing.get_type_hints(alone, globalns=scope, include_extras=True)[name]
        except NameError as error:
            raise mistake(self.cls, name, "annotation", str(error), "define or import it") from None
        except Exception as error:  # the annotation is the user's code
            said = f"this annotation has no meaning: {error}"
            raise mistake(self.cls, name, "annotation", said, "mend it") from None

    def _length(self, name: str, hint: Any, text: str) -> Length | None:
        """The length that an array field declares; other fields have none, and no default."""
        value = self.cls.__dict__.get(name)
        if get_origin(_base(hint)) is array:
            if not isinstance(value, Length):
                told = f"array field {name} has no length", f"write {name}: array[...] = length(n)"
                raise mistake(self.cls, name, "annotation", *told)
            return Length(self._count(name, value))
        if isinstance(value, Length):
            told = f"field {name} is no array, and has a length", "remove the length"
            raise mistake(self.cls, name, "value", *told)
        if name in vars(self.cls):
            remedy = f"write s.new({self.name}, {name}=...) in the scenario"
            raise mistake(self.cls, name, "value", "a field has no default", remedy)
        return None

    def _count(self, name: str, length: Length) -> int:
        try:
            count = length.count() if callable(length.count) else length.count
        except Exception as error:  # the lambda is the user's code
            told = f"the length of {name}: {error}", "use a number, or a lambda over options"
            raise mistake(self.cls, name, "value", *told) from None
        if not isinstance(count, int) or count < 0:
            told = f"the length of {name} is {count!r}", "use a number, 0 or more"
            raise mistake(self.cls, name, "value", *told)
        return count


def _same_cell(a: FieldKind, b: FieldKind) -> bool:
    """Whether two fields are stored alike: the same type, or pointers to structs."""
    return a == b or (isinstance(a, PtrType) and isinstance(b, PtrType))


def _is_machinery(name: str) -> bool:
    """A name that Python, or `struct`, puts into every class."""
    return name.startswith("__") and name.endswith("__")


STRUCT = "__lastput_struct__"


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(length,))
def struct(cls: type[T]) -> type[T]:
    """Declare a struct of model memory. The class is never instantiated; `new` makes objects."""
    if not isinstance(cls, type):
        raise TypeError("@struct stands before a class")
    setattr(cls, STRUCT, StructDef(cls))
    return cls


def overlay(base: type[Any]) -> Callable[[type[T]], type[T]]:
    """Declare a struct that `reinterpret` lays over another: `@overlay(pgd_t)`.

    Its fields are those of `base`, in order and type, under other names: the same memory, as
    after a C pointer cast. Elsewhere, an access through a field must find that very field.
    """

    def declare(cls: type[T]) -> type[T]:
        under = struct_of(base)
        if under is None:
            raise TypeError(f"{base!r} is not declared with @struct")
        setattr(cls, STRUCT, StructDef(cls, over=under))
        return cls

    return declare


View = tuple[StructDef, str] | None
"""The struct and field that an access names; None when any cell of the right type will do."""


def view_of(struct: StructDef | None, field: str) -> View:
    """How an access through `field` of `struct` (None: through a cell pointer) is checked."""
    if struct is None or struct.over is None:
        return None if struct is None else (struct, field)
    position = list(struct.cls.__annotations__).index(field)
    return view_of(struct.over, list(struct.over.cls.__annotations__)[position])


def struct_of(cls: Any) -> StructDef | None:
    """The StructDef of a class declared with `@struct`, else None."""
    found = cls.__dict__.get(STRUCT) if isinstance(cls, type) else None
    return found if isinstance(found, StructDef) else None


class TypeMistake(TypeError):
    """An annotation that is no type of the language; no message: nothing like one."""

    def __init__(self, message: str = "", remedy: str = "") -> None:
        super().__init__(message or "this is not a type of the language")
        self.message, self.remedy = message, remedy

    def about(self, text: str) -> tuple[str, str]:
        """Message and remedy for the annotation that is written `text`."""
        return self.message or f"{text} is not a type of the language", self.remedy or f"use {TYPES}"


TYPES = "int, u8 ... s64, bool, ptr[...], cell[...], array[...], Callable[...] or a struct"
"""What a field may be, for messages."""


def resolve(hint: Any, *, length: Length | None = None) -> FieldKind | None:
    """Meaning of one annotation; None for `None` (no value). TypeMistake if it has none."""
    if hint is None or hint is type(None):
        return None
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return _resolve_base(_base(hint), marks, length)


def _base(hint: Any) -> Any:
    """What is annotated, without the markers."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _resolve_base(base: Any, marks: tuple[Any, ...], length: Length | None) -> FieldKind:
    _check_marks(base, marks)
    for mark in marks:
        match mark:
            case Unsigned(bits):
                return IntType(bits, signed=False)
            case Signed(bits):
                return IntType(bits, signed=True)
            case Upto(limit):
                return _upto(base, limit)
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


MARKS = (Unsigned, Signed, Upto, Pointer, Const, Ghost, Holder, Holders, str)
"""What `Annotated` may carry; a string is a comment."""


def _check_marks(base: Any, marks: tuple[Any, ...]) -> None:
    for mark in marks:
        if not isinstance(mark, MARKS):
            remedy = f"write Annotated[int, upto({mark})]" if isinstance(mark, int) else "remove it"
            raise TypeMistake(f"{mark!r} means nothing in an annotation", remedy)
    pointers = sum(isinstance(mark, Pointer) for mark in marks)
    if pointers > 1 or (pointers and not struct_of(base) and isinstance(_plain(base), type)):
        raise TypeMistake("ptr[...] points at a struct", "use cell[...] for the address of a scalar field")


def _plain(base: Any) -> Any:
    """`base`, if it is a type of the language that no pointer points at."""
    return get_origin(base) or base


def _upto(base: Any, limit: int | Callable[[], int]) -> IntType:
    try:
        value = limit() if callable(limit) else limit
    except Exception as error:  # the lambda is the user's code
        raise TypeMistake(f"the limit of upto: {error}", "use a number, or a lambda over options") from None
    if base is not int:
        raise TypeMistake(f"upto({value}) is for int", f"write Annotated[int, upto({value})]")
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        remedy = "use s8, s16, s32, s64 or int for negative numbers"
        raise TypeMistake(f"upto({value!r}): the limit is a number from 0", remedy)
    return IntType(max(1, value.bit_length()), signed=False, limit=int(value))


def _resolve_generic(base: Any, length: Length | None) -> FieldKind:
    origin, args = get_origin(base), get_args(base)
    if origin is array:
        if length is None:
            raise TypeMistake("an array stands only in a struct", "pass a pointer to the struct")
        element = None if get_origin(_base(args[0])) is array else resolve(args[0])
        if element is None or isinstance(element, ArrayType):
            remedy = "put the inner array into a struct"
            raise TypeMistake("an array holds scalars, pointers or structs", remedy)
        assert isinstance(length.count, int)
        return ArrayType(element, length.count)
    if origin is cell:
        return CellType(_scalar(args[0]))
    if origin is collections.abc.Callable:
        params, result = args
        if not isinstance(params, list):
            remedy = "write Callable[[int], None]"
            raise TypeMistake("Callable needs the types of its parameters", remedy)
        return FnType(
            tuple(_scalar(p) for p in params),
            None if result in (None, types.NoneType) else _scalar(result),
        )
    raise TypeMistake


def _scalar(hint: Any) -> ScalarType:
    struct = struct_of(_base(hint))
    kind = resolve(hint, length=Length(0))
    if struct is not None and isinstance(kind, StructDef):
        raise TypeMistake(f"struct {struct.name} is held by address here", f"write ptr[{struct.name}]")
    if kind is None or isinstance(kind, (ArrayType, StructDef)):
        raise TypeMistake("a scalar or pointer is needed here", "use int, bool, ptr[...] or cell[...]")
    return kind
