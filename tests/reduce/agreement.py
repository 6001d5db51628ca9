"""One world, searched with and without reductions: everything that a verdict rests on is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from lastput.compiler.compile import Compiled, Site, compile_world
from lastput.engine.outcome import Limits, Outcome
from lastput.engine.search import search
from lastput.evidence.trace import violation_of
from lastput.lang.world import World

REDUCED = ("por", "por,locks", "private", "por,locks,private,chains")
"""Sets of reductions that are compared with none."""


@dataclass(frozen=True)
class Found:
    """What must not depend on reductions."""

    broken: frozenset[Site]
    bounds: frozenset[Site]
    unseen: frozenset[str]
    ran: frozenset[str]
    """Places of the code that ran; those inside properties and conditions included."""


def searched(
    world: World, reduce: frozenset[str], most: int | None = None
) -> tuple[Compiled, Outcome | None]:
    """Compile and search to the end, past violations. No outcome if a thread breaks a rule at once."""
    compiled = compile_world(world, reduce)
    if compiled.start_event is not None:
        return compiled, None
    return compiled, search(compiled.native, keep_going=True, limits=Limits(max_states=most))


def found(compiled: Compiled, outcome: Outcome) -> Found:
    """What a search found."""
    return Found(
        frozenset(compiled.sites[code] for code in outcome.codes),
        frozenset(compiled.sites[code] for code in outcome.bounds),
        frozenset(compiled.places[place].text for place in outcome.unseen),
        frozenset(repr(p) for p, hit in zip(compiled.places, outcome.coverage.tolist(), strict=False) if hit),
    )


def agree(world: Callable[[], World], names: str, most: int | None = None) -> tuple[int, int] | None:
    """Compare one world with the reductions `names` and without; (states without, with), if complete."""
    plain, full = searched(world(), frozenset(), most)
    if full is None or full.stop != "complete":
        return None
    compiled, less = searched(world(), frozenset(names.split(",")), most)
    assert less is not None
    assert less.stop == "complete"
    different = difference(found(plain, full), found(compiled, less), names)
    assert not different, f"{names}:\n{different}"
    assert less.states <= full.states
    if less.violation is not None:
        check_replay(world(), compiled, less)
    return full.states, less.states


def difference(one: Found, other: Found, names: str) -> str:
    """What only one of two searches found, the second with the reductions `names`, a line each.

    `heap` takes any slot of a pool for any other: where page#1 is lost, it may report page#0."""
    if "heap" in names.split(","):
        one, other = _any_slot(one), _any_slot(other)
    lines = []
    for name in ("broken", "bounds", "unseen", "ran"):
        a, b = getattr(one, name), getattr(other, name)
        lines += [f"{name}: only without: {x}" for x in a - b] + [f"{name}: only with: {x}" for x in b - a]
    return "\n".join(lines)


def _any_slot(found: Found) -> Found:
    """The same, but slots of a pool not told apart."""
    broken = frozenset(replace(site, message=re.sub(r"#\d+", "#", site.message)) for site in found.broken)
    return replace(found, broken=broken)


def check_replay(world: World, compiled: Compiled, outcome: Outcome) -> None:
    """The schedule, step by step, leads the simulator to the violation."""
    assert outcome.violation is not None
    site = compiled.sites[outcome.violation.code]
    shown = violation_of(world, compiled.single_steps(outcome.violation.schedule), site.kind)
    assert shown is not None, f"the replay finds no {site.kind}"
    assert shown.kind == site.kind
