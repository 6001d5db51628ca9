"""Every reachable state, and every step between them, by the engine's own expansion.

`engine.search` forgets where a step led to, because millions of them would not fit; here they are the point.
The search does not stop at a violation: a step that breaks a rule leads nowhere, a state that does goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.memory import available
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.store import Store

BATCH = 1024
"""States expanded at once, as in `engine.search`."""


class NotExplored(Exception):
    """Why there is no state space: more states than were allowed, or than fit into memory, or none at all."""


@dataclass(frozen=True)
class Steps:
    """Steps as parallel arrays, about in the order of the states that they begin in.

    `target` is -1 for a step that breaks a rule; `code` is its event, and -1 for all others.
    """

    source: npt.NDArray[np.uint32]
    target: npt.NDArray[np.int64]
    thread: npt.NDArray[np.uint16]
    choice: npt.NDArray[np.uint16]
    code: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Reached:
    """All states, numbered in the order in which they are first met: 0 is the initial one.

    `states` are packed, a row each. `levels[d]` counts the states whose shortest schedule has d steps.
    `broken` lists (state, code) for states that break a rule.
    """

    states: npt.NDArray[np.uint64]
    levels: list[int]
    steps: Steps
    broken: list[tuple[int, int]]


def reach(
    model: NativeModel,
    *,
    max_states: int | None = None,
    max_memory: int | None = None,
    told: Callable[[int], None] | None = None,
) -> Reached:
    """Every state of `model`. NotExplored for more than `max_states`, or than `max_memory` bytes hold.

    `told` is called now and then with the number of states so far.
    """
    budget = available() // 2 if max_memory is None else max_memory
    search = _Search(model, budget, max_states)
    first, levels = 0, []
    while first < search.store.count:
        end = search.store.count
        levels.append(end - first)
        for start in range(first, end, search.expander.batch):
            search.expand(start, min(search.expander.batch, end - start))
        if told is not None:
            told(search.store.count)
        first = end
    return search.reached(levels)


class _Search:
    def __init__(self, model: NativeModel, budget: int, max_states: int | None) -> None:
        self.expander = Expander(model, BATCH)
        # One more than is allowed: a store that is full cannot tell whether there was more.
        most = None if max_states is None else max_states + 1
        self.store = Store(model.words, max(0, budget - self.expander.bytes), max_states=most)
        self.max_states = max_states
        self.found = np.zeros(self.expander.batch * model.max_successors, np.int64)
        self.parts: list[Steps] = []
        self.broken: list[tuple[int, int]] = []
        if not self.store.add(model.initial, 1):
            raise NotExplored("there is no memory for a single state")

    def expand(self, first: int, n: int) -> None:
        """Take every step from the states first..first+n."""
        expander, store = self.expander, self.store
        made, events = expander.run(*store.rows(first, n), n)
        room = store.add(expander.rows, made)
        if self.max_states is not None and store.count > self.max_states:
            raise NotExplored(f"there are more than {self.max_states:,} states")
        if not room:
            raise NotExplored(f"there are more than the {store.count:,} states that fit into memory")
        store.find(expander.rows, made, self.found)
        labels = expander.labels[:made]
        nothing = np.full(made, -1, np.int32)
        self.parts.append(_steps(first, labels, self.found[:made].copy(), nothing))
        if events:
            self._events(first, expander.events[:events].copy())

    def _events(self, first: int, events: npt.NDArray[np.uint64]) -> None:
        of_state = _threads(events[:, 0]) == STATE_EVENT
        for label, code in events[of_state].tolist():
            self.broken.append((first + (label >> 32), code))
        steps = events[~of_state]
        self.parts.append(
            _steps(first, steps[:, 0], np.full(len(steps), -1, np.int64), steps[:, 1].astype(np.int32))
        )

    def reached(self, levels: list[int]) -> Reached:
        count, words = self.store.count, self.store.words
        steps = Steps(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, self.parts), strict=True)))
        rows, first = self.store.rows(0, count)
        states = rows[first * words : (first + count) * words].reshape(count, words)
        return Reached(states, levels, steps, sorted(self.broken))


def _steps(
    first: int, labels: npt.NDArray[np.uint64], target: npt.NDArray[np.int64], code: npt.NDArray[np.int32]
) -> Steps:
    source = (labels >> np.uint64(32)).astype(np.uint32) + np.uint32(first)
    choice = (labels & np.uint64(0xFFFF)).astype(np.uint16)
    return Steps(source, target, _threads(labels), choice, code)


def _threads(labels: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    return ((labels >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.uint16)


def _arrays(steps: Steps) -> tuple[Any, ...]:
    return steps.source, steps.target, steps.thread, steps.choice, steps.code
