"""Level-synchronous breadth-first search over packed states.

As in Murphi (Dill, Drexler, Hu and Yang, "Protocol Verification as a Hardware Design Aid", ICCD 1992) all
states are enumerated explicitly; level by level, so that the first violation found is a shortest one.
Departures: a level is a range of the one array of states (see `store`), not a queue; no parents are kept
(see `shortest`); states are expanded in batches (see `kernels`). On several cores the states belong to
several shards (see `shard`, `team`), as in Stern and Dill, "Parallelizing the Murphi Verifier" (CAV 1997);
a search begins with one, and spreads when a level is worth it.

The level that holds the first violation is finished, so that counts and the schedule do not depend on the
order of work. For the same reason a level in which no more states can be stored is still expanded to its
end: `transitions` and violations are then those of whole levels. Only timeout and interrupt stop in between;
a violation that was met until then is told.

Nothing that an outcome tells depends on the number of shards, except what memory allows: each has an equal
part of it, and the search is over when one is full. `max_states` is looked at when a level is over, if there
are several shards; what is above it is not counted.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from lastput.engine import approximate, checkpoint, routing, stores
from lastput.engine.checkpoint import Damaged, Keep, Manifest
from lastput.engine.disk import DiskError
from lastput.engine.estimate import forecast
from lastput.engine.memory import available
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of
from lastput.engine.outcome import Limits, Outcome, Progress, Stop, Violation
from lastput.engine.shard import Evidence, Shard, Tally
from lastput.engine.shortest import shortest
from lastput.engine.team import Elsewhere, Lost, Team, Threads, move

__all__ = ["Limits", "Outcome", "Progress", "Violation", "prepare", "search"]

SPREAD = 20_000
"""States of a level from which on it is worth more than one core."""
_ROUND = 1 << 17
"""States that a shard expands before it takes those of the others."""
_LONG_ROUND = 1 << 20
"""The same, where there are no others: after it a checkpoint may be written."""
_PROGRESS_SECONDS = 0.2
_ENDED = ("complete", "violation")
_LOSSES = 3
"""How often workers may be lost without a checkpoint in between."""


def search(
    model: NativeModel,
    *,
    limits: Limits | None = None,
    keep_going: bool = False,
    progress: Callable[[Progress], None] | None = None,
    batch: int | None = None,
    cores: int = 1,
    spread: int = SPREAD,
    store: str = "auto",
    cluster: Elsewhere | None = None,
    disk: Path | None = None,
    keep: Keep | None = None,
) -> Outcome:
    """Explore `model` until it is complete, violated, at a limit or interrupted (Ctrl-C).

    A violation's schedule is rebuilt after the search, in about the time the search took up to there; the
    timeout does not count for it, Ctrl-C does.

    `keep_going` goes on after violations and explores everything; the violation reported is still of the
    first level that has any. `progress` is called at most every 0.2 s, in the caller's thread. `cores` is the
    number of shards, and of threads, from the first level of at least `spread` states on; with a `cluster`
    these are its workers instead. When some are lost the search goes on from its last checkpoint, or from the
    beginning; Lost when that happens again and again. `store` says what keeps the states (see `stores`):
    nothing but time and memory depends on it, unless it is hash or bits. With those states may be left out,
    the schedule may not be a shortest one, and one core is used. With `disk`, a directory, an exact search
    goes on from files there when memory is full. With `keep` an exact search writes checkpoints, and may go
    on from one; Damaged if that one cannot be used.

    Raises ValueError for a batch or cores below 1, and for `keep_going` with hash or bits, and lets pass what
    `progress` raises, KeyboardInterrupt excepted."""
    if cores < 1:
        raise ValueError(f"cores must be at least 1, not {cores}")
    if store in approximate.KINDS:
        if keep_going:
            raise ValueError("an approximate search ends at the first violation")
        cores, cluster = 1, None
    prepare(model.words, store)
    with _Interrupt() as interrupt:
        shards = cluster.size if cluster else cores
        how = _How(keep_going, progress, batch, shards, spread, store, cluster, disk, keep)
        return _Search(model, limits or Limits(), how, interrupt).run()


def prepare(words: int, store: str = "auto") -> None:
    """Compile the kernels for states of `words` words, or load them from numba's cache."""
    stores.prepare(store, words)
    state, boxes, filled = np.zeros(words, np.uint64), np.zeros(words, np.uint64), np.zeros(1, np.int64)
    routing.distil(state, 1, np.zeros(16 * words, np.uint64), 4, shape_of(words))
    routing.deal(state, 1, shape_of(words), 1, boxes, 1, filled)


class _Interrupt:
    """Turns the first Ctrl-C into a flag, so that it never cuts a batch; the second one raises.

    Only where Python's own handler is in place, and in the main thread: elsewhere it is not ours."""

    def __init__(self) -> None:
        self.seen = False
        self._ours = False

    def __enter__(self) -> _Interrupt:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._ours = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True


@dataclass
class _How:
    """The arguments of `search` by these names."""

    keep_going: bool
    progress: Callable[[Progress], None] | None
    batch: int | None
    shards: int
    spread: int
    store: str
    cluster: Elsewhere | None
    disk: Path | None
    keep: Keep | None


class _Search:
    def __init__(self, model: NativeModel, limits: Limits, how: _How, interrupt: _Interrupt) -> None:
        self.model, self.limits, self.how, self.interrupt = model, limits, how, interrupt
        self.budget = limits.max_memory if limits.max_memory is not None else available() * 8 // 10
        if limits.max_memory is None and how.store in approximate.KINDS:
            self.budget = min(self.budget, approximate.UNASKED)
        self.stop: Stop | None = None
        self.rebuilding = False
        """The schedule of a violation is being rebuilt, for which there is no timeout."""
        self.peak = 0
        self.caller = threading.get_ident()
        self.place = how.keep or _of_cluster(how.cluster)
        self.kept: Manifest | None = None
        self.unkept = ""
        self.before, self.resumed = 0.0, 0
        self.losses = 0
        self.generation = checkpoint.latest(self.place.directory) if self.place else 0
        """Number of the last checkpoint, of an earlier run perhaps: no file of one is written over."""
        self.crowded = False
        """All shards together need more memory than there is."""
        self._from_the_beginning()

    def _from_the_beginning(self) -> None:
        self.team: Team = Threads([self._shard(0, 1)])
        self.levels: list[int] = []
        self.violated_level: int | None = None
        self.tallies: list[Tally] = []
        self.evidence: list[Evidence] | None = None
        self.team.one(0, "plant", self.model.initial)
        self.team.each("settle")

    def _shard(self, number: int, of: int) -> Shard:
        return Shard(
            self.model,
            budget=self.budget // of,
            number=number,
            of=of,
            max_states=self.limits.max_states,
            batch=self.how.batch,
            halt=self._halt,
            store=self.how.store,
            disk=self.how.disk,
        )

    def run(self) -> Outcome:
        self.start = time.monotonic()
        try:
            self._resume()
            self.start = self.reported = self.saved = time.monotonic()
            while True:
                try:
                    return self._run()
                except Lost as lost:
                    self._recover(lost)
        finally:
            self.team.close()

    def _run(self) -> Outcome:
        violation = None
        try:
            stop = self._levels()
            if self.violated_level is not None:
                violation = self._shortest()
        except KeyboardInterrupt:
            stop = "interrupt"
        except DiskError:
            stop = "disk"
        except OSError:  # from `reserve`: address space is limited more tightly than memory
            stop = "max-memory"
        if stop in _ENDED and self.how.keep is not None:
            checkpoint.clear(self.how.keep.directory)
        return self._outcome(stop, violation)

    # -- forward -------------------------------------------------------------------------------

    def _levels(self) -> Stop:
        """Expand level after level, until there is a reason to stop."""
        while True:
            if not self._begin():
                return "approximate" if self.how.store in approximate.KINDS else "complete"
            stop = self._level()
            broken = any(tally.violating for tally in self.tallies)
            if stop and not (stop == "timeout" and broken):
                self._keep(now=True)
                return stop
            if self.violated_level is None and broken:
                self.violated_level = len(self.levels) - 1
            if stop and self.how.keep_going:
                return stop
            if self.violated_level is not None and not self.how.keep_going:
                return "violation"
            if self._full():
                return self._why_full()
            self._spread()
            self._keep()

    def _begin(self) -> bool:
        """Begin the next level, if who wrote the checkpoint did not; false if there is none."""
        if any(tally.left for tally in self.team.tallies()):
            return True
        sizes = self.team.each("begin")
        if not any(sizes):
            return False
        self.levels.append(sum(sizes))
        return True

    def _level(self) -> Stop | None:
        """Expand the level that was begun. Returns a reason to stop at once, if any."""
        most = _LONG_ROUND if self.team.size == 1 else _ROUND
        while True:
            if self._halt():
                return self.stop
            self.tallies = self.team.pass_on("expand", "absorb", most)
            if not any(tally.left for tally in self.tallies):
                self.tallies = self.team.each("settle")
                return None
            self._keep()

    def _spread(self) -> None:
        """Divide the states among as many shards as there are cores, if the next level is worth it."""
        states = self.tallies[0].states
        shards, old = self.how.shards, self.team
        alone = isinstance(old, Threads) and old.size == 1
        enough = states - sum(self.levels) >= max(1, self.how.spread)
        if self.crowded or not alone or not enough or (shards == 1 and self.how.cluster is None):
            return
        new = self._team()
        move(old, new)
        if any(tally.full for tally in new.each("tally")):
            # Each has buffers of its own; what fits into one shard need not fit into all of them.
            self.crowded = True
            new.close()
            return
        self.team = new
        old.close()

    def _team(self) -> Team:
        """All shards, new."""
        if self.how.cluster is None:
            return Threads([self._shard(number, self.how.shards) for number in range(self.how.shards)])
        limits = self.limits
        return self.how.cluster.team(
            self.model,
            budget=limits.max_memory,
            max_states=limits.max_states,
            batch=self.how.batch,
            store=self.how.store,
        )

    # -- losses --------------------------------------------------------------------------------

    def _keep(self, *, now: bool = False) -> None:
        """Write a checkpoint, if it is time to, or `now`. If that fails, the one before is still there."""
        place, tallies = self.place, self.team.tallies()
        if place is None or (not now and time.monotonic() - self.saved < place.every):
            return
        if any(tally.full for tally in tallies):
            return  # states were dropped: nobody may go on from here
        if any(tally.left for tally in tallies) and any(tally.store == "disk" for tally in tallies):
            return  # what is gathered for the next level is not known to be new yet
        manifest = Manifest(
            model=self.model.digest,
            generation=self.generation + 1,
            shards=self.team.size,
            levels=list(self.levels),
            violated_level=self.violated_level,
            seconds=self.before + time.monotonic() - self.start,
        )
        try:
            checkpoint.save(place.directory, self.team, manifest)
            self.kept, self.losses, self.unkept = manifest, 0, ""
            self.generation = manifest.generation
        except OSError as error:
            self.unkept = f"{error.filename or place.directory}: {error.strerror}"
            if self.how.cluster is not None:
                self.how.cluster.say(f"no checkpoint could be written: {self.unkept}")
        self.saved = time.monotonic()

    def _resume(self) -> None:
        """Go on from the checkpoint of an earlier run, if that is wanted."""
        keep = self.how.keep
        if keep is None or not keep.resume:
            return
        manifest = checkpoint.load(keep.directory, self.model.digest)
        if manifest is None:
            return
        if manifest.shards not in (1, self.how.shards):
            raise Damaged(
                f"{keep.directory} is of a search on {manifest.shards} cores: use --cores {manifest.shards}"
            )
        self.kept, self.before, self.resumed = manifest, manifest.seconds, sum(manifest.levels)
        self._load(keep.directory, manifest)

    def _load(self, directory: Path, manifest: Manifest) -> None:
        """Be where the search was that wrote a checkpoint, with new shards."""
        self.team.close()
        self.team = Threads([self._shard(0, 1)]) if manifest.shards == 1 else self._team()
        self.team.each("load", str(directory), manifest.generation)
        self.levels, self.violated_level = list(manifest.levels), manifest.violated_level
        self.tallies, self.evidence = [], None

    def _recover(self, lost: Lost) -> None:
        """Go back to the last checkpoint, with new shards. Raises the loss when there were too many."""
        cluster, kept = self.how.cluster, self.kept
        self.losses += 1
        self.rebuilding = False
        if cluster is None or self.losses > _LOSSES:
            raise lost
        where = f"the checkpoint at level {len(kept.levels)}" if kept else "the beginning"
        cluster.say(f"{lost} is lost; the search goes on from {where}")
        if kept is None or self.place is None:
            self.team.close()
            self._from_the_beginning()
        else:
            self._load(self.place.directory, kept)

    def _full(self) -> bool:
        """Whether a state could not be stored, or too many were."""
        most = self.limits.max_states
        stored = sum(tally.states for tally in self.tallies)
        return any(tally.full for tally in self.tallies) or (most is not None and stored > most)

    def _why_full(self) -> Stop:
        reasons: list[Stop] = [
            self.team.one(number, "stop") for number, tally in enumerate(self.tallies) if tally.full
        ]
        return "max-memory" if "max-memory" in reasons else "max-states"

    def _halt(self) -> bool:
        """Between batches, in any thread: interrupt, timeout; in the caller's, progress."""
        if self.stop is not None:
            return True
        if self.rebuilding:
            return self.interrupt.seen
        if self.interrupt.seen:
            self.stop = "interrupt"
            return True
        now = time.monotonic()
        if self.limits.timeout is not None and now - self.start >= self.limits.timeout:
            self.stop = "timeout"
            return True
        if self.how.progress is not None and now - self.reported >= _PROGRESS_SECONDS:
            self._report(self.how.progress, now)
        return False

    def _report(self, progress: Callable[[Progress], None], now: float) -> None:
        if threading.get_ident() != self.caller:
            return
        self.reported = now
        tallies = self.team.tallies()
        states, left = (sum(getattr(tally, name) for tally in tallies) for name in ("states", "left"))
        progress(
            Progress(
                states=states,
                transitions=sum(tally.transitions for tally in tallies),
                depth=len(self.levels) - 1,
                frontier=states - sum(self.levels) + left,
                bytes=sum(tally.bytes for tally in tallies),
                seconds=now - self.start,
                forecast=forecast(self.levels),
            )
        )

    # -- back ----------------------------------------------------------------------------------

    def _shortest(self) -> Violation:
        """The best violation: of the first level that has any, or a violating state just after it."""
        assert self.violated_level is not None
        if self.how.store in approximate.KINDS:
            return self._some_violation()
        level = self.violated_level
        self.evidence = self.team.each("evidence")  # before more is run
        self.stop, self.rebuilding = None, True
        found = self._schedule(level)
        if found.thread is not None and not self._full() and self._violating_state(level + 1):
            # A step that ends in a violating state is as short as a step that is itself a violation.
            other = self._schedule(level + 1)
            found = min(found, other, key=lambda v: (v.switches, v.schedule, v.code))
        return found

    def _some_violation(self) -> Violation:
        """A violation of the last level, by a way that the search came."""
        self.evidence = self.team.each("evidence")
        found: Violation = self.team.one(0, "way")
        return found

    def _schedule(self, level: int) -> Violation:
        home = np.zeros(1, np.int64)
        routing.owners_of(self.model.initial, 1, shape_of(self.model.words), self.team.size, home)
        found, taken = shortest(self.model, self.team, int(home[0]), level, self._interrupted)
        self.peak = max(self.peak, sum(tally.bytes for tally in self.team.tallies()) + taken)
        return found

    def _violating_state(self, level: int) -> bool:
        """Whether a state of `level`, which may not have been expanded yet, is itself a violation."""
        self.team.each("retrace", level)
        return any(self.team.each("follow", "has_violating_state"))

    def _interrupted(self) -> None:
        if self.interrupt.seen:
            raise KeyboardInterrupt

    # -- the end -------------------------------------------------------------------------------

    def _outcome(self, stop: Stop, violation: Violation | None) -> Outcome:
        model, tallies = self.model, self.team.tallies()
        evidence = self.team.each("evidence") if self.evidence is None else self.evidence
        stored = sum(tally.states for tally in tallies)
        states = min(stored, self.limits.max_states or stored)
        levels = list(self.levels)
        if states > sum(levels):
            levels.append(states - sum(levels))
        coverage = np.bitwise_or.reduce([e.coverage for e in evidence])[: model.coverage]
        counted: Counter[int] = sum((Counter(e.counts) for e in evidence), Counter())
        codes = {code: n for code, n in sorted(counted.items()) if code not in model.bounds}
        return Outcome(
            stop=stop,
            states=states,
            transitions=sum(e.transitions for e in evidence),
            depth=max(0, len(levels) - 1),
            levels=levels,
            seconds=self.before + time.monotonic() - self.start,
            peak_bytes=max(self.peak, sum(tally.bytes for tally in tallies)),
            coverage=coverage,
            unseen=frozenset(place for place in model.witnesses if not coverage[place]),
            bounds={code: n for code, n in sorted(counted.items()) if code in model.bounds},
            codes=codes,
            events=sum(codes.values()),
            store=_kind({tally.store for tally in tallies}),
            omission=self.team.one(0, "omission"),
            tables=tuple(n for tally in tallies for n in tally.tables),
            violation=violation,
            kept=0 if self.kept is None or stop in _ENDED else sum(self.kept.levels),
            earlier=self.before,
            resumed=self.resumed,
            unkept=self.unkept,
        )


def _kind(kinds: set[str]) -> str:
    """What kept the states, where shards differ: what memory drove the last one to."""
    return next((kind for kind in ("disk", "compressed") if kind in kinds), min(kinds))


def _of_cluster(cluster: Elsewhere | None) -> Keep | None:
    """Where a cluster keeps what it needs to go on from when a worker is lost."""
    return None if cluster is None or cluster.directory is None else Keep(cluster.directory, cluster.every)
