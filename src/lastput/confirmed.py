"""What a search found, replayed under CPython: no violation is reported that does not show there, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lastput.checks.kinds import KINDS
from lastput.evidence.source import short
from lastput.evidence.trace import unreachable, violation_of
from lastput.lang.world import World
from lastput.result import Violation

if TYPE_CHECKING:
    from lastput.compiler.compile import Compiled, Site
    from lastput.engine.outcome import Outcome
    from lastput.engine.outcome import Violation as Found


class Disagreement(Exception):
    """Search and replay contradict each other: lastput is wrong, whatever the model."""


def confirmed(world: World, site: Site, schedule: Sequence[tuple[int, int]]) -> Violation:
    """The violation at `site` as the replay shows it; Disagreement unless it shows the same one."""
    violation = violation_of(world, schedule, site.kind)
    said = f"the search found {site.kind} at {short(site.file)}:{site.line} ({site.message})"
    if violation is None:
        raise Disagreement(f"{said}; the replay of {list(schedule)} found nothing")
    same_place = violation.thread is None or (violation.file, violation.line) == (short(site.file), site.line)
    if violation.kind != site.kind or not same_place:
        where = f"{violation.kind} at {violation.file}:{violation.line} ({violation.message})"
        raise Disagreement(f"{said}; the replay of {list(schedule)} found {where}")
    return violation


def found_by(world: World, native: Compiled, outcome: Outcome | None) -> Violation | None:
    """What was found, replayed and compared; None if nothing was, or only bounds were."""
    if outcome is None:
        assert native.start_event is not None
        site = native.sites[native.start_event]
        return None if KINDS[site.kind].bound else confirmed(world, site, ())
    if outcome.violation:
        found = outcome.violation
        if native.native.canonical:
            plain, found = _concrete(world, native, found)
            return confirmed(world, plain.sites[found.code], found.schedule)
        return confirmed(world, native.sites[found.code], native.single_steps(found.schedule))
    if outcome.stop == "complete" and not outcome.bounds and outcome.unseen:
        return unreachable(world, [native.places[place].text for place in sorted(outcome.unseen)])
    return None


def _concrete(world: World, native: Compiled, found: Found) -> tuple[Compiled, Found]:
    """The model without reductions, and what was found with symmetry as a schedule of it."""
    from lastput.compiler.compile import compile_world
    from lastput.engine.concrete import Lost, concrete

    plain = compile_world(world, frozenset())

    def same(code: int, other: int) -> bool:
        one, two = native.sites[code], plain.sites[other]
        return (one.kind, one.file, one.line) == (two.kind, two.file, two.line)

    try:
        return plain, concrete(native.native, plain.native, found, same, native.taken_with)
    except Lost as lost:
        raise Disagreement(f"a schedule found with symmetry cannot be followed: {lost}") from lost
