"""Threads as greenlets that can be put where they once stood.

`Live` is a machine that runs one step of one thread where no record of it is known, takes the step back
and gives the record. A greenlet cannot be copied: to stand at a place again, the thread's function is run
with what its operations gave the first time, which touches no memory.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from greenlet import GreenletExit, greenlet

from lastput.lang.errors import LastputError, UsageError
from lastput.lang.intrinsics import running_on
from lastput.lang.options import configuration
from lastput.simulate.fault import Fault, Frame
from lastput.simulate.pointer import number
from lastput.simulate.scheduler import Thread
from lastput.validate.cells import GONE, Change, Numbers
from lastput.validate.emit import EmittingProgram
from lastput.validate.operations import Operations, Runner
from lastput.validate.record import HELD, Place, Record, Restart
from lastput.validate.stacks import Held

NO_LIMIT = -(1 << 60)
"""A count of loops that comes to no limit: what is run again is not one step."""

NOBODY: frozenset[int] = frozenset()


class Live(Operations):
    """Runs one step of one thread at a time, from any place that is known."""

    def __init__(self, program: EmittingProgram, weights: Sequence[int]) -> None:
        super().__init__(program, weights)
        self.taken = 0
        """Steps that were taken, those taken back included."""
        self.executed = 0
        """Of them, those that model code was run for."""
        self.numbers = Numbers()
        self.numbers.forget_freed(self.memory)
        self._places: dict[tuple[Any, ...], Place] = {}
        self._runners: dict[int, Runner] = {}
        self._sets: dict[frozenset[int], frozenset[int]] = {}
        """Of sets that come again and again, one each."""

    @classmethod
    @contextmanager
    def opened(cls, program: EmittingProgram, weights: Sequence[int]) -> Iterator[Self]:
        """A machine on which no thread has begun; leaving the block ends what runs on it.

        `weights`: as for `Cells`.
        """
        run = cls(program, weights)
        with configuration(program.world.configuration), running_on(run):
            try:
                yield run
            finally:
                for runner in run._runners.values():
                    _end(runner)
                run._forget()

    def _forget(self) -> None:
        """Take apart what was kept: places and records refer to each other, and are many."""
        for place in self._places.values():
            place.records.clear()
            place.origin = place.before = None
        self._places.clear()

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
