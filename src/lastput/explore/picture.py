"""Memory where a path ends: what every object holds, what its last step changed, and which objects matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lastput.evidence.objects import Objects
from lastput.result import Content
from lastput.simulate.fault import Fault
from lastput.simulate.machine import Access
from lastput.simulate.memory import FREED, LIVE
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler

Cell = tuple[int, int]
"""Object and cell, by number."""


@dataclass(frozen=True)
class Picture:
    """A state of memory. `contents` has an entry for every object: empty for one that is not allocated.

    `changed` maps what the last step wrote to what was there before; `touched` is what it read or wrote.
    `used` are the objects that some step of the path has touched.
    """

    contents: tuple[tuple[Content, ...], ...]
    freed: frozenset[int] = frozenset()
    changed: tuple[tuple[Cell, str], ...] = ()
    touched: tuple[Cell, ...] = ()
    allocated: frozenset[int] = frozenset()
    released: frozenset[int] = frozenset()
    used: frozenset[int] = frozenset()


def picture(program: Program, schedule: Sequence[tuple[int, int]]) -> Picture:
    """Memory where `schedule` ends; its last step may break a rule."""
    run: Scheduler | None = None
    try:
        with Scheduler.start(program) as run:
            camera = _Camera(program, run)
            for step in schedule:
                camera.step(*step)
    except Fault as fault:
        if run is None:  # the model breaks a rule before any step
            return Picture(_contents(Objects(program.world, program.memory)))
        camera.note(fault)
    return camera.picture()


def _contents(objects: Objects) -> tuple[tuple[Content, ...], ...]:
    return tuple(objects.contents(number) for number in range(len(objects.memory.states)))


class _Camera:
    def __init__(self, program: Program, run: Scheduler) -> None:
        self.run = run
        self.memory = run.memory
        self.objects = Objects(program.world, run.memory)
        self.used: set[int] = set()
        self.touched: dict[Cell, None] = {}
        self.values, self.states = dict(self.memory.values), list(self.memory.states)

    def step(self, thread: int, choice: int) -> None:
        """Take one step, and look at what it does."""
        self.values, self.states = dict(self.memory.values), list(self.memory.states)
        self.touched = {}
        log: list[Access] = []
        self.run.log = log
        try:
            self.run.step(thread, choice)
        finally:
            for access in log:
                self._touch(access.address, access.silent)

    def note(self, fault: Fault) -> None:
        """What the last step could not access is what it is about."""
        if fault.address:
            self._touch(fault.address, False)

    def _touch(self, address: int, silent: bool) -> None:
        place = self.objects.place(address)
        if place is not None and not silent:
            self.touched[place] = None
            self.used.add(place[0])

    def picture(self) -> Picture:
        """What there is now."""
        states = self.memory.states
        return Picture(
            _contents(self.objects),
            frozenset(n for n, state in enumerate(states) if state == FREED),
            tuple(self._changes()),
            tuple(self.touched),
            frozenset(n for n, old in enumerate(self.states) if old != LIVE == states[n]),
            frozenset(n for n, old in enumerate(self.states) if old == LIVE != states[n]),
            frozenset(self.used),
        )

    def _changes(self) -> list[tuple[Cell, str]]:
        """The cells that the last step wrote, with what they held before."""
        now, then = self.memory.values, self.values
        changed = [a for a in now if a in then and now[a] != then[a]]
        places = [self.objects.place(address) for address in changed]
        self.memory.values = then
        try:
            before = [self.objects.content(address).text for address in changed]
        finally:
            self.memory.values = now
        return [(place, text) for place, text in zip(places, before, strict=True) if place is not None]
