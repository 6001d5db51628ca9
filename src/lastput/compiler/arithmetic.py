"""Integer arithmetic of the language on known numbers: Python's, within 64 signed bits."""

from __future__ import annotations

import operator
from collections.abc import Callable

from lastput.lang.types import IntType

LOW, HIGH = -(1 << 63), (1 << 63) - 1

_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.floordiv,
    "mod": operator.mod, "and": operator.and_, "or": operator.or_, "xor": operator.xor,
    "shl": operator.lshift, "shr": operator.rshift, "min": min, "max": max,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def fold(op: str, a: int, b: int) -> int | None:
    """Result of `a op b`; None when running it is a violation."""
    if op in ("div", "mod") and b == 0:
        return None
    if op in ("shl", "shr") and not 0 <= b <= 63:
        return None
    result = int(_OPERATIONS[op](a, b))
    return result if LOW <= result <= HIGH else None


def wrap(value: int, kind: IntType) -> int:
    """`value` after a store to an integer of type `kind`, as C converts."""
    low = value & ((1 << kind.bits) - 1)
    return low - (1 << kind.bits) if kind.signed and low >> (kind.bits - 1) else low
