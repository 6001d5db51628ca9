"""What the set-up hands to fields, threads and properties, checked against the types declared there."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lastput.lang.errors import UsageError
from lastput.lang.intrinsics import Static
from lastput.lang.types import (
    BoolType,
    CellType,
    FieldKind,
    FnType,
    HoldersType,
    HolderType,
    IntType,
    PtrType,
    ScalarType,
    resolve,
)
from lastput.simulate.infer import hints_of
from lastput.simulate.names import is_model_function
from lastput.simulate.pointer import CellPointer, FunctionPointer, Number, Pointer, number

INT = IntType(64, signed=True)


def raw_value(what: str, want: ScalarType, value: Any) -> int:
    """`value` as it stands in memory; UsageError, beginning with `what`, unless it is a `want`."""
    raw = number(value)
    have = _kind_of(value)
    if not _fits(have, value, want):
        shown = value if have is None else have
        raise UsageError(f"{what} is {_plain(want)}, this is {shown}")
    if not -(1 << 63) <= raw < (1 << 63 if want == INT else 1 << 64):
        raise UsageError(f"{what}: {raw} does not fit 64 bits")
    return raw


def task_address(what: str, task: Any) -> int:
    """The address of a thread's `task=`; UsageError for what is no object."""
    if not (task is None or isinstance(task, (Pointer, Static))):
        raise UsageError(f"{what}: task={task!r} is not an object of the model")
    return number(task)


def arguments(what: str, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[int, ...]:
    """The arguments of a thread's or property's function as raw values; UsageError for wrong ones."""
    if not inspect.isfunction(function):
        raise UsageError(f"{what}: {function!r} is not a function of the model")
    if function.__name__ == "<lambda>":
        raise UsageError(f"{what}: a lambda is not a model function: write one, with def")
    if not is_model_function(function):
        raise UsageError(f"{what}: {function.__name__} is an intrinsic: write a model function that calls it")
    name, wanted = function.__name__, list(inspect.signature(function).parameters)
    if len(wanted) != len(args):
        plural = "" if len(wanted) == 1 else "s"
        raise UsageError(f"{what}: {name} takes {len(wanted)} argument{plural}, not {len(args)}")
    hints = _hints(function)
    raw = []
    for i, (parameter, value) in enumerate(zip(wanted, args, strict=True), 1):
        want = _scalar(hints.get(parameter))
        described = f"{what}: argument {i} of {name}"
        raw.append(number(value) if want is None else raw_value(described, want, value))
    return tuple(raw)


def returns_nothing(function: Callable[..., Any]) -> bool:
    """Whether a model function is declared `-> None`."""
    return _hints(function).get("return", INT) is type(None)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated annotations; none if one is wrong, which is the compiler's to refuse, at its place."""
    try:
        return hints_of(function)
    except UsageError:
        return {}


def _scalar(hint: Any) -> ScalarType | None:
    try:
        kind: FieldKind | None = resolve(hint)
    except TypeError:
        return None
    scalars = (IntType, BoolType, PtrType, CellType, FnType, HolderType, HoldersType)
    return kind if isinstance(kind, scalars) else None


def _kind_of(value: Any) -> ScalarType | None:
    """The type of a Python value; None for what can stand for several."""
    match value:
        case bool():
            return BoolType()
        case int():
            return INT
        case Pointer():
            return PtrType(value._struct)
        case Static():
            return PtrType(value.__dict__["_struct"])
        case CellPointer():
            return CellType(value._type)
    return _signature(value) if is_model_function(value) else None


def _signature(function: Callable[..., Any]) -> FnType | None:
    hints = _hints(function)
    params = [_scalar(hints.get(name)) for name in inspect.signature(function).parameters]
    result = hints.get("return")
    if any(p is None for p in params):
        return None
    return FnType(tuple(p for p in params if p), None if result is type(None) else _scalar(result))


def _fits(have: ScalarType | None, value: Any, want: ScalarType) -> bool:
    if isinstance(want, (PtrType, CellType, FnType)) and have == INT and value == 0:
        return True  # NULL
    if have is None or isinstance(value, FunctionPointer):
        return value is None or isinstance(value, Number)
    have, want = _plain(have), _plain(want)
    return have == want or (have == BoolType() and want == INT)


def _plain(kind: ScalarType) -> ScalarType:
    """`kind` with every integer as wide as a local."""
    if isinstance(kind, (IntType, HolderType, HoldersType)):
        return INT
    if isinstance(kind, FnType):
        return FnType(tuple(_plain(p) for p in kind.params), kind.result and _plain(kind.result))
    return CellType(_plain(kind.target)) if isinstance(kind, CellType) else kind
