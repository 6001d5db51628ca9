"""Level-synchronous breadth-first search over packed states.

As in Murphi (Dill, Drexler, Hu and Yang, "Protocol Verification as a Hardware Design Aid", ICCD 1992) all
states are enumerated explicitly; level by level, so that the first violation found is a shortest one.
Departures: a level is a range of the one array of states (see `store`), not a queue; no parents are kept
(see `shortest`); states are expanded in batches (see `kernels`). Several cores work on the states together
(see `sweep`); on a cluster the states belong to several shards (see `shard`, `team`), as in Stern and Dill,
"Parallelizing the Murphi Verifier" (CAV 1997). A search begins with one core and one shard, and spreads when
a level is worth it.

The level that holds the first violation is finished, so that counts and the schedule do not depend on the
order of work. For the same reason a level in which no more states can be stored is still expanded to its
end: `transitions` and violations are then those of whole levels. Only timeout and interrupt stop in between;
a violation that was met until then is told.

Nothing that an outcome tells depends on the number of cores or shards, except what memory allows. Buffers
take some of it, and what a compressed store takes depends a little on the order of states; each shard has an
equal part of it, and the search is over when one is full. `max_states` is looked at after each round, if
there are several shards; what is above it is not counted.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lastput.engine import approximate, routing, stores, sweep
from lastput.engine.checkpoint import Keep, Manifest
from lastput.engine.disk import DiskError
from lastput.engine.estimate import forecast
from lastput.engine.interrupt import Interrupt
from lastput.engine.keeping import Keeper
from lastput.engine.memory import available
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of
from lastput.engine.outcome import Limits, Outcome, Progress, Stop, Violation
from lastput.engine.shard import Shard, Tally
from lastput.engine.shortest import shortest
from lastput.engine.team import Elsewhere, Here, Lost, Team, move

__all__ = ["Limits", "Outcome", "Progress", "Violation", "prepare", "search"]

SPREAD = 20_000
"""States of a level from which on it is worth more than one core."""
_ROUND = 1 << 17
"""States that a shard expands before it takes those of the others."""
_LONG_ROUND = 1 << 20
"""The same, where there are no others: after it a checkpoint may be written."""
_PROGRESS_SECONDS = 0.2
_ENDED = ("complete", "violation")


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
    number of threads, for levels of at least `spread` states; with a `cluster` the states are divided among
    its workers from the first such level on. When some are lost the search goes on from its last checkpoint,
    or from the beginning; Lost when that happens again and again. `store` says what keeps the states (see
    `stores`): nothing but time and memory depends on it, unless it is hash or bits. With those states may be
    left out, the schedule may not be a shortest one, and one core is used. With `disk`, a directory, an exact
    search goes on from files there when memory is full. With `keep` an exact search writes checkpoints, and
    may go on from one; Damaged if that one cannot be used.

    Raises ValueError for a batch or cores below 1, and for `keep_going` with hash or bits, and lets pass what
    `progress` raises, KeyboardInterrupt excepted."""
    if cores < 1:
        raise ValueError(f"cores must be at least 1, not {cores}")
    if store in approximate.KINDS:
        if keep_going:
            raise ValueError("an approximate search ends at the first violation")
        cores, cluster = 1, None
    prepare(model.words, store, cores)
    with Interrupt() as interrupt:
        how = _How(keep_going, progress, batch, cores, spread, store, cluster, disk, keep)
        return _Search(model, limits or Limits(), how, interrupt).run()


def prepare(words: int, store: str = "auto", cores: int = 1) -> None:
    """Compile the kernels for states of `words` words, or load them from numba's cache."""
    stores.prepare(store, words)
    if store not in approximate.KINDS:
        sweep.prepare(words, cores)
    state, boxes, filled = np.zeros(words, np.uint64), np.zeros(words, np.uint64), np.zeros(1, np.int64)
    routing.distil(state, 1, np.zeros(16 * words, np.uint64), 4, shape_of(words))
    routing.deal(state, 1, shape_of(words), 1, boxes, 1, filled)


@dataclass
class _How:
    """The arguments of `search` by these names."""

    keep_going: bool
    progress: Callable[[Progress], None] | None
    batch: int | None
    cores: int
    spread: int
    store: str
    cluster: Elsewhere | None
    disk: Path | None
    keep: Keep | None


class _Search:
    def __init__(self, model: NativeModel, limits: Limits, how: _How, interrupt: Interrupt) -> None:
        self.model, self.limits, self.how, self.interrupt = model, limits, how, interrupt
        most = available() * 8 // 10
        self.budget = most if limits.max_memory is None else limits.max_memory
        if how.store in approximate.KINDS:  # these take all of it at once
            self.budget = min(self.budget, approximate.UNASKED if limits.max_memory is None else most)
        self.stop: Stop | None = None
        self.rebuilding = False
        """The schedule of a violation is being rebuilt, for which there is no timeout."""
        self.peak = 0
        self.caller = threading.get_ident()
        self.keeper = Keeper(model.digest, how.keep, how.cluster)
        self.before = 0.0
        """Seconds that earlier runs searched."""
        self.crowded = False
        """All shards together need more memory than there is."""
        self._from_the_beginning()

    def _from_the_beginning(self) -> None:
        self.team: Team = Here([self._shard()])
        self.alone = True
        """All states are in one shard here."""
        self.levels: list[int] = []
        self.violated_level: int | None = None
        self.tallies: list[Tally] = []
        self.team.one(0, "plant", self.model.initial)
        self.team.each("end_level")

    def _shard(self) -> Shard:
        return Shard(
            self.model,
            budget=self.budget,
            max_states=self.limits.max_states,
            batch=self.how.batch,
            halt=self._halt,
            store=self.how.store,
            disk=self.how.disk,
            cores=self.how.cores,
            spread=self.how.spread,
        )

    def run(self) -> Outcome:
        self.start = time.monotonic()
        outcome = None
        try:
            self._resume()
            self.start = self.reported = time.monotonic()
            while outcome is None:
                try:
                    outcome = self._run()
                except Lost as lost:
                    self._recover(lost)
            return outcome
        finally:
            self.team.close()
            self.keeper.close(decided=outcome is not None and outcome.stop in _ENDED)

    def _run(self) -> Outcome:
        violation = None
        try:
            stop = self._levels()
            if self.violated_level is not None:
                violation = self._shortest()
        except KeyboardInterrupt:
            stop = "interrupt"
            if self.rebuilding:
                with contextlib.suppress(KeyboardInterrupt):
                    self._keep()
        except DiskError:
            stop = "disk"
        except OSError:  # from `reserve`: address space is limited more tightly than memory
            stop = "max-memory"
        return self._outcome(stop, violation)

    def _resume(self) -> None:
        """Go on from the checkpoint of an earlier run, if that is wanted."""
        kept = self.keeper.found()
        if kept is not None:
            self.before = kept.seconds
            self._go_on(kept)

    def _recover(self, lost: Lost) -> None:
        """Go on from the last checkpoint, with new shards. Raises the loss when there were too many."""
        kept = self.keeper.after(lost)
        self.rebuilding = False
        if kept is not None:
            self._go_on(kept)
        else:
            self.team.close()
            self._from_the_beginning()

    def _go_on(self, kept: Manifest) -> None:
        """Be where the search was that wrote a checkpoint, with new shards."""
        self.team.close()
        self.alone = kept.shards == 1
        cluster = None if self.alone else self.how.cluster
        self.team = Here([self._shard()]) if cluster is None else self._team(cluster)
        self.keeper.load(self.team, kept)
        self.levels, self.violated_level = list(kept.levels), kept.violated_level
        self.tallies = self.team.tallies()

    def _keep(self) -> None:
        """Write a checkpoint, if this is a moment to go on from."""
        self.keeper.write(self.team, self.levels, self.violated_level, self._seconds())

    def _keep_now_and_then(self) -> None:
        if self.keeper.due():
            self._keep()

    def _seconds(self) -> float:
        """Of search, those of earlier runs included."""
        return self.before + time.monotonic() - self.start

    # -- forward -------------------------------------------------------------------------------

    def _levels(self) -> Stop:
        """Expand level after level, until there is a reason to stop."""
        while not self._violated():
            if not self._begin():
                return "approximate" if self.how.store in approximate.KINDS else "complete"
            stop = self._level()
            broken = any(tally.violating for tally in self.tallies)
            if broken and self.violated_level is None and stop != "interrupt":
                self.violated_level = len(self.levels) - 1
            if self._violated():
                break
            if stop:
                self._keep()
                return stop
            if self._full():
                return self._why_full()
            self._spread()
            self._keep_now_and_then()
        return "violation"

    def _violated(self) -> bool:
        """Whether the search is over because a rule is broken."""
        return self.violated_level is not None and not self.how.keep_going

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
            if self._too_many():
                self.team.each("store_no_more")
            if not any(tally.left for tally in self.tallies):
                self.tallies = self.team.each("end_level")
                return None
            self._keep_now_and_then()

    def _spread(self) -> None:
        """Divide the states among the workers of the cluster, if the next level is worth it."""
        cluster, old = self.how.cluster, self.team
        enough = self.tallies[0].states - sum(self.levels) >= max(1, self.how.spread)
        if cluster is None or self.crowded or not self.alone or not enough:
            return
        new = self._team(cluster)
        move(old, new)
        if any(tally.full for tally in new.each("tally")):
            # Each has buffers of its own; what fits into one shard need not fit into all of them.
            self.crowded = True
            new.close()
            return
        self.team, self.alone = new, False
        old.close()

    def _team(self, cluster: Elsewhere) -> Team:
        """A shard on each worker, new."""
        return cluster.team(
            self.model,
            budget=self.limits.max_memory,
            max_states=self.limits.max_states,
            batch=self.how.batch,
            store=self.how.store,
        )

    def _full(self) -> bool:
        """Whether a state could not be stored, or too many were."""
        return any(tally.full for tally in self.tallies) or self._too_many()

    def _too_many(self) -> bool:
        most = self.limits.max_states
        return most is not None and sum(tally.states for tally in self.tallies) > most

    def _why_full(self) -> Stop:
        if self._too_many():
            return "max-states"
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
        self.stop, self.rebuilding = None, True
        found = self._schedule(level)
        if found.thread is not None and not self._full() and self._violating_state(level + 1):
            # A step that ends in a violating state is as short as a step that is itself a violation.
            other = self._schedule(level + 1)
            found = min(found, other, key=lambda v: (v.switches, v.schedule, v.code))
        return found

    def _some_violation(self) -> Violation:
        """A violation of the last level, by a way that the search came."""
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
        evidence = self.team.each("evidence")
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
            seconds=self._seconds(),
            peak_bytes=max(self.peak, sum(tally.bytes for tally in tallies)),
            disk_bytes=sum(tally.on_disk for tally in tallies),
            coverage=coverage,
            unseen=frozenset(place for place in model.witnesses if not coverage[place]),
            bounds={code: n for code, n in sorted(counted.items()) if code in model.bounds},
            codes=codes,
            events=sum(codes.values()),
            store=_kind({tally.store for tally in tallies}),
            omission=self.team.one(0, "omission"),
            tables=tuple(n for tally in tallies for n in tally.tables),
            violation=violation,
            kept=_states(self.keeper.last) if stop not in _ENDED else 0,
            earlier=self.before,
            resumed=_states(self.keeper.begun_from),
            unkept=self.keeper.trouble,
        )


def _kind(kinds: set[str]) -> str:
    """What kept the states, where shards differ: what memory drove the last one to."""
    return next((kind for kind in ("disk", "compressed") if kind in kinds), min(kinds))


def _states(kept: Manifest | None) -> int:
    """States of all levels that a checkpoint has begun."""
    return 0 if kept is None else sum(kept.levels)
