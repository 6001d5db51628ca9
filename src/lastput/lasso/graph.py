"""The graph of all states as arrays: who can step, and where each step leads.

A loop is made of where steps lead to (`engine.numbered`). Each step leaves five bytes: its target and its
thread. Which of several choices a step took is not kept: `label` finds it again for the few that are
shown.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine.memory import available, reserve_most
from lastput.engine.model import NativeModel
from lastput.engine.numbered import Numbered, TooLarge
from lastput.engine.outcome import Limits
from lastput.lasso import kernels

__all__ = ["Builder", "Graph", "TooLarge", "bytes_needed"]

PER_STATE = 88
"""Bytes for each state besides its own: 32 of the graph (where its steps begin, who can step, what is true),
and what the search in it needs at one time (`region`, `fair`)."""

PER_STEP = 5
"""Bytes for each step."""

_MARK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


@dataclass(frozen=True)
class Graph:
    """States are numbered in breadth-first order from 0, the initial one.

    The steps from state s are offsets[s]..offsets[s+1]: `targets`, and `threads` that take them. Bit t of
    `enabled[s]` tells that thread t can step there, if only into a bound of the model. `marks[s]` has a bit
    for each condition that is true in s, `finished[s]` one for each thread that has finished.
    """

    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.uint32]
    threads: npt.NDArray[np.uint8]
    enabled: npt.NDArray[np.uint64]
    marks: npt.NDArray[np.uint64]
    finished: npt.NDArray[np.uint64]
    bytes: int = 0
    """All that it takes, the states included."""

    @property
    def count(self) -> int:
        """How many states there are."""
        return len(self.enabled)


def bytes_needed(words: int, states: int, steps: int) -> int:
    """Bytes that the graph takes, and the search in it, as an estimate. `words` of 64 bits are in a state."""
    return states * (words * 8 + 8 + PER_STATE) + steps * PER_STEP


class Builder:
    """Makes the graph of `model` within `limits`; afterwards it finds the labels of steps."""

    def __init__(self, model: NativeModel, limits: Limits, told: Callable[[int], None] | None = None) -> None:
        self.model, self.limits, self.told = model, limits, told
        self.budget = limits.max_memory if limits.max_memory is not None else available() * 8 // 10
        self.states = Numbered(model, self.budget, limits.max_states)
        self.expander, self.store, self.found = self.states.expander, self.states.store, self.states.found
        room = len(self.store.states) // model.words
        self.offsets = _room_for(room + 1, np.uint64).view(np.int64)
        self.enabled = _room_for(room, np.uint64)
        self.marks = _room_for(2 * room, np.uint64)
        self.targets = _room_for(self.budget // PER_STEP, np.uint32)
        self.threads = _room_for(self.budget // PER_STEP, np.uint8)
        self.steps = 0
        self._mark = _MARK(model.mark)

    def build(self) -> Graph:
        """Expand every state. TooLarge at a limit."""
        deadline = None if self.limits.timeout is None else time.monotonic() + self.limits.timeout
        first, store = 0, self.store
        self.states.begin()
        while first < store.count:
            n = min(self.expander.batch, store.count - first)
            self._expand(first, n)
            first += n
            if deadline is not None and time.monotonic() > deadline:
                raise TooLarge("timeout")
            if self.told is not None:
                self.told(store.count)
        return Graph(
            self.offsets[: first + 1],
            self.targets[: self.steps],
            self.threads[: self.steps],
            self.enabled[:first],
            self.marks[0 : 2 * first : 2],
            self.marks[1 : 2 * first : 2],
            self._bytes(self.steps),
        )

    def _expand(self, first: int, n: int) -> None:
        """Take every step from the states first..first+n."""
        if first + n > len(self.enabled):  # address space is limited
            raise TooLarge("max-memory")
        rows, at = self.store.rows(first, n)
        self._mark(rows.ctypes.data + at * self.store.words * 8, n, self.marks[2 * first :].ctypes.data)
        made, events = self.states.expand(first, n)
        end = self.steps + made
        if self._bytes(end) > self.budget or end > min(len(self.targets), len(self.threads)):
            raise TooLarge("max-memory")
        self.targets[self.steps : end] = self.found[:made]
        enabled, offsets = self.enabled[first : first + n], self.offsets[first : first + n + 1]
        kernels.gather(self.expander.labels, made, offsets, enabled, self.threads[self.steps : end])
        kernels.note_broken(self.expander.events, events, enabled)
        self.steps = end

    def _bytes(self, steps: int) -> int:
        """What the graph takes with so many steps, and what is done to it afterwards."""
        return self.store.bytes + self.expander.bytes + self.store.count * PER_STATE + steps * PER_STEP

    def label(self, source: int, target: int, thread: int) -> tuple[int, int]:
        """(thread, choice) of a step: the first of the thread's choices that leads to `target`."""
        made, _ = self.expander.run(*self.store.rows(source, 1), 1)
        self.store.find(self.expander.rows, made, self.found)
        for i in range(made):
            label = int(self.expander.labels[i])
            if self.found[i] == target and label >> 16 & 0xFFFF == thread:
                return thread, label & 0xFFFF
        raise AssertionError(f"no step of thread {thread} leads from state {source} to {target}")


def _room_for(entries: int, kind: type[np.unsignedinteger[Any]]) -> npt.NDArray[Any]:
    """Room for an array, which takes memory only as far as it is written; less where that is limited."""
    return reserve_most(entries * np.dtype(kind).itemsize, 1 << 16, kind, huge=False)
