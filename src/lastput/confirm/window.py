"""The window of a violation: who has to be held where, and until whom comes where.

A violation of two tasks rests on a **conflict**: one task wrote (or freed) what the other one reads later.
The window is between the reader's arrival and its read, and the write falls into it. So either the reader is
held before its read until the writer has written; or, where the reader arrives after the write, the writer is
held behind its write, in what it has not finished, until the reader has read.

On a kernel a task can be held where a function is entered or left, if it is one that can be traced. Which of
these points are near enough, the model says: the schedule is run again with the hold forced on it, and has to
end in the same violation. The first point that does, from the nearest outwards, is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lastput.confirm.forced import Point, Race, Run, TellingProgram, followed, forced
from lastput.confirm.kernel import NAMES, family, observable, traceable
from lastput.lang.world import World
from lastput.result import Step, Violation
from lastput.validate.seen import At

NEAR = 6
"""Points that are tried on either side, from the nearest outwards."""

TRIES = 150
"""Runs of the model at most."""


@dataclass(frozen=True)
class Conflict:
    """Step `read` of a task reads what step `write` of another one wrote or freed. Steps count from 1."""

    reader: int
    read: int
    writer: int
    write: int
    cell: str
    freed: bool = False


@dataclass(frozen=True)
class Window:
    """What to force, and how the model does it. `names` are those of the tasks, by thread.

    `in_order`: the schedule has it so; else the tasks arrive the other way round, with the same end.
    `reading` is the call stack of the read, outermost first, `nearest` the innermost function in it that can
    be traced.
    """

    race: Race
    conflict: Conflict
    run: Run
    names: dict[int, str]
    in_order: bool
    reading: tuple[str, ...]
    nearest: str
    ends: str
    """The rule that is broken, in words."""


def conflicts(violation: Violation) -> list[Conflict]:
    """The conflicts behind a violation, the one nearest to it first."""
    found: list[Conflict] = []
    reader, last = violation.thread, len(violation.steps)
    if reader is None:
        return found
    victim = violation.victim
    if victim is not None and victim.freed is not None and victim.freed.thread not in (None, reader):
        writer = victim.freed.thread
        assert writer is not None
        found.append(Conflict(reader, last, writer, victim.freed.step, victim.object, freed=True))
    for step in reversed(violation.steps):
        if step.thread == reader:
            found += [one for one in _of(step, violation.steps) if one not in found]
    return found


def _of(step: Step, steps: Sequence[Step]) -> Iterator[Conflict]:
    for access in reversed(step.accesses):
        if access.kind != "load" or access.bookkeeping or not access.place:
            continue
        written = _last_write(access.place, steps[: step.number - 1])
        if written is not None and written.thread != step.thread:
            yield Conflict(step.thread, step.number, written.thread, written.number, access.place)


def _last_write(place: str, steps: Sequence[Step]) -> Step | None:
    for step in reversed(steps):
        if any(a.kind == "store" and a.place == place for a in step.accesses):
            return step
    return None


def windows(world: World, violation: Violation, version: str) -> Iterator[Window]:
    """The windows that a kernel can be held in, the best first; in the model each leads to the violation."""
    program = TellingProgram(world, observable(version))
    points = _Points(program, violation, version)
    budget, cell = TRIES, ""
    taken: set[tuple[tuple[str, At], bool]] = set()
    for conflict in conflicts(violation):
        if cell and conflict.cell != cell:
            return  # what is behind the nearest conflict is another matter
        for race, lead, in_order in points.races(conflict):
            if budget == 0:
                return
            if any(race.hold == hold or in_order == order for hold, order in taken):
                continue
            budget -= 1
            run = forced(program, violation.schedule, race, lead, conflict.cell)
            if _same(run, violation):
                cell = conflict.cell
                taken.add((race.hold, in_order))
                yield points.window(race, conflict, run, in_order)


def _same(run: Run, violation: Violation) -> bool:
    fault = run.fault
    if fault is None or run.held < 0:
        return False
    function = fault.frames[-1].function if fault.frames else ""
    return (fault.kind, fault.thread, function) == (violation.kind, violation.thread, violation.function)


class _Points:
    """Where the tasks of a violation pass points at which the kernel can be held."""

    def __init__(self, program: TellingProgram, violation: Violation, version: str) -> None:
        self.program, self.violation, self.traced = program, violation, traceable(version)
        self.points = followed(program, violation.schedule)
        self.names = {task.index: task.name for task in violation.tasks}

    def races(self, conflict: Conflict) -> Iterator[tuple[Race, int | None, bool]]:
        """What could be forced: with how many steps of the others the holder is let go first, and whether
        this is as in the schedule."""
        reader, writer = conflict.reader, conflict.writer
        arrived = self._of(reader, 0, conflict.write)
        for race in self._pairs(reader, arrived, writer, self._after(writer, conflict.write, conflict.read)):
            yield race, None, True
        behind = self._of(writer, conflict.write, conflict.read)
        for race in self._pairs(writer, behind, reader, self._after(reader, conflict.read, None)):
            yield race, None, True
        late = self._of(reader, conflict.write, conflict.read)
        begins = next(step.number for step in self.violation.steps if step.thread == writer) - 1
        for race in self._pairs(reader, late, writer, self._after(writer, conflict.write, conflict.read)):
            for lead in (begins, conflict.write - 1):
                yield race, lead, False

    def window(self, race: Race, conflict: Conflict, run: Run, in_order: bool) -> Window:
        """What was found to lead to the violation."""
        frames = tuple(f.function for f in reversed(self.violation.steps[conflict.read - 1].frames))
        known = [NAMES.get(name, name) for name in frames]
        nearest = next((name for name in reversed(known) if name in self.traced and family(name)), "")
        ends = self.violation.headline
        return Window(race, conflict, run, self.names, in_order, frames, nearest, ends)

    def _of(self, thread: int, after: int, before: int) -> list[Point]:
        """The last points of a thread in steps from `after` on and below `before`, the latest first."""
        own = [one for one in self.points if one.thread == thread and after <= one.step < before]
        return own[::-1][:NEAR]

    def _after(self, thread: int, step: int, before: int | None) -> list[tuple[str, At]]:
        """Where a thread comes next after what it does in a step: in the schedule; if it goes on alone from
        where step `before` would be; when the functions that it is in return."""
        last = len(self.violation.steps) if before is None else before
        points = self.points
        if before is not None:
            points = followed(self.program, self.violation.schedule[: before - 1], alone=thread)
            last = points[-1].step + 1 if points else last
        came = [one.place for one in points if one.thread == thread and step <= one.step < last]
        frames = self.violation.steps[step - 1].frames
        names = [NAMES.get(frame.function, frame.function) for frame in frames]
        ends: list[tuple[str, At]] = [
            (name, "return") for name in names if name in self.traced and family(name)
        ]
        return list(dict.fromkeys([*came[:NEAR], *ends[:2]]))

    def _pairs(
        self, holder: int, holds: Sequence[Point], other: int, untils: Sequence[tuple[str, At]]
    ) -> Iterator[Race]:
        for point in holds:
            same = [one for one in self.points if one.thread == holder and one.place == point.place]
            for until in untils:
                yield Race(holder, point.place, same.index(point) + 1, other, until)
