"""The schedule of a violation, rebuilt without stored parents.

The levels of the breadth-first search are expanded once more, from the violating one back to the initial
state, keeping only edges into states known to lead to the violation: the way symbolic model checkers walk
back through their onion rings (Clarke, Grumberg, McMillan and Zhao, "Efficient Generation of
Counterexamples and Witnesses in Symbolic Model Checking", DAC 1995). Departure: all states on some shortest
schedule are kept, with the fewest context switches that are left from there; a dynamic programme over
(state, last thread). Whatever thread ran last, the cost from a state is the least one or that plus one, so a
number and a set of threads per state hold it (`kernels.relax`).

Of all schedules of least length, then least switches, the canonical one is taken: at each step the
smallest (thread, choice), at the end the smallest (thread, choice, code). A level in which a state itself is
violating (an event of STATE_EVENT) ends there; violating steps from the same level are one step longer. A
violating state of the next level is as short as a violating step of this one: `search` compares the two.

A schedule of more than 65,534 switches is still a shortest one, perhaps not with the fewest switches; the
same holds for more than 64 threads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine import kernels
from lastput.engine.expander import Expander
from lastput.engine.memory import reserve
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.outcome import Violation
from lastput.engine.store import Store

_FEW_THREADS = 16


def spare_bytes(threads: int) -> int:
    """Bytes per state that `shortest` may take."""
    return 2 + (2 if threads <= _FEW_THREADS else 8)


def shortest(
    model: NativeModel,
    store: Store,
    expander: Expander,
    levels: list[int],
    check: Callable[[], None],
) -> tuple[Violation, int]:
    """Schedule of the best violation in the last of `levels`, and the bytes it took to find it.

    `levels` are the sizes of the levels up to the violating one, whose violations are not bounds. `check`
    is called between batches and may raise."""
    return _Shortest(model, store, expander, levels, check).run()


class _Shortest:
    def __init__(
        self,
        model: NativeModel,
        store: Store,
        expander: Expander,
        levels: list[int],
        check: Callable[[], None],
    ) -> None:
        self.model, self.store, self.expander, self.check = model, store, expander, check
        self.starts = np.concatenate(([0], np.cumsum(levels))).tolist()
        states = self.starts[-1]
        mask: type[np.unsignedinteger[Any]] = np.uint16 if model.threads <= _FEW_THREADS else np.uint64
        # Zero (no way to the violation) where never written, and there it takes no memory.
        self.costs: npt.NDArray[Any] = reserve(states * 2, np.uint16, huge=False)
        self.threads: npt.NDArray[Any] = reserve(states * np.dtype(mask).itemsize, mask, huge=False)
        self.found = np.zeros(expander.batch * model.max_successors, np.int64)
        self.bounds = np.array(sorted(model.bounds), np.uint64)

    def run(self) -> tuple[Violation, int]:
        last = len(self.starts) - 2
        self._mark(last)
        for level in range(last - 1, -1, -1):
            self._back(level)
        taken = int(self.costs.nbytes + self.threads.nbytes + self.found.nbytes)
        return self._walk(last), taken

    def _batches(self, level: int) -> Any:
        """Expand a level; yields first state, number of successors, number of events of each batch."""
        end = self.starts[level + 1]
        for first in range(self.starts[level], end, self.expander.batch):
            self.check()
            n = min(self.expander.batch, end - first)
            yield first, *self.expander.run(*self.store.rows(first, n), n)

    def _violations(self, events: int) -> npt.NDArray[np.uint64]:
        """The events of the last expansion that are not bounds: rows of label, code."""
        rows = self.expander.events[:events]
        return rows[~np.isin(rows[:, 1], self.bounds)]

    def _mark(self, level: int) -> None:
        """Give cost to the violating states and steps: only to the states, if there are any."""
        everyone = np.iinfo(self.threads.dtype).max
        top = 8 * self.threads.itemsize - 1
        for first, _, events in self._batches(level):
            rows = self._violations(events)
            states = first + (rows[:, 0] >> np.uint64(32)).astype(np.int64)
            threads = _threads(rows[:, 0])
            of_state = threads == STATE_EVENT
            bits = (np.uint64(1) << np.minimum(threads, top).astype(np.uint64)).astype(self.threads.dtype)
            # 1 marks a violating state, 2 a violating step; settled below.
            self.costs[states[~of_state]] = np.maximum(self.costs[states[~of_state]], 2)
            np.bitwise_or.at(self.threads, states[~of_state], bits[~of_state])
            self.costs[states[of_state]] = 1
            self.threads[states[of_state]] = everyone
        part = self.costs[self.starts[level] : self.starts[level + 1]]
        self.by_state = bool((part == 1).any())
        if self.by_state:
            part[part == 2] = 0
        else:
            part[part == 2] = 1

    def _back(self, level: int) -> None:
        """Carry the costs of the next level into this one."""
        low, high = self.starts[level + 1 : level + 3]
        for first, n, _ in self._batches(level):
            self.store.find(self.expander.rows, n, self.found)
            kernels.relax(
                self.found, self.expander.labels, n, first, low, high, self.costs, self.threads
            )  # fmt: skip

    def _walk(self, last: int) -> Violation:
        """From the initial state along the cheapest steps, smallest (thread, choice) first."""
        schedule: list[tuple[int, int]] = []
        state = 0
        for level in range(last):
            thread, choice, state = self._step(state, level, _last(schedule))
            schedule.append((thread, choice))
        _, n_events = self.expander.run(*self.store.rows(state, 1), 1)
        label, code = min(
            (tuple(map(int, row)) for row in self._violations(n_events) if self._final(int(row[0]))),
            key=lambda event: (self._switch(_last(schedule), _thread(event[0])), event),
        )
        thread, choice = _thread(label), label & 0xFFFF
        if not self.by_state:
            schedule.append((thread, choice))
        switches = sum(a != b for (a, _), (b, _) in pairwise(schedule))
        return Violation(
            code=code,
            thread=None if self.by_state else thread,
            choice=choice,
            schedule=schedule,
            depth=len(schedule),
            switches=switches,
        )

    def _step(self, state: int, level: int, before: int | None) -> tuple[int, int, int]:
        """Thread, choice and target of the best step from a state that leads to the violation."""
        n, _ = self.expander.run(*self.store.rows(state, 1), 1)
        self.store.find(self.expander.rows, n, self.found)
        low, high = self.starts[level + 1 : level + 3]
        best: tuple[int, int, int, int] | None = None
        for label, to in zip(self.expander.labels[:n].tolist(), self.found[:n].tolist(), strict=True):
            if not low <= to < high or self.costs[to] == 0:
                continue
            thread = _thread(label)
            cost = self._switch(before, thread) + self._cost(to, thread)
            best = min(best or (cost, thread, label & 0xFFFF, to), (cost, thread, label & 0xFFFF, to))
        assert best is not None, "a marked state has a way to the violation"
        return best[1:]

    def _cost(self, state: int, thread: int) -> int:
        """Switches from a marked state on, when `thread` was the last to run."""
        top = 8 * self.threads.itemsize - 1
        free = int(self.threads[state]) >> min(thread, top) & 1
        return int(self.costs[state]) - 1 + (not free)

    def _final(self, label: int) -> bool:
        return (_thread(label) == STATE_EVENT) == self.by_state

    @staticmethod
    def _switch(before: int | None, thread: int) -> bool:
        return before is not None and thread not in (before, STATE_EVENT)


def _last(schedule: list[tuple[int, int]]) -> int | None:
    return schedule[-1][0] if schedule else None


def _thread(label: int) -> int:
    return label >> 16 & 0xFFFF


def _threads(labels: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return ((labels >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.int64)
