"""One scenario under many configurations: each a search of its own, as many at a time as there are cores.

On a cluster each search is a task of its own; Ray runs one anew when its machine is lost.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field

from lastput.host import usable_cores
from lastput.lang.errors import LastputError, UsageError
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.plan import Plan
from lastput.report.text import finding
from lastput.result import Verdict

MOST = 10_000
"""Searches of one sweep."""
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Point:
    """What is searched, in words that another process understands."""

    target: str
    variant: str
    settings: tuple[tuple[str, Value], ...]
    max_states: int | None = None
    max_memory: int | None = None
    """None: an equal part of what the machine has, for each that runs beside it."""
    timeout: float | None = None
    plan: Plan = field(default_factory=Plan)
    beside: int | None = None
    """Searches that run at a time on the machine; None: one for each of its cores."""


@dataclass(frozen=True)
class Row:
    """What a search came to."""

    variant: str
    settings: dict[str, Value]
    verdict: Verdict
    reason: str
    """Why it is incomplete."""
    headline: str
    """What is violated."""
    finding: str
    """The same in a few words, or the reason; empty where it holds."""
    states: int
    transitions: int
    depth: int
    seconds: float
    """Of the search alone."""


def values(text: str) -> list[Value]:
    """The values that `--set` names: `3`, `1..4` or `1,2,8`. UsageError for an empty range."""
    found: list[Value] = []
    for part in text.split(","):
        span = _RANGE.fullmatch(part)
        if span is None:
            found.append(part)
        elif int(span[1]) > int(span[2]):
            raise UsageError(f"{part}: use a range that goes up, as 1..3")
        elif (many := int(span[2]) - int(span[1]) + 1) > MOST:
            raise UsageError(f"{part}: these are {many:,} values: use at most {MOST:,}")
        else:
            found += [str(number) for number in range(int(span[1]), int(span[2]) + 1)]
    return found


def points(
    scenario: Scenario,
    target: str,
    variants: Sequence[str],
    settings: Mapping[str, Sequence[Value]],
    plan: Plan,
    **limits: int | float | None,
) -> list[Point]:
    """Every variant with every combination of values, in this order. UsageError if one of them is wrong."""
    chosen = [dict(zip(settings, each, strict=True)) for each in itertools.product(*settings.values())]
    if len(variants) * len(chosen) > MOST:
        raise UsageError(f"these are {len(variants) * len(chosen):,} searches: use at most {MOST:,}")
    for variant, each in itertools.product(variants, chosen):
        scenario.configure(variant, each)
    return [
        Point(target, variant, tuple(each.items()), plan=plan, **limits)  # type: ignore[arg-type]
        for variant, each in itertools.product(variants, chosen)
    ]


def sweep(searches: Sequence[Point], jobs: int) -> Iterator[tuple[int, Row]]:
    """Search them all in `jobs` processes; each as it is done, with its number."""
    from lastput.study.pool import processes

    with processes(jobs) as pool:
        running = {pool.submit(search, point): number for number, point in enumerate(searches)}
        for done in as_completed(running):
            yield running[done], done.result()


def sweep_on(plan: Plan, searches: Sequence[Point]) -> Iterator[tuple[int, Row]]:
    """Search them all on the cluster of `plan`; each as it is done, with its number."""
    from lastput import clusters
    from lastput.engine.cluster import NoCluster

    try:
        yield from clusters.reach(plan).tasks(search, searches)
    except NoCluster as error:
        raise UsageError(f"cluster {error}") from None


def search(point: Point) -> Row:
    """Search one, in whatever process this is. UsageError if its set-up or model is wrong."""
    from lastput import target
    from lastput.checker import check
    from lastput.engine.memory import available

    room = point.max_memory or available() * 8 // 10 // (point.beside or usable_cores())
    try:
        result = check(
            target.find(point.target),
            point.variant,
            settings=dict(point.settings),
            max_states=point.max_states,
            max_memory=room,
            timeout=point.timeout,
            plan=point.plan,
        )
    except LastputError as error:
        raise UsageError(str(error)) from None
    return Row(
        variant=point.variant,
        settings=dict(point.settings),
        verdict=result.verdict,
        reason=result.reason,
        headline=result.violation.headline if result.violation else "",
        finding=finding(result),
        states=result.counts.states,
        transitions=result.counts.transitions,
        depth=result.counts.depth,
        seconds=result.seconds.search,
    )
