"""What model code may do besides reading and writing fields.

Compiled, these names are understood by the compiler and never run. Under CPython each hands its
work to the active machine (`simulate/`), so that a model is ordinary Python.

What is one step: one load or store of a field that is neither `const` nor `ghost`; one
`await_`, `choose`, `kmalloc`, `kzalloc` or `kfree`; or everything inside one `with atomic():`.
A step takes the local computation that follows with it, up to just before the next access.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol, TypeVar

from lastput.lang.types import StructDef, cell, struct_of

T = TypeVar("T")
M = TypeVar("M")

NULL: Any = 0


class Machine(Protocol):
    """What `simulate/` offers to model code that runs under CPython."""

    def atomic(self) -> AbstractContextManager[None]: ...
    def await_(self, condition: Callable[[], Any], holders: Callable[[], int] | None) -> None: ...
    def choose(self, n: int) -> int: ...
    def allocate(self, struct: StructDef, zero: bool) -> Any: ...
    def free(self, pointer: Any) -> None: ...
    def ref(self, place: Callable[[], Any]) -> Any: ...
    def at(self, pointer: Any, index: int) -> Any: ...
    def container_of(self, pointer: Any, struct: StructDef, member: Callable[[Any], Any]) -> Any: ...
    def reinterpret(self, struct: StructDef, pointer: Any) -> Any: ...
    def violation(self, kind: str, message: str) -> NoReturn: ...
    def this_thread(self) -> int: ...
    def this_task(self, struct: StructDef) -> Any: ...
    def threads(self) -> int: ...
    def static(self, variable: Static) -> Any: ...


_machine: Machine | None = None


def machine() -> Machine:
    """The machine that runs model code now; RuntimeError outside of one."""
    if _machine is None:
        raise RuntimeError("model code runs inside a scenario: use `lastput check` or check()")
    return _machine


@contextlib.contextmanager
def running_on(new: Machine) -> Any:
    """Make `new` the active machine inside the `with` block."""
    global _machine
    old, _machine = _machine, new
    try:
        yield new
    finally:
        _machine = old


def _struct(cls: type[Any]) -> StructDef:
    found = struct_of(cls)
    if found is None:
        raise TypeError(f"{cls!r} is not declared with @struct")
    return found


def atomic() -> AbstractContextManager[None]:
    """`with atomic():` makes everything inside one step. An `await_` may only come first."""
    return machine().atomic()


def await_(condition: Callable[[], Any], *, holders: Callable[[], int] | None = None) -> None:
    """Block until `condition()` is true. The test and what follows up to the next access are one step.

    `holders()` is a bit mask of the threads waited for; a deadlock's report uses it.
    """
    machine().await_(condition, holders)


def choose(n: int) -> int:
    """Any of 0..n-1: every one is explored. n >= 1."""
    return machine().choose(n)


def kmalloc(cls: type[T]) -> T:
    """A new object with indeterminate content, from the scenario's pool of that struct."""
    pointer: T = machine().allocate(_struct(cls), zero=False)
    return pointer


def kzalloc(cls: type[T]) -> T:
    """A new object, all zero, from the scenario's pool of that struct."""
    pointer: T = machine().allocate(_struct(cls), zero=True)
    return pointer


def kfree(pointer: Any) -> None:
    """Free an object that came from `kmalloc`, `kzalloc` or the scenario's `new`; NULL is ignored."""
    machine().free(pointer)


def ref(place: Callable[[], T]) -> cell[T]:
    """Address of a scalar field, C's `&p->field`: `ref(lambda: p.field)`."""
    address: cell[T] = machine().ref(place)
    return address


def at(pointer: T, index: int) -> T:
    """Address of the element `index` places further, C's `pointer + index`."""
    moved: T = machine().at(pointer, index)
    return moved


def container_of(pointer: M, cls: type[T], member: Callable[[T], M]) -> T:
    """The struct that embeds what `pointer` points at: `container_of(mn, kvm, lambda k: k.mmu_notifier)`."""
    outer: T = machine().container_of(pointer, _struct(cls), member)
    return outer


def reinterpret(cls: type[T], pointer: Any) -> T:
    """The same address, seen as another struct: C's pointer cast."""
    cast: T = machine().reinterpret(_struct(cls), pointer)
    return cast


def violation(kind: str, message: str) -> NoReturn:
    """Report a broken rule (a kind of `lastput.checks`); the path ends here."""
    machine().violation(kind, message)


def BUG_ON(condition: Any) -> None:
    """The kernel's BUG_ON: the path ends as violated when `condition` is true."""
    if condition:
        machine().violation("bug", "kernel BUG")


def WARN_ON(condition: Any) -> bool:
    """The kernel's WARN_ON, as under panic_on_warn: a true condition is a violation."""
    if condition:
        machine().violation("warning", "WARNING")
    return False


def this_thread() -> int:
    """Number of the running thread, 0-based in the scenario's order."""
    return machine().this_thread()


def this_task(cls: type[T]) -> T:
    """The object that the scenario gave this thread as `task=`; the kernel's `current`."""
    task: T = machine().this_task(_struct(cls))
    return task


def nr_threads() -> int:
    """Number of threads of the scenario."""
    return machine().threads()


def wrap(to: Any, value: int) -> int:
    """`value` as it would be after a store to an integer of type `to` (u8 ... s64).

    A u64 from 2**63 up leaves the language's 64 signed bits, and ends the path as a bound.
    """
    from lastput.lang.types import IntType, resolve

    kind = resolve(to)
    if not isinstance(kind, IntType) or kind.limit is not None or to is int:
        raise TypeError("wrap(to, value): `to` is one of u8, u16, u32, u64, s8, s16, s32, s64")
    low = value & ((1 << kind.bits) - 1)
    if low >> 63 and not kind.signed:
        machine().violation("range", "wrap() would exceed 2**63 - 1")
    return low - (1 << kind.bits) if kind.signed and low >> (kind.bits - 1) else low


class Static:
    """A global variable of the kernel; made by `static(T)`. Attributes are the struct's fields."""

    def __init__(self, struct: StructDef) -> None:
        self.__dict__["_struct"] = struct

    def __getattr__(self, name: str) -> Any:
        return getattr(machine().static(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(machine().static(self), name, value)

    def __repr__(self) -> str:
        return f"<static {self.__dict__['_struct'].name}>"


def static(cls: type[T]) -> T:
    """A zero-initialised global variable: `srcu = static(srcu_struct)` at module level."""
    variable: Any = Static(_struct(cls))
    return variable  # type: ignore[no-any-return]
