"""Replay: run a schedule on the model's own source, and write down what happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lastput.lang.errors import UsageError
from lastput.lang.types import CellType, FnType, PtrType
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.judge import judge
from lastput.simulate.machine import Access, Operation
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler, Thread
from lastput.simulate.trace import Event, Life, Pending, Stack, Step, Suspended, Trace


def replay(world: World, schedule: Iterable[tuple[int, int]], program: Program | None = None) -> Trace:
    """The trace of `schedule`, pairs of thread and choice; the last step may break a rule.

    `program` is that of `world`, for who replays often: to make one takes longer than to run it.

    UsageError if it does not fit the world: an unknown or blocked thread, a choice out of range, or
    steps that follow a violation.
    """
    steps = [tuple(step) for step in schedule]
    program = program or Program(world)
    trace = Trace([spec.name for spec in world.threads])
    run: Scheduler | None = None
    try:
        with Scheduler.start(program) as run:
            writer = _Writer(run, trace)
            for number, (thread, choice) in enumerate(steps, 1):
                writer.step(number, len(steps), thread, choice)
            writer.finish()
    except Fault as fault:
        if run is None and steps:
            raise UsageError("step 1: the model breaks a rule before any step") from None
        trace.fault = fault
    if trace.fault is not None and trace.fault.address is not None:
        trace.fault_place = program.memory.locate(trace.fault.address)
    return trace


class _Writer:
    def __init__(self, run: Scheduler, trace: Trace) -> None:
        self.run, self.trace = run, trace
        trace.initial_held = self._held()

    def step(self, number: int, last: int, thread: int, choice: int) -> None:
        found = able(self.run, number, thread)
        stack, operation = self._stack(found), self.pending(found)
        self.run.log = []
        fault: Fault | None = None
        try:
            self.run.step(thread, choice)
        except Fault as error:
            fault = error
        fits(self.run, number, choice, fault, last)
        events = tuple(self._event(access) for access in self.run.log)
        self.trace.steps.append(
            Step(
                number,
                thread,
                found.spec.name,
                choice,
                stack,
                operation,
                events,
                self._held(),
                found.done and fault is None,
            )
        )
        self._note_lives(number, thread, stack, self.run.log)
        if fault is not None:
            self.finish(fault)
            raise fault

    def finish(self, fault: Fault | None = None) -> None:
        """Write down the state in which the schedule ends."""
        for found in self.run.threads_run:
            if found.operation is not None:
                self.trace.suspended.append(self._suspended(found))
        culprit = None if fault is None else fault.thread
        self.trace.done = [t.spec.index for t in self.run.threads_run if t.done and t.spec.index != culprit]
        if fault is None:
            self.trace.state_faults, _ = judge(self.run)

    # -- pieces -----------------------------------------------------------------------------------

    def _stack(self, thread: Thread) -> Stack:
        return tuple(self.run.program.describe(frame) for frame in reversed(thread.frames))

    def _suspended(self, thread: Thread) -> Suspended:
        return Suspended(
            thread.spec.index,
            thread.spec.name,
            thread.spec.daemon,
            self._stack(thread),
            self.pending(thread),
            self.run.enabled(thread.spec.index),
        )

    def pending(self, thread: Thread) -> Pending:
        """What `thread` is about to do."""
        operation = thread.operation
        assert operation is not None
        placed, path = "", ""
        if operation.kind in ("load", "store", "free"):
            placed, path = self.run.memory.locate(operation.operands[0])
        elif operation.kind == "alloc":
            placed = operation.type
        path = "" if operation.kind == "free" else path
        return Pending(operation.kind, placed, path, operation.operands, self._holders(thread, operation))

    def _holders(self, thread: Thread, operation: Operation) -> int | None:
        if operation.holders is None:
            return None
        try:
            with self.run.as_thread(thread), self.run.all_at_once():
                return int(operation.holders())
        except Fault:
            return None

    def _held(self) -> dict[str, int]:
        memory = self.run.memory
        return {memory.name(address): mask for address, mask in memory.held().items()}

    def _event(self, access: Access) -> Event:
        placed, path = "", ""
        if access.kind in ("load", "store", "alloc", "free"):
            placed, path = self.run.memory.locate(access.address)
        path = "" if access.kind in ("alloc", "free") else path
        return Event(
            access.kind,
            placed,
            path,
            access.address,
            access.before,
            access.value,
            access.silent,
            self._show(access, access.value),
            self._show(access, access.before),
        )

    def _show(self, access: Access, value: int | None) -> str:
        """`value` in the words of the model."""
        if value is None:
            return ""
        cell = self.run.memory.cells.get(access.address) if access.kind in ("load", "store") else None
        kind = None if cell is None else cell.type
        if isinstance(kind, FnType):
            functions = self.run.world.functions
            return functions[value - 1].__name__ if 0 < value <= len(functions) else "NULL"
        if isinstance(kind, PtrType):
            return self.run.memory.pointed(value, kind.target)
        if access.kind == "alloc":
            return self.run.memory.locate(value)[0]
        if isinstance(kind, CellType):
            return "NULL" if value == 0 else "&" + self.run.memory.name(value)
        return str(value)

    def _note_lives(self, number: int, thread: int, stack: Stack, log: Sequence[Access]) -> None:
        for access in log:
            if access.kind in ("alloc", "free") and access.address:
                name = self.run.memory.locate(access.address)[0]
                self.trace.lives.setdefault(name, []).append(
                    Life(access.kind, number, thread, access.stack or stack)
                )


def able(run: Scheduler, number: int, thread: int) -> Thread:
    """The thread that step `number` wants; UsageError if it cannot step."""
    if not 0 <= thread < len(run.threads_run):
        raise UsageError(f"step {number}: there is no thread {thread}")
    found = run.threads_run[thread]
    if found.done:
        raise UsageError(f"step {number}: {found.spec.name} has finished")
    if not run.enabled(thread):
        raise UsageError(f"step {number}: {found.spec.name} is blocked")
    return found


def fits(run: Scheduler, number: int, choice: int, fault: Fault | None, last: int) -> None:
    """UsageError if step `number` had no such choice, or broke a rule before the last step."""
    if choice < 0 or (run.choice and fault is None):
        raise UsageError(f"step {number}: there is no choice {choice}")
    if fault is not None and number < last:
        raise UsageError(f"step {number}: {fault}, but the schedule goes on to step {last}")
