"""All states found so far: one array in breadth-first order and a hash index into it.

Both are reserved address space and grow in place, without copying. The index doubles: it is cleared and
filled anew from the states, so that there are never two. Nothing but the states and the index is kept per
state: no parents, no queue (a level is a range of the array).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lastput.engine import kernels
from lastput.engine.memory import HUGE, PAGE, give_back, reserve, reserve_most
from lastput.engine.native import shape_of

if TYPE_CHECKING:
    from lastput.engine.hands import Hands

FIRST_BITS = 14
_MOST_BITS = 32
_MOST_STATES = (1 << 32) - 1
_HUGE_FROM = 1 << 26
"""Budgets below this get small pages: a huge one would be too coarse."""
_TOGETHER_FROM = 1 << 15
"""States from which on several threads fill an index."""


def _most(bits: int) -> int:
    """States an index of 2**bits slots takes: 70 %."""
    return (7 << bits) // 10


class Store:
    """States and index, within `budget` bytes of which `spare` per state are left for the schedule."""

    def __init__(
        self,
        words: int,
        budget: int,
        *,
        spare: int = 0,
        max_states: int | None = None,
        keep: int = (1 << 64) - 1,
        bits: int = FIRST_BITS,
        huge: bool = True,
    ) -> None:
        self.words, self.budget, self.spare = words, budget, spare
        self.shape = shape_of(words)
        self.keep = np.uint64(keep)
        self.most = _MOST_STATES if max_states is None else max(1, min(max_states, _MOST_STATES))
        self.count = 0
        self.bits = bits
        self.huge = huge and budget >= _HUGE_FROM
        self.page = HUGE if self.huge else PAGE
        self._hashes = np.zeros(kernels.BLOCK, np.uint64)
        self._places = np.zeros(kernels.BLOCK, np.uint64)
        row = words * 8
        wanted = min((budget * row) // (row + 5) + HUGE, self.most * row)
        self.states: npt.NDArray[Any] = reserve_most(wanted, row << bits, np.uint64, self.huge)
        # With the states that make it grow, the largest one takes no more than three fifths of the budget.
        wanted = 4 << max(bits, min(_MOST_BITS, (budget * 3 // 20).bit_length() - 1))
        self._slots: npt.NDArray[Any] = reserve_most(wanted, 4 << bits, np.uint32, self.huge)
        self.index: npt.NDArray[Any] = self._slots[: 1 << bits]
        self.room = self._room(bits)
        self.hands: Hands | None = None
        """Who helps to fill a large index."""
        self.stop: Literal["max-states", "max-memory"] = "max-memory"

    @property
    def kind(self) -> str:
        """What an outcome calls it."""
        return "plain"

    @property
    def tables(self) -> tuple[int, ...]:
        """Numbers of different parts, where states are kept in parts."""
        return ()

    @property
    def bytes(self) -> int:
        """Bytes taken by states and index."""
        return self.states_bytes + (4 << self.bits)

    @property
    def states_bytes(self) -> int:
        """Bytes taken by states alone."""
        return -(-self.count * self.words * 8 // self.page) * self.page

    @property
    def limit(self) -> int:
        """States that have room before the index must grow, or something is full."""
        return min(_most(self.bits), self.room, self.most)

    def _room(self, bits: int) -> int:
        """States that fit the budget beside an index of 2**bits slots."""
        row = self.words * 8
        left = self.budget - (4 << bits) - 2 * PAGE  # the schedule's two arrays end anywhere in a page
        fit = left // (row + self.spare)
        pages = (left - fit * self.spare) // self.page * self.page
        return max(1, min(fit, pages // row, len(self.states) // self.words))

    def add(self, rows: npt.NDArray[np.uint64], n: int) -> bool:
        """Store those of the first n rows that are new. False: no room for all; `stop` says why."""
        return self._add(rows, n, None) == n

    def intern(self, rows: npt.NDArray[np.uint64], n: int, numbers: npt.NDArray[np.uint64]) -> int:
        """Store as `add` does, and set numbers[i] to the index of row i. Returns how many rows had room."""
        return self._add(rows, n, numbers)

    def _add(self, rows: npt.NDArray[np.uint64], n: int, numbers: npt.NDArray[np.uint64] | None) -> int:
        done = 0
        while True:
            limit = self.limit
            done, self.count = kernels.insert(
                rows, done, n, self.states, self.count, max(limit, self.count), self.index, self.bits,
                self.keep, self.shape, self._hashes, self._places, numbers, None,
            )  # fmt: skip
            if done == n:
                return n
            if self.count >= self.most:
                self.stop = "max-states"
                return int(done)
            if not self._grow():
                self.stop = "max-memory"
                return int(done)

    def find(
        self,
        rows: npt.NDArray[np.uint64],
        n: int,
        found: npt.NDArray[np.int64],
        scratch: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]] | None = None,
    ) -> None:
        """found[i] = index of the state that is row i, or -1, for i < n. Threads that look at the same time
        each have two arrays of BLOCK words as `scratch`."""
        hashes, places = scratch or (self._hashes, self._places)
        kernels.lookup(
            rows, n, self.states, self.index, self.bits, self.keep, self.shape, hashes, places, found
        )

    def rows(self, first: int, n: int) -> tuple[npt.NDArray[np.uint64], int]:
        """The states first..first+n, and where they begin in that array, in states. Valid until the next
        call of any method; to be read only."""
        assert first + n <= self.count
        return self.states, first

    def allow(self, budget: int) -> None:
        """Change the budget; what is taken already stays taken."""
        self.budget = budget
        self.room = self._room(self.bits)

    def _grow(self) -> bool:
        """Double the index, if the budget has room for it and at least one more state."""
        if self.bits == _MOST_BITS or self.count >= self.room or self.count >= self._room(self.bits + 1):
            return False
        return self.rebuild(self.bits + 1)

    def rebuild(self, bits: int) -> bool:
        """Replace the index by one of 2**bits slots. False: the system had no memory, all is as before."""
        old = self.bits
        if 1 << bits > len(self._slots):  # address space was limited
            self._slots = self.index = np.zeros(0, np.uint32)
            try:
                self._slots = reserve(4 << bits, np.uint32, self.huge)
            except OSError:
                bits = old
                self._slots = reserve(4 << bits, np.uint32, self.huge)
        self.index[:] = 0
        self.index = self._slots[: 1 << bits]
        self._fill(bits)
        self.bits, self.room = bits, self._room(bits)
        return bits != old

    def drop_index(self) -> None:
        """Give the index's memory back; `rebuild` makes a new one."""
        give_back(self._slots, 0)
        self.index = self._slots[:0]

    def _fill(self, bits: int) -> None:
        """Put all states into an empty index."""
        if self.hands is None or self.count < _TOGETHER_FROM:
            self._enter(0, self.count, bits, self._hashes, None)
        else:
            self.hands.share(
                lambda first, end, hand: self._enter(first, end, bits, hand.hashes, True), self.count
            )

    def _enter(
        self, first: int, end: int, bits: int, hashes: npt.NDArray[np.uint64], beside: Literal[True] | None
    ) -> None:
        kernels.rebuild(self.states, first, end, self.index, bits, self.keep, self.shape, hashes, beside)

    def move_last(self, count: int, n: int, to: int) -> None:
        """Of the first `count` places, move the states in the last n to the places from `to` on."""
        kernels.renumber(self.states, count - n, to, n, self.index, self.bits, self.keep, self.shape)
