"""The strategies of a hunt, each behind the same call: what to try in, what came of it out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lastput.engine.hunt.bounded import Counted, bounded
from lastput.engine.hunt.deepening import deepen
from lastput.engine.hunt.found import Deadline, Found, Stop
from lastput.engine.hunt.walks import How, Walked, walk
from lastput.engine.model import NativeModel

PILOT = 64
"""PCT's very first walks."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a hunt is asked for. None is the strategy's own default, or no limit."""

    seed: int = 0
    walks: int = 100_000
    depth: int | None = None
    bound: int | None = None
    max_states: int | None = None
    max_memory: int | None = None


@dataclass(frozen=True)
class Odds:
    """What PCT promises: n threads, k steps, bugs of depth d, and the walks that were made with these.

    `longer` of the walks took more than k steps. A bug of depth d is found in one walk with probability
    `one` or more, if its d - 1 switches lie in the first k steps and the draws of `choose` come as it needs.
    """

    n: int
    k: int
    d: int
    walks: int
    longer: int

    @property
    def one(self) -> float:
        """Least probability that one walk finds such a bug: 1 / (n k^(d-1))."""
        ways: int = self.n * self.k ** (self.d - 1)
        return 1 / ways

    @property
    def all(self) -> float:
        """The same for all walks together."""
        return 1.0 if self.one == 1 else -math.expm1(self.walks * math.log1p(-self.one))

    @property
    def for_99(self) -> int:
        """So many walks find it with a probability of 99 %."""
        return 1 if self.one == 1 else math.ceil(math.log(0.01) / math.log1p(-self.one))


@dataclass
class Attempt:
    """What one strategy came to.

    `within` is the bound (preemptions, switches, or steps of the deepening) up to which everything was
    searched, None without one. `states` are stored states, which walks have none of; `seen` estimates the
    states that walks stood in. `walk` is the number of the finding walk, from 1.
    """

    strategy: str
    stop: Stop
    found: Found | None = None
    walk: int | None = None
    walks: int = 0
    steps: int = 0
    longest: int = 0
    cut: int = 0
    seen: int = 0
    states: int = 0
    within: int | None = None
    odds: Odds | None = None
    seconds: float = 0.0
    bounds: dict[int, int] = field(default_factory=dict)
    coverage: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))


Told = Callable[[str], None]
"""Takes a line about how far it is."""

DEFAULT_DEPTH = 1000
"""Steps of the longest walk."""


def default_bound(strategy: str, threads: int) -> int:
    """The bound that a strategy takes by itself.

    Most bugs that CHESS found took two preemptions or fewer (Musuvathi and Qadeer, PLDI 2007). To run n
    threads takes n - 1 switches; two more are as many preemptions.
    """
    return threads + 1 if strategy == "switches" else 2


def random(model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    """Random walks."""
    how = How(seed=wish.seed, limit=wish.depth or DEFAULT_DEPTH)
    walked = walk(model, how, wish.walks, deadline, told=_walks_told("random", told))
    return _attempt("random", walked)


def pct(model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    """PCT's walks. A tenth of them, at first, is for learning how long walks are: that is k for all others.

    The very first have no change points, and so look for bugs of depth 1.
    """
    points = default_bound("pct", model.threads) if wish.bound is None else wish.bound
    how = How(seed=wish.seed, limit=wish.depth or DEFAULT_DEPTH, points=0)
    tell = _walks_told("pct", told)
    learning = max(1, min(max(4 * PILOT, wish.walks // 10), wish.walks // 2))
    walked = walk(model, how, min(PILOT, learning), deadline, told=tell)
    last, size = walked, PILOT
    while walked.stop == "walks" and walked.walks < wish.walks:
        how = replace(how, points=points, span=max(1, walked.longest))
        n = wish.walks if walked.walks >= learning else min(learning, walked.walks + size)
        last = walk(model, how, n - walked.walks, deadline, first=walked.walks, told=tell)
        walked, size = _together(walked, last), size * 2
    k = how.span if how.points else max(1, walked.longest)
    odds = Odds(model.threads, k, (how.points or 0) + 1, last.walks, last.longer)
    return _attempt("pct", walked, odds)


def preemptions(model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    """All schedules of at most so many preemptions."""
    return _bounded("preemptions", model, wish, deadline, told)


def switches(model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    """All schedules of at most so many context switches."""
    return _bounded("switches", model, wish, deadline, told)


def deepening(model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    """All schedules of at most so many steps, in memory that does not grow."""
    tell = lambda depth, steps: told(f"deepening: to depth {depth}, {steps:,} steps")  # noqa: E731
    found = deepen(
        model, wish.depth, deadline, max_states=wish.max_states, max_memory=wish.max_memory, told=tell
    )
    return Attempt(
        "deepening",
        found.stop,
        found.found,
        steps=found.steps,
        longest=found.within or 0,
        within=found.within,
        seconds=deadline.seconds,
        bounds=found.bounds,
        coverage=found.coverage,
    )


STRATEGIES: dict[str, Callable[[NativeModel, Wish, Deadline, Told], Attempt]] = {
    "random": random,
    "pct": pct,
    "preemptions": preemptions,
    "switches": switches,
    "deepening": deepening,
}
"""By name, in the order in which a hunt by all of them tries them."""


def _bounded(counted: Counted, model: NativeModel, wish: Wish, deadline: Deadline, told: Told) -> Attempt:
    most = default_bound(counted, model.threads) if wish.bound is None else wish.bound
    tell = lambda bound, rows: told(f"{counted}: {bound}, {rows:,} states and last threads")  # noqa: E731
    found = bounded(
        model, counted, most, deadline, max_states=wish.max_states, max_memory=wish.max_memory, told=tell
    )
    return Attempt(
        counted,
        found.stop,
        found.found,
        steps=found.transitions,
        longest=found.longest,
        states=found.states,
        within=found.within,
        seconds=deadline.seconds,
        bounds=found.bounds,
        coverage=found.coverage,
    )


def _walks_told(strategy: str, told: Told) -> Callable[[int, int], None]:
    return lambda walks, steps: told(f"{strategy}: {walks:,} walks, {steps:,} steps")


def _attempt(strategy: str, walked: Walked, odds: Odds | None = None) -> Attempt:
    return Attempt(
        strategy,
        walked.stop,
        walked.found,
        walk=None if walked.walk is None else walked.walk + 1,
        walks=walked.walks,
        steps=walked.steps,
        longest=walked.longest,
        cut=walked.cut,
        seen=walked.seen,
        odds=odds,
        seconds=walked.seconds,
        bounds=walked.bounds,
        coverage=walked.coverage,
    )


def _together(before: Walked, after: Walked) -> Walked:
    """The walks before and those after as one: with what was found after, if anything was."""
    found = after.found is not None
    return replace(
        after,
        walks=before.walks + after.walks,
        steps=before.steps + after.steps,
        longest=max(before.longest, after.longest),
        cut=before.cut + after.cut,
        seen=max(before.seen, after.seen),
        bounds=after.bounds if found else {k: before.bounds.get(k, 0) + after.bounds.get(k, 0)
                                          for k in {*before.bounds, *after.bounds}},
        coverage=after.coverage if found else before.coverage | after.coverage,
    )  # fmt: skip
