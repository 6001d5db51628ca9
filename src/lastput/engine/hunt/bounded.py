"""Exhaustive search within a bound on preemptions, or on context switches.

A preemption is a switch away from a thread that could go on: Musuvathi and Qadeer, "Iterative Context
Bounding for Systematic Testing of Multithreaded Programs" (PLDI 2007). A context switch is any change of the
thread: Qadeer and Rehof, "Context-Bounded Model Checking of Concurrent Software" (TACAS 2005). Either way all
that fits the bound 0 is searched, then what needs 1, and so on: a violation found has the fewest, and of
those with the fewest a shortest schedule.

What is stored is a row: a state and the thread that ran last. Departures: states are stored, so that nothing
is searched twice; no queue of work for the next bound is kept, the rows of a bound are expanded once more
instead; and a violating step beside a row of the last bound is reported, though it is beyond the bound.

Rows are numbered in the order in which they are found, so those of one bound and one depth are a range of
the store; a schedule is rebuilt backwards over these ranges, as in `engine.shortest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.hunt import bounded_kernels as kernels
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
from lastput.engine.memory import available
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.store import Store

Counted = Literal["preemptions", "switches"]
"""What the bound counts."""

BATCH = 1024


@dataclass(kw_only=True)
class Bounded(Within):
    """What a bounded search came to.

    `rows` counts states with the thread that ran last, `states` states (0 where they were not counted).
    """

    rows: int
    states: int
    transitions: int
    longest: int


def bounded(
    model: NativeModel,
    counted: Counted,
    most: int | None,
    deadline: Deadline,
    *,
    max_states: int | None = None,
    max_memory: int | None = None,
    told: Callable[[int, int], None] | None = None,
    count_states: bool = True,
) -> Bounded:
    """Search all schedules of 0, 1, ... `most` preemptions or switches; None goes on until nothing is left.

    `complete` as the reason to stop says that no schedule at all was left out. `max_states` limits the rows.
    `told` is called now and then with the bound and the number of rows.
    """
    search = _Bounded(model, counted, deadline, max_states, max_memory, told)
    return search.run(most, count_states)


Range = tuple[int, int]
"""First row, and one beyond the last."""


class _Stopped(Exception):
    """The search has to stop, for the reason that it is given."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self.stop: Stop = stop


class _Bounded:
    def __init__(
        self,
        model: NativeModel,
        counted: Counted,
        deadline: Deadline,
        max_states: int | None,
        max_memory: int | None,
        told: Callable[[int, int], None] | None,
    ) -> None:
        self.model, self.deadline, self.told = model, deadline, told
        self.switches = counted == "switches"
        self.expander = Expander(model, BATCH)
        batch, row = self.expander.batch, model.words + 1
        budget = available() * 8 // 10 if max_memory is None else max_memory
        most = batch * model.max_successors
        self.packed = np.zeros(most * row, np.uint64)
        self.origin, self.indexes = np.zeros(most, np.int64), np.zeros(most, np.int64)
        self.cost = np.zeros(max(most, batch * model.max_events), np.uint8)
        self.states = np.zeros(batch * model.words, np.uint64)
        self.lasts, self.able = np.zeros(batch, np.int64), np.zeros(batch, np.uint8)
        taken = self.expander.bytes + self.packed.nbytes + self.origin.nbytes * 2
        self.store = Store(row, max(0, budget - taken), max_states=max_states)
        self.bounds = Bounds.of(model)
        self.rounds: list[list[Range]] = []
        """Of each bound, the rows of each depth."""
        self.transitions = 0
        self.candidates: list[tuple[bool, int, int, int]] = []
        """Violations of the depth being searched: whether a step's, row, label, code."""

    def run(self, most: int | None, count_states: bool) -> Bounded:
        """Bound after bound, and what there is to say in the end."""
        within: int | None = None
        found = None
        stop: Stop = "bound"
        try:
            self._add(np.append(self.model.initial, np.uint64(0)), 1)
            for bound in range(1 << 62):
                found = self._round(bound)
                if found is not None:
                    stop = "violation"
                    break
                if self.rounds[bound][-1][1] == self.rounds[bound][0][0]:
                    stop = "complete"
                    break
                within = bound
                if bound == most:
                    found, cut = self._beyond(bound)
                    stop = "violation" if found else "bound" if cut else "complete"
                    break
        except _Stopped as stopped:
            stop = stopped.stop
        return Bounded(
            stop=stop,
            within=within,
            rows=self.store.count,
            states=self._distinct() if count_states and stop != "interrupt" else 0,
            transitions=self.transitions,
            longest=max((len(levels) - 1 for levels in self.rounds), default=0),
            found=found,
            bounds=self.bounds.met,
            coverage=self.expander.coverage[: self.model.coverage].copy(),
        )

    def _round(self, bound: int) -> Found | None:
        """Find all rows that need `bound` preemptions or switches, depth by depth."""
        before = self.rounds[bound - 1] if bound else []
        levels: list[Range] = [(0, self.store.count) if bound == 0 else (self.store.count,) * 2]
        self.rounds.append(levels)
        while len(levels) <= len(before) or levels[-1][0] < levels[-1][1]:
            depth, begin = len(levels), self.store.count
            self.candidates.clear()
            if depth <= len(before):
                self._expand(before[depth - 1], 1)
            self._expand(levels[-1], 0)
            if self.candidates:
                return self._found(depth)
            levels.append((begin, self.store.count))
        return None

    def _expand(self, rows: Range, cost: int) -> None:
        """Take the steps of `cost` from a range of rows; violations go to the candidates."""
        for first, made, events in self._batches(rows):
            self._judge(first, events, cost)
            self.transitions += made if cost == 0 else 0
            self._add(self.packed, self._pack(made, cost))
            if self.told is not None:
                self.told(len(self.rounds) - 1, self.store.count)

    def _batches(self, rows: Range) -> Iterator[tuple[int, int, npt.NDArray[np.uint64]]]:
        """Expand a range of rows; of each batch the first row, the number of successors, and the events."""
        first, end = rows
        while first < end:
            stop = self.deadline.passed()
            if stop:
                raise _Stopped(stop)
            n = min(self.expander.batch, end - first)
            kernels.unpack(*self.store.rows(first, n), n, self.model.words, self.states, self.lasts)
            made, found = self.expander.run(self.states, 0, n)
            events = self.expander.events[:found]
            labels = np.ascontiguousarray(events[:, 0])
            self.able[:n] = 0
            kernels.note_able(self.expander.labels, made, self.lasts, self.able)
            kernels.note_able(labels, found, self.lasts, self.able)
            yield first, made, events
            first += n

    def _pack(self, made: int, cost: int) -> int:
        """Those successors of the last batch that cost so much, as rows in `packed`; their number."""
        labels = self.expander.labels
        kernels.costs(labels, made, self.lasts, self.able, self.switches, self.cost)
        packed: int = kernels.pack(
            self.expander.rows, labels, made, self.model.words, self.cost, cost, self.packed, self.origin
        )
        return packed

    def _judge(self, first: int, events: npt.NDArray[np.uint64], cost: int) -> None:
        """Violating steps that cost so much, and with the steps that cost nothing what is wrong in states."""
        if not len(events):
            return
        rows = self.bounds.violations(events, count=cost == 0)
        kernels.costs(
            np.ascontiguousarray(rows[:, 0]), len(rows), self.lasts, self.able, self.switches, self.cost
        )
        for (label, code), price in zip(rows.tolist(), self.cost.tolist(), strict=False):
            of_state = thread_of(label) == STATE_EVENT
            if (of_state and cost == 0) or (not of_state and price == cost):
                self.candidates.append((not of_state, first + source_of(label), label, code))

    def _add(self, rows: npt.NDArray[np.uint64], n: int) -> None:
        if not self.store.add(rows, n):
            raise _Stopped(self.store.stop)

    def _beyond(self, bound: int) -> tuple[Found | None, bool]:
        """A violating step just beyond `bound`, if there is one; and whether the bound cut anything."""
        cut = False
        for depth, rows in enumerate(self.rounds[bound], 1):
            self.candidates.clear()
            for first, made, events in self._batches(rows):
                self._judge(first, events, 1)
                n = self._pack(made, 1)
                self.store.find(self.packed, n, self.indexes)
                cut |= bool((self.indexes[:n] < 0).any())
            if self.candidates:
                return self._found(depth), True
        return None, cut

    def _found(self, depth: int) -> Found:
        """The best candidate: a state's before a step's, then the smallest row, thread, choice and code."""
        _, row, label, code = min(self.candidates, key=lambda c: (c[0], c[1], worst_first(c[2:])))
        bound = max(b for b, levels in enumerate(self.rounds) if levels[0][0] <= row)
        self.deadline = self.deadline.without_timeout()
        return Found(code, extended(self._schedule(row, bound, depth - 1), label))

    def _schedule(self, row: int, bound: int, depth: int) -> Schedule:
        """The steps that lead to a row of this bound and depth."""
        schedule: Schedule = []
        while depth:
            row, step, bound = self._before(row, bound, depth)
            schedule.append(step)
            depth -= 1
        return schedule[::-1]

    def _before(self, row: int, bound: int, depth: int) -> tuple[int, tuple[int, int], int]:
        """A row from which one step leads to `row`, that step, and the row's bound."""
        width = self.store.words
        stored, place = self.store.rows(row, 1)
        target = stored[place * width : (place + 1) * width].copy()
        for cost in (0, 1):
            levels = self.rounds[bound - cost] if bound >= cost else []
            rows = levels[depth - 1] if depth - 1 < len(levels) else (0, 0)
            for first, made, _ in self._batches(rows):
                n = self._pack(made, cost)
                place = kernels.same_row(self.packed, n, target, width)
                if place >= 0:
                    label = int(self.expander.labels[self.origin[place]])
                    return first + source_of(label), (thread_of(label), label & 0xFFFF), bound - cost
        raise AssertionError("a row that was stored was reached from another")

    def _distinct(self) -> int:
        """How many states the rows are of: those are counted that no smaller last thread goes with."""
        n_batch = len(self.packed) // self.store.words
        states, lasts = np.zeros(n_batch * self.model.words, np.uint64), np.zeros(n_batch, np.int64)
        again = 0
        for first in range(0, self.store.count, n_batch):
            n = min(n_batch, self.store.count - first)
            kernels.unpack(*self.store.rows(first, n), n, self.model.words, states, lasts)
            known = np.zeros(n, bool)
            for thread in range(self.model.threads + 1):
                kernels.put_last(states, n, self.model.words, thread, self.packed)
                self.store.find(self.packed, n, self.indexes)
                known |= (self.indexes[:n] >= 0) & (thread < lasts[:n])
            again += int(known.sum())
        return self.store.count - again
