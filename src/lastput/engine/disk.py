"""States on disk, for searches larger than memory.

As in Stern and Dill, "Using Magnetic Disk Instead of Main Memory in the Murphi Verifier" (CAV 1998): what a
level's expansion makes is gathered in memory, and only at the end of the level is it compared with all that
was found before, in one pass over the disk. Nothing is ever looked up at random while searching. Departures:
states are compared whole, as rows in sorted order, not by hashes, so nothing is lost; each level is sorted
by itself and appended to one file, which is therefore also the breadth-first order that a search expands; and
what is gathered may itself outgrow memory: then it is sorted and written as a run, and the runs of a level
are merged a part at a time (external sorting: Knuth, The Art of Computer Programming, volume 3, section 5.4).

The price is one reading of all earlier states for each level: a search of many levels is bound by the disk's
sequential speed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from lastput.engine.disk_kernels import mark_doubles, mark_known, places_of
from lastput.engine.store import Store

if TYPE_CHECKING:
    from lastput.engine.stores import Exact

_CHUNK = 1 << 20
"""Rows read at once of what is on disk."""

_SLACK = 4
"""Memory that a gathered state may take, as a multiple of its size: index and growth included."""
LEAST = 1 << 20
"""Fewest bytes of memory that it makes do with."""

Rows = npt.NDArray[np.uint64]
"""States, a row each."""
Flat = npt.NDArray[np.uint64]
"""States one after the other, as the engine passes them."""


class DiskError(Exception):
    """The disk is full, or failed; in a line."""


class RowFile:
    """Rows of `words` words in a file, read by position; only appended to."""

    def __init__(self, path: Path, words: int) -> None:
        self.words, self.count = words, 0
        self._file = path.open("x+b", buffering=0)

    def append(self, rows: Rows) -> None:
        """Write rows at the end; if that fails, what was there before is as it was."""
        data, start = np.ascontiguousarray(rows).view(np.uint8).reshape(-1).data, self.count * self.words * 8
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file.fileno(), data[done:], start + done)
        except OSError as error:
            raise DiskError(f"{self._file.name}: {error.strerror}") from None
        self.count += len(rows)

    def read(self, first: int, n: int) -> Rows:
        """The rows first..first+n."""
        rows = np.empty((n, self.words), np.uint64)
        data, start = rows.view(np.uint8).reshape(-1).data, first * self.words * 8
        done = 0
        while done < len(data):
            got = os.preadv(self._file.fileno(), [data[done:]], start + done)
            if got == 0:
                raise DiskError(f"{self._file.name} is shorter than it was written")
            done += got
        return rows

    def mapped(self) -> Rows:
        """All rows, as memory that the system reads when it is looked at."""
        return np.memmap(self._file, np.uint64, "r", shape=(self.count, self.words))

    def place(self, row: Rows) -> int:
        """Where `row` is or would be; the rows are sorted."""
        wanted, low, high = row.tolist(), 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.read(middle, 1)[0].tolist() < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        Path(self._file.name).unlink()


class DiskStore:
    """A store (see `store`) whose states are in a fresh folder in `directory`; the folder goes with it.

    `budget` bytes of memory, at least LEAST, are for gathering and sorting. `count`, `rows` and `find` know
    the states of a level only after `append_level`. DiskError from any method: the disk is full, or failed.
    """

    def __init__(self, words: int, budget: int, directory: Path, *, max_states: int | None = None) -> None:
        self.words, self.budget = words, max(budget, LEAST)
        self.most = max_states
        self.stop: Literal["max-states", "max-memory"] = "max-states"
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="lastput-states-", dir=directory)
        except OSError as error:
            raise DiskError(f"{directory}: {error.strerror}") from None
        self._states = self._file("states")
        self._starts = [0]
        self._runs: list[RowFile] = []
        self._gathered = self._gather()
        self.most_on_disk = 0
        """Bytes of the files when they were largest."""
        # So many always fit into what has just begun to gather.
        self._part = max(1, self.budget // (3 * _SLACK * words * 8))

    def _file(self, name: str) -> RowFile:
        return RowFile(Path(self._folder.name) / name, self.words)

    def _gather(self) -> Store:
        # Sorting takes as much again for the order, and once more for the sorted rows.
        return Store(self.words, self.budget // 3)

    @property
    def count(self) -> int:
        """States of all levels that have ended."""
        return self._states.count

    @property
    def bytes(self) -> int:
        """Bytes of memory taken, at the worst moment of sorting what is gathered."""
        return min(self.budget, 3 * self._gathered.bytes)

    @property
    def kind(self) -> str:
        """What an outcome calls it."""
        return "disk"

    @property
    def tables(self) -> tuple[int, ...]:
        """Nothing is kept in parts."""
        return ()

    @property
    def on_disk(self) -> int:
        """Bytes of the files."""
        return (self._states.count + sum(run.count for run in self._runs)) * self.words * 8

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def move(self, old: Exact, bounds: Sequence[int]) -> None:
        """Take over the states of another store. `bounds` are indexes in order: states stay between the same
        two of them, in another order; what comes after the last is gathered."""
        most = max(1, self.budget // (4 * self.words * 8))
        for first, end in pairwise([0, *bounds]):
            for start in range(first, end, most):
                n = min(most, end - start)
                self._states.append(in_order(_read(old, start, n)))
                self._starts.append(self._states.count)
        for start in range(bounds[-1], old.count, most):
            n = min(most, old.count - start)
            self.add(_read(old, start, n).reshape(-1), n)

    # -- a level's successors ------------------------------------------------------------------

    def add(self, rows: Flat, n: int) -> bool:
        """Gather the first n rows. Always true: `append_level` tells whether there was room."""
        for first in range(0, n, self._part):
            part, size = rows[first * self.words :], min(self._part, n - first)
            if not self._gathered.add(part, size):
                self._spill()
                # What was gathered before there was no more room is gathered again, and does no harm.
                self._gathered.add(part, size)
        return True

    def _spill(self) -> None:
        """Write what is gathered as a sorted run, and begin anew."""
        run = self._file(f"run-{len(self._runs)}")
        run.append(self._sorted())
        self._runs.append(run)
        self._gathered = self._gather()

    def _sorted(self) -> Rows:
        gathered = self._gathered
        return in_order(gathered.states[: gathered.count * self.words].reshape(gathered.count, self.words))

    # -- the end of a level --------------------------------------------------------------------

    def append_level(self) -> bool:
        """Append what is new of what was gathered, as a level. False: not all of it, for `max_states`."""
        if not self._runs:
            complete = self._append(self._sorted())
            self._gathered = self._gather()
        else:
            self._spill()
            complete = all(self._append(part) for part in self._parts())
            self.most_on_disk = max(self.most_on_disk, self.on_disk)
            for run in self._runs:
                run.remove()
            self._runs = []
        self._starts.append(self._states.count)
        self.most_on_disk = max(self.most_on_disk, self.on_disk)
        return complete

    def _parts(self) -> Iterator[Rows]:
        """The rows of all runs in sorted order without doubles, in parts that fit into memory."""
        total = sum(run.count for run in self._runs)
        parts = -(-total * self.words * 8 // max(1, self.budget // 3))
        lows = [0] * len(self._runs)
        for bound in [*self._bounds(parts), None]:
            highs = [run.count if bound is None else run.place(bound) for run in self._runs]
            slices = [run.read(a, b - a) for run, a, b in zip(self._runs, lows, highs, strict=True)]
            yield distinct(in_order(np.concatenate(slices)))
            lows = highs

    def _bounds(self, parts: int) -> list[Rows]:
        """Rows that cut all runs together into about equal parts, in order."""
        each = 64 * parts
        samples = [
            run.read(place, 1) for run in self._runs for place in range(0, run.count, run.count // each + 1)
        ]
        ordered = in_order(np.concatenate(samples))
        return [ordered[len(ordered) * part // parts] for part in range(1, parts)]

    def _append(self, rows: Rows) -> bool:
        """Append those of the sorted rows that no level has; False if there were more than may be."""
        known = np.zeros(len(rows), np.bool_)
        for first, end in pairwise(self._starts):
            at = 0
            for start in range(first, end, _CHUNK) if len(rows) else ():
                at = mark_known(rows, at, self._states.read(start, min(_CHUNK, end - start)), known)
        new = rows[~known]
        room = len(new) if self.most is None else min(len(new), self.most - self.count)
        self._states.append(new[:room])
        return room == len(new)

    # -- reading -------------------------------------------------------------------------------

    def rows(self, first: int, n: int) -> tuple[Flat, int]:
        """The states first..first+n, and where they begin in the array."""
        return self._states.read(first, n).reshape(-1), 0

    def find(
        self, rows: Flat, n: int, found: npt.NDArray[np.int64], low: int = 0, high: int | None = None
    ) -> None:
        """found[i] = index of the state that is row i if it is among the states low..high, else -1."""
        high = self.count if high is None else high
        found[:n] = -1
        known, wanted = self._states.mapped(), rows[: n * self.words].reshape(n, self.words)
        for first, end in pairwise(self._starts):
            if low < end and first < high:
                places_of(wanted, known, first, end, found)


def _read(store: Exact, first: int, n: int) -> Rows:
    """States of a store, for themselves."""
    rows, at = store.rows(first, n)
    return rows[at * store.words : (at + n) * store.words].reshape(n, store.words)


def in_order(rows: Rows) -> Rows:
    """The rows, sorted: by the first word, then by the second, and so on."""
    return rows[np.lexsort(rows.T[::-1])]


def distinct(rows: Rows) -> Rows:
    """Sorted rows, each once."""
    doubles = np.zeros(len(rows), np.bool_)
    mark_doubles(rows, doubles)
    return rows[~doubles]
