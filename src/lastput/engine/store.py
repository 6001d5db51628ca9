"""All states found so far: one array in breadth-first order and a hash index into it.

The array is reserved address space and grows in place, without copying. The index doubles: the old one is
freed first and the new one filled from the states, so that there are never two. Nothing but the states and
the index is kept per state: no parents, no queue (a level is a range of the array).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lastput.engine import kernels
from lastput.engine.memory import HUGE, PAGE, reserve, reserve_most
from lastput.engine.native import shape_of

FIRST_BITS = 14
_MOST_BITS = 32
_MOST_STATES = (1 << 32) - 1
_HUGE_FROM = 1 << 26
"""Budgets below this get small pages: a huge one would be too coarse."""


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
    ) -> None:
        self.words, self.budget, self.spare = words, budget, spare
        self.shape = shape_of(words)
        self.keep = np.uint64(keep)
        self.most = _MOST_STATES if max_states is None else max(1, min(max_states, _MOST_STATES))
        self.count = 0
        self.bits = bits
        self.huge = budget >= _HUGE_FROM
        self.page = HUGE if self.huge else PAGE
        self._hashes = np.zeros(kernels.BLOCK, np.uint64)
        self._places = np.zeros(kernels.BLOCK, np.uint64)
        row = words * 8
        wanted = min((budget * row) // (row + 5) + HUGE, self.most * row)
        self.states: npt.NDArray[Any] = reserve_most(wanted, row << bits, np.uint64, self.huge)
        self.index: npt.NDArray[Any] = reserve(4 << bits, np.uint32, self.huge)
        self.room = self._room(bits)
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
            limit = min(_most(self.bits), self.room, self.most)
            done, self.count = kernels.insert(
                rows, done, n, self.states, self.count, max(limit, self.count), self.index, self.bits,
                self.keep, self.shape, self._hashes, self._places, numbers,
            )  # fmt: skip
            if done == n:
                return n
            if self.count >= self.most:
                self.stop = "max-states"
                return int(done)
            if not self._grow():
                self.stop = "max-memory"
                return int(done)

    def find(self, rows: npt.NDArray[np.uint64], n: int, found: npt.NDArray[np.int64]) -> None:
        """found[i] = index of the state that is row i, or -1, for i < n."""
        kernels.lookup(
            rows, n, self.states, self.index, self.bits, self.keep, self.shape, self._hashes, self._places,
            found,
        )  # fmt: skip

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
        self.index = np.zeros(0, np.uint32)
        try:
            self.index = reserve(4 << bits, np.uint32, self.huge)
        except OSError:
            bits = old
            self.index = reserve(4 << bits, np.uint32, self.huge)
        kernels.rebuild(self.states, self.count, self.index, bits, self.keep, self.shape, self._hashes)
        self.bits, self.room = bits, self._room(bits)
        return bits != old
