"""What a picture of a schedule needs besides its steps: memory at every moment, locks, source.

Nobody pays for it who does not look: `check` leaves `Violation.scene` empty. Who draws asks `scene` for
it, or `pictured` for the violation with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from lastput.evidence.bands import Bands
from lastput.evidence.objects import Objects
from lastput.evidence.source import short
from lastput.lang.world import World
from lastput.result import Change, Content, Moment, Scene, Source, Thing, Violation
from lastput.simulate.fault import Fault
from lastput.simulate.memory import LIVE
from lastput.simulate.program import Program
from lastput.simulate.replay import able
from lastput.simulate.scheduler import Scheduler

Function = Callable[..., Any]


def pictured(world: World, violation: Violation) -> Violation:
    """`violation` of `world`, with its scene."""
    return replace(violation, scene=scene(world, violation.schedule))


def scene(world: World, schedule: Iterable[tuple[int, int]]) -> Scene:
    """The scene of a schedule that `replay` follows; its last step may break a rule.

    UsageError if a step names a thread that is not there, or cannot step.
    """
    program = Program(world)
    seen: _Seen | None = None
    try:
        with Scheduler.start(program) as run:
            seen = _Seen(run)
            for thread, choice in schedule:
                seen.step(thread, choice)
            seen.end()
    except Fault:
        if seen is None:  # the model breaks a rule before any step
            things = Objects(world, program.memory).things()
            return Scene(things, (), (), ())
    return seen.scene()


def function_source(function: Function) -> Source:
    """The text of a model function, with its decorators and docstring."""
    lines, first = inspect.getsourcelines(function)
    return Source(
        function.__name__,
        short(function.__code__.co_filename),
        max(1, first),
        tuple(line.rstrip() for line in lines),
    )


class _Seen:
    """Follows a run and writes down what a picture needs."""

    def __init__(self, run: Scheduler) -> None:
        self.run = run
        self.objects = Objects(run.world, run.memory)
        self.things = list(self.objects.things())
        self.moments: list[Moment] = []
        self.bands = Bands()
        self.bands.after(0, self._held(), ())
        self.functions: dict[Function, None] = {}

    def step(self, thread: int, choice: int) -> None:
        """Take one step. Fault if it breaks a rule: what it did before that is part of the picture."""
        able(self.run, len(self.moments) + 1, thread)
        frames = self._functions(thread)
        self.functions.update(dict.fromkeys(frames))
        memory = self.run.memory
        values, states = dict(memory.values), list(memory.states)
        self.run.log = []
        broken: int | None = None
        try:
            self.run.step(thread, choice)
        except Fault as fault:
            broken = fault.address
            self._note(fault)
            raise
        finally:
            self.moments.append(self._moment(values, states, broken))
            self.bands.after(len(self.moments), self._held(), frames)

    def end(self) -> None:
        """The functions in which the threads stand at last."""
        for thread in range(len(self.run.threads_run)):
            self.functions.update(dict.fromkeys(self._functions(thread)))

    def scene(self) -> Scene:
        """All of it, without the objects that play no part."""
        things, moments = _without_idle(self.things, self.moments)
        sources = tuple(function_source(function) for function in self.functions)
        return Scene(things, moments, self.bands.all(), sources)

    def _functions(self, thread: int) -> list[Function]:
        """The model functions that `thread` is in, innermost first."""
        program = self.run.program
        return [program.by_code[frame.f_code].original for frame in self.run.threads_run[thread].frames]

    def _note(self, fault: Fault) -> None:
        """The functions of a violation, which the step may have called itself."""
        stands = {(frame.function, frame.file) for frame in fault.frames}
        for function in self.run.program.by_original:
            if (function.__name__, function.__code__.co_filename) in stands:
                self.functions[function] = None
        self.end()

    def _held(self) -> dict[str, int]:
        memory = self.run.memory
        return {memory.name(address): mask for address, mask in memory.held().items()}

    def _moment(self, values: dict[int, int | None], states: list[int], broken: int | None) -> Moment:
        memory = self.run.memory
        for number in range(len(self.things), len(memory.states)):  # statics that were mentioned only now
            self.things.append(self.objects.thing(number))
        states += memory.states[len(states) :]
        log = self.run.log or ()
        accesses = [a.address for a in log if a.kind in ("load", "store") and not a.silent]
        touched = [self.objects.place(address) for address in [*accesses, *([broken] if broken else [])]]
        return Moment(
            changes=tuple(
                self._change(address)
                for address in memory.values
                if address not in values or memory.values[address] != values[address]
            ),
            touched=tuple(dict.fromkeys(place for place in touched if place is not None)),
            allocated=tuple(n for n, old in enumerate(states) if old != LIVE and memory.states[n] == LIVE),
            freed=tuple(n for n, old in enumerate(states) if old == LIVE and memory.states[n] != LIVE),
        )

    def _change(self, address: int) -> Change:
        place = self.objects.place(address)
        assert place is not None
        return Change(*place, self.objects.content(address))


def _without_idle(
    things: Sequence[Thing], moments: Sequence[Moment]
) -> tuple[tuple[Thing, ...], tuple[Moment, ...]]:
    """Things and moments without the objects that no step touches and that nothing touched points to."""
    if not moments:
        return tuple(things), ()
    touched = {thing for moment in moments for thing, _ in moment.touched}
    touched |= {thing for moment in moments for thing in (*moment.allocated, *moment.freed)}
    held = [content for number in touched for content in things[number].contents]
    held += [change.content for moment in moments for change in moment.changes if change.thing in touched]
    kept = sorted(touched | {content.target[0] for content in held if content.target})
    number = {old: new for new, old in enumerate(kept)}

    def content(found: Content) -> Content:
        if found.target is None:
            return found
        thing, cell = found.target
        return replace(found, target=(number[thing], cell) if thing in number else None)

    def moment(found: Moment) -> Moment:
        return Moment(
            changes=tuple(
                Change(number[c.thing], c.cell, content(c.content))
                for c in found.changes
                if c.thing in number
            ),
            touched=tuple((number[thing], cell) for thing, cell in found.touched),
            allocated=tuple(number[thing] for thing in found.allocated),
            freed=tuple(number[thing] for thing in found.freed),
        )

    shown = (replace(things[old], contents=tuple(map(content, things[old].contents))) for old in kept)
    return tuple(shown), tuple(map(moment, moments))
