"""What a primitive is for: which function takes a lock and which gives it back, and the like.

A model says so next to its primitives, after their functions:

    roles.lock(spin_lock, spin_unlock)

`lastput needed` finds there what it can remove, and the counting of costs what counts as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Function = Callable[..., Any]

Kind = Literal[
    "lock",
    "read section",
    "reference",
    "grace period",
    "deferral",
    "wait",
    "lock break",
    "recheck",
    "assertion",
    "atomic operation",
    "barrier",
    "primitive",
]


@dataclass(frozen=True)
class Role:
    """One declaration. `ends` undo what `begins` does; most kinds have none."""

    kind: Kind
    begins: Function
    ends: tuple[Function, ...] = ()


_BEGINS: dict[Function, list[Role]] = {}
_ENDS: dict[Function, list[Role]] = {}


def _declare(kind: Kind, functions: tuple[Function, ...], ends: tuple[Function, ...] = ()) -> None:
    for function in functions:
        role = Role(kind, function, ends)
        if role not in _BEGINS.setdefault(function, []):
            _BEGINS[function].append(role)
        for end in ends:
            _ENDS.setdefault(end, []).append(role)


def lock(take: Function, *give: Function) -> None:
    """`take(l)` acquires a lock, each of `give` releases it. The first arguments name the lock."""
    _declare("lock", (take,), give)


def read_section(enter: Function, *leave: Function) -> None:
    """`enter(...)` opens a read section of RCU or SRCU, `leave(...)` closes it."""
    _declare("read section", (enter,), leave)


def reference(get: Function, *put: Function) -> None:
    """`get(p)` takes one more reference to `p`, each of `put` drops one."""
    _declare("reference", (get,), put)


def grace_period(*functions: Function) -> None:
    """Each waits until the readers that were there before have left."""
    _declare("grace period", functions)


def deferral(*functions: Function) -> None:
    """Each, as `call_rcu(head, func)`, calls its last argument on the one before, after a grace period."""
    _declare("deferral", functions)


def wait(*functions: Function) -> None:
    """Each waits until something else is done: a work item, a completion, callbacks."""
    _declare("wait", functions)


def lock_break(*functions: Function) -> None:
    """Each may drop the lock that it is called with and take it again."""
    _declare("lock break", functions)


def recheck(*functions: Function) -> None:
    """Each says whether what was read before may be stale by now."""
    _declare("recheck", functions)


def assertion(*functions: Function) -> None:
    """Each only complains unless a lock is held: it has no part in what the code does."""
    _declare("assertion", functions)


def atomic_operation(*functions: Function) -> None:
    """Each is one atomic read-modify-write instruction."""
    _declare("atomic operation", functions)


def barrier(*functions: Function) -> None:
    """Each orders memory accesses. Without effect: memory is sequentially consistent here."""
    _declare("barrier", functions)


def primitive(*functions: Function) -> None:
    """Each is taken as a whole: what it is made of is no part of what is asked about."""
    _declare("primitive", functions)


def begins(function: object, *kinds: Kind) -> Role | None:
    """The role that `function` begins, or has, of one of `kinds` (of any, without)."""
    return _found(_BEGINS, function, kinds)


def ends(function: object, *kinds: Kind) -> Role | None:
    """The role that `function` ends."""
    return _found(_ENDS, function, kinds)


def declared(*kinds: Kind) -> list[Function]:
    """The functions that have a role of one of `kinds`: what begins it first, then what ends it."""
    return [
        function
        for known in (_BEGINS, _ENDS)
        for function, found in known.items()
        if any(role.kind in kinds for role in found)
    ]


def _found(declared: dict[Function, list[Role]], function: object, kinds: tuple[Kind, ...]) -> Role | None:
    if not callable(function):
        return None
    return next((r for r in declared.get(function, []) if not kinds or r.kind in kinds), None)


def is_primitive(function: Function) -> bool:
    """Whether `function` has any role: it is then taken as a whole."""
    return function in _BEGINS or function in _ENDS
