"""`hunt()`: look for a violation where there are too many interleavings to run them all.

    hunt(scenario, "v4.12", by="pct", seed=7).violation

The searches are those of `engine.hunt`. What one finds is shortened, and then replayed and compared as
whatever `check` finds. A hunt that finds nothing is `incomplete`, unless a bounded search left nothing out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lastput.checker import build_world, check_world, compiled
from lastput.compiler.compile import Compiled
from lastput.confirmed import confirmed
from lastput.described import bound_met, checked_limits, header
from lastput.engine.hunt.attempt import DEFAULT_DEPTH, STRATEGIES, Attempt, Odds, Wish
from lastput.engine.hunt.found import Deadline
from lastput.engine.hunt.shorten import shorten
from lastput.engine.interrupt import Interrupt
from lastput.engine.search import prepare
from lastput.evidence.coverage import coverage
from lastput.evidence.remembered import remember
from lastput.evidence.trace import unreachable
from lastput.host import peak_resident
from lastput.lang.errors import UsageError, nearest
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.lang.world import World
from lastput.plan import HUNT_NUMBERS
from lastput.progress import unknown
from lastput.result import Counts, Guarantee, Hunt, Memory, Result, Seconds, Tried, Violation

MAX_STATES = 5_000_000
"""States that a bounded search stores, or a deepening one expands, where nobody says otherwise."""
_LOOK_SECONDS = 0.2


def hunt(
    scenario: Scenario,
    variant: str | None = None,
    *,
    settings: Mapping[str, Value] | None = None,
    by: str = "all",
    seed: int = 0,
    walks: int = 100_000,
    depth: int | None = None,
    bound: int | None = None,
    max_states: int | None = None,
    max_memory: int | None = None,
    timeout: float | None = None,
    told: Callable[[str], None] | None = None,
    phase: Callable[[str], None] | None = None,
) -> Result:
    """Hunt for a violation of `scenario` under one variant (its default one if None).

    `by` is `all`, or names of strategies with commas between them, tried in this order until one finds
    something: `random` and `pct` take `walks` walks of at most `depth` steps (1,000), `preemptions` and
    `switches` run every schedule with at most `bound` of them, `deepening` every schedule of at most `depth`
    steps. For `pct` the `bound` is the number of its change points: it looks for bugs of depth `bound` + 1.
    Default are 2 preemptions or change points, and for n threads n + 1 switches. The same `seed` gives the
    same hunt, on every machine, unless the time or the memory runs out.

    `max_states` (5,000,000) limits each search that is no walk, `max_memory` its bytes; `timeout` is for all
    together, in seconds. `told` is called with a line of text while it hunts, `phase` when compiling and
    hunting begin.

    Raises UsageError for what is wrong with the arguments, and what `check` raises.
    """
    strategies = _strategies(by)
    _check_numbers(seed, walks, depth, bound)
    limits = checked_limits(max_states, max_memory, timeout)
    began = time.perf_counter()
    say = phase or (lambda text: None)
    world = build_world(scenario, variant, settings or {})
    say(f"compiling {world.scenario.name}, variant {world.variant}")
    native = compiled(world)
    if native.start_event is not None:
        return check_world(world, limits, began=began).result
    _prepare(native, strategies)
    compiling = time.perf_counter() - began
    say(f"hunting {world.scenario.name}, variant {world.variant}")
    wish = Wish(
        seed=seed,
        walks=walks,
        depth=depth,
        bound=bound,
        max_states=max_states or MAX_STATES,
        max_memory=max_memory,
    )
    with Interrupt() as interrupt:
        attempts = _attempts(native, strategies, wish, timeout, interrupt, told or (lambda text: None))
        hunting = time.perf_counter() - began - compiling
        result = _result(world, native, attempts, wish, Deadline(None, interrupt))
    seconds = Seconds(compiling, hunting, time.perf_counter() - began, native.cached)
    result = replace(result, limits=limits, seconds=seconds)
    if result.violation is not None:
        remember(result.violation, world)
    return result


def _prepare(native: Compiled, strategies: Sequence[str]) -> None:
    """Have the searches' own code ready, so that compiling it does not count as hunting."""
    prepare(native.native.words + 1)
    least = Wish(walks=1, depth=1, bound=0, max_states=1)
    for name in {*strategies, "preemptions"}:  # what is found is shortened by a search within preemptions
        STRATEGIES[name](native.native, least, Deadline(), lambda text: None)


def _strategies(by: str) -> list[str]:
    """The names in `by`; UsageError for one that is no strategy."""
    names = list(STRATEGIES) if by == "all" else by.split(",")
    for name in names:
        if name not in STRATEGIES:
            known = [*STRATEGIES, "all"]
            raise UsageError(f"no hunt is called {name!r}: {nearest(name, known)}use {', '.join(known)}")
    return names


def _check_numbers(seed: int, walks: int, depth: int | None, bound: int | None) -> None:
    """UsageError for a number that no hunt can use."""
    for name, value in {"seed": seed, "walks": walks, "depth": depth, "bound": bound}.items():
        low, high = HUNT_NUMBERS[name]
        if value is not None and not low <= value <= high:
            raise UsageError(f"{name}={value}: use a number from {low} to {high}")


def _attempts(
    native: Compiled,
    strategies: Sequence[str],
    wish: Wish,
    timeout: float | None,
    interrupt: Interrupt,
    told: Callable[[str], None],
) -> list[Attempt]:
    """Strategy after strategy, until one settles it; each gets an equal share of the time that is left."""
    attempts: list[Attempt] = []
    end = None if timeout is None else time.monotonic() + timeout
    tell = _seldom(told)
    for i, name in enumerate(strategies):
        share = None if end is None else max(0.0, end - time.monotonic()) / (len(strategies) - i)
        attempt = STRATEGIES[name](native.native, wish, Deadline(share, interrupt), tell)
        attempts.append(attempt)
        if attempt.stop in ("violation", "complete", "interrupt"):
            break
    return attempts


def _seldom(told: Callable[[str], None]) -> Callable[[str], None]:
    """`told`, called at most every 0.2 s."""
    last = 0.0

    def tell(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LOOK_SECONDS:
            last = now
            told(text)

    return tell


def _result(
    world: World, native: Compiled, attempts: Sequence[Attempt], wish: Wish, deadline: Deadline
) -> Result:
    """What the attempts come to, but for the limits and the seconds."""
    last = attempts[-1]
    met: dict[int, int] = {}
    for attempt in attempts if last.found is None else [last]:
        for code, times in attempt.bounds.items():
            met[code] = met.get(code, 0) + times
    ran = _ran(native, attempts if last.found is None else [last])
    found, before = _violation(world, native, last, ran, deadline)
    reason = "" if found else _reason(attempts, bool(met))
    if world.goals and not found:  # however much was run: no hunt looks for loops
        reason = reason or "hunt"
    return replace(
        header(world, checked_limits(None, None, None)),
        verdict="violated" if found else "incomplete" if reason else "holds",
        reason=reason,
        counts=Counts(
            states=max(attempt.states for attempt in attempts),
            transitions=sum(attempt.steps for attempt in attempts),
            depth=max(attempt.longest for attempt in attempts),
        ),
        memory=Memory(peak=peak_resident()),
        bounds=tuple(bound_met(native.sites[code], times) for code, times in sorted(met.items())),
        coverage=coverage(world, native.places, ran.tolist()),
        progress=unknown(world).progress,
        violation=found,
        hunt=Hunt(
            seed=wish.seed,
            tried=tuple(_tried(attempt, wish) for attempt in attempts),
            found_by=last.strategy if last.found else "",
            walk=last.walk,
            found_steps=before,
        ),
    )


def _ran(native: Compiled, attempts: Sequence[Attempt]) -> npt.NDArray[np.uint8]:
    """Which places of the model ran in any of the attempts."""
    ran = native.started.copy()
    for attempt in attempts:
        ran |= attempt.coverage
    return ran


def _violation(
    world: World, native: Compiled, last: Attempt, ran: npt.NDArray[np.uint8], deadline: Deadline
) -> tuple[Violation | None, int]:
    """The violation, shortened and confirmed by its replay, and how long its schedule was before."""
    if last.found is not None:
        short = shorten(native.native, last.found, deadline)
        found = confirmed(world, native.sites[short.code], tuple(short.schedule))
        return replace(found, shortest=False), len(last.found.schedule)
    unseen = [place for place in sorted(native.native.witnesses) if not ran[place]]
    if last.stop == "complete" and not last.bounds and unseen:
        return unreachable(world, [native.places[place].text for place in unseen]), 0
    return None, 0


def _reason(attempts: Sequence[Attempt], met: bool) -> str:
    """Why there is no verdict; empty if every interleaving was run."""
    last = attempts[-1].stop
    if last == "complete":
        return "bound" if met else ""
    stops = [attempt.stop for attempt in attempts]
    return next((stop for stop in ("interrupt", "timeout") if stop in stops), "hunt")


def _tried(attempt: Attempt, wish: Wish) -> Tried:
    return Tried(
        strategy=attempt.strategy,
        ended=attempt.stop,
        walks=attempt.walks,
        steps=attempt.steps,
        longest=attempt.longest,
        cut=attempt.cut,
        limit=(wish.depth or DEFAULT_DEPTH) if attempt.walks else None,
        seen=attempt.seen,
        states=attempt.states,
        within=attempt.within,
        seconds=attempt.seconds,
        guarantee=_guarantee(attempt.odds) if attempt.odds else None,
    )


def _guarantee(odds: Odds) -> Guarantee:
    return Guarantee(odds.n, odds.k, odds.d, odds.walks, odds.longer, odds.one, odds.all, odds.for_99)
