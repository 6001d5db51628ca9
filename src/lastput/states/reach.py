"""Every reachable state, and every step between them, by the engine's own expansion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine.memory import available
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.numbered import Numbered, TooLarge


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
    states = Numbered(model, budget, max_states)
    try:
        return _Reaching(states).run(told or (lambda count: None))
    except TooLarge as error:
        if str(error) == "max-states":
            raise NotExplored(f"there are more than {max_states:,} states") from None
        fit = states.store.count
        more = f"there are more than the {fit:,} states that fit into memory"
        raise NotExplored(more if fit else "there is no memory for a single state") from None


class _Reaching:
    def __init__(self, states: Numbered) -> None:
        self.states = states
        self.parts: list[Steps] = []
        self.broken: list[tuple[int, int]] = []

    def run(self, told: Callable[[int], None]) -> Reached:
        """Level by level."""
        states, levels, first = self.states, [], 0
        states.begin()
        while first < states.store.count:
            end = states.store.count
            levels.append(end - first)
            for start in range(first, end, states.expander.batch):
                self._expand(start, min(states.expander.batch, end - start))
            told(states.store.count)
            first = end
        return self._reached(levels)

    def _expand(self, first: int, n: int) -> None:
        """Note every step from the states first..first+n."""
        made, events = self.states.expand(first, n)
        expander, nothing = self.states.expander, np.full(made, -1, np.int32)
        self.parts.append(_steps(first, expander.labels[:made], self.states.found[:made].copy(), nothing))
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

    def _reached(self, levels: list[int]) -> Reached:
        store = self.states.store
        count, words = store.count, store.words
        steps = Steps(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, self.parts), strict=True)))
        rows, first = store.rows(0, count)
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
