"""States that are not kept: a tag of each, or some bits in a filter. A search with one may leave states out.

`hash`: hash compaction. Of a state a tag of 32 bits is kept in the line of the table that 32 other bits of
its hash choose: Wolper and Leroy, "Reliable Hashing without Collision Detection" (CAV 1993); Stern and Dill,
"Improved Probabilistic Verification by Hash Compaction" (CHARME 1995). A new state is left out if its tag
equals one of those in its line.

`bits`: bitstate hashing. A state sets four bits: Holzmann, "An Analysis of Bitstate Hashing" (FMSD 13, 1998);
Dillinger and Manolios, "Bloom Filters in Probabilistic Verification" (FMCAD 2004). It is left out if all
four are set. Departure: all four are in one cache line, for speed (Putze, Sanders and Singler, "Cache-, Hash-
and Space-Efficient Bloom Filters", WEA 2007), which costs some accuracy.

Table and filter have their size from the beginning, since neither can be made larger afterwards. Whole
states are kept for two levels only, the one that is expanded and the next. For the way back there are, for
each state, which successor of its parent it is, and one or two bits that say which that was: children are
stored in the order of their parents. So a schedule is exact; it may not be a shortest one, if a state was
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lastput.engine import approximate_kernels
from lastput.engine.approximate_kernels import COUNT, FAMILY
from lastput.engine.expander import Expander
from lastput.engine.kernels import BLOCK
from lastput.engine.memory import HUGE, PAGE, reserve
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.native import shape_of
from lastput.engine.outcome import Omission, Violation

KINDS = "hash", "bits"

UNASKED = 1 << 31
"""Bytes taken where no limit on memory says how many: all of a table is, however few the states are."""

_LINE_BYTES = 64
_FULL = 0.9
"""Part of a table of tags that is used."""
_LINE_STATES = {"hash": 16 * _FULL, "bits": 48.0}
"""States for which there should be a line: about ten bits of the filter each."""
_FRONTIER = 0.1
"""Part of the states that is assumed to be in two levels, when memory is divided."""
_MOST_STATES = (1 << 32) - 1
_HUGE_FROM = 1 << 26

Words = npt.NDArray[np.uint64]


class Approximate:
    """A store of tags or bits, within `budget` bytes; for models with up to `max_successors` successors."""

    tables: tuple[int, ...] = ()

    def __init__(
        self, kind: str, words: int, budget: int, *, max_successors: int, max_states: int | None = None
    ) -> None:
        self.kind, self.words, self.budget = kind, words, budget
        self.most = _MOST_STATES if max_states is None else max(1, min(max_states, _MOST_STATES))
        self.shape = shape_of(words)
        self.filtering = kind == "bits"
        self.ordinal_bits = 1 << max(0, (max(1, max_successors - 1).bit_length() - 1).bit_length())
        huge = budget >= _HUGE_FROM
        self.page = HUGE if huge else PAGE
        self.lines = self._lines()
        slot = np.uint64 if self.filtering else np.uint32
        self.table: npt.NDArray[Any] = reserve(self.lines * _LINE_BYTES, slot, huge)
        room = max(2 * PAGE, budget)
        self.this, self.next = (reserve(room, np.uint64, huge) for _ in range(2))
        self.families, self.ordinals = (reserve(room, np.uint64, huge) for _ in range(2))
        self.base, self.next_base = 0, 0
        self._taken = [0, 0]
        self.where = np.zeros(3, np.uint64)
        self.odds = np.zeros(1)
        self._hashes = np.zeros(BLOCK, np.uint64)
        self.stop: Literal["max-states", "max-memory"] = "max-memory"

    def _lines(self) -> int:
        """Lines of the table: a part of the budget, but not more than `most` states need."""
        line = _LINE_STATES[self.kind]
        beside = line * (self._trace_bits / 8 + _FRONTIER * 8 * self.words)
        fit = int((self.budget - 5 * self.page) * _LINE_BYTES / (_LINE_BYTES + beside)) // _LINE_BYTES
        return max(1, min(fit, int(self.most / line) + 1, (1 << 32) - 1))

    @property
    def _trace_bits(self) -> int:
        return 2 + self.ordinal_bits

    @property
    def count(self) -> int:
        return int(self.where[COUNT])

    @property
    def bytes(self) -> int:
        """Bytes taken by the table, two levels of states and the way back."""
        states = sum(-(-max(taken, 1) * 8 * self.words // self.page) * self.page for taken in self._high())
        bits = int(self.where[FAMILY]), self.count * self.ordinal_bits
        return self.lines * _LINE_BYTES + states + sum(-(-n // 8 // self.page) * self.page for n in bits)

    def _high(self) -> tuple[int, int]:
        """Most states that each of the two levels' arrays has held."""
        return self._taken[0], max(self._taken[1], self.count - self.next_base)

    @property
    def omission(self) -> Omission:
        return Omission(float(self.odds[0]), self.lines * _LINE_BYTES * 8 / max(1, self.count))

    def add(self, rows: Words, n: int) -> bool:
        """Store the initial state."""
        assert (n, self.count) == (1, 0)
        approximate_kernels.plant(
            rows, self.shape, self.filtering, self.table, self.lines, self.next, self.where
        )
        return True

    def add_successors(self, rows: Words, n: int, labels: Words, first: int) -> bool:
        """Store those of n successors of the states from `first` on that seem new. False: there is no room
        for all; `stop` says why."""
        room = self._room()
        done = approximate_kernels.add(
            rows, n, labels, first, self.shape, self.filtering, self.table, self.lines, self.next,
            self.next_base, max(self.count, min(self.most, room)), self.where, self.families, self.ordinals,
            self.ordinal_bits, self.odds, self._hashes,
        )  # fmt: skip
        self.stop = "max-states" if self.count >= self.most else "max-memory"
        return bool(done == n)

    def _room(self) -> int:
        """States that there may be before something is full."""
        per_state = 8 * self.words + self._trace_bits / 8
        # A state takes a bit of the families when it is found, and one when it is expanded.
        later = max(0, 2 * self.count - int(self.where[FAMILY])) // 8
        left = self.budget - self.bytes - later - 4 * self.page
        free = max(0, self._taken[1] - (self.count - self.next_base))
        room = self.count + free + int(max(0, left) / per_state)
        return room if self.filtering else min(room, int(self.lines * _LINE_STATES["hash"]))

    def begin(self, first: int) -> None:
        """The states from `first` on are the level that is expanded next; those before are let go."""
        self._taken = list(self._high())[::-1]
        self.this, self.next = self.next, self.this
        self.base, self.next_base = first, self.count

    def rows(self, first: int, n: int) -> tuple[Words, int]:
        """The states first..first+n of the level that is expanded, and where they begin in that array."""
        assert self.base <= first
        assert first + n <= self.next_base
        return self.this, first - self.base

    def way_to(self, state: int, depth: int) -> list[int]:
        """Which successor to take from the initial state on, step by step, to get to `state`."""
        steps = np.zeros(depth + 1, np.int64)
        n = approximate_kernels.trace(
            state, self.where, self.families, self.ordinals, self.ordinal_bits, steps
        )
        found: list[int] = steps[:n][::-1].tolist()
        return found


def schedule(
    model: NativeModel, store: Approximate, expander: Expander, first: int, end: int, depth: int
) -> Violation:
    """A violation of the level that is the states first..end: the one of the first state that has any."""
    state, label, code = next(_violations(model, store, expander, first, end))
    here = model.initial
    taken: list[tuple[int, int]] = []
    for step in store.way_to(state, depth):
        expander.run(here, 0, 1)
        taken.append(_thread_and_choice(int(expander.labels[step])))
        here = expander.rows[step * model.words : (step + 1) * model.words].copy()
    thread, choice = _thread_and_choice(label)
    by_state = thread == STATE_EVENT
    if not by_state:
        taken.append((thread, choice))
    return Violation(
        code=code,
        thread=None if by_state else thread,
        choice=choice,
        schedule=taken,
        depth=len(taken),
        switches=sum(a != b for (a, _), (b, _) in pairwise(taken)),
    )


def _violations(
    model: NativeModel, store: Approximate, expander: Expander, first: int, end: int
) -> Iterator[tuple[int, int, int]]:
    """State, label and code of each violation, in order of the states; of one state, its own come first."""
    while first < end:
        n = min(expander.batch, end - first)
        _, events = expander.run(*store.rows(first, n), n)
        found = [
            (label >> 32, label >> 16 & 0xFFFF != STATE_EVENT, label, code)
            for label, code in expander.events[:events].tolist()
            if code not in model.bounds
        ]
        for source, _, label, code in sorted(found):
            yield first + source, label, code
        first += n


def _thread_and_choice(label: int) -> tuple[int, int]:
    return label >> 16 & 0xFFFF, label & 0xFFFF


def prepare(kind: str, words: int) -> None:
    """Compile the kernels, or load them from numba's cache."""
    store = Approximate(kind, words, 1 << 20, max_successors=2)
    state = np.zeros(words, np.uint64)
    store.add(state, 1)
    store.add_successors(state, 1, np.zeros(1, np.uint64), 0)
    store.way_to(0, 0)
