"""Walks from the initial state, thousands in lockstep: random ones, and those of PCT.

A random walk takes any thread that can step, and any of its choices. PCT is the randomised scheduler of
Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
Finding Bugs" (ASPLOS 2010): the n threads get the priorities d to d + n - 1 in a random order, d - 1 change
points are drawn from 1 to k; always the thread of highest priority steps, and the thread that takes the step
of change point i has priority i from then on. A bug of depth d in executions of at most k steps is found by
one walk with probability 1 / (n k^(d-1)) or more.

Departures: a walk looks at every step of the states that it passes, so that a violation one step beside it is
found, too; a step that meets a limit of the model is not taken; what `choose` gives is drawn evenly, which
the guarantee does not cover.

Of all walks that find something, the one of the smallest number is reported; the walks of larger numbers are
then given up. So the find does not depend on how many walk at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.hunt import walk_kernels as kernels
from lastput.engine.hunt.found import (
    Bounds,
    Deadline,
    Found,
    Schedule,
    Stop,
    extended,
    source_of,
    thread_of,
    worst_first,
)
from lastput.engine.model import NativeModel

BATCH = 1024
"""Walkers at a time: their successors stay in the second-level cache."""
ROUND = 1 << 16
"""Walks whose lengths are written down at a time."""
_PROGRESS_STEPS = 256


@dataclass(frozen=True, kw_only=True)
class How:
    """What the walks are like. `limit` is the longest one, in steps.

    `points` is PCT's number of change points, d - 1, drawn from the first `span` steps, its k; None is a
    random walk.
    """

    seed: int
    limit: int
    points: int | None = None
    span: int = 1


@dataclass
class Walked:
    """What the walks came to. With a find the counts are those up to and with the walk that made it.

    `seen` estimates the distinct states that the walks stood in, within 2 % or so; 0 with a find.
    `cut` walks reached the limit, `blocked` ones a limit of the model with no way around it.
    """

    stop: Stop
    walks: int = 0
    steps: int = 0
    longest: int = 0
    cut: int = 0
    blocked: int = 0
    longer: int = 0
    """Walks of more than PCT's k steps."""
    seen: int = 0
    walk: int | None = None
    """Number of the walk that found something, from 0."""
    found: Found | None = None
    seconds: float = 0.0
    bounds: dict[int, int] = field(default_factory=dict)
    coverage: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))


def walk(
    model: NativeModel,
    how: How,
    walks: int,
    deadline: Deadline,
    *,
    first: int = 0,
    told: Callable[[int, int], None] | None = None,
    batch: int = BATCH,
) -> Walked:
    """Take the walks numbered first..first+walks, or until one of them finds a violation.

    `told` is called now and then with the numbers of walks and of steps so far.
    """
    result = _Walks(model, how, deadline, told, batch).run(first, walks)
    result.seconds = deadline.seconds
    return result


class _Walks:
    def __init__(
        self,
        model: NativeModel,
        how: How,
        deadline: Deadline,
        told: Callable[[int, int], None] | None,
        batch: int,
    ) -> None:
        self.model, self.how, self.deadline, self.told = model, how, deadline, told
        self.expander = Expander(model, batch)
        slots = self.expander.batch
        self.states = np.zeros(slots * model.words, np.uint64)
        self.numbers, self.lengths, self.chosen = (np.zeros(slots, np.int64) for _ in range(3))
        self.hits, self.ended = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
        threads, points = (model.threads, how.points) if how.points is not None else (0, 0)
        self.priorities = np.zeros((slots, threads), np.int64)
        self.changes = np.zeros((slots, points), np.int64)
        self.registers = np.zeros(kernels.REGISTERS, np.uint8)
        self.bounds = Bounds.of(model)
        self.best: tuple[int, int, int] | None = None
        """Walk, label and code of the find so far."""
        self.result = Walked("walks")

    def run(self, first: int, walks: int) -> Walked:
        """Round after round of walks."""
        end = first + walks
        while first < end and self.best is None:
            n = min(ROUND, end - first)
            stop = self._round(first, n)
            if stop:
                self.result.stop = stop
                break
            first += n
        if self.best is not None:
            return self._report(*self.best)
        self.result.bounds = self.bounds.met
        self.result.coverage = self.expander.coverage[: self.model.coverage]
        self.result.seen = distinct(self.registers)
        return self.result

    def _round(self, first: int, walks: int) -> Stop | None:
        """The walks first..first+walks, but none beyond the first find."""
        ends, steps = np.zeros(walks, np.uint8), np.zeros(walks, np.int64)
        n, following = self._fill(0, first, first + walks, first, ends, steps)
        turns, stop = 0, None
        while n and stop is None:
            self._step(n)
            last = first + walks if self.best is None else self.best[0]
            n, following = self._fill(n, following, last, first, ends, steps)
            turns += 1
            stop = self.deadline.passed()
            if self.told and turns % _PROGRESS_STEPS == 0:
                done = ends > 0
                self.told(self.result.walks + int(done.sum()), self.result.steps + int(steps[done].sum()))
        if self.best is not None:
            ends, steps = ends[: self.best[0] - first + 1], steps[: self.best[0] - first + 1]
        self._add(ends[ends > 0], steps[ends > 0])
        return stop

    def _fill(
        self,
        n: int,
        following: int,
        last: int,
        first: int,
        ends: npt.NDArray[np.uint8],
        steps: npt.NDArray[np.int64],
    ) -> tuple[int, int]:
        """Replace walks that ended, and fill slots that are free."""
        how, model = self.how, self.model
        where = self.states, self.numbers, self.lengths, self.priorities, self.changes, how.span
        seed = np.uint64(how.seed)
        if n == 0:
            for slot in range(min(self.expander.batch, last - following)):
                kernels.begin(slot, following + slot, seed, model.initial, *where)
                n += 1
            return n, following + n
        filled: tuple[int, int] = kernels.turn_over(
            n, following, last, first, seed, model.initial, *where, self.ended, ends, steps
        )
        return filled

    def _step(self, n: int) -> None:
        """Look at all steps of n walkers' states; one step for each of them."""
        made, events = self.expander.run(self.states, 0, n)
        kernels.note(self.states, n, self.model.words, self.registers)
        self.hits[:n] = 0
        if events:
            self._events(self.expander.events[:events])
        labels, seed = self.expander.labels, np.uint64(self.how.seed)
        if self.how.points is None:
            kernels.pick_random(labels, made, n, seed, self.numbers, self.lengths, self.chosen)
        else:
            kernels.pick_priority(
                labels, made, n, seed, self.numbers, self.lengths, self.priorities, self.changes, self.chosen
            )
        kernels.move(
            self.expander.rows, self.chosen, n, self.model.words, self.states, self.lengths, self.how.limit,
            self.hits, self.ended,
        )  # fmt: skip

    def _events(self, events: npt.NDArray[np.uint64]) -> None:
        """Note who found something, and who met a limit of the model."""
        self.hits[(events[:, 0] >> np.uint64(32)).astype(np.int64)] = kernels.BLOCKED
        for label, code in self.bounds.violations(events).tolist():
            slot = source_of(label)
            self.hits[slot] = kernels.FOUND
            rank = (int(self.numbers[slot]), *worst_first((label, code)))
            if self.best is None or rank < (self.best[0], *worst_first(self.best[1:])):
                self.best = (int(self.numbers[slot]), label, code)

    def _add(self, ends: npt.NDArray[np.uint8], steps: npt.NDArray[np.int64]) -> None:
        result = self.result
        result.walks += len(ends)
        result.steps += int(steps.sum())
        result.longest = max(result.longest, int(steps.max(initial=0)))
        result.cut += int((ends == kernels.CUT).sum())
        result.blocked += int((ends == kernels.BLOCKED).sum())
        result.longer += int((steps > self.how.span).sum()) if self.how.points is not None else 0

    def _report(self, number: int, label: int, code: int) -> Walked:
        """Walk the finding walk once more, alone, to write down its schedule."""
        alone = _Walks(self.model, self.how, self.deadline, None, 1)
        schedule = alone._schedule(number)
        result = self.result
        result.stop, result.walk, result.found = "violation", number, Found(code, extended(schedule, label))
        result.bounds, result.coverage = alone.bounds.met, alone.expander.coverage[: self.model.coverage]
        return result

    def _schedule(self, number: int) -> Schedule:
        """The steps of a walk that finds something."""
        schedule: Schedule = []
        kernels.begin(
            0, number, np.uint64(self.how.seed), self.model.initial, self.states, self.numbers, self.lengths,
            self.priorities, self.changes, self.how.span,
        )  # fmt: skip
        while True:
            self._step(1)
            if self.ended[0]:
                return schedule
            label = int(self.expander.labels[self.chosen[0]])
            schedule.append((thread_of(label), label & 0xFFFF))


def distinct(registers: npt.NDArray[np.uint8]) -> int:
    """How many distinct states were noted, about.

    Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation
    algorithm" (AofA 2007), with linear counting for few; the standard error is 1.04 / sqrt(registers)."""
    m = len(registers)
    estimate = 0.7213 / (1 + 1.079 / m) * m * m / float((2.0 ** -registers.astype(np.float64)).sum())
    empty = int((registers == 0).sum())
    if estimate <= 2.5 * m and empty:
        estimate = m * float(np.log(m / empty))
    return round(estimate)
