"""One owner's part of the state space: its states, and their expansion.

Every state belongs to one shard (`routing.owner`), which alone stores and expands it. With one shard that is
all of them, and nothing is dealt out. Whoever runs several of them (`team`) takes care that all shards are in
the same level: `begin` it everywhere; `expand` a part of it everywhere; `absorb` everywhere what the others'
expansion led to; and so on until nothing of the level is left. A shard never waits and never asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.engine import approximate, checkpoint, routing, stores
from lastput.engine.approximate import Approximate
from lastput.engine.disk import DiskStore
from lastput.engine.expander import Expander
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of
from lastput.engine.outcome import Omission, Violation
from lastput.engine.stores import Exact
from lastput.engine.trail import Trail, spare_bytes

Rows = npt.NDArray[np.uint64]
"""Packed states, one after the other."""

_BATCH_BYTES = 1 << 19
"""What the buffers of a batch should take: its successors are read again from the second-level cache."""
_MOST_BATCH, _LEAST_BATCH = 4096, 256
_FILTER_BYTES = 1 << 17
_OWN_FILTER_BYTES = 1 << 19
_FILE_STATES = 1 << 22
_BOX_BYTES = 1 << 22
"""What a box for another shard should hold before it is sent."""


@dataclass(frozen=True)
class Tally:
    """How far a shard is."""

    states: int
    transitions: int
    left: int
    """States of the level that are not expanded yet."""
    bytes: int
    full: bool
    """A state could not be stored."""
    violating: bool
    """A rule was broken."""
    sent: int
    """States dealt out to other shards so far."""
    store: str
    """What keeps the states by now: plain, compressed, disk, hash or bits."""
    tables: tuple[int, ...]
    """Different parts of states, where they are kept in parts."""


@dataclass(frozen=True)
class Evidence:
    """What a shard saw on its way, besides states."""

    transitions: int
    counts: dict[int, int]
    """Events by code."""
    coverage: npt.NDArray[np.uint8]


def batch_of(model: NativeModel, budget: int) -> int:
    """States to expand at once."""
    per_state = max(1, model.max_successors * (model.words + 1) * 8)
    good = max(_LEAST_BATCH, min(_MOST_BATCH, _BATCH_BYTES // per_state))
    return max(1, min(good, budget // 8 // per_state))


class Shard:
    """Shard `number` of `of`, within `budget` bytes. `halt` is asked between batches whether to pause."""

    def __init__(
        self,
        model: NativeModel,
        *,
        budget: int,
        number: int = 0,
        of: int = 1,
        max_states: int | None = None,
        batch: int | None = None,
        halt: Callable[[], bool] = lambda: False,
        store: str = "plain",
        disk: Path | None = None,
    ) -> None:
        self.model, self.number, self.of, self.halt = model, number, of, halt
        self.expander = Expander(model, batch_of(model, budget) if batch is None else batch)
        self.shape = shape_of(model.words)
        # Filled with a state that is known to be stored.
        self._recent = self._filter(min(_FILTER_BYTES, budget // 16))
        # States next to each other have successors in common, but are in different shards: the owner of
        # such a successor gets it from several of them at about the same time.
        self._seen = self._filter(min(_OWN_FILTER_BYTES, budget // 16) if of > 1 else 0)
        widest = self.expander.batch * model.max_successors
        box = min(_BOX_BYTES, budget // 8 // of)
        self._room = max(widest, box // (8 * model.words)) if of > 1 else 0
        self._boxes = np.empty(of * self._room * model.words, np.uint64)
        self._filled = np.zeros(of, np.int64)
        own = self.expander.bytes + self.expander.labels.nbytes + self._boxes.nbytes
        own += self._recent.nbytes + self._seen.nbytes
        self._budget, self._most, self._disk = max(0, budget - own), max_states, disk
        # What moves states to disk needs memory to sort them.
        in_memory = self._budget * 6 // 10 if disk else self._budget
        self.store: Exact | Approximate = stores.make(
            store,
            model.words,
            in_memory,
            spare=spare_bytes(model.threads),
            max_states=max_states,
            max_successors=model.max_successors,
        )
        self.levels: list[int] = []
        """Own states of each level that was begun."""
        self.next = self.end = 0
        self.transitions = self.sent = 0
        self.counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.full = self.violating = False
        self.saved: list[dict[str, Any]] = []
        """Files that hold the first states."""
        self.covered: npt.NDArray[np.uint8] | None = None
        """What ran on the way forward; None until the way back, on which more runs."""
        self.trail: Trail | None = None

    # -- the way forward -----------------------------------------------------------------------

    def _filter(self, size: int) -> Rows:
        """A filter of at most `size` bytes, or of two states."""
        bits = max(1, (size // (8 * self.model.words)).bit_length() - 1)
        return np.tile(self.model.initial, 1 << bits)

    def plant(self, rows: Rows) -> None:
        """Store states of the level that comes next."""
        n = len(rows) // self.model.words
        if isinstance(self.store, Approximate):
            self.full |= not self.store.add(rows, n)
        elif not self.full:
            self.full = not self._add(self.store, rows, n)

    def end_level(self) -> Tally:
        """The level is over: know which of the states that it led to are new."""
        if isinstance(self.store, DiskStore):
            self.full |= not self.store.append_level()
        return self.tally()

    def close(self) -> None:
        """Leave nothing behind on disk."""
        if isinstance(self.store, DiskStore):
            self.store.close()

    def begin(self) -> int:
        """Begin the next level: the states stored since the last one was begun. Returns how many."""
        self.next, self.end = sum(self.levels), self.store.count
        self.levels.append(self.end - self.next)
        if isinstance(self.store, Approximate):
            self.store.begin(self.next)
        return self.levels[-1]

    def skip(self) -> None:
        """All states of the level were expanded elsewhere."""
        self.next = self.end

    def expand(self, most: int) -> list[Rows]:
        """Expand up to `most` states of the level; store what is one's own.

        Returns what belongs to others, an array for each shard, valid until the next call."""
        self._filled[:] = 0
        last = min(self.end, self.next + most)
        while self.next < last and not self._box_is_full() and not self.halt():
            n = min(self.expander.batch, last - self.next)
            successors, events = self.expander.run(*self.store.rows(self.next, n), n)
            self.next += n
            self.transitions += successors
            if events:
                self._events(self.expander.events[:events, 1])
            if isinstance(self.store, Approximate):
                self._keep_about(self.store, successors, self.next - n)
            else:
                self._keep_or_deal(self.store, successors)
        self.sent += int(self._filled.sum())
        return [self._box(number) for number in range(self.of)] if self.of > 1 else []

    def absorb(self, parts: Sequence[Rows]) -> Tally:
        """Store what other shards' expansion led to."""
        for rows in parts:
            assert not isinstance(self.store, Approximate), "an approximate search has one shard"
            if len(rows) and not self.full:
                self._store(self.store, rows, len(rows) // self.model.words)
        return self.tally()

    def tally(self) -> Tally:
        """How far the shard is."""
        return Tally(
            states=self.store.count,
            transitions=self.transitions,
            left=self.end - self.next,
            bytes=self.bytes,
            full=self.full,
            violating=self.violating,
            sent=self.sent,
            store=self.store.kind,
            tables=self.store.tables,
        )

    def evidence(self) -> Evidence:
        """What was seen on the way forward."""
        counts = {code: int(n) for code, n in enumerate(self.counts) if n}
        coverage = self.expander.coverage.copy() if self.covered is None else self.covered
        return Evidence(self.transitions, counts, coverage)

    def stop(self) -> str:
        """Why there is no more room."""
        return self.store.stop

    @property
    def bytes(self) -> int:
        """Bytes taken by states, index and buffers."""
        used = int(self._boxes.nbytes if self.of > 1 else 0)
        return self.store.bytes + self.expander.bytes + self._recent.nbytes + self._seen.nbytes + used

    def _keep_about(self, store: Approximate, successors: int, first: int) -> None:
        """Store what seems new of the successors of the states from `first` on."""
        if not self.full:
            rows, labels = self.expander.rows, self.expander.labels
            self.full = not store.add_successors(rows, successors, labels, first)

    def _keep_or_deal(self, store: Exact, successors: int) -> None:
        rows = self.expander.rows
        if self.full and self.of == 1:
            return
        kept = self._distil(rows, successors, self._recent)
        if self.of == 1:
            self.full = not self._add(store, rows, kept)
            return
        routing.deal(rows, kept, self.shape, self.of, self._boxes, self._room, self._filled)
        mine, self._filled[self.number] = int(self._filled[self.number]), 0
        if not self.full:
            first = self.number * self._room * self.model.words
            self._store(store, self._boxes[first : first + mine * self.model.words], mine)

    def _store(self, store: Exact, rows: Rows, n: int) -> None:
        """Store one's own among several shards; `rows` is not what it was afterwards."""
        self.full = not self._add(store, rows, self._distil(rows, n, self._seen))

    def _distil(self, rows: Rows, n: int, known: Rows) -> int:
        bits = (len(known) // self.model.words).bit_length() - 1
        kept: int = routing.distil(rows, n, known, bits, self.shape)
        return kept

    def _add(self, store: Exact, rows: Rows, n: int) -> bool:
        """Store those of the first n rows that are new, on disk from the moment when memory is full."""
        if store.add(rows, n):
            return True
        if self._disk is None or store.stop == "max-states":
            return False
        on_disk = DiskStore(self.model.words, self._budget, self._disk, max_states=self._most)
        begun = [0, *np.cumsum(self.levels).tolist()]
        # Of the level at work, those that are expanded stay in front of those that are not.
        on_disk.move(store, sorted({*begun[:-1], self.next, self.end}))
        self.store = on_disk
        self.saved = []  # in another order now
        # What was stored before memory was full is known, and does no harm.
        return on_disk.add(rows, n)

    def _box(self, number: int) -> Rows:
        first = number * self._room * self.model.words
        return self._boxes[first : first + int(self._filled[number]) * self.model.words]

    def _box_is_full(self) -> bool:
        """Whether the successors of a batch may not fit into a box any more."""
        if self.of == 1:
            return False
        return int(self._filled.max()) + self.expander.batch * self.model.max_successors > self._room

    def _events(self, codes: npt.NDArray[np.uint64]) -> None:
        counts = np.bincount(codes.astype(np.int64), minlength=len(self.counts))
        counts[: len(self.counts)] += self.counts
        self.counts = counts
        if not self.violating:
            self.violating = any(int(code) not in self.model.bounds for code in np.unique(codes))

    # -- moving house --------------------------------------------------------------------------

    def parts(self, first: int, n: int, of: int) -> list[Rows]:
        """The states first..first+n, dealt out to `of` shards."""
        words = self.model.words
        states, start = self.store.rows(first, n)
        rows = states[start * words : (start + n) * words]
        boxes, filled = np.empty(of * n * words, np.uint64), np.zeros(of, np.int64)
        routing.deal(rows, n, self.shape, of, boxes, n, filled)
        return [boxes[o * n * words : (o * n + int(filled[o])) * words] for o in range(of)]

    def inherit(self, evidence: Evidence) -> None:
        """Go on from what another shard saw."""
        self.transitions += evidence.transitions
        self.expander.coverage |= evidence.coverage
        counts = np.zeros(max(len(self.counts), 1 + max(evidence.counts, default=-1)), np.int64)
        counts[: len(self.counts)] = self.counts
        for code, n in evidence.counts.items():
            counts[code] += n
        self.counts = counts

    def save(self, directory: str, generation: int) -> list[str]:
        """Write what is not written yet, between two rounds. Returns the names of all its files."""
        first = sum(file["words"] for file in self.saved) // self.model.words
        for start in range(first, self.store.count, _FILE_STATES):
            states, at = self.store.rows(start, n := min(_FILE_STATES, self.store.count - start))
            rows = states[at * self.model.words : (at + n) * self.model.words]
            path = Path(directory) / f"shard-{self.number}-{generation}-{start}.npy"
            self.saved.append(checkpoint.write_rows(path, rows))
        evidence = self.evidence()
        said = {
            "words": self.model.words,
            "of": self.of,
            "levels": self.levels,
            "next": self.next,
            "files": self.saved,
            "transitions": self.transitions,
            "counts": sorted(evidence.counts.items()),
            "coverage": evidence.coverage.tobytes().hex(),
            "violating": self.violating,
        }
        name = f"shard-{self.number}-{generation}.json"
        checkpoint.write_json(Path(directory) / name, said)
        return [name, *(str(file["file"]) for file in self.saved)]

    def load(self, directory: str, generation: int) -> None:
        """Be as the shard was that wrote this; this one is new. Damaged if that cannot be."""
        path = Path(directory) / f"shard-{self.number}-{generation}.json"
        said = checkpoint.read_json(path)
        if (said["words"], said["of"]) != (self.model.words, self.of):
            raise checkpoint.Damaged(f"{path} is of {said['of']} shards, not {self.of}")
        stored = sum(file["words"] for file in said["files"]) // self.model.words
        if not said["next"] <= sum(said["levels"]) <= stored:
            raise checkpoint.Damaged(f"{path} is damaged")
        for rows in self._files(Path(directory), said["files"], said["levels"], said["next"]):
            self.plant(rows)
        self.end_level()
        if self.store.count != stored:
            raise checkpoint.Damaged(f"the states of {path} do not fit into memory")
        self.levels, self.saved, self.violating = said["levels"], said["files"], said["violating"]
        self.next, self.end = said["next"], sum(self.levels)
        coverage = np.frombuffer(bytes.fromhex(said["coverage"]), np.uint8)
        self.inherit(Evidence(said["transitions"], dict(said["counts"]), coverage))
        if isinstance(self.store, DiskStore):
            self.saved = []  # in another order there

    def _files(
        self, directory: Path, files: list[dict[str, Any]], levels: list[int], following: int
    ) -> Iterator[Rows]:
        """The states of files in parts; a level, or what of one was expanded, never ends inside a part."""
        words, at = self.model.words, 0
        begun = np.cumsum(levels).tolist()
        bounds = sorted({*begun, following} - {0})
        for file in files:
            rows = checkpoint.read_rows(directory, file)
            while len(rows):
                end = next((bound for bound in bounds if bound > at), at + len(rows) // words)
                n = min(end - at, len(rows) // words)
                yield rows[: n * words]
                rows, at = rows[n * words :], at + n
                if at == end:
                    self.end_level()
                    # For a store that moves to disk meanwhile: what is in order up to here.
                    self.levels = levels[: sum(bound <= at for bound in begun)]
                    self.next = self.end = at

    # -- the way back --------------------------------------------------------------------------

    def retrace(self, level: int) -> None:
        """Start a trail back from `level`."""
        assert not isinstance(self.store, Approximate)
        if self.covered is None:
            self.covered = self.expander.coverage.copy()
        starts = [0, *np.cumsum(self.levels).tolist(), self.store.count]
        self.trail = Trail(
            self.model, self.store, self.expander, starts[: level + 2], self.number, self.of, self.halt
        )

    def way(self) -> Violation:
        """A schedule into a violation of the level that was expanded last; of an approximate store."""
        assert isinstance(self.store, Approximate)
        self.covered = self.expander.coverage.copy()
        first = self.end - self.levels[-1]
        return approximate.schedule(self.model, self.store, self.expander, first, self.end, len(self.levels))

    def omission(self) -> Omission | None:
        """What may have been left out; None if nothing was."""
        return self.store.omission if isinstance(self.store, Approximate) else None

    def follow(self, name: str, *arguments: Any) -> Any:
        """Ask the trail."""
        return getattr(self.trail, name)(*arguments)
