"""A result without its verdict and its violation: what was asked, how much was run, what it took."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lastput.checks.kinds import KINDS
from lastput.evidence.coverage import coverage
from lastput.evidence.source import short
from lastput.host import peak_resident
from lastput.lang.errors import UsageError
from lastput.lang.world import World
from lastput.result import Bound, Counts, Limits, Memory, Omission, Result, Thread

if TYPE_CHECKING:
    from lastput.compiler.compile import Compiled, Site
    from lastput.engine.outcome import Outcome


def checked_limits(max_states: int | None, max_memory: int | None, timeout: float | None) -> Limits:
    """Limits for a search, or for what takes its place; UsageError for one that is not above 0."""
    for name, value in (("max_states", max_states), ("max_memory", max_memory), ("timeout", timeout)):
        if value is not None and not value > 0:
            raise UsageError(f"{name}={value}: use a number above 0")
    return Limits(max_states, max_memory, timeout)


def header(world: World, limits: Limits) -> Result:
    """What is known before anything is run; `incomplete`, until somebody knows better."""
    return Result(
        scenario=world.scenario.name,
        title=world.scenario.title,
        variant=world.variant,
        verdict="incomplete",
        settings=dict(world.configuration),
        defaults=world.scenario.defaults,
        threads=tuple(Thread(thread.name, thread.daemon) for thread in world.threads),
        limits=limits,
    )


def describe(world: World, native: Compiled, outcome: Outcome | None, limits: Limits) -> Result:
    """Everything but the verdict, the violation and the time."""
    result = header(world, limits)
    if outcome is None:
        assert native.start_event is not None
        site = native.sites[native.start_event]
        hit = (bound_met(site, 1),) if KINDS[site.kind].bound else ()
        memory = Memory(peak=peak_resident())
        return replace(result, reason="bound" if hit else "", bounds=hit, memory=memory)
    bounds = tuple(bound_met(native.sites[code], count) for code, count in sorted(outcome.bounds.items()))
    reason = outcome.stop if outcome.stop not in ("complete", "violation") else "bound" if bounds else ""
    per_state = outcome.peak_bytes / outcome.states if outcome.states else 0.0
    return replace(
        result,
        reason=reason,
        counts=Counts(outcome.states, outcome.transitions, outcome.depth),
        memory=Memory(
            peak_resident(), outcome.peak_bytes, per_state, outcome.store, outcome.tables, outcome.disk_bytes
        ),
        omission=_omission(outcome),
        glimpsed=0 if outcome.violation else outcome.events,
        bounds=bounds,
        coverage=coverage(world, native.places, coverage_of(native, outcome)),
    )


def _omission(outcome: Outcome) -> Omission | None:
    found = outcome.omission
    return None if found is None else Omission(found.expected, found.probability, found.bits)


def coverage_of(native: Compiled, outcome: Outcome | None) -> list[int]:
    """Whether each place of the model ran."""
    ran: list[int] = (outcome.coverage | native.started if outcome else native.started).tolist()
    return ran


def bound_met(site: Site, count: int) -> Bound:
    """A limit of the model that was met `count` times."""
    return Bound(site.kind, site.message, site.function, short(site.file), site.line, count)
