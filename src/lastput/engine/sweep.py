"""Many batches in one native call: expand, filter, store; by several threads at the same time.

The threads take batches of a level one after the other, as in guided self-scheduling (Polychronopoulos and
Kuck, "Guided Self-Scheduling: A Practical Scheduling Scheme for Parallel Supercomputers", IEEE Transactions
on Computers, 1987): smaller ones when little is left. They share the states and their index (see `kernels`).
States next to each other have successors in common, so a batch is expanded by one thread as a whole, unlike
where states belong to shards.

A thread takes places for new states a chunk at a time. When a sweep is over, the last states are moved into
the places that were not used, so that the states are one range again. Which state has which number depends
on the threads' speed then; nothing that a search tells depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lastput.engine import kernels
from lastput.engine import sweep_kernels as native
from lastput.engine.hands import Hand, Hands
from lastput.engine.memory import zeros
from lastput.engine.model import NativeModel
from lastput.engine.store import Store

_MOST_CHUNK = 1 << 12
"""States that a thread takes places for at once."""
_CALL_SECONDS = 0.02
"""About how long a call of the kernel takes: a thread looks so often whether it is to stop."""
_SECONDS = 0.2
"""How long a sweep takes at most: only then the counts are up to date."""


class Sweep:
    """Expands the states first..end of `store`, and stores there what they lead to, up to `limit` states.

    `halt` is asked now and then whether to stop, `note` told what hands met of events. `next`, `transitions`
    and `rest` are known when `run` has returned or raised, as much as was done until then."""

    def __init__(
        self,
        model: NativeModel,
        store: Store,
        limit: int,
        first: int,
        end: int,
        *,
        halt: Callable[[], bool],
        note: Callable[[npt.NDArray[np.uint64]], None],
    ) -> None:
        self.model, self.store, self.limit = model, store, limit
        self.next, self.end = first, end
        self.halt, self.note = halt, note
        self.transitions = 0
        self.rest: list[tuple[npt.NDArray[np.uint64], int]] = []
        """Successors that there were no places for: rows, and how many."""

    def run(self, hands: Hands, many: int) -> None:
        """Let so many hands do it."""
        room = self.limit - self.store.count
        chunk = max(1, min(_MOST_CHUNK, room // (4 * many)) if many > 1 else room)
        self.board = zeros(native.BOARD, np.int64)
        self.board[[native.NEXT, native.END, native.TOP]] = self.next, self.end, self.store.count
        self.board[[native.LIMIT, native.CHUNK, native.HANDS]] = self.limit, chunk, many
        self.deadline = time.monotonic() + _SECONDS
        self.beside = True if many > 1 else None
        for hand in hands.all[:many]:
            hand.own[:] = 0
        try:
            hands.work(self._work, many)
        finally:
            self._end(hands.all[:many])

    def _work(self, hand: Hand) -> None:
        expander, filter, store = hand.expander, hand.filter, self.store
        batches, now = 1, time.monotonic()
        while now < self.deadline and not self.halt():
            why = native.sweep(
                self.board, hand.own, batches, expander.batch, self.model.expand, store.states.ctypes.data,
                expander.addresses, expander.event_count, expander.rows, filter.recent, filter.bits,
                store.states, store.index, store.bits, store.keep, store.shape, hand.hashes, hand.places,
                self.beside,
            )  # fmt: skip
            if why in (native.EVENTS, native.NO_ROOM):
                self.note(expander.events[: int(expander.event_count[0]), 1])
            if why in (native.NOTHING_LEFT, native.NO_ROOM):
                return
            before, now = now, time.monotonic()
            if why == native.MORE and now - before < _CALL_SECONDS / 2:
                batches *= 2
            elif now - before > _CALL_SECONDS:
                batches = max(1, batches // 2)
        self.board[native.STOP] = 1

    def _end(self, hands: list[Hand]) -> None:
        """Close the gaps, and say how far it came."""
        top = max(self.store.count, *(int(hand.own[native.TO]) for hand in hands))
        gaps = sorted((int(hand.own[native.AT]), int(hand.own[native.TO])) for hand in hands)
        for begin, end in reversed(gaps):
            self.store.move_last(top, min(end - begin, top - end), begin)
            top -= end - begin
        self.store.count = top
        self.next = min(int(self.board[native.NEXT]), self.end)
        words = self.model.words
        for hand in hands:
            self.transitions += int(hand.own[native.MADE])
            done, kept = int(hand.own[native.DONE]), int(hand.own[native.KEPT])
            if done < kept:
                self.rest.append((hand.expander.rows[done * words :], kept - done))


def prepare(words: int, cores: int) -> None:
    """Compile the kernels, or load them from numba's cache."""
    state, board, own = (
        np.zeros(words, np.uint64),
        np.zeros(native.BOARD, np.int64),
        np.zeros(native.OWN, np.int64),
    )
    store, addresses, recent = Store(words, 1 << 22), np.zeros(5, np.int64), np.zeros(words << 4, np.uint64)
    store.add(state, 1)
    for beside in (None, True) if cores > 1 else (None,):
        # Nothing is left, so nothing is called.
        board[native.HANDS] = 1
        native.sweep(
            board, own, 1, 1, 0, store.states.ctypes.data, addresses, own, state, recent, 4, store.states,
            store.index, store.bits, store.keep, store.shape, state, state, beside,
        )  # fmt: skip
    if cores > 1:
        index = np.zeros(1 << store.bits, np.uint32)
        kernels.rebuild(store.states, 0, 1, index, store.bits, store.keep, store.shape, state, True)
        store.move_last(1, 0, 0)
