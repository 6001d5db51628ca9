"""One program, explored twice: natively, and by brute force under CPython."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from lastput.checks.kinds import KINDS
from lastput.compiler.compile import Compiled, compile_world
from lastput.engine.outcome import Outcome, Violation
from lastput.engine.search import search
from lastput.lang.scenario import Scenario
from lastput.lang.world import World
from lastput.simulate.explore import Explored, explore
from lastput.simulate.fault import Fault
from lastput.simulate.judge import judge
from lastput.simulate.program import Program as Rewritten
from lastput.simulate.replay import replay
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.setup import build
from lastput.simulate.state import StateReader
from tests.programs.programs import Program

_numbers = itertools.count()


@contextmanager
def loaded(program: Program, folder: Path) -> Iterator[Callable[[], World]]:
    """The program as a file of `folder`, imported; gives fresh worlds of its scenario."""
    name = f"random_program_{next(_numbers)}"
    path = folder / f"{name}.py"
    path.write_text(program.text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        model: Scenario = module.model
        yield lambda: build(model, None, dict(program.settings))
    finally:
        del sys.modules[name]
        path.unlink()


@dataclass(frozen=True)
class Counts:
    """What both ways of exploring must agree on."""

    states: int
    transitions: int
    deadlocks: int
    violations: int
    kinds: frozenset[str]
    bounds: frozenset[str]
    shortest: int | None
    levels: tuple[int, ...]


def by_brute_force(found: Explored) -> Counts:
    """Counts of the oracle."""
    return Counts(
        found.states,
        found.transitions,
        found.deadlocks,
        found.violations,
        frozenset(found.kinds) - (frozenset() if found.states else {"unreachable"}),
        frozenset(found.bounds),
        found.shortest,
        tuple(found.levels),
    )


def natively(compiled: Compiled, outcome: Outcome) -> Counts:
    """Counts of the native search."""
    if compiled.start_event is not None:
        kind = compiled.sites[compiled.start_event].kind
        one, none = frozenset({kind}), frozenset[str]()
        if KINDS[kind].bound:
            return Counts(0, 0, 0, 0, none, one, None, ())
        return Counts(0, 0, 0, 1, one, none, 0, ())
    kinds = {compiled.sites[code].kind for code in outcome.codes}
    kinds |= {"unreachable"} if outcome.unseen else set()
    return Counts(
        outcome.states,
        outcome.transitions,
        sum(n for code, n in outcome.codes.items() if compiled.sites[code].kind == "deadlock"),
        outcome.events,
        frozenset(kinds),
        frozenset(compiled.sites[code].kind for code in outcome.bounds),
        None if outcome.violation is None else outcome.violation.depth,
        tuple(outcome.levels),
    )


def search_natively(world: World) -> tuple[Compiled, Outcome]:
    """Compile and search `world` to the end, by one shard and by three: the same result."""
    compiled = compile_world(world)
    alone = search(compiled.native, keep_going=True)
    if compiled.start_event is None:
        three = search(compiled.native, keep_going=True, cores=3, spread=1)
        assert told(three) == told(alone)
    return compiled, alone


def told(outcome: Outcome) -> dict[str, object]:
    """What must not depend on how the search was done."""
    told = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    return {**told, "coverage": outcome.coverage.tolist(), "seconds": 0, "peak_bytes": 0}


def check_replay(world: World, compiled: Compiled, violation: Violation, program: Program) -> None:
    """The schedule leads the simulator to the same violation, at the same line."""
    site = compiled.sites[violation.code]
    trace = replay(world, violation.schedule)
    if violation.thread is None:
        kinds = {fault.kind for fault in trace.state_faults}
        assert site.kind in kinds, f"replay: no {site.kind} in the last state of\n{program}"
        return
    fault = trace.fault
    assert fault is not None, f"replay: no {site.kind} in\n{program}"
    found = (fault.kind, fault.thread, [frame.line for frame in reversed(fault.frames)])
    lines = [frame.line for frame in site.stack]
    if site.kind == "soft-lockup":
        # Which of two nested loops has the iteration too many is not defined.
        lines = found[2]
    assert found == (site.kind, violation.thread, lines), f"replay of\n{program}"


def fewest_switches(world: World, length: int, of_state: bool) -> int:
    """Context switches of the best schedule of `length` steps into a violation, by brute force.

    `of_state` wants a state that breaks a rule, not a step that does. Level by level, the fewest
    switches into each (state, last thread): nothing else matters for what follows.
    """
    return _Switches(Rewritten(world)).run(length, of_state)


Way = tuple[int, tuple[tuple[int, int], ...]]
"""Switches, and a schedule that has so many."""


class _Switches:
    def __init__(self, program: Rewritten) -> None:
        self.program = program
        self.reader = StateReader(program)
        self.best: int | None = None

    def run(self, length: int, of_state: bool) -> int:
        level: dict[object, Way] = {None: (0, ())}
        for step in range(1, length + 1):
            after: dict[object, Way] = {}
            for switches, schedule in level.values():
                self._expand(switches, schedule, after, last=step == length and not of_state)
            level = after
        for switches, schedule in level.values() if of_state else ():
            with Scheduler.start(self.program) as run:
                for thread, choice in schedule:
                    run.step(thread, choice)
                if any(not KINDS[fault.kind].bound for fault in judge(run)[0]):
                    self._found(switches)
        assert self.best is not None, "brute force finds no violation of this length"
        return self.best

    def _found(self, switches: int) -> None:
        self.best = switches if self.best is None else min(self.best, switches)

    def _expand(
        self, switches: int, schedule: tuple[tuple[int, int], ...], after: dict[object, Way], last: bool
    ) -> None:
        with Scheduler.start(self.program) as run:
            for thread, choice in schedule:
                run.step(thread, choice)
            enabled = [t.spec.index for t in run.threads_run if run.enabled(t.spec.index)]
        for thread in enabled:
            cost = switches + bool(schedule and schedule[-1][0] != thread)
            choice: int | None = 0
            while choice is not None:
                choice = self._step((*schedule, (thread, choice)), cost, after, last)

    def _step(
        self, schedule: tuple[tuple[int, int], ...], cost: int, after: dict[object, Way], last: bool
    ) -> int | None:
        with Scheduler.start(self.program) as run:
            try:
                for thread, choice in schedule:
                    run.step(thread, choice)
            except Fault as fault:
                if last and not KINDS[fault.kind].bound:
                    self._found(cost)
            else:
                key = (self.reader.key(run), schedule[-1][0])
                if key not in after or after[key][0] > cost:
                    after[key] = (cost, schedule)
            return run.next_choice(schedule[-1][1])


def explored(world: World, most: int) -> Explored:
    """The oracle's findings."""
    return explore(world, max_states=most)
