"""All states found so far, compressed without loss: pairs of numbers into two tables of parts.

After Laarman, van de Pol and Weber, "Parallel Recursive State Space Compression" (SPIN 2011), arXiv
1104.3119: a state is cut into parts, equal parts are kept once, and the state becomes the pair of their
numbers. Departures: which bits are a part is chosen by looking at states (`splitting`), so that two tables
are already small, and only a table that becomes large is compressed in turn; pairs are packed into as few
bytes as their numbers need, in breadth-first order, so that a level is still a range; the index is one of
32-bit slots beside them, and is kept fuller than a table with pairs in it could be (`pair_kernels`).

A store begins as a plain one and is compressed where it lies: pairs are never longer than states, and are
written over them from the front. So it takes no more memory while it changes than it did before.
"""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lastput.engine import pair_kernels
from lastput.engine.kernels import BLOCK, LINE
from lastput.engine.memory import PAGE, give_back, reserve
from lastput.engine.splitting import SAMPLE, Part, choose
from lastput.engine.store import Store

CHUNK = 1 << 11
"""Rows that are split at a time."""
NEST_FROM = 1 << 16
"""Different values of a part from which on they are compressed, too."""
_WORTH = 2 / 3
"""What compressing a table must leave of it."""
_GROWTH = 1.2
"""Factor by which the index grows."""
_FULL = 0.85
"""Part of the slots that is taken before it does."""
_LEAST_GROWTH = 1.02
_LEAST_SAMPLE = 512
_MOST_LINES = 1 << 28

_IN_ORDER = np.arange(CHUNK, dtype=np.uint64)

Words = npt.NDArray[np.uint64]


class _Table:
    """The different values of one part of states of `words` words."""

    def __init__(self, part: Part, words: int, store: Store) -> None:
        self.part, self.words = part, words
        self.store: Store | Compressed = store
        self.shape = store.shape
        self.nest_from = NEST_FROM
        self.rows = np.empty(CHUNK * part.words, np.uint64)
        self.numbers = np.empty(CHUNK, np.uint64)
        self.found = np.empty(CHUNK, np.int64)

    @property
    def bytes(self) -> int:
        return self.store.bytes + self.rows.nbytes + self.numbers.nbytes + self.found.nbytes

    @property
    def bits(self) -> int:
        """Bits that a number needs."""
        return max(1, (self.store.count - 1).bit_length())

    def split(self, rows: Words, first: int, n: int) -> None:
        """Take this part of the states first..first+n of `rows`."""
        part = self.part
        pair_kernels.split(rows, first, n, self.words, part.at, part.masks, self.rows, self.shape)

    def intern(self, n: int) -> int:
        """Number the first n values that were split off. Returns for how many there was room."""
        if self.store.count >= self.nest_from and isinstance(self.store, Store):
            self.nest_from = 2 * self.store.count  # there may be a gain later
            self.store = compress(self.store, gaining=True) or self.store
        return self.store.intern(self.rows, n, self.numbers)

    def join(self, numbers: Words, n: int, rows: Words) -> None:
        """Add this part to the first n rows."""
        if isinstance(self.store, Store):
            states = self.store.states
        else:
            states = self.rows
            self.store.gather(numbers, n, states)
            numbers = _IN_ORDER
        pair_kernels.join(numbers, n, self.words, self.part.at, states, self.shape, rows)


class Compressed:
    """A store as `Store` is, within the same budget; made by `compress`."""

    def __init__(self, plain: Store, left: _Table, right: _Table) -> None:
        self.words, self.budget, self.spare, self.most = plain.words, plain.budget, plain.spare, plain.most
        self.keep, self.huge, self.page = plain.keep, plain.huge, plain.page
        self.count = plain.count
        self.left, self.right = left, right
        self.stop: Literal["max-states", "max-memory"] = "max-memory"
        self.pairs = plain.states.view(np.uint8)
        self._memory = plain.states
        self._hashes = np.zeros(BLOCK, np.uint64)
        self._places = np.zeros(BLOCK, np.uint64)
        self._rows = np.zeros(0, np.uint64)
        self.width, self.low_bits = packing(left.bits, right.bits)
        self.lines = 0
        self.index: npt.NDArray[Any] = np.zeros(0, np.uint32)

    def take_over(self) -> bool:
        """Write pairs over the states that they stand for, and index them. False: they would need more
        memory than the budget has, and nothing was done."""
        lines = self._first_lines()
        if self.count >= self._room(lines, self.width):
            return False
        # Before states are written over: without an index nobody finds them again.
        index: npt.NDArray[Any] = reserve(lines * LINE * 4, np.uint32, self.huge)
        for first in range(0, self.count, CHUNK):
            n = min(CHUNK, self.count - first)
            for table in (self.left, self.right):
                table.split(self._memory, first, n)
                table.store.intern(table.rows, n, table.numbers)
            pair_kernels.pack(
                self.left.numbers, self.right.numbers, n, self.pairs, first, self.width, self.low_bits
            )
        give_back(self._memory, self._pairs_bytes(self.count, self.width))
        self._fill(index, lines)
        return True

    @property
    def taking(self) -> int:
        """Bytes that it will take when it takes over."""
        return self._pairs_bytes(self.count, self.width) + self._first_lines() * LINE * 4 + self._beside

    def _first_lines(self) -> int:
        """Lines for the states there are and some more, as far as the budget goes."""
        needed = int(self.count / (LINE * _FULL)) + 1
        return max(needed, min(int(needed * _GROWTH), self._most_lines()))

    @property
    def bytes(self) -> int:
        """Bytes taken by pairs, index, tables and working space."""
        return self._pairs_bytes(self.count, self.width) + self.index.nbytes + self._beside

    @property
    def kind(self) -> str:
        """What an outcome calls it."""
        return "compressed"

    @property
    def tables(self) -> tuple[int, int]:
        """How many different left and right parts there are."""
        return self.left.store.count, self.right.store.count

    @property
    def _beside(self) -> int:
        return self.left.bytes + self.right.bytes + self._rows.nbytes

    def _pairs_bytes(self, count: int, width: int) -> int:
        return -(-(count * width + 8) // self.page) * self.page

    def _room(self, lines: int, width: int) -> int:
        """States that fit the budget beside an index of that many lines and the tables as they are."""
        left = self.budget - lines * LINE * 4 - self._beside - 2 * PAGE
        fit = left // (width + self.spare)
        pages = (left - fit * self.spare) // self.page * self.page
        return min(fit, (pages - 8) // width, (len(self.pairs) - 8) // width)

    def add(self, rows: Words, n: int) -> bool:
        """Store those of the first n rows that are new. False: no room for all; `stop` says why."""
        return all(
            self._add(rows, first, m := min(CHUNK, n - first), None) == m for first in range(0, n, CHUNK)
        )

    def intern(self, rows: Words, n: int, numbers: Words) -> int:
        """Store as `add` does, and set numbers[i] to the index of row i. Returns how many rows had room."""
        for first in range(0, n, CHUNK):
            m = min(CHUNK, n - first)
            done = self._add(rows, first, m, numbers[first:])
            if done < m:
                return first + done
        return n

    def allow(self, budget: int) -> None:
        """Change the budget; what is taken already stays taken."""
        self.budget = budget

    def _add(self, rows: Words, first: int, n: int, numbers: Words | None) -> int:
        """Store n rows, from `first` on; returns how many there was room for."""
        known = n
        for table in (self.left, self.right):
            table.split(rows, first, known)
            self._allow(table)
            known = table.intern(known)
        if not self._widen():
            self.stop = "max-memory"
            return 0
        done = self._append(known, numbers)
        if done == known:
            self.stop = "max-memory"
        return done

    def _allow(self, table: _Table) -> None:
        """Let a table grow into what the budget has left."""
        left = self.budget - self.bytes - self.count * self.spare - 2 * PAGE
        table.store.allow(table.store.bytes + max(0, left))

    def _widen(self) -> bool:
        """Give pairs the bits that their numbers need by now. False: there is no room for that."""
        left, right = self.left.bits, self.right.bits
        if left <= self.low_bits and right <= 8 * self.width - self.low_bits:
            return True
        width, low_bits = packing(left, right, self.width)
        if self.count > self._room(self.lines, width):
            return False
        pair_kernels.repack(self.pairs, self.count, self.width, self.low_bits, width, low_bits)
        self.width, self.low_bits = width, low_bits
        return True

    def _append(self, n: int, numbers: Words | None) -> int:
        """Store the first n pairs of numbers that are new; returns how many there was room for."""
        done = 0
        while True:
            limit = min(most_in(self.lines), self._room(self.lines, self.width), self.most)
            done, self.count = pair_kernels.insert(
                self.left.numbers, self.right.numbers, done, n, self.pairs, self.count,
                max(limit, self.count), self.index, self.lines, slot_bits(self.lines), self.width,
                self.low_bits, self.keep, self._hashes, self._places, numbers,
            )  # fmt: skip
            if done == n:
                return n
            self.stop = "max-states" if self.count >= self.most else "max-memory"
            if self.count >= self.most or not self._grow():
                return int(done)

    def find(self, rows: Words, n: int, found: npt.NDArray[np.int64]) -> None:
        """found[i] = index of the state that is row i, or -1, for i < n."""
        for first in range(0, n, CHUNK):
            self._find(rows, first, min(CHUNK, n - first), found[first:])

    def _find(self, rows: Words, first: int, n: int, found: npt.NDArray[np.int64]) -> None:
        for table in (self.left, self.right):
            table.split(rows, first, n)
            table.store.find(table.rows, n, table.found)
        left, right = (table.found.view(np.uint64) for table in (self.left, self.right))
        pair_kernels.lookup(
            left, right, n, self.pairs, self.index, self.lines, slot_bits(self.lines), self.width,
            self.low_bits, self.keep, self._hashes, self._places, found,
        )  # fmt: skip

    def rows(self, first: int, n: int) -> tuple[Words, int]:
        """The states first..first+n, and where they begin in that array, in states. Valid until the next
        call of any method; to be read only."""
        assert first + n <= self.count
        if len(self._rows) < n * self.words:
            self._rows = np.empty(n * self.words, np.uint64)
        self._rows[: n * self.words] = 0
        for begin in range(0, n, CHUNK):
            self._join(first + begin, min(CHUNK, n - begin), self._rows[begin * self.words :])
        return self._rows, 0

    def _join(self, first: int, n: int, rows: Words) -> None:
        left, right = self.left.numbers, self.right.numbers
        pair_kernels.unpack(self.pairs, first, n, self.width, self.low_bits, left, right)
        self.left.join(left, n, rows)
        self.right.join(right, n, rows)

    def gather(self, which: Words, n: int, rows: Words) -> None:
        """Make the first n rows the states of these numbers; n is at most CHUNK."""
        left, right = self.left.numbers, self.right.numbers
        pair_kernels.unpack_some(self.pairs, which, n, self.width, self.low_bits, left, right)
        rows[: n * self.words] = 0
        self.left.join(left, n, rows)
        self.right.join(right, n, rows)

    def prepare(self) -> None:
        """Run every kernel once, so that none is compiled later."""
        rows, _ = self.rows(0, 1)
        rows, found, numbers = rows.copy(), np.zeros(1, np.int64), np.zeros(1, np.uint64)
        self.add(rows, 1)
        self.intern(rows, 1, numbers)
        self.gather(numbers, 1, rows)
        self.find(rows, 1, found)
        pair_kernels.repack(self.pairs, self.count, self.width, self.low_bits, *packing(32, 32, self.width))
        self.width, self.low_bits = packing(32, 32, self.width)

    def _grow(self) -> bool:
        """Enlarge the index, by as much as the budget allows. False: not by enough to be worth it."""
        lines = min(int(self.lines * _GROWTH) + 1, self._most_lines())
        if lines < self.lines * _LEAST_GROWTH or self.count >= self._room(lines, self.width):
            return False
        return self.rebuild(lines)

    def _most_lines(self) -> int:
        """Lines of an index that has slots for just as many states as fit beside it."""
        line = LINE * 4 + (self.width + self.spare) * LINE * _FULL
        return min(int((self.budget - self._beside - 2 * self.page - 2 * PAGE) / line), _MOST_LINES)

    def rebuild(self, lines: int) -> bool:
        """Replace the index by one of so many lines. False: the system had no memory, all is as before."""
        old, self.index = self.lines, np.zeros(0, np.uint32)
        try:
            self.index = reserve(lines * LINE * 4, np.uint32, self.huge)
        except OSError:
            lines = old
            self.index = reserve(lines * LINE * 4, np.uint32, self.huge)
        self._fill(self.index, lines)
        return lines != old

    def _fill(self, index: npt.NDArray[Any], lines: int) -> None:
        """Index all pairs in an empty index of so many lines."""
        self.index, self.lines = index, lines
        pair_kernels.rebuild(
            self.pairs, self.count, index, lines, slot_bits(lines), self.width, self.low_bits,
            self.keep, self._hashes,
        )  # fmt: skip


def packing(left: int, right: int, least: int = 1) -> tuple[int, int]:
    """Bytes of a pair whose numbers need so many bits, `least` or more, and how many bits its left has. Bits
    to spare go to both."""
    width = max(least, -(-(left + right) // 8))
    return width, left + (8 * width - left - right) // 2


def most_in(lines: int) -> int:
    """Pairs that an index of so many lines takes."""
    return int(lines * LINE * _FULL)


def slot_bits(lines: int) -> int:
    """Bits of a slot that hold the number of a pair; the others are a tag."""
    return most_in(lines).bit_length()


def compress(plain: Store, *, gaining: bool = False) -> Compressed | None:
    """A plain store's states, compressed; the plain one is used up. None: there is no memory for the tables,
    or compressing would not gain any, and the plain one is as before. With `gaining`, it must gain a third at
    once; without, something when there are more states."""
    bits = plain.bits
    plain.drop_index()
    found = None
    with contextlib.suppress(OSError):  # from `reserve`: there is no address space for the tables
        found = _compressed(plain, gaining)
    if found is None:
        plain.rebuild(bits)
    return found


def _compressed(plain: Store, gaining: bool) -> Compressed | None:
    taken = plain.states_bytes + plain.count * plain.spare
    room = max(4 << plain.bits, (plain.budget - taken) // 2)
    # Tables of a table are small.
    parts = choose(_sample(plain, room))
    left, right = (
        _Table(part, plain.words, Store(part.words, plain.budget // 2, huge=not gaining)) for part in parts
    )
    for first in range(0, plain.count, CHUNK):
        n = min(CHUNK, plain.count - first)
        for table in (left, right):
            table.split(plain.states, first, n)
            table.store.allow(table.store.bytes + max(0, plain.budget - taken - left.bytes - right.bytes))
            # Not `table.intern`: a trial that begins trials of its own takes for ever.
            if table.store.intern(table.rows, n, table.numbers) < n:
                return None
    found = Compressed(plain, left, right)
    if gaining and found.taking > _WORTH * plain.bytes:
        return None
    return found if found.take_over() else None


def _sample(plain: Store, room: int) -> Words:
    """Some states, so few that looking at them takes about `room` bytes."""
    states = plain.states[: plain.count * plain.words].reshape(plain.count, plain.words)
    n = max(_LEAST_SAMPLE, min(SAMPLE, room // (8 * 9 * plain.words)))
    if plain.count <= n:
        return states
    return states[np.random.default_rng(0).integers(plain.count, size=n)]
