"""From a replayed schedule to a Violation: what a report says about each task, step and object."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from lastput.checks.kinds import KINDS
from lastput.evidence import words
from lastput.evidence.held import is_lock
from lastput.evidence.source import line_text, short, shown
from lastput.lang.errors import UsageError
from lastput.lang.layout import CELL_BYTES
from lastput.lang.types import HoldersType, HolderType
from lastput.lang.world import World
from lastput.result import Access, Frame, Origin, Step, Task, Victim, Violation
from lastput.simulate import trace as simulated
from lastput.simulate.fault import Fault
from lastput.simulate.fault import Frame as SimulatedFrame
from lastput.simulate.replay import replay


def violation_of(world: World, schedule: Sequence[tuple[int, int]], kind: str) -> Violation | None:
    """Replay `schedule`; the violation that it ends in, None if it ends in none.

    A state can break several rules: the one of `kind` is taken, if there is one.
    Raises UsageError if the schedule cannot be followed.
    """
    trace = replay(world, schedule)
    faults = broken(trace)
    if not faults:
        return None
    fault = next((found for found in faults if found.kind == kind), faults[0])
    return told(world, trace, fault, schedule)


def path_of(world: World, schedule: Sequence[tuple[int, int]]) -> Violation:
    """Where `schedule` leads, told as a violation is: its `kind` is empty, since it breaks no rule.

    Raises UsageError if it does break one, or cannot be followed.
    """
    trace = replay(world, schedule)
    for fault in broken(trace):
        if not KINDS[fault.kind].bound:
            raise UsageError(f"its schedule leads to {fault.kind}, which it does not say: edited")
    evidence = Evidence(world, trace)
    return Violation(
        kind="",
        family="",
        headline="",
        message="",
        function="",
        file="",
        line=0,
        thread=None,
        address=None,
        tasks=evidence.tasks(),
        steps=tuple(map(evidence.step, trace.steps)),
        schedule=tuple(schedule),
        switches=_switches(schedule),
    )


def _switches(schedule: Sequence[tuple[int, int]]) -> int:
    """How often another thread goes on than the one before."""
    return sum(a[0] != b[0] for a, b in itertools.pairwise(schedule))


def broken(trace: simulated.Trace) -> list[Fault]:
    """What the last step of a schedule breaks, or else what the state does that it ends in."""
    return [trace.fault] if trace.fault else trace.state_faults


def told(
    world: World, trace: simulated.Trace, fault: Fault, schedule: Sequence[tuple[int, int]]
) -> Violation:
    """One of the faults that a replayed schedule ends in, as a Violation."""
    return Evidence(world, trace, fault).violation(tuple(schedule))


def unreachable(world: World, names: Sequence[str]) -> Violation:
    """That no state at all fulfils the reachability conditions `names`: a violation without a schedule."""
    kind = KINDS["unreachable"]
    return Violation(
        kind=kind.id,
        family=kind.family,
        headline=f"{kind.headline}: {', '.join(names)}",
        message=words.about_properties(world, names),
        function="",
        file="",
        line=0,
        thread=None,
        address=None,
        tasks=tuple(Task(thread.index, thread.name, "ready") for thread in world.threads),
        steps=(),
        schedule=(),
        switches=0,
    )


class Evidence:
    """What a report says of a replayed schedule; `fault` is the one that it is about, if it ends in any."""

    def __init__(self, world: World, trace: simulated.Trace, fault: Fault | None = None) -> None:
        self.world, self.trace, self.fault = world, trace, fault
        self.frames = _frames(fault.frames) if fault else ()

    def violation(self, schedule: tuple[tuple[int, int], ...]) -> Violation:
        """The fault as a Violation."""
        assert self.fault is not None
        fault, kind = self.fault, KINDS[self.fault.kind]
        top = self.frames[0] if self.frames else Frame("", "", 0)
        tasks = self.tasks()
        address = None if fault.address is None else fault.address * CELL_BYTES
        victim = self._victim()
        return Violation(
            kind=kind.id,
            family=kind.family,
            headline=words.headline(fault.kind, fault.message, top, address, tasks, fault.thread, victim),
            message=self._message(fault),
            function=top.function,
            file=top.file,
            line=top.line,
            thread=fault.thread,
            address=None if fault.kind == "leak" else address,
            tasks=tasks,
            steps=tuple(self.step(step) for step in self.trace.steps),
            schedule=schedule,
            switches=_switches(schedule),
            victim=victim,
            cycle=_cycle(tasks) if fault.kind == "deadlock" else (),
        )

    def _message(self, fault: Fault) -> str:
        if fault.kind in ("invariant", "final"):
            return words.about_properties(self.world, [words.property_name(fault.message)])
        if fault.kind == "null-deref":
            steps = self.trace.steps
            said = words.null_access(steps[-1].operation.kind if steps else "", fault.type)
            return said + (words.NO_TASK if self._asks_for_a_task(fault) else "")
        return fault.message

    def _asks_for_a_task(self, fault: Fault) -> bool:
        """Whether a thread that was given no task looks at it."""
        if fault.thread is None or self.world.threads[fault.thread].task or not fault.frames:
            return False
        stands = fault.frames[-1]
        return "current()" in line_text(stands.file, stands.line)

    # -- threads ----------------------------------------------------------------------------------

    def tasks(self) -> tuple[Task, ...]:
        """Where each thread stands in the end."""
        found = ((thread, self._task(thread.index, thread.name)) for thread in self.world.threads)
        return tuple(replace(task, daemon=thread.daemon) for thread, task in found)

    def _task(self, index: int, name: str) -> Task:
        holds = self._holds(index)
        if self.fault is not None and index == self.fault.thread:
            function, statement = shown(self.fault.frames)
            return Task(index, name, "running", function, statement, self.frames, holds=holds)
        for found in self.trace.suspended:
            if found.thread == index:
                return self._suspended(found, holds)
        return Task(index, name, "finished", holds=holds)

    def _suspended(self, found: simulated.Suspended, holds: tuple[str, ...]) -> Task:
        function, statement = shown(found.stack)
        mask = found.pending.holders or 0
        return Task(
            found.thread,
            found.name,
            "ready" if found.enabled else "blocked",
            function,
            statement,
            _frames(found.stack),
            tuple(i for i in range(len(self.world.threads)) if mask >> i & 1),
            holds,
        )

    def _holds(self, thread: int) -> tuple[str, ...]:
        held = self.trace.steps[-1].held if self.trace.steps else self.trace.initial_held
        locks = [name for name, mask in held.items() if mask >> thread & 1 and is_lock(name)]
        return tuple(dict.fromkeys(name.rpartition(".")[0] for name in locks))

    # -- steps ------------------------------------------------------------------------------------

    def step(self, step: simulated.Step) -> Step:
        """A step as reports have it."""
        accesses = tuple(self._access(event) for event in step.events)
        # Who does nothing but look at a lock's holder is a lock's function (lockdep_assert_held).
        of_lock = bool(accesses) and all(access.bookkeeping for access in accesses)
        function, statement = shown(step.stack, inner=int(of_lock))
        return Step(
            number=step.number,
            thread=step.thread,
            choice=step.choice,
            function=function,
            statement=statement,
            accesses=accesses,
            frames=_frames(step.stack),
        )

    def _access(self, event: simulated.Event) -> Access:
        place = f"{event.object}.{event.path}" if event.path else event.object
        value = event.shown
        return Access(event.kind, place, value, event.silent or self._is_lock(event))

    def _is_lock(self, event: simulated.Event) -> bool:
        placed = self.world.space.find(event.address) if event.path else None
        if placed is None:
            return False
        cell = self.world.space.layout.cells(placed.struct)[event.address - placed.base]
        return isinstance(cell.type, (HolderType, HoldersType))

    # -- memory -----------------------------------------------------------------------------------

    def _victim(self) -> Victim | None:
        address = None if self.fault is None else self.fault.address
        placed = None if address is None else self.world.space.find(address)
        if self.fault is None or address is None or placed is None or self.fault.kind == "bad-call":
            return None
        lives = {life.kind: life for life in self.trace.lives.get(placed.name, [])}
        cells = self.world.space.layout.cells(placed.struct)
        return Victim(
            object=placed.name,
            struct=placed.struct.name,
            size=placed.size * CELL_BYTES,
            offset=(address - placed.base) * CELL_BYTES,
            field=cells[address - placed.base].path,
            allocated=_origin(lives.get("alloc")) or (Origin(None, 0, ()) if placed.live else None),
            freed=_origin(lives.get("free")),
        )


def _origin(life: simulated.Life | None) -> Origin | None:
    return Origin(life.thread, life.step, _frames(life.stack)) if life else None


def _frames(stack: Sequence[SimulatedFrame]) -> tuple[Frame, ...]:
    """A call trace as reports have it: innermost first, short names, with the source lines."""
    return tuple(
        Frame(frame.function, short(frame.file), frame.line, line_text(frame.file, frame.line))
        for frame in reversed(stack)
    )


def _cycle(tasks: Sequence[Task]) -> tuple[int, ...]:
    """The first cycle of blocked tasks that wait for each other; empty if there is none."""
    blocked = {task.index: task.waits_for for task in tasks if task.state == "blocked"}
    for start in blocked:
        path = _back_to(start, blocked, (start,))
        if path:
            return path
    return ()


def _back_to(start: int, waits: dict[int, tuple[int, ...]], path: tuple[int, ...]) -> tuple[int, ...]:
    for other in waits[path[-1]]:
        if other == start:
            return path
        if other in waits and other not in path:
            found = _back_to(start, waits, (*path, other))
            if found:
                return found
    return ()
