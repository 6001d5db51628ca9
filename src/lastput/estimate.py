"""What a search will take, before it is run to its end: `lastput estimate`.

A few seconds of the search itself, and a forecast from the levels it finished (`engine/estimate.py`). Time
and memory follow from the measured speed and size of a state: they are as uncertain as the number of states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lastput.checker import build_world, compiled
from lastput.lang.errors import UsageError
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario

if TYPE_CHECKING:
    from lastput.engine.estimate import Forecast
    from lastput.engine.outcome import Outcome


@dataclass(frozen=True)
class Estimate:
    """What `seconds` of search found, and the forecast made of it.

    `complete`: the search came to its end, or to the level of a violation; then `states` is all there are to
    search. `forecast` is None if that is so, or if there is nothing to forecast from.
    """

    scenario: str
    variant: str
    states: int
    levels: int
    seconds: float
    memory: int
    """Bytes of the search's own arrays."""
    complete: bool
    forecast: Forecast | None
    others: tuple[str, ...] = ()
    """Variants that nobody looked at, where none was named."""
    graph: float = 0.0
    """Bytes per state of the graph that progress properties need besides; 0 where none is asked for."""

    @property
    def rate(self) -> float:
        """States per second so far."""
        return self.states / max(self.seconds, 1e-9)

    @property
    def per_state(self) -> float:
        """Bytes per state so far."""
        return self.memory / max(self.states, 1)


def estimate(
    scenario: Scenario,
    variant: str | None = None,
    *,
    settings: Mapping[str, Value] | None = None,
    seconds: float = 2.0,
    phase: Callable[[str], None] | None = None,
) -> Estimate:
    """Search `scenario` for `seconds`, not counting compilation, and say what the whole would take.

    Raises UsageError for a wrong variant or setting or a time that is not above 0, and ModelError for a model
    that leaves the language. `phase` is called with a line of text when compiling and searching begin.
    """
    if not seconds > 0:
        raise UsageError(f"seconds={seconds}: use a number above 0")
    say = phase or (lambda text: None)
    others = tuple(name for name in scenario.variants if variant is None and name != scenario.default)
    world = build_world(scenario, variant, settings or {})
    say(f"compiling {world.scenario.name}, variant {world.variant}")
    native = compiled(world)
    name = world.scenario.name
    if native.start_event is not None:
        return Estimate(name, world.variant, 0, 0, 0.0, 0, True, None, others)
    from lastput.engine import outcome, search

    search.prepare(native.native.words)
    say(f"searching {name}, variant {world.variant}")
    found = search.search(native.native, limits=outcome.Limits(timeout=seconds))
    told = replace(_estimate(name, world.variant, found), others=others)
    if not world.goals:
        return told
    from lastput.lasso.graph import bytes_needed

    graph = bytes_needed(native.native.words, found.states, found.transitions) / max(found.states, 1)
    return replace(told, graph=graph)


def _estimate(scenario: str, variant: str, found: Outcome) -> Estimate:
    from lastput.engine.estimate import forecast

    complete = found.stop in ("complete", "violation")
    # The last level is not complete: the one before it was still being expanded.
    guess = None if complete else forecast(found.levels[:-1])
    return Estimate(
        scenario=scenario,
        variant=variant,
        states=found.states,
        levels=len(found.levels),
        seconds=found.seconds,
        memory=found.peak_bytes,
        complete=complete,
        forecast=guess,
    )
