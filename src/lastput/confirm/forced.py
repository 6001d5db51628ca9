"""A schedule of the model, run with one task held: at a point of its own until another came to one of its.

That is what the lab does to a real kernel, at points where the kernel can be probed. Whether the model's
violation can still come of it is found by running it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lastput.confirm.kernel import NAMES
from lastput.lang.errors import LastputError
from lastput.simulate.fault import Fault
from lastput.simulate.program import Function
from lastput.simulate.scheduler import Scheduler
from lastput.validate.emit import Emission, EmittingProgram, Told
from lastput.validate.seen import At

NEXT = 3
"""Points at least to which a thread is let go on alone."""

LIMIT = 200
"""Steps that are taken after the schedule; a violation that was forced is near."""

Schedule = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Point:
    """A thread comes to one end of a function that the kernel can trace, in step `step` (0: before all)."""

    step: int
    thread: int
    function: str
    at: At

    @property
    def place(self) -> tuple[str, At]:
        """Where, whoever comes there."""
        return self.function, self.at


@dataclass(frozen=True)
class Touch:
    """A step that reads, writes or frees a cell that is watched. `value` is in the model's words."""

    step: int
    thread: int
    kind: str
    cell: str
    value: str


@dataclass(frozen=True)
class Race:
    """Thread `holder` stays at the `nth` time it comes to `hold`, until thread `other` comes to `until`."""

    holder: int
    hold: tuple[str, At]
    nth: int
    other: int
    until: tuple[str, At]


@dataclass
class Run:
    """What a run did, in order: points of all threads and touches of the watched cell; how it ended."""

    told: list[Point | Touch]
    fault: Fault | None
    held: int
    """Index in `told` of the point at which the holder was held; -1 if it never came there."""
    met: int
    """Index of the other's point; -1 if it did not come there before the end."""


class TellingProgram(EmittingProgram):
    """Tells the points, under the names of the kernel's functions that do the work now."""

    def _telling(self, told: Told, function: Function) -> Function:
        other = NAMES.get(told.name, told.name)
        named = told._replace(name=other) if (other, "enter") in self.observable else told
        return super()._telling(named, function)


class _Machine(Scheduler):
    number = 0
    watched = ""

    def listen(self, watched: str) -> None:
        self.told: list[Point | Touch] = []
        self.watched = watched

    def emit(self, emission: Emission) -> None:
        thread = self.current
        if thread is not None and hasattr(self, "told"):
            self.told.append(Point(self.number, thread.spec.index, emission.function, emission.at))

    def perform(self, thread: int, choice: int) -> None:
        """One step, told. Fault if it breaks a rule."""
        self.number += 1
        self.log = []
        before = len(self.told)
        try:
            self.step(thread, choice)
        finally:
            self.told[before:before] = self._touches(thread)  # an operation precedes what it leads to

    def _touches(self, thread: int) -> list[Point | Touch]:
        found: list[Point | Touch] = []
        for access in self.log or ():
            if access.kind not in ("load", "store", "free") or access.silent:
                continue
            placed, path = self.memory.locate(access.address)
            cell = placed if access.kind == "free" else _cell(placed, path)
            if cell == self.watched:
                value = "NULL" if access.value == 0 else ""
                found.append(Touch(self.number, thread, access.kind, cell, value))
        return found


def _cell(placed: str, path: str) -> str:
    return placed if not path else placed + path if path.startswith("[") else f"{placed}.{path}"


class _Astray(Exception):
    """The run cannot go on as it should."""


def followed(program: TellingProgram, schedule: Schedule, alone: int | None = None) -> list[Point]:
    """The points of a schedule as it is; and those to which thread `alone` comes next, if it goes on."""
    with _Machine.start(program) as machine:
        machine.listen("")
        with contextlib.suppress(Fault):
            for thread, choice in schedule:
                machine.perform(thread, choice)
            known = len(machine.told)
            for _ in range(LIMIT if alone is not None else 0):
                if len(machine.told) > known + NEXT or not machine.enabled(alone or 0):
                    break
                machine.perform(alone or 0, 0)
        return [one for one in machine.told if isinstance(one, Point)]


def forced(program: TellingProgram, schedule: Schedule, race: Race, lead: int | None, watched: str) -> Run:
    """What comes of a schedule when `race` is forced on it.

    With `lead`, the holder goes first: the others take their steps among the first `lead` of the schedule,
    then the holder goes on alone. Without, the schedule is followed until the holder is where it is held.
    Then the others follow it; released, the holder goes on. A run that cannot go on so has no fault.
    """
    with _Machine.start(program) as machine:
        machine.listen(watched)
        run = _Forced(machine, schedule, race)
        fault: Fault | None = None
        try:
            run.to_hold(lead)
            run.to_meeting()
            run.after()
        except Fault as found:
            fault = found
        except (_Astray, LastputError):
            pass
        return Run(machine.told, fault, run.held, run.met)


class _Forced:
    def __init__(self, machine: _Machine, schedule: Schedule, race: Race) -> None:
        self.machine, self.race = machine, race
        self.order = deque(thread for thread, _ in schedule)
        self.choices: dict[int, deque[int]] = {}
        for thread, choice in schedule:
            self.choices.setdefault(thread, deque()).append(choice)
        self.held = self.met = -1

    def to_hold(self, lead: int | None) -> None:
        if lead is not None:
            first = [self.order.popleft() for _ in range(lead)]
            for thread in first:
                if thread != self.race.holder:
                    self._step(thread)
        for _ in range(LIMIT + len(self.order)):
            if self._is_held():
                return
            if lead is not None:
                self._step(self.race.holder)
            elif self.order:
                self._step(self.order.popleft())
            else:
                break
        raise _Astray

    def to_meeting(self) -> None:
        for thread in self.order:
            if self._has_met():
                return
            if thread != self.race.holder and self.machine.enabled(thread):
                self._step(thread)
        for _ in range(LIMIT):
            if self._has_met():
                return
            self._step(self.race.other)
        raise _Astray

    def after(self) -> None:
        threads = [self.race.holder, self.race.other, *range(len(self.machine.threads_run))]
        for _ in range(LIMIT):
            able = next((thread for thread in threads if self.machine.enabled(thread)), None)
            if able is None:
                return
            self._step(able)

    def _step(self, thread: int) -> None:
        if not self.machine.enabled(thread):
            raise _Astray
        own = self.choices.get(thread)
        self.machine.perform(thread, own.popleft() if own else 0)
        if self.machine.choice:
            raise _Astray

    def _is_held(self) -> bool:
        came = [
            i for i, one in enumerate(self.machine.told) if self._comes(one, self.race.holder, self.race.hold)
        ]
        if len(came) >= self.race.nth:
            self.held = came[self.race.nth - 1]
        return self.held >= 0

    def _has_met(self) -> bool:
        told = self.machine.told
        for i in range(self.held + 1, len(told)):
            if self._comes(told[i], self.race.other, self.race.until):
                self.met = i
                return True
        return False

    @staticmethod
    def _comes(one: Point | Touch, thread: int, place: tuple[str, At]) -> bool:
        return isinstance(one, Point) and one.thread == thread and one.place == place
