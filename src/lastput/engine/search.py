"""Level-synchronous breadth-first search over packed states.

As in Murphi (Dill, Drexler, Hu and Yang, "Protocol Verification as a Hardware Design Aid", ICCD 1992) all
states are enumerated explicitly; level by level, so that the first violation found is a shortest one.
Departures: a level is a range of the one array of states (see `store`), not a queue; no parents are kept
(see `shortest`); states are expanded in batches (see `kernels`).

The level that holds the first violation is finished, so that counts and the schedule do not depend on the
order of work. For the same reason a level in which no more states can be stored is still expanded to its
end: `transitions` and violations are then those of whole levels. Only timeout and interrupt stop in between.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.memory import available
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.outcome import Limits, Outcome, Progress, Stop, Violation
from lastput.engine.shortest import shortest, spare_bytes
from lastput.engine.store import Store

__all__ = ["Limits", "Outcome", "Progress", "Violation", "prepare", "search"]

BATCH = 1024
"""States expanded at once: their successors stay in the second-level cache."""
_PROGRESS_SECONDS = 0.2


def search(
    model: NativeModel,
    *,
    limits: Limits | None = None,
    keep_going: bool = False,
    progress: Callable[[Progress], None] | None = None,
    batch: int = BATCH,
) -> Outcome:
    """Explore `model` until it is complete, violated, at a limit or interrupted (Ctrl-C).

    A violation's schedule is rebuilt after the search, in about the time the search took up to there; the
    timeout does not count for it, Ctrl-C does.

    `keep_going` goes on after violations and explores everything; the violation reported is still of the
    first level that has any. `progress` is called at most every 0.2 s. Raises ValueError for a batch
    below 1, and lets pass what `progress` raises, KeyboardInterrupt excepted."""
    prepare(model.words)
    with _Interrupt() as interrupt:
        return _Search(model, limits or Limits(), keep_going, progress, batch, interrupt).run()


def prepare(words: int) -> None:
    """Compile the kernels for states of `words` words, or load them from numba's cache."""
    store = Store(words, 1 << 20)
    store.add(np.zeros(words, np.uint64), 1)
    store.rebuild(store.bits + 1)


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


class _Search:
    def __init__(
        self,
        model: NativeModel,
        limits: Limits,
        keep_going: bool,
        progress: Callable[[Progress], None] | None,
        batch: int,
        interrupt: _Interrupt,
    ) -> None:
        self.model, self.limits, self.keep_going, self.progress = model, limits, keep_going, progress
        self.interrupt = interrupt
        self.expander = Expander(model, batch)
        budget = limits.max_memory if limits.max_memory is not None else available() * 8 // 10
        self.store = Store(
            model.words,
            max(0, budget - self.expander.bytes - self.expander.labels.nbytes),
            spare=spare_bytes(model.threads),
            max_states=limits.max_states,
        )
        self.levels: list[int] = []
        self.transitions = 0
        self.expanded = 0
        self.counts = np.zeros(0, np.int64)
        self.violated_level: int | None = None
        self.full = False
        self.peak = 0

    def run(self) -> Outcome:
        self.start = self.reported = time.monotonic()
        self.store.add(self.model.initial, 1)
        violation = None
        try:
            stop = self._levels()
            if self.violated_level is not None:
                violation = self._shortest()
        except KeyboardInterrupt:
            stop = "interrupt"
        except OSError:  # from `reserve`: address space is limited more tightly than memory
            stop = "max-memory"
        return self._outcome(stop, violation)

    def _levels(self) -> Stop:
        """Expand level after level, until there is a reason to stop."""
        store = self.store
        first = 0
        while first < store.count:
            end = store.count
            self.levels.append(end - first)
            stop = self._level(first, end)
            if stop:
                return stop
            if self.violated_level is not None and not self.keep_going:
                return "violation"
            if self.full:
                return store.stop
            first = end
        return "complete"

    def _level(self, first: int, end: int) -> Stop | None:
        """Expand the states first..end. Returns a reason to stop at once, if any."""
        expander, store = self.expander, self.store
        while first < end:
            stop = self._pause()
            if stop:
                return stop
            n = min(expander.batch, end - first)
            successors, events = expander.run(*store.rows(first, n), n)
            if not self.full:
                self.full = not store.add(expander.rows, successors)
            self.transitions += successors
            first += n
            self.expanded = first
            if events:
                self._events(expander.events[:events, 1])
        return None

    def _events(self, codes: npt.NDArray[np.uint64]) -> None:
        counts = np.bincount(codes.astype(np.int64), minlength=len(self.counts))
        counts[: len(self.counts)] += self.counts
        self.counts = counts
        if self.violated_level is None and any(int(c) not in self.model.bounds for c in np.unique(codes)):
            self.violated_level = len(self.levels) - 1

    def _pause(self) -> Stop | None:
        """Between batches: interrupt, timeout, progress."""
        if self.interrupt.seen:
            return "interrupt"
        now = time.monotonic()
        if self.limits.timeout is not None and now - self.start >= self.limits.timeout:
            return "timeout"
        if self.progress is not None and now - self.reported >= _PROGRESS_SECONDS:
            self.reported = now
            self.progress(
                Progress(
                    states=self.store.count,
                    transitions=self.transitions,
                    depth=len(self.levels) - 1,
                    frontier=self.store.count - self.expanded,
                    bytes=self.store.bytes + self.expander.bytes,
                    seconds=now - self.start,
                )
            )
        return None

    def _shortest(self) -> Violation:
        """The best violation: of the first level that has any, or a violating state just after it."""
        assert self.violated_level is not None
        level = self.violated_level
        found = self._schedule(level)
        covered = self.expander.coverage.copy()
        if found.thread is not None and not self.full and self._violating_state(level + 1):
            # A step that ends in a violating state is as short as a step that is itself a violation.
            other = self._schedule(level + 1)
            found = min(found, other, key=lambda v: (v.switches, v.schedule, v.code))
        self.expander.coverage[:] = covered
        return found

    def _schedule(self, level: int) -> Violation:
        sizes = [*self.levels, self.store.count - sum(self.levels)]
        found, taken = shortest(self.model, self.store, self.expander, sizes[: level + 1], self._interrupted)
        self.peak = max(self.peak, self.store.bytes + self.expander.bytes + taken)
        return found

    def _violating_state(self, level: int) -> bool:
        """Whether a state of `level`, which may not have been expanded yet, is itself a violation."""
        first = sum(self.levels[:level])
        end = first + self.levels[level] if level < len(self.levels) else self.store.count
        found = False
        while first < end and not found:
            self._interrupted()
            n = min(self.expander.batch, end - first)
            _, events = self.expander.run(*self.store.rows(first, n), n)
            found = any(
                label >> 16 & 0xFFFF == STATE_EVENT and code not in self.model.bounds
                for label, code in self.expander.events[:events].tolist()
            )
            first += n
        return found

    def _interrupted(self) -> None:
        if self.interrupt.seen:
            raise KeyboardInterrupt

    def _outcome(self, stop: Stop, violation: Violation | None) -> Outcome:
        store, coverage = self.store, self.expander.coverage[: self.model.coverage]
        levels = list(self.levels)
        if store.count > sum(levels):
            levels.append(store.count - sum(levels))
        counted = {code: int(n) for code, n in enumerate(self.counts) if n}
        codes = {code: n for code, n in counted.items() if code not in self.model.bounds}
        return Outcome(
            stop=stop,
            states=store.count,
            transitions=self.transitions,
            depth=max(0, len(levels) - 1),
            levels=levels,
            seconds=time.monotonic() - self.start,
            peak_bytes=max(self.peak, store.bytes + self.expander.bytes),
            coverage=coverage,
            unseen=frozenset(place for place in self.model.witnesses if not coverage[place]),
            bounds={code: n for code, n in counted.items() if code in self.model.bounds},
            codes=codes,
            events=sum(codes.values()),
            violation=violation,
        )
