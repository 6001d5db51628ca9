"""One owner's part of the state space: its states, and their expansion.

Every state belongs to one shard (`routing.owner`), which alone stores and expands it. With one shard that is
all of them, and nothing is dealt out. Whoever runs several of them (`team`) takes care that all shards are in
the same level: `begin` it everywhere; `expand` a part of it everywhere; `absorb` everywhere what the others'
expansion led to; and so on until nothing of the level is left. A shard never waits and never asks.

A shard may use several cores of its machine, a hand for each (`hands`). With all states in one plain store
they sweep through a level together (`sweep`); else each expands by itself and stores in turn.
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
from lastput.engine.boxes import Boxes
from lastput.engine.disk import DiskStore
from lastput.engine.hands import Filter, Hand, Hands
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of
from lastput.engine.outcome import Omission, Violation
from lastput.engine.store import Store
from lastput.engine.stores import Exact
from lastput.engine.sweep import Sweep
from lastput.engine.trail import Trail, spare_bytes

Rows = npt.NDArray[np.uint64]
"""Packed states, one after the other."""

_OWN_FILTER_BYTES = 1 << 19
_FILE_STATES = 1 << 22


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
    on_disk: int
    """Most bytes that files took so far."""


@dataclass(frozen=True)
class Evidence:
    """What a shard saw on its way, besides states."""

    transitions: int
    counts: dict[int, int]
    """Events by code."""
    coverage: npt.NDArray[np.uint8]


class Shard:
    """Shard `number` of `of`, within `budget` bytes. `halt` is asked now and then whether to pause, by any
    thread. `cores` is the number of threads, for levels of at least `spread` states."""

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
        cores: int = 1,
        spread: int = 0,
    ) -> None:
        self.model, self.number, self.of, self.halt, self.spread = model, number, of, halt, spread
        self.hands = Hands(model, cores, batch, budget)
        self.expander = self.hands.all[0].expander
        self.shape = shape_of(model.words)
        # States next to each other have successors in common, but are in different shards: the owner of
        # such a successor gets it from several of them at about the same time.
        self._seen = Filter(model.initial, min(_OWN_FILTER_BYTES, budget // 16) if of > 1 else 0)
        widest = self.expander.batch * model.max_successors
        self._boxes = Boxes(model.words, number, of, widest, budget)
        own = self.hands.bytes + self._boxes.bytes + self._seen.recent.nbytes
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
        if found := stores.plain(self.store):
            found[0].hands = self.hands if cores > 1 else None
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

    def plant(self, rows: Rows) -> None:
        """Store states of the level that comes next."""
        n = len(rows) // self.model.words
        if isinstance(self.store, Approximate):
            self.full |= not self.store.add(rows, n)
        elif not self.full:
            self.full = not self._add(self.store, rows, n)

    def store_no_more(self) -> None:
        """All shards together have as many states as there may be."""
        self.full = True

    def end_level(self) -> Tally:
        """The level is over: know which of the states that it led to are new."""
        if isinstance(self.store, DiskStore):
            self.full |= not self.store.append_level()
        return self.tally()

    def close(self) -> None:
        """End the threads; leave nothing behind on disk."""
        self.hands.close()
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
        self._boxes.empty()
        last = min(self.end, self.next + most)
        while self.next < last and not self._boxes.full() and not self.halt():
            alone = self.of == 1
            many = len(self.hands.all) if alone and last - self.next >= self.spread else 1
            plain = stores.plain(self.store) if alone and not self.full else None
            if plain:
                self._sweep(*plain, last, many)
            else:
                self.hands.work(lambda hand: self._batches(hand, last), many)
        self.sent += int(self._boxes.filled.sum())
        return self._boxes.all()

    def absorb(self, parts: Sequence[Rows]) -> Tally:
        """Store what other shards' expansion led to."""
        for rows in parts:
            assert not isinstance(self.store, Approximate), "an approximate search has one shard"
            if len(rows):
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
            on_disk=self.store.most_on_disk if isinstance(self.store, DiskStore) else 0,
        )

    def evidence(self) -> Evidence:
        """What was seen on the way forward."""
        counts = {code: int(n) for code, n in enumerate(self.counts) if n}
        coverage = self._coverage() if self.covered is None else self.covered
        return Evidence(self.transitions, counts, coverage)

    def _coverage(self) -> npt.NDArray[np.uint8]:
        covered: npt.NDArray[np.uint8]
        covered = np.bitwise_or.reduce([hand.expander.coverage for hand in self.hands.all])
        return covered

    def stop(self) -> str:
        """Why there is no more room."""
        return self.store.stop

    @property
    def bytes(self) -> int:
        """Bytes taken by states, index and buffers."""
        return self.store.bytes + self.hands.bytes + self._seen.recent.nbytes + self._boxes.bytes

    # -- all hands at once ---------------------------------------------------------------------

    def _sweep(self, store: Store, limit: int, last: int, many: int) -> None:
        """Expand up to state `last`, for a while, or until the store must change."""
        sweep = Sweep(self.model, store, limit, self.next, last, halt=self.halt, note=self._note)
        try:
            sweep.run(self.hands, many)
        finally:
            self.next = sweep.next
            self.transitions += sweep.transitions
            for rows, n in sweep.rest:
                self.plant(rows[: n * self.model.words])

    # -- one hand after the other --------------------------------------------------------------

    def _batches(self, hand: Hand, last: int) -> None:
        """Expand batches up to state `last`."""
        while not self._boxes.full() and not self.halt():
            first, n = self._take(hand, last)
            if n == 0:
                return
            successors, events = hand.expander.run(hand.states, 0, n)
            kept = successors
            if not isinstance(self.store, Approximate) and not (self.full and self.of == 1):
                kept = hand.filter.distil(hand.expander.rows, successors)
            if events:
                self._note(hand.expander.events[:events, 1])
            with self.hands.lock:
                self.transitions += successors
                self._keep(hand, kept, first)

    def _take(self, hand: Hand, last: int) -> tuple[int, int]:
        """The next states, for this hand: the first, and how many."""
        with self.hands.lock:
            first, n = self.next, min(hand.expander.batch, last - self.next)
            if n > 0:
                hand.load(*self.store.rows(first, n), n)
                self.next += n
            return first, n

    def _keep(self, hand: Hand, n: int, first: int) -> None:
        """Store what is one's own of n successors of the states from `first` on, put the rest into boxes."""
        rows = hand.expander.rows
        if isinstance(self.store, Approximate):
            if not self.full:
                self.full = not self.store.add_successors(rows, n, hand.expander.labels, first)
        elif self.of == 1:
            if not self.full:
                self.full = not self._add(self.store, rows, n)
        else:
            self._store(self.store, *self._boxes.deal(rows, n))

    def _store(self, store: Exact, rows: Rows, n: int) -> None:
        """Store one's own among several shards; `rows` is not what it was afterwards."""
        if not self.full:
            self.full = not self._add(store, rows, self._seen.distil(rows, n))

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

    def _note(self, codes: npt.NDArray[np.uint64]) -> None:
        """Count events."""
        with self.hands.lock:
            self._count(codes)

    def _count(self, codes: npt.NDArray[np.uint64]) -> None:
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
            self.covered = self._coverage()
        starts = [0, *np.cumsum(self.levels).tolist(), self.store.count]
        self.trail = Trail(
            self.model,
            self.store,
            self.hands,
            starts[: level + 2],
            number=self.number,
            of=self.of,
            halt=self.halt,
            spread=self.spread,
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
