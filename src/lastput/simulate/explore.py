"""Brute force: every state of a small world, by running the model itself in plain CPython.

This is the specification that the compiler and the engine are tested against, and it shares nothing
with them. It is as simple as it can be: breadth first, a set of the states seen, and to be in a state
again it runs the schedule that led there from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lastput.checks.kinds import KINDS
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.judge import judge
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader

Schedule = tuple[tuple[int, int], ...]
"""(thread, choice) for each step."""


@dataclass
class Explored:
    """What exploring found.

    `transitions` counts the steps that lead to a state, new or not. `violations` counts the steps
    that break a rule, which lead nowhere, and what is broken in states; an unreachable condition is
    in `kinds` only. `shortest` is the length of the shortest schedule to a violation, a violating
    step included; None without one. `levels[d]` is the number of states first met after d steps.
    `bounds` are the limits of the model that were met; `complete` is False if `max_states` was.
    """

    states: int = 0
    transitions: int = 0
    deadlocks: int = 0
    violations: int = 0
    kinds: set[str] = field(default_factory=set)
    shortest: int | None = None
    levels: list[int] = field(default_factory=list)
    bounds: set[str] = field(default_factory=set)
    complete: bool = True

    def broken(self, fault: Fault, depth: int) -> None:
        """Count a violation, or a bound, met after `depth` steps."""
        if KINDS[fault.kind].bound:
            self.bounds.add(fault.kind)
            return
        self.violations += 1
        self.deadlocks += fault.kind == "deadlock"
        self.kinds.add(fault.kind)
        if self.shortest is None:
            self.shortest = depth


def explore(world: World, *, max_states: int = 200_000, first: bool = False) -> Explored:
    """Visit every state of `world`, or `max_states` of them.

    With `first`, go no farther than the shortest schedules to a violation: `complete` is then False.
    """
    return _Search(world).run(max_states, first)


class _Search:
    def __init__(self, world: World) -> None:
        self.program = Program(world)
        self.reader = StateReader(self.program)
        self.found = Explored()
        self.seen: set[object] = set()
        self.wanted = {p.name for p in world.properties if p.kind == "reachable"}
        self.level: list[tuple[Schedule, list[int]]] = []
        """The states met first after the same number of steps: a way to each, and who can step there."""

    def run(self, max_states: int, first: bool) -> Explored:
        """Level after level, until one is empty."""
        self._attempt(())
        while self.level and self.found.complete:
            if first and self.found.violations:
                self.found.complete = False
                break
            level, self.level = self.level, []
            self.found.levels.append(len(level))
            for schedule, enabled in level:
                self.found.complete &= len(self.seen) <= max_states
                if self.found.complete:
                    self._expand(schedule, enabled)
        if self.level:
            self.found.levels.append(len(self.level))
        self.found.states = len(self.seen)
        if self.wanted and self.found.complete:
            self.found.kinds.add("unreachable")
        return self.found

    def _expand(self, schedule: Schedule, enabled: list[int]) -> None:
        for thread in enabled:
            choice: int | None = 0
            while choice is not None:
                choice = self._attempt((*schedule, (thread, choice)))

    def _attempt(self, schedule: Schedule) -> int | None:
        """Run `schedule`, look where it leads; the choice to try next in place of its last one."""
        run = None
        try:
            with Scheduler.start(self.program) as run:
                for thread, choice in schedule:
                    run.step(thread, choice)
                self.found.transitions += bool(schedule)
                self._arrive(run, schedule)
        except Fault as fault:
            self.found.broken(fault, len(schedule))
        return run.next_choice(schedule[-1][1]) if run and schedule else None

    def _arrive(self, run: Scheduler, schedule: Schedule) -> None:
        state = self.reader.key(run)
        if state in self.seen:
            return
        self.seen.add(state)
        enabled = [thread.spec.index for thread in run.threads_run if run.enabled(thread.spec.index)]
        self.level.append((schedule, enabled))
        broken, reached = judge(run)
        self.wanted -= reached
        for fault in broken:
            self.found.broken(fault, len(schedule))
