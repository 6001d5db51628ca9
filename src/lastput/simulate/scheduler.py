"""Threads: model functions as greenlets, of which one runs for one step at a time.

A thread runs until its next switch point and stops just before the operation there. A step lets it
do that operation and all that follows up to the next one.
"""

from __future__ import annotations

import contextvars
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from greenlet import GreenletExit, getcurrent, greenlet

from lastput.lang.errors import LastputError, UsageError
from lastput.lang.intrinsics import running_on
from lastput.lang.options import configuration
from lastput.lang.types import HoldersType, StructDef
from lastput.lang.world import ThreadSpec
from lastput.simulate.fault import Fault, Frame
from lastput.simulate.machine import Machine, Operation
from lastput.simulate.pointer import Pointer
from lastput.simulate.program import Program, original

CHOICE_LIMIT = 256
"""Combinations of choices within one step; more is a bound of the model."""


class Thread:
    """One thread of a run: what it is about to do, and where it stands."""

    def __init__(self, spec: ThreadSpec, runner: greenlet) -> None:
        self.spec = spec
        self.greenlet = runner
        self.operation: Operation | None = None
        """The pending operation; None before the first switch point and after the end."""
        self.frames: list[FrameType] = []
        """The suspended model functions, innermost first."""
        self.done = False
        self.depth = 0
        """How many atomic blocks are open."""
        self.begun = False
        """The open atomic block has begun its step."""


class Atomic:
    """`with atomic():` of one thread."""

    def __init__(self, thread: Thread) -> None:
        self.thread = thread

    def __enter__(self) -> None:
        if self.thread.depth == 0:
            self.thread.begun = False
        self.thread.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thread.depth -= 1


class Scheduler(Machine):
    """A run of a world. Close it when done: `with Scheduler.start(program) as run:`."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.world, program.memory.copy())
        self.program = program
        self.threads_run: list[Thread] = []
        self.current: Thread | None = None
        self.choice = 0
        """What is left of the number that this step's choices are taken from."""
        self.radices: list[int] = []
        """How many ways each choice of this step had."""
        self.on_resume: Callable[[FrameType], None] | None = None
        """Called in the thread when it goes on from a switch point, with its innermost frame."""
        self._error: BaseException | None = None
        self._hub = getcurrent()

    @classmethod
    @contextmanager
    def start(cls, program: Program) -> Iterator[Self]:
        """A run in the initial state; Fault if the threads' first local code breaks a rule.

        Leaving the block ends all threads.
        """
        run = cls(program)
        with configuration(program.world.configuration):
            try:
                for spec in program.world.threads:
                    run._launch(spec)
                yield run
            finally:
                run._kill()

    def _launch(self, spec: ThreadSpec) -> None:
        thread = Thread(spec, greenlet(self._main))
        thread.greenlet.gr_context = contextvars.copy_context()
        self.threads_run.append(thread)
        self._resume(thread, thread)

    def _main(self, thread: Thread) -> None:
        """What a thread's greenlet runs."""
        try:
            self.program.rewritten(thread.spec.function).function(*thread.spec.args)
            thread.done = True
            self._check_exit(thread)
        except GreenletExit:
            pass
        except Exception as error:
            self._error = self.explain(error, thread)

    def _kill(self) -> None:
        for thread in self.threads_run:
            if not thread.greenlet.dead:
                thread.greenlet.throw(GreenletExit)
            thread.frames = []

    # -- stepping ---------------------------------------------------------------------------------

    def enabled(self, thread: int) -> bool:
        """Whether a thread can step. An await_ whose condition is a fault can: the step faults."""
        found = self.threads_run[thread]
        if found.done or found.operation is None:
            return False
        if found.operation.condition is None:
            return True
        self.loops = 0
        with self.as_thread(found):
            try:
                return self.evaluate(found.operation.condition)
            except LastputError:
                raise
            except Exception:
                return True

    def step(self, thread: int, choice: int = 0) -> None:
        """One step of an enabled thread. Fault if it breaks a rule.

        `choice` counts through the step's choices, the first one being the least significant digit;
        what is left in `self.choice` afterwards is 0 unless the number was too large.
        """
        self.choice, self.radices = choice, []
        self._resume(self.threads_run[thread])

    def next_choice(self, choice: int) -> int | None:
        """The number to try after `choice`, which the last step took; None if that was the last."""
        digits = []
        for radix in self.radices:
            choice, digit = divmod(choice, radix)
            digits.append(digit)
        # Like counting, but the later choices may not exist when an earlier one changes.
        for i in reversed(range(len(digits))):
            if digits[i] + 1 < self.radices[i]:
                value = digits[i] + 1
                for earlier in reversed(range(i)):
                    value = value * self.radices[earlier] + digits[earlier]
                return value
        return None

    def _resume(self, thread: Thread, *args: Any) -> None:
        self.loops = 0
        with self.as_thread(thread):
            thread.greenlet.switch(*args)
        error, self._error = self._error, None
        if error is not None:
            thread.done, thread.operation, thread.frames = True, None, []
            raise error
        if thread.done:
            thread.operation, thread.frames = None, []

    @contextmanager
    def as_thread(self, thread: Thread | None) -> Iterator[None]:
        """Inside, model code runs on this machine, as `thread`."""
        old, self.current = self.current, thread
        try:
            with running_on(self):
                yield
        finally:
            self.current = old

    def point(self, operation: Operation) -> None:
        """Stop before `operation`, unless it belongs to a step that has begun."""
        thread = self.current
        if self.quiet or thread is None:
            return
        if thread.depth:
            if thread.begun:
                if operation.kind == "await":
                    raise UsageError("await_ comes after another access of its atomic block: wait first")
                return
            thread.begun = True
        thread.operation = operation
        thread.frames = self.program.frames(sys._getframe(1))
        self._hub.switch()
        if self.on_resume is not None:
            self.on_resume(thread.frames[0])

    def stack(self) -> tuple[Frame, ...]:
        """The running model functions, outermost first."""
        return tuple(map(self.program.describe, reversed(self.program.frames(sys._getframe(1)))))

    # -- faults -----------------------------------------------------------------------------------

    def _check_exit(self, thread: Thread) -> None:
        for address, mask in self.memory.held().items():
            if mask >> thread.spec.index & 1:
                name = self.memory.name(address)
                how = "inside" if isinstance(self.memory.cells[address].type, HoldersType) else "held"
                raise Fault("lock-held-at-exit", f"{name} is {how} when {thread.spec.name} ends", address)

    def explain(self, error: Exception, thread: Thread | None) -> Exception:
        """What `error` means: a Fault with its thread and stack, or a mistake of the model's author."""
        frames = self.program.stack_of(error)
        place = f"{frames[-1].file}:{frames[-1].line}: " if frames else ""
        match error:
            case AssertionError():
                error = Fault("assertion", str(error) or "assertion failed")
            case ZeroDivisionError():
                error = Fault("division", "division by zero")
            case UsageError():
                error = UsageError(f"{place}{error}")
            case Fault() | LastputError():
                pass
            case _:
                error = UsageError(f"{place}{type(error).__name__}: {error}")
        if isinstance(error, Fault):
            error.thread = None if thread is None else thread.spec.index
            error.frames = frames if thread is None else frames or (self._ending(thread),)
        return error.with_traceback(None)

    def _ending(self, thread: Thread) -> Frame:
        found = self.program.rewritten(thread.spec.function)
        code = found.function.__code__
        return Frame(code.co_name, code.co_filename, found.tree.end_lineno or code.co_firstlineno)

    # -- intrinsics that know of threads ----------------------------------------------------------

    def _function(self, function: int) -> Callable[..., Any]:
        return self.program.rewritten(super()._function(function)).function

    def number_of_function(self, function: Callable[..., Any]) -> int:
        """The number of the author's function, also for its rewritten form."""
        return super().number_of_function(original(function))

    def atomic(self) -> Any:
        """An atomic block of the running thread."""
        return super().atomic() if self.current is None else Atomic(self.current)

    def await_(self, condition: Callable[[], Any], holders: Callable[[], int] | None) -> None:
        """Stop until the condition holds."""
        self.point(Operation("await", condition=condition, holders=holders))
        super().await_(condition, holders)
        self.note("await", 0, None, None, False)

    def choose(self, n: int) -> int:
        """The next digit of the step's choice number."""
        if self.quiet or self.current is None:
            return super().choose(n)
        if n < 1:
            raise UsageError(f"choose({n}): there must be something to choose")
        self.point(Operation("choose", (n,)))
        if math.prod(self.radices) * n > CHOICE_LIMIT:
            raise Fault("range", f"more than {CHOICE_LIMIT} choices in one step")
        self.choice, digit = divmod(self.choice, n)
        self.radices.append(n)
        self.note("choose", n, None, digit, False)
        return digit

    def this_thread(self) -> int:
        """Number of the running thread."""
        if self.current is None:
            raise UsageError("this_thread() cannot be used in a property: no thread runs")
        return self.current.spec.index

    def this_task(self, struct: StructDef) -> Any:
        """The running thread's current task."""
        if self.current is None:
            return super().this_task(struct)
        return Pointer(struct, self.current.spec.task)
