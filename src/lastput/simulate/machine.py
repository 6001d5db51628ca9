"""What model code does besides computing, as one machine without threads: no step ever ends here.

The set-up runs on such a machine, and `scheduler.py` adds threads to it: there `point` stops.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from lastput.lang.errors import UsageError
from lastput.lang.intrinsics import Static
from lastput.lang.layout import Layout
from lastput.lang.types import ScalarType, StructDef, View
from lastput.lang.world import World
from lastput.simulate.fault import Fault, Frame
from lastput.simulate.memory import Memory
from lastput.simulate.pointer import Array, CellPointer, Number, Place, Pointer, lift, number

LOOP_LIMIT = 10_000
"""Iterations of loops within one step; more is a soft lockup."""

FAR = 1 << 40
"""A base address that no struct has: container_of measures offsets from it."""


@dataclass(frozen=True)
class Operation:
    """What a thread is about to do: `kind` is load, store, await, choose, alloc or free."""

    kind: str
    operands: tuple[int, ...] = ()
    """Address and value of a load or store, address of a free, number of choices."""
    type: str = ""
    condition: Callable[[], Any] | None = None
    holders: Callable[[], int] | None = None


@dataclass(frozen=True)
class Access:
    """One operation that happened. `before` and `value` are numbers; None where there is none."""

    kind: str
    address: int
    before: int | None
    value: int | None
    silent: bool
    stack: tuple[Frame, ...] = ()
    """Where an allocation or a free happened."""


class Machine:
    """Model memory plus the meaning of every intrinsic; everything happens at once."""

    def __init__(self, world: World, memory: Memory) -> None:
        self.world = world
        self.memory = memory
        self.layout: Layout = world.space.layout
        """Layout of structs under the world's configuration."""
        self.placing = False
        self.quiet = 0
        self.loops = 0
        self.log: list[Access] | None = None

    # -- what subclasses change -------------------------------------------------------------------

    def point(self, operation: Operation) -> None:
        """A switch point: `operation` is about to happen."""

    def may_write_const(self) -> bool:
        """Whether `const` fields may be written: in the set-up only."""
        return False

    # -- memory -----------------------------------------------------------------------------------

    def load(self, address: int, kind: ScalarType, silent: bool, view: View = None) -> Any:
        """Read a cell, as a value of the language."""
        if not silent:
            self.point(Operation("load", (address,), str(kind)))
        value = self.memory.load(address, kind, view)
        self.note("load", address, value, value, silent)
        return lift(kind, value)

    def store(
        self, address: int, kind: ScalarType, value: Any, silent: bool, const: bool, view: View = None
    ) -> None:
        """Write a cell."""
        raw = number(value)
        if const and not self.may_write_const():
            raise UsageError(f"{self.memory.name(address)} is const: only the set-up may write it")
        if not silent:
            self.point(Operation("store", (address, raw), str(kind)))
        before = self.memory.values.get(address)
        self.memory.store(address, kind, raw, view)
        self.note("store", address, before, self.memory.values[address], silent)

    def note(self, kind: str, address: int, before: int | None, value: int | None, silent: bool) -> None:
        """Remember an operation for a trace."""
        if self.log is not None and not self.quiet:
            stack = self.stack() if kind in ("alloc", "free") else ()
            self.log.append(Access(kind, address, before, value, silent, stack))

    def stack(self) -> tuple[Frame, ...]:
        """The running model functions, outermost first."""
        return ()

    def allocate(self, struct: StructDef, zero: bool) -> Any:
        """kmalloc, kzalloc."""
        self.point(Operation("alloc", (), struct.name))
        address = self.memory.allocate(struct, zero)
        self.note("alloc", address, None, address, False)
        return Pointer(struct, address)

    def free(self, pointer: Any) -> None:
        """kfree."""
        address = number(pointer)
        self.point(Operation("free", (address,)))
        self.memory.free(address)
        self.note("free", address, None, None, False)

    # -- addresses --------------------------------------------------------------------------------

    def ref(self, place: Callable[[], Any]) -> Any:
        """Address of the scalar field that `place` designates."""
        found = self._designate(place)
        if not isinstance(found, Place):
            raise TypeError("ref needs a scalar field: ref(lambda: p.field)")
        return CellPointer(found._type, found._address)

    def _designate(self, place: Callable[[], Any]) -> Any:
        self.placing = True
        try:
            return place()
        finally:
            self.placing = False

    def at(self, pointer: Any, index: int) -> Any:
        """Pointer arithmetic."""
        if isinstance(pointer, Static):
            pointer = self.static(pointer)
        if isinstance(pointer, CellPointer):
            return CellPointer(pointer._type, self._inside(pointer._address + index))
        address = pointer._address + index * self.layout.size(pointer._struct)
        return Pointer(pointer._struct, self._inside(address))

    def _inside(self, address: int) -> int:
        """The result of pointer arithmetic; Fault at once if it leaves memory."""
        if not 0 <= address <= self.world.space.end:
            raise Fault("out-of-bounds", "pointer arithmetic leaves memory", address)
        return address

    def container_of(self, pointer: Any, struct: StructDef, member: Callable[[Any], Any]) -> Any:
        """The struct that embeds what `pointer` points at."""
        inner = self._designate(lambda: member(Pointer(struct, FAR)))
        if not isinstance(inner, (Number, Place, Array)):
            raise TypeError("container_of needs a member: container_of(p, T, lambda t: t.member)")
        return Pointer(struct, self._inside(number(pointer) - (inner._address - FAR)))

    def reinterpret(self, struct: StructDef, pointer: Any) -> Any:
        """C's pointer cast."""
        return Pointer(struct, number(pointer))

    def static(self, variable: Static) -> Any:
        """The object of a static variable; placed when first mentioned."""
        new = variable not in self.world.statics
        placed = self.world.static_object(variable, _static_name(variable) if new else "")
        if new:
            self.memory.grow()
            self.memory.values.update(dict.fromkeys(range(placed.base, placed.base + placed.size), 0))
        return Pointer(placed.struct, placed.base)

    def number_of_static(self, variable: Static) -> int:
        """Address of a static variable."""
        return number(self.static(variable))

    # -- control ----------------------------------------------------------------------------------

    def number_of_function(self, function: Callable[..., Any]) -> int:
        """The number that stands for a model function in memory."""
        return self.world.function_id(function)

    def call(self, function: int, args: tuple[Any, ...]) -> Any:
        """Call through a function pointer."""
        return self._function(function)(*args)

    def _function(self, function: int) -> Callable[..., Any]:
        if not 1 <= function <= len(self.world.functions):
            raise Fault("bad-call", f"call through function pointer {function:#x}", function)
        return self.world.functions[function - 1]

    def loop(self) -> None:
        """A loop begins an iteration."""
        self.loops += 1
        if self.loops > LOOP_LIMIT:
            raise Fault("soft-lockup", f"more than {LOOP_LIMIT} iterations in one step")

    def violation(self, kind: str, message: str) -> NoReturn:
        """The model says that a rule is broken."""
        raise Fault(kind, message)

    def atomic(self) -> AbstractContextManager[None]:
        """Everything is atomic on a machine without threads."""
        return contextlib.nullcontext()

    def await_(self, condition: Callable[[], Any], holders: Callable[[], int] | None) -> None:
        """Wait; on a machine without threads there is nobody to wait for."""
        if not self.evaluate(condition):
            raise UsageError("await_ would block for ever here: nothing else runs")

    def evaluate(self, condition: Callable[[], Any]) -> bool:
        """Truth of a condition, all reads at once."""
        with self.all_at_once():
            return bool(condition())

    @contextlib.contextmanager
    def all_at_once(self) -> Iterator[None]:
        """Inside, nothing is a switch point and nothing is logged."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def choose(self, n: int) -> int:
        """Nothing can be chosen where nothing is explored."""
        raise UsageError("choose() cannot be used here: only threads choose")

    def this_thread(self) -> int:
        """Thread 0 runs the set-up, so that it may take locks and release them."""
        return 0

    def this_task(self, struct: StructDef) -> Any:
        """There is no current task outside of threads."""
        raise UsageError("this_task() cannot be used here: no thread runs")

    def threads(self) -> int:
        """Number of threads."""
        return len(self.world.threads)


def _static_name(variable: Static) -> str:
    """Name under which the code that mentions `variable` knows it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_globals["__name__"].startswith(("lastput.simulate", "lastput.lang")):
            for name, value in (*frame.f_globals.items(), *frame.f_locals.items()):
                if value is variable:
                    return name
        frame = frame.f_back
    struct: StructDef = variable.__dict__["_struct"]
    return struct.name
