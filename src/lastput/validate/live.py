"""Threads as greenlets that can be put where they once stood.

`Live` is a Scheduler that runs one step of one thread where no record of it is known, takes the step back
and gives the record. A greenlet cannot be copied: to stand at a place again, the thread's function is run
with what its operations gave the first time, which touches no memory.
"""

from __future__ import annotations

import contextvars
import functools
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, Self

from greenlet import GreenletExit, greenlet

from lastput.lang.errors import LastputError, UsageError
from lastput.lang.intrinsics import running_on
from lastput.lang.options import configuration
from lastput.lang.types import HoldersType, ScalarType, StructDef, View
from lastput.lang.world import ThreadSpec
from lastput.simulate.fault import Fault, Frame
from lastput.simulate.pointer import Pointer, lift, number
from lastput.simulate.scheduler import CHOICE_LIMIT, Scheduler, Thread
from lastput.validate.cells import GONE, Cells, Change, Numbers
from lastput.validate.emit import Emission, EmittingProgram
from lastput.validate.record import HELD, Intent, Place, Record, Restart
from lastput.validate.resume import resuming
from lastput.validate.stacks import Held, Stacks

NO_LIMIT = -(1 << 60)
"""A count of loops that comes to no limit: what is run again is not one step."""


NOBODY: frozenset[int] = frozenset()


class Runner(Thread):
    """A greenlet, and where it stands."""

    def __init__(self, spec: ThreadSpec, runner: greenlet) -> None:
        super().__init__(spec, runner)
        self.place: Place | None = None
        self.held = Held()
        self.intent = Intent("")


class Live(Scheduler):
    """Runs one step of one thread at a time, from any place that is known."""

    memory: Cells
    program: EmittingProgram

    def __init__(self, program: EmittingProgram) -> None:
        super().__init__(program)
        self.memory: Cells = Cells(program.memory)
        self.stacks = Stacks(program)
        self.executed = 0
        """Steps that model code was run for."""
        self.numbers = Numbers()
        self._places: dict[tuple[Any, ...], Place] = {}
        self._runners: dict[int, Runner] = {}
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
        self._sets: dict[frozenset[int], frozenset[int]] = {}
        """Of sets that come again and again, one each."""

    @classmethod
    @contextmanager
    def opened(cls, program: EmittingProgram) -> Iterator[Self]:
        """A machine on which no thread has begun; leaving the block ends what runs on it."""
        run = cls(program)
        with configuration(program.world.configuration), running_on(run):
            try:
                yield run
            finally:
                for runner in run._runners.values():
                    _end(runner)

    # -- steps as records ---------------------------------------------------------------------------

    def begin(self, thread: int) -> Record:
        """What a thread does before its first switch point. Memory is left as it was."""
        args = self.world.threads[thread].args
        return self._record(self._new(thread, args), None, 0, (args, 0))

    def step_from(self, place: Place, choice: int) -> Record:
        """The step from `place`, in the present memory, which is left as it was."""
        values = self.memory.values
        known = place.records.setdefault(choice, [])
        for record in known:
            if all(values.get(a, GONE) == v for a, v in record.reads) and (
                record.ends is None or record.ends == self._holds(place.thread)
            ):
                return record
        made = self._record(self._standing(place), place, choice, None)
        known.append(made)
        return made

    def can_step(self, place: Place) -> bool:
        """Whether the thread can step. An await_ whose condition is a fault can: the step faults."""
        return bool(self._asked(place, place.tests, "condition", True))

    def waits_for(self, place: Place) -> int:
        """Bit mask of the threads that the thread says it waits for."""
        return self._asked(place, place.masks, "holders", 0)

    def condition(self, place: Place) -> tuple[Change, ...]:
        """What a waiting thread's condition reads in the present memory, with the values."""
        self.can_step(place)
        values = self.memory.values
        for reads, _ in place.tests:
            if all(values.get(a, GONE) == v for a, v in reads):
                return reads
        return ()

    def _asked(
        self, place: Place, answers: list[tuple[tuple[Change, ...], int]], what: str, otherwise: int
    ) -> int:
        """What a waiting thread's condition, or its holders, come to now."""
        if getattr(place.intent, what) is None:
            return otherwise
        values = self.memory.values
        for reads, answer in answers:
            if all(values.get(a, GONE) == v for a, v in reads):
                return answer
        runner = self._standing(place)
        self._reads, self._wrote, self.loops = {}, set(), 0
        answer = otherwise
        with self._as(runner), self.all_at_once():
            try:
                answer = int(getattr(runner.intent, what)())
            except LastputError:
                raise
            except Exception as error:
                self._note_fault(error)
        answers.append((tuple(self._reads.items()), answer))
        return answer

    @contextmanager
    def _as(self, thread: Thread) -> Iterator[None]:
        self.current = thread
        try:
            yield
        finally:
            self.current = None

    def ask(self, thread: int, read: Callable[[], Any]) -> tuple[int | None, frozenset[int]]:
        """What `read` gives as if `thread` read it now, and the numbers that it looked at."""
        self._reads, self._wrote, self.loops = {}, set(), 0
        with self._as(Thread(self.world.threads[thread], self._hub)), self.all_at_once():
            try:
                value = read()
                found = None if value is None else int(number(value))
            except Fault as fault:
                self._note_fault(fault)
                found = None
        return found, frozenset(self._reads)

    def _record(self, runner: Runner, place: Place | None, choice: int, restart: Restart | None) -> Record:
        self.executed += 1
        thread, memory = runner.spec.index, self.memory
        memory.undo, self._reads, self._wrote = [], {}, set()
        self._log, self._emitted, self._restart = [], [], restart
        self.choice, self.radices, self.loops = choice, [], 0
        self.program.ran.clear()
        fault = self._switch(runner)
        self._note_fault(fault)
        undo, memory.undo = memory.undo, []
        first = dict(reversed(undo))
        writes = tuple((a, memory.values.get(a, GONE)) for a in first)
        said = self._says_held(first, thread)
        memory.take_back(undo)
        record = Record(
            thread,
            tuple(self._reads.items()),
            writes,
            said,
            tuple(self._log),
            tuple(self._emitted),
            self._same(frozenset(self.program.ran)),
            choice,
            self.next_choice(choice),
            fault=fault,
            restart=self._restart,
            ends=None if not runner.done else fault is not None and fault.kind == "lock-held-at-exit",
        )
        if runner.greenlet.dead:
            self._runners.pop(thread, None)
        else:
            record.next = runner.place = self._place(runner, record, place)
        return record

    def _same(self, found: frozenset[int]) -> frozenset[int]:
        return self._sets.setdefault(found, found)

    def _switch(self, runner: Runner) -> Fault | None:
        """Let a greenlet run until it stands again, or is dead. UsageError if the model is wrong."""
        self.current = runner
        try:
            runner.greenlet.switch()
        finally:
            self.current = None
        error, self._error = self._error, None
        if error is None or isinstance(error, Fault):
            return error
        raise error

    def _note_fault(self, error: Exception | None) -> None:
        """Where a rule was broken counts as read."""
        address = error.address if isinstance(error, Fault) else None
        if address is None or address not in self.memory.cells:
            return
        for read in (address, self.memory.mutable.get(address, address)):
            if read not in self._wrote:
                self._reads.setdefault(read, self.memory.values.get(read, GONE))

    def _says_held(self, before: dict[int, Any], thread: int) -> frozenset[int]:
        """Numbers of other threads of which a step changed what they hold."""
        changed = 0
        for address in before:
            if address not in self._locks:
                continue
            values = before[address], self.memory.values.get(address, GONE)
            held = [0 if v in (GONE, None, 0) else self._mask(address, v) for v in values]
            changed |= held[0] ^ held[1]
        if not changed & ~(1 << thread):
            return NOBODY
        return frozenset(HELD - t for t in range(self.threads()) if changed >> t & 1 and t != thread)

    def _mask(self, address: int, value: int) -> int:
        return value if self._locks[address] else 1 << (value - 1)

    def _holds(self, thread: int) -> bool:
        return any(mask >> thread & 1 for mask in self.memory.held().values())

    # -- places -------------------------------------------------------------------------------------

    def _place(self, runner: Runner, origin: Record | None, before: Place | None) -> Place:
        key = _key(runner)
        found = self._places.get(key)
        if found is None:
            mark = self.numbers["place", len(self._places)]
            found = Place(mark, runner.spec.index, key[1], runner.intent, origin, before)
            self._places[key] = found
        return found

    def _standing(self, place: Place) -> Runner:
        """A runner at `place`: the one that is there, or one that is run to it again."""
        there = self._runners.get(place.thread)
        if there is not None:
            if there.place is place:
                return there
            _end(there)
        args, self._canned = _way_to(place)
        self._next, self.loops = 0, NO_LIMIT
        runner = self._new(place.thread, args)
        fault = self._switch(runner)
        arrived = fault is None and self._canned is None and runner.intent.operands == place.intent.operands
        if not arrived or not self.stacks.alike(place.stack, runner.held.stack):
            self._canned = None
            name = self.world.threads[place.thread].name
            raise UsageError(
                f"{name} does not come to the same place again: is all that it resumes with said?"
            )
        runner.place = place
        return runner

    def _new(self, thread: int, args: tuple[Any, ...]) -> Runner:
        spec = self.world.threads[thread]
        runner = Runner(spec, greenlet())
        runner.greenlet.run = functools.partial(self._begin, runner, args)
        runner.greenlet.gr_context = contextvars.copy_context()
        self._runners[thread] = runner
        return runner

    def _begin(self, runner: Runner, args: tuple[Any, ...]) -> None:
        """What a thread's greenlet runs."""
        try:
            self.program.rewritten(runner.spec.function).function(*args)
            runner.done = True
            self._check_exit(runner)
        except GreenletExit:
            pass
        except Exception as error:
            self._error = self.explain(error, runner)

    def _ending(self, thread: Thread) -> Frame:
        found = self.program.rewritten(thread.spec.function)
        code = found.original.__code__
        return Frame(code.co_name, code.co_filename, found.tree.end_lineno or code.co_firstlineno)

    def _resume_point(self, spec: ThreadSpec) -> tuple[int, str, CodeType] | None:
        position = resuming(spec.function)
        if position is None:
            return None
        code = next(c for c, found in self.program.by_code.items() if found.original is spec.function)
        return position, code.co_varnames[position], code

    # -- what model code does -----------------------------------------------------------------------

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
        """kmalloc, kzalloc: reads and writes how many slots the pool has given out."""
        self.stop(Intent("alloc", (), struct.name))
        if self._canned is not None:
            return Pointer(struct, self._again())
        memory = self.memory
        pool = memory.pools.get(struct)
        if pool is not None and pool[0] not in self._wrote:
            self._reads.setdefault(pool[0], memory.values[pool[0]])
        before = len(memory.undo)
        address = memory.allocate(struct, zero)
        self._wrote.update(a for a, _ in memory.undo[before:])
        self._log.append(address)
        return Pointer(struct, address)

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


def _key(runner: Runner) -> tuple[Any, ...]:
    return (runner.spec.index, runner.held.stack, runner.intent.kind, runner.intent.operands)


def _end(runner: Runner) -> None:
    if not runner.greenlet.dead:
        runner.greenlet.throw(GreenletExit)
    runner.held = Held()


def _way_to(place: Place) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Arguments to begin a thread's function with, and what its operations gave on the way to `place`."""
    logs: list[tuple[Any, ...]] = []
    while True:
        assert place.origin is not None
        if place.origin.restart is not None:
            args, skipped = place.origin.restart
            logs.append(place.origin.log[skipped:])
            return args, tuple(value for log in reversed(logs) for value in log)
        logs.append(place.origin.log)
        assert place.before is not None
        place = place.before
