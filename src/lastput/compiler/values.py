"""Types of values, and which value may stand where."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.compiler.tree import INT, Expr, NullType, ValueType
from lastput.lang.types import (
    ArrayType,
    BoolType,
    CellType,
    Field,
    FnType,
    IntType,
    PtrType,
    ScalarType,
    StructDef,
)


@dataclass
class ArrayPlace:
    """An array field: not a value, but something to index. `base` is the address of element 0."""

    base: Expr
    type: ArrayType
    field: Field
    owner: StructDef


def value_type(kind: ScalarType) -> ValueType:
    """Type of the value in a cell: every integer cell reads as an int."""
    return kind if isinstance(kind, (PtrType, CellType, FnType, BoolType)) else INT


def article(kind: ValueType) -> str:
    """The type with its article, for messages."""
    return f"an {kind}" if kind == INT else f"a {kind}"


def fits(have: ValueType, want: ValueType) -> bool:
    """Whether a value of type `have` may be stored where `want` is expected."""
    if have == want:
        return True
    if isinstance(have, NullType):
        return isinstance(want, (PtrType, CellType, FnType))
    if isinstance(have, CellType) and isinstance(want, CellType):
        return value_type(have.target) == value_type(want.target)
    if isinstance(have, FnType) and isinstance(want, FnType):
        return signature_fits(have, want)
    return isinstance(want, IntType) and isinstance(have, (IntType, BoolType))


def signature_fits(have: FnType, want: FnType) -> bool:
    """Same number of parameters and the same value types."""
    if len(have.params) != len(want.params) or (have.result is None) != (want.result is None):
        return False
    pairs = list(zip(have.params, want.params, strict=True))
    if have.result is not None and want.result is not None:
        pairs.append((have.result, want.result))
    return all(value_type(a) == value_type(b) for a, b in pairs)
