"""What a step does to memory, noted: what it read that it had not written, what it wrote, what it was given.

The operations of model code, for `live`. Each stops before it begins a step. A thread that is run again to
where it stood gets from each operation what that gave the first time, and touches no memory.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from greenlet import greenlet

from lastput.lang.errors import UsageError
from lastput.lang.types import HoldersType, ScalarType, StructDef, View
from lastput.lang.world import ThreadSpec
from lastput.simulate.fault import Fault
from lastput.simulate.pointer import Pointer, lift, number
from lastput.simulate.scheduler import CHOICE_LIMIT, Scheduler, Thread
from lastput.validate.cells import GONE, Cells
from lastput.validate.emit import Emission, EmittingProgram
from lastput.validate.record import Intent, Place, Restart
from lastput.validate.resume import resuming
from lastput.validate.stacks import Held, Stacks


class Runner(Thread):
    """A greenlet, and where it stands."""

    def __init__(self, spec: ThreadSpec, runner: greenlet) -> None:
        super().__init__(spec, runner)
        self.place: Place | None = None
        self.held = Held()
        self.intent = Intent("")


class Operations(Scheduler):
    """Notes what the running thread's step does."""

    program: EmittingProgram

    def __init__(self, program: EmittingProgram, weights: Sequence[int]) -> None:
        super().__init__(program)
        self.memory: Cells = Cells(program.memory, weights)
        self.stacks = Stacks(program)
        self._resumes = [self._resume_point(spec) for spec in program.world.threads]
        self._locks = {a: isinstance(c.type, HoldersType) for a, c in self.memory.locks}
        self._canned: tuple[Any, ...] | None = None
        """While a thread is run again: what its operations gave."""
        self._next = 0
        self._log: list[Any] = []
        self._emitted: list[Emission] = []
        self._reads: dict[int, Any] = {}
        self._wrote: set[int] = set()
        self._restart: Restart | None = None
        self.exhausted = False
        """A pool had no slot left."""

    def _resume_point(self, spec: ThreadSpec) -> tuple[int, str, CodeType] | None:
        position = resuming(spec.function)
        if position is None:
            return None
        code = next(c for c, found in self.program.by_code.items() if found.original is spec.function)
        return position, code.co_varnames[position], code

    def _note_fault(self, error: Exception | None) -> None:
        """Where a rule was broken counts as read."""
        address = error.address if isinstance(error, Fault) else None
        if address is None or address not in self.memory.cells:
            return
        for read in (address, self.memory.mutable.get(address, address)):
            if read not in self._wrote:
                self._reads.setdefault(read, self.memory.values.get(read, GONE))

    def stop(self, intent: Intent) -> None:
        """A switch point: stand before what is intended, unless it belongs to a step that has begun."""
        thread = self.current
        if self.quiet or thread is None:
            return
        if thread.depth:
            if thread.begun:
                if intent.kind == "await":
                    raise UsageError("await_ comes after another access of its atomic block: wait first")
                return
            thread.begun = True
        if self._canned is not None:
            if self._next < len(self._canned):
                return
            self._canned = None
        assert isinstance(thread, Runner)
        thread.intent = intent
        self.stacks.follow(thread.held, sys._getframe(2))
        self._hub.switch()

    def _again(self) -> Any:
        """What the next operation gave the first time."""
        assert self._canned is not None
        found = self._canned[self._next]
        self._next += 1
        return found

    def load(self, address: int, kind: ScalarType, silent: bool, view: View = None) -> Any:
        """Read a cell. What is `const` is no news."""
        memory = self.memory
        if silent and address in memory.constant:  # of an object that is always there
            return lift(kind, memory.load(address, kind, view))
        if not silent and not self.quiet:
            thread = self.current
            if thread is None or not (thread.depth and thread.begun):
                self.stop(Intent("load", (address,)))
        if self._canned is not None and not self.quiet:
            return lift(kind, self._again())
        value = memory.load(address, kind, view)
        if address not in self._reads and address not in self._wrote:
            self._reads[address] = value
        if not self.quiet:
            self._log.append(value)
        return lift(kind, value)

    def store(
        self, address: int, kind: ScalarType, value: Any, silent: bool, const: bool, view: View = None
    ) -> None:
        """Write a cell."""
        raw = number(value)
        if const:
            raise UsageError(f"{self.memory.name(address)} is const: only the set-up may write it")
        if not silent and not self.quiet:
            thread = self.current
            if thread is None or not (thread.depth and thread.begun):
                self.stop(Intent("store", (address, raw)))
        if self._canned is not None:
            self._again()
            return
        memory = self.memory
        memory._check(address, kind, view)
        memory.write(address, memory._convert(address, kind, raw))
        life = memory.mutable.get(address)
        if life is not None and life not in self._wrote:
            self._reads.setdefault(life, memory.values[life])
        self._wrote.add(address)
        self._log.append(None)

    def allocate(self, struct: StructDef, zero: bool) -> Any:
        """kmalloc, kzalloc: reads the lives of the slots that it looks at."""
        self.stop(Intent("alloc", (), struct.name))
        if self._canned is not None:
            return Pointer(struct, self._again())
        memory = self.memory
        looked = memory.looked_at(struct, self.this_thread(), self._call())
        for slot in looked:
            if -1 - slot not in self._wrote:
                self._reads.setdefault(-1 - slot, memory.values[-1 - slot])
        before = len(memory.undo)
        try:
            address = memory.give(struct, zero, looked)
        except Fault:
            self.exhausted = True
            raise
        self._wrote.update(a for a, _ in memory.undo[before:])
        self._log.append(address)
        return Pointer(struct, address)

    def _call(self) -> int:
        """Which of its calls the running thread makes; 0 if it cannot begin in the middle."""
        runner = self.current
        assert isinstance(runner, Runner)
        point = self._resumes[runner.spec.index]
        if point is None or not runner.held.frames or runner.held.frames[0].f_code is not point[2]:
            return 0
        return int(runner.held.frames[0].f_locals[point[1]])

    def free(self, pointer: Any) -> None:
        """kfree: reads the object's life and its locks."""
        address = number(pointer)
        self.stop(Intent("free", (address,)))
        if self._canned is not None:
            self._again()
            return
        memory = self.memory
        for read in self._freed(address):
            if read not in self._wrote:
                self._reads.setdefault(read, memory.values.get(read, GONE))
        before = len(memory.undo)
        memory.free(address)
        self._wrote.update(a for a, _ in memory.undo[before:])
        self._log.append(None)

    def _freed(self, address: int) -> list[int]:
        placed = self.world.space.find(address) if address in self.memory.mutable else None
        if placed is None:
            return []
        inside = range(placed.base, placed.base + placed.size)
        return [self.memory.mutable[address], *(a for a in inside if a in self._locks)]

    def await_(self, condition: Callable[[], Any], holders: Callable[[], int] | None) -> None:
        """Stop until the condition holds."""
        self.stop(Intent("await", condition=condition, holders=holders))
        if self._canned is not None:
            self._again()
            return
        if not self.evaluate(condition):
            raise UsageError("await_ would block for ever here: nothing else runs")
        self._log.append(None)

    def choose(self, n: int) -> int:
        """The next digit of the step's choice number."""
        if self.quiet or self.current is None or n < 1:
            return super().choose(n)
        self.stop(Intent("choose", (n,)))
        if self._canned is not None:
            return int(self._again())
        if math.prod(self.radices) * n > CHOICE_LIMIT:
            raise Fault("range", f"more than {CHOICE_LIMIT} choices in one step")
        self.choice, digit = divmod(self.choice, n)
        self.radices.append(n)
        self._log.append(digit)
        return digit

    def loop(self) -> None:
        """An iteration begins; of a thread's own loop, the thread can begin with it."""
        super().loop()
        thread = self.current
        if thread is None or self._canned is not None or self.quiet:
            return
        point = self._resumes[thread.spec.index]
        if point is not None:
            frame = sys._getframe(2)
            if frame.f_code is point[2]:
                args = list(thread.spec.args)
                args[point[0]] = frame.f_locals[point[1]]
                self._restart = tuple(args), len(self._log)

    def emit(self, emission: Emission) -> None:
        """A thread has entered or left an observable function."""
        if self._canned is None and not self.quiet and self.current is not None:
            self._emitted.append(emission)
