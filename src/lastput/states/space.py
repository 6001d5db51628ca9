"""A scenario's state space with what is needed to read it: where threads stand, and what a step is.

The layout of packed states is not kept with a compiled model, so the front end runs once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastput.checks.kinds import KINDS
from lastput.compiler.compile import Compiled, analyse, compile_world, initial_words
from lastput.compiler.ir import Frame as Place
from lastput.compiler.steps import StateLayout, ThreadProgram
from lastput.evidence.source import short, shown
from lastput.lang.edits import applying
from lastput.lang.options import configuration
from lastput.lang.world import World
from lastput.simulate.fault import Frame
from lastput.states.fields import Fields, Rows, bits
from lastput.states.reach import NotExplored, Reached, reach

DONE = "done"


@dataclass(frozen=True)
class Stand:
    """Where a thread stands: what its next step is. `path` is the call path, innermost first."""

    function: str
    file: str
    line: int
    statement: str
    path: str


@dataclass(frozen=True)
class Space:
    """All states and steps of a world. `stands[t][p]` is position p of thread t; the last one is the end."""

    world: World
    layout: StateLayout
    native: Compiled
    reached: Reached
    stands: list[list[Stand]]

    @property
    def fields(self) -> Fields:
        return Fields(self.layout)

    def positions(self, thread: int, rows: Rows) -> npt.NDArray[np.int64]:
        """Where a thread stands in each of `rows`, as an index into its `stands`."""
        return bits(self.layout.threads[thread].record.position, rows)

    def broken(self, code: int) -> str:
        """What an event says: `deadlock`, `invariant pages_are_counted`, `null-deref in f`."""
        site = self.native.sites[code]
        if KINDS[site.kind].family == "user" and site.kind in ("invariant", "final", "unreachable"):
            return f"{site.kind} {site.message}"
        return f"{site.kind} in {site.function}" if site.function else site.kind


def explore(
    world: World,
    *,
    max_states: int | None = None,
    max_memory: int | None = None,
    told: Callable[[int], None] | None = None,
) -> Space:
    """The state space of `world`. NotExplored if it is larger than allowed, or there is none.

    `max_memory` counts bytes; `told` is called now and then with the number of states so far.
    """
    native = compile_world(world)
    if native.start_event is not None:
        site = native.sites[native.start_event]
        raise NotExplored(f"{site.kind} before the first step, so there are no states")
    with configuration(world.configuration), applying(world.edits):
        layout = analyse(world).layout
    assert len(initial_words(layout)) == native.native.words, "the layout is not that of the compiled model"
    reached = reach(native.native, max_states=max_states, max_memory=max_memory, told=told)
    return Space(world, layout, native, reached, [_stands(program) for program in layout.threads])


def _stands(program: ThreadProgram) -> list[Stand]:
    end = Stand("", "", 0, "", DONE)
    return [*(_stand(position.point.where.stack) for position in program.positions), end]


def _stand(stack: tuple[Place, ...]) -> Stand:
    """What the report would say of a step that begins at `stack`, which has the innermost frame first."""
    frames = [Frame(place.function, place.file, place.line) for place in stack[::-1]]
    _, statement = shown(frames)
    path = " < ".join(f"{place.function}:{place.line}" for place in stack)
    return Stand(stack[0].function, short(stack[0].file), stack[0].line, statement, path)
