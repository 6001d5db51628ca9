"""Depth-first search to a depth that grows: every schedule of so many steps, in memory that does not grow.

Korf, "Depth-First Iterative-Deepening: An Optimal Admissible Tree Search" (Artificial Intelligence 27, 1985),
with a table of states as of Reinefeld and Marsland, "Enhanced Iterative-Deepening Search" (IEEE Transactions
on Pattern Analysis and Machine Intelligence 16, 1994): a state that was searched with as many steps left is
not searched again. The table has one place for each hash; a newer state replaces an older one, which may then
be searched twice, never too little: whole states are compared.

Departures: a batch of states is expanded at a time; the depth grows by a quarter, not by one, so what is
found first need not be shortest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.hunt import deepening_kernels as kernels
from lastput.engine.hunt.found import (
    Bounds,
    Deadline,
    Found,
    Schedule,
    Stop,
    Within,
    extended,
    source_of,
    thread_of,
    worst_first,
)
from lastput.engine.memory import available, reserve
from lastput.engine.model import NativeModel

BATCH = 256
"""States expanded at once. Few, since the stack grows with them."""
FIRST_DEPTH = 8
LEAST_SLOTS, LEAST_ROOM = 1024, 1 << 14
"""Of the table, and of the stack, however little memory there is."""
_SLOTS_PER_STATE = 8
"""Of the table, for each state that the round before expanded: clearing a larger one would take longer."""
_MOST_BYTES = 1 << 28
"""Of both, where nobody says otherwise."""


@dataclass(kw_only=True)
class Deepened(Within):
    """What a deepening search came to, with a depth as its bound. `steps` counts those of all rounds."""

    steps: int


def deepen(
    model: NativeModel,
    most: int | None,
    deadline: Deadline,
    *,
    max_states: int | None = None,
    max_memory: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Deepened:
    """Search all schedules of 8, 10, 12, 15, ... and at last `most` steps; None goes on until nothing is cut.

    `complete` as the reason to stop says that no schedule at all was left out. `max_states` limits the states
    expanded, in all rounds. `told` is called now and then with the depth and the number of steps.
    """
    search = _Deepening(model, deadline, max_states, max_memory, told)
    within, stop = None, None
    depth = FIRST_DEPTH if most is None else min(FIRST_DEPTH, most)
    while stop is None:
        stop = search.to(depth)
        within = within if stop and stop != "complete" else depth
        if stop is None and depth == most:
            stop = "depth"
        depth = depth + max(2, depth // 4)
        depth = depth if most is None else min(depth, most)
    return Deepened(
        stop=stop,
        within=within,
        steps=search.steps_taken,
        found=search.found,
        bounds=search.bounds.met,
        coverage=search.expander.coverage[: model.coverage],
    )


class _Deepening:
    def __init__(
        self,
        model: NativeModel,
        deadline: Deadline,
        max_states: int | None,
        max_memory: int | None,
        told: Callable[[int, int], None] | None,
    ) -> None:
        self.model, self.deadline, self.told = model, deadline, told
        self.most_expanded = max_states
        self.expanded = self.expanded_before = 0
        self.expander = Expander(model, BATCH)
        self.states = np.zeros(self.expander.batch * model.words, np.uint64)
        budget = min(_MOST_BYTES, available() // 2) if max_memory is None else max_memory
        budget = max(0, budget - self.expander.bytes)
        self.most_slots = max(LEAST_SLOTS, budget * 3 // 4 // (model.words * 8 + 4))
        room = max(LEAST_ROOM, budget // 4 // (model.words * 8 + 17))
        self.rows = reserve(room * model.words * 8, np.uint64)
        self.depths, self.parents = np.zeros(room, np.int32), np.zeros(room, np.int32)
        self.steps, self.opened = np.zeros(room, np.uint64), np.zeros(room, np.uint8)
        self.bounds = Bounds.of(model)
        self.steps_taken = 0
        self.found: Found | None = None

    def to(self, limit: int) -> Stop | None:
        """Search every schedule of `limit` steps; a reason to stop, or None to go deeper."""
        words = self.model.words
        slots = min(self.most_slots, LEAST_SLOTS + _SLOTS_PER_STATE * (self.expanded - self.expanded_before))
        self.expanded_before = self.expanded
        table, left = np.empty(slots * words, np.uint64), np.zeros(slots, np.int32)
        self.bounds.met.clear()
        self.rows[:words] = self.model.initial
        self.depths[0], self.parents[0], self.opened[0] = 0, -1, 1
        top, cut = 1, False
        while True:
            stop = self._passed()
            if stop:
                return stop
            top, first, n = kernels.take(top, self.opened, self.rows, words, self.expander.batch, self.states)
            if n == 0:
                return None if cut else "complete"
            made, events = self.expander.run(self.states, 0, n)
            self.steps_taken += made
            self.expanded += n
            if events and self._judge(first, self.expander.events[:events]):
                return "violation"
            top, some = kernels.push(
                self.expander.rows, self.expander.labels, made, first, top, limit, self.rows, self.depths,
                self.parents, self.steps, self.opened, words, table, left,
            )  # fmt: skip
            if top < 0:
                return "max-memory"
            cut |= some
            if self.told is not None:
                self.told(limit, self.steps_taken)

    def _passed(self) -> Stop | None:
        if self.most_expanded is not None and self.expanded >= self.most_expanded:
            return "max-states"
        return self.deadline.passed()

    def _judge(self, first: int, events: npt.NDArray[np.uint64]) -> bool:
        """Whether there is a violation among the events of a batch; the first one is the find."""
        rows = self.bounds.violations(events).tolist()
        if not rows:
            return False
        label, code = min(rows, key=lambda row: (source_of(row[0]), worst_first(tuple(row))))
        self.found = Found(code, extended(self._schedule(first + source_of(label)), label))
        return True

    def _schedule(self, place: int) -> Schedule:
        """The steps that lead to a state on the stack: those it came by."""
        schedule: Schedule = []
        while self.parents[place] >= 0:
            label = int(self.steps[place])
            schedule.append((thread_of(label), label & 0xFFFF))
            place = int(self.parents[place])
        return schedule[::-1]
