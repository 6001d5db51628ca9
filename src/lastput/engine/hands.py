"""What the cores of one machine need to expand the states of a shard together: a hand each.

A hand has buffers of its own and a filter of what it met lately. The caller's own thread is the first hand;
the others have threads of their own, from the first time that they are needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine import routing
from lastput.engine.expander import Expander
from lastput.engine.kernels import BLOCK
from lastput.engine.memory import zeros
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of

Words = npt.NDArray[np.uint64]

_FILTER_BYTES = 1 << 17
_BATCH_BYTES = 1 << 19
"""What the buffers of a batch should take: its successors are read again from the second-level cache."""
_MOST_BATCH, _LEAST_BATCH = 4096, 256


def batch_of(model: NativeModel, budget: int) -> int:
    """States to expand at once."""
    per_state = max(1, model.max_successors * (model.words + 1) * 8)
    good = max(_LEAST_BATCH, min(_MOST_BATCH, _BATCH_BYTES // per_state))
    return max(1, min(good, budget // 8 // per_state))


class Filter:
    """States met lately, in at most `size` bytes (or two states); `known` is one that is stored."""

    def __init__(self, known: Words, size: int) -> None:
        self.shape = shape_of(len(known))
        self.bits = max(1, (size // (8 * len(known))).bit_length() - 1)
        self.recent = np.tile(known, 1 << self.bits)

    def distil(self, rows: Words, n: int) -> int:
        """Keep those of the first n rows that were not met lately; returns how many."""
        kept: int = routing.distil(rows, n, self.recent, self.bits, self.shape)
        return kept


class Hand:
    """What one core needs for itself."""

    def __init__(self, model: NativeModel, batch: int, budget: int) -> None:
        self.expander = Expander(model, batch)
        self.filter = Filter(model.initial, min(_FILTER_BYTES, budget // 16))
        self.states = np.empty(self.expander.batch * model.words, np.uint64)
        self.hashes, self.places = np.zeros(BLOCK, np.uint64), np.zeros(BLOCK, np.uint64)
        self.own = zeros(8, np.int64)
        """What the sweep at work keeps about it."""

    def load(self, states: Words, at: int, n: int) -> None:
        """Copy n states from place `at` of `states`, to be expanded: others may go on with the store."""
        words = self.expander.words
        self.states[: n * words] = states[at * words : (at + n) * words]

    @property
    def bytes(self) -> int:
        """Bytes of its buffers."""
        expander = self.expander
        return expander.bytes + expander.labels.nbytes + self.filter.recent.nbytes + self.states.nbytes


class Hands:
    """As many hands as `cores`, or as have room in a part of `budget`."""

    def __init__(self, model: NativeModel, cores: int, batch: int | None, budget: int) -> None:
        first = Hand(model, batch_of(model, budget // cores) if batch is None else batch, budget)
        cores = max(1, min(cores, budget // 4 // first.bytes))
        self.all = [first, *(Hand(model, first.expander.batch, budget) for _ in range(cores - 1))]
        self.lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def bytes(self) -> int:
        return sum(hand.bytes for hand in self.all)

    def work(self, work: Callable[[Hand], None], hands: int) -> None:
        """Call `work` for that many hands at the same time; all are over when this returns or raises."""
        others: list[Future[Any]] = []
        if hands > 1:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(len(self.all) - 1, "hand")
            others = [self._pool.submit(work, hand) for hand in self.all[1:hands]]
        try:
            work(self.all[0])
        finally:
            wait(others)
        for other in others:
            other.result()

    def share(self, work: Callable[[int, int, Hand], None], n: int) -> None:
        """Call work(first, end, hand) for equal parts of 0..n, one for each hand, at the same time."""
        parts = len(self.all)

        def part(hand: Hand) -> None:
            number = self.all.index(hand)
            work(n * number // parts, n * (number + 1) // parts, hand)

        self.work(part, parts)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
