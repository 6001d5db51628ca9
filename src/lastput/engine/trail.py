"""One shard's part of the way back from a violation: which states lead to it, at what cost.

For each state on some shortest schedule, a number and a set of threads (see `shortest`, which leads all
shards through this together). A level is walked in parts: `ask` expands some of its states and wants to know
what the states they lead to cost; the shards that own those `answer`; `take` carries the costs back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine import routing, stores
from lastput.engine.hands import Hand, Hands
from lastput.engine.memory import reserve
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.native import shape_of
from lastput.engine.stores import Exact

_FEW_THREADS = 16
_BATCHES = 8
"""Batches that are asked for at once where other shards have to answer."""

Rows = npt.NDArray[np.uint64]
Answer = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Costs and threads of the states asked for; cost 0 where there is no way."""


def spare_bytes(threads: int) -> int:
    """Bytes per state that a trail may take."""
    return 2 + mask_bits(threads) // 8


def mask_bits(threads: int) -> int:
    """Bits of a set of threads; all threads from the last bit's on share it."""
    return 16 if threads <= _FEW_THREADS else 64


class Trail:
    """Costs of the states of `store`; the last of the levels that begin at `starts` is the violating one."""

    def __init__(
        self,
        model: NativeModel,
        store: Exact,
        hands: Hands,
        starts: list[int],
        *,
        number: int,
        of: int,
        halt: Callable[[], bool],
        spread: int,
    ) -> None:
        self.model, self.store, self.hands, self.starts = model, store, hands, starts
        self.number, self.of, self.halt, self.spread = number, of, halt, spread
        self.expander = hands.all[0].expander
        self.shape = shape_of(model.words)
        self.top = mask_bits(model.threads) - 1
        mask: type[np.unsignedinteger[Any]] = np.uint16 if self.top == 15 else np.uint64
        # Zero (no way to the violation) where never written, and there it takes no memory.
        self.costs: npt.NDArray[Any] = reserve(starts[-1] * 2, np.uint16, huge=False)
        self.threads: npt.NDArray[Any] = reserve(starts[-1] * np.dtype(mask).itemsize, mask, huge=False)
        self.bounds = np.array(sorted(model.bounds), np.uint64)
        self.next = self.end = self.first = 0
        self.labels: Rows = np.zeros(0, np.uint64)
        self.edges: list[npt.NDArray[np.int64]] = []

    @property
    def bytes(self) -> int:
        batches = 8 * self.expander.batch * self.model.max_successors * len(self.hands.all)
        return int(self.costs.nbytes + self.threads.nbytes + batches)

    def size(self) -> int:
        """Bytes it takes."""
        return self.bytes

    # -- the violating level -------------------------------------------------------------------

    def mark(self) -> bool:
        """Give cost to the violating states and steps; whether there is such a state.

        1 marks a violating state, 2 a violating step, until `prefer_states`."""
        begin, end = self.starts[-2:]
        self._each_batch(begin, end, self._mark)
        return bool((self.costs[begin:end] == 1).any())

    def _mark(self, hand: Hand, first: int, n: int) -> None:
        _, events = hand.expander.run(hand.states, 0, n)
        labels = self._violations(hand, events)[:, 0]
        states = first + (labels >> np.uint64(32)).astype(np.int64)
        threads = _threads(labels)
        of_state = threads == STATE_EVENT
        bits = (np.uint64(1) << np.minimum(threads, self.top).astype(np.uint64)).astype(self.threads.dtype)
        self.costs[states[~of_state]] = np.maximum(self.costs[states[~of_state]], 2)
        np.bitwise_or.at(self.threads, states[~of_state], bits[~of_state])
        self.costs[states[of_state]] = 1
        self.threads[states[of_state]] = np.iinfo(self.threads.dtype).max

    def prefer_states(self, by_state: bool) -> None:
        """Violating steps count only if no shard has a violating state."""
        part = self.costs[self.starts[-2] : self.starts[-1]]
        part[part == 2] = 0 if by_state else 1

    # -- a level before it ---------------------------------------------------------------------

    def open(self, level: int) -> None:
        """Make ready to walk `level`."""
        self.next, self.end = self.starts[level : level + 2]
        self.low, self.high = self.starts[level + 1 : level + 3]

    def ask(self) -> list[Rows]:
        """Expand some states of the level; what they lead to, an array for each shard.

        A single shard knows all answers, and walks the whole level."""
        self.first, labels, rows = self.next, [], []
        if self.of == 1:
            self._each_batch(self.next, self.end, self._carry)
            self.next = self.end
        for first, n in self._batches(self.next, self.end):
            made, _ = self.expander.run(*self.store.rows(first, n), n)
            labels.append(self.expander.labels[:made] + np.uint64((first - self.first) << 32))
            rows.append(self.expander.rows[: made * self.model.words].copy())
            self.next = first + n
            if len(rows) == _BATCHES:
                break
        self.labels = np.concatenate([np.zeros(0, np.uint64), *labels])
        return self._dealt(np.concatenate([np.zeros(0, np.uint64), *rows]))

    def _carry(self, hand: Hand, first: int, n: int) -> None:
        """Carry costs back to the states first..first+n, from what they lead to."""
        made, _ = hand.expander.run(hand.states, 0, n)
        _, costs, threads = self._answer(hand.expander.rows[: made * self.model.words], hand)
        labels = hand.expander.labels[:made]
        routing.relax(np.arange(made), labels, costs, threads, self.costs, self.threads, first)

    def _dealt(self, rows: Rows) -> list[Rows]:
        owners = np.empty(len(self.labels), np.int64)
        routing.owners_of(rows, len(owners), self.shape, self.of, owners)
        self.edges = [np.flatnonzero(owners == number) for number in range(self.of)]
        table = rows.reshape(-1, self.model.words)
        return [table[edges].reshape(-1) for edges in self.edges]

    def answer(self, parts: Sequence[Rows]) -> list[Answer]:
        """What the states asked for cost, those of the level after the one that is walked."""
        return [self._answer(rows, self.hands.all[0])[1:] for rows in parts]

    def _answer(
        self, rows: Rows, hand: Hand
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]:
        n = len(rows) // self.model.words
        found = np.empty(n, np.int64)
        costs, threads = np.empty(n, self.costs.dtype), np.empty(n, self.threads.dtype)
        if plain := stores.plain(self.store):
            plain[0].find(rows, n, found, (hand.hashes, hand.places))
        else:
            with self.hands.lock:
                stores.find(self.store, rows, n, found, self.low, self.high)
        routing.look(found, n, self.low, self.high, self.costs, self.threads, costs, threads)
        return found, costs, threads

    def take(self, answers: Sequence[Answer]) -> int:
        """Carry the costs back; returns how many states of the level are left."""
        for edges, (costs, threads) in zip(self.edges, answers, strict=True):
            routing.relax(edges, self.labels, costs, threads, self.costs, self.threads, self.first)
        return self.end - self.next

    # -- one state -----------------------------------------------------------------------------

    def steps(self, state: int) -> tuple[list[int], list[int], Rows]:
        """Labels of the successors of one state, the shards that own them, and the successors."""
        made, _ = self.expander.run(*self.store.rows(state, 1), 1)
        rows = self.expander.rows[: made * self.model.words].copy()
        owners = np.zeros(made, np.int64)
        routing.owners_of(rows, made, self.shape, self.of, owners)
        return self.expander.labels[:made].tolist(), owners.tolist(), rows

    def locate(self, row: Rows) -> tuple[int, int, int]:
        """A state's number here, its cost and its threads; cost 0 where it is not on the way."""
        found, costs, threads = self._answer(row, self.hands.all[0])
        return int(found[0]), int(costs[0]), int(threads[0])

    def broken(self, state: int) -> list[tuple[int, int]]:
        """(label, code) of the rules that one state and its steps break."""
        _, events = self.expander.run(*self.store.rows(state, 1), 1)
        return [(int(label), int(code)) for label, code in self._violations(self.hands.all[0], events)]

    def has_violating_state(self) -> bool:
        """Whether a state of the last level is itself a violation."""
        found: list[bool] = []

        def look(hand: Hand, _first: int, n: int) -> None:
            if not found:
                _, events = hand.expander.run(hand.states, 0, n)
                if (_threads(self._violations(hand, events)[:, 0]) == STATE_EVENT).any():
                    found.append(True)

        begin, end = self.starts[-2:]
        self._each_batch(begin, end, look)
        return bool(found)

    def _violations(self, hand: Hand, events: int) -> npt.NDArray[np.uint64]:
        """The events of a hand's last expansion that are not bounds: rows of label, code."""
        rows = hand.expander.events[:events]
        return rows[~np.isin(rows[:, 1], self.bounds)]

    def _each_batch(self, begin: int, end: int, work: Callable[[Hand, int, int], None]) -> None:
        """Call work(hand, first, n) for all batches of the states begin..end, which the hand has loaded."""
        batches = self._batches(begin, end)

        def some(hand: Hand) -> None:
            while True:
                with self.hands.lock:
                    first, n = next(batches, (end, 0))
                    if n == 0:
                        return
                    hand.load(*self.store.rows(first, n), n)
                work(hand, first, n)

        self.hands.work(some, len(self.hands.all) if end - begin >= self.spread else 1)

    def _batches(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        for first in range(begin, end, self.expander.batch):
            if self.halt():
                raise KeyboardInterrupt
            yield first, min(self.expander.batch, end - first)


def _threads(labels: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return ((labels >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.int64)
