"""The shortest way from one state to a violation, or to a state in which an expression is true.

Native code searches from the state to which a schedule leads. For an expression, the world is compiled
with the one invariant that it is false, and every other finding counts as a bound: a path that breaks a
rule ends there, and the search goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput import target
from lastput.ask import never
from lastput.checker import build_world, compiled
from lastput.checks.kinds import KINDS
from lastput.compiler.compile import Compiled, type_all
from lastput.engine.expander import Expander
from lastput.engine.model import NativeModel
from lastput.engine.search import search
from lastput.explore.steps import Schedule
from lastput.lang.edits import applying
from lastput.lang.errors import UsageError
from lastput.lang.options import Value, configuration
from lastput.lang.world import World


@dataclass(frozen=True)
class Model:
    """What is searched, in words that another process understands."""

    target: str
    variant: str
    settings: tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Nearest:
    """What a search came to: `schedule` leads from the initial state to what was looked for.

    Without one, nothing that can be reached is it: a proof if `complete`, of so many `states`. `stop`
    says why a search is not complete.
    """

    schedule: Schedule | None
    states: int
    complete: bool
    stop: str = ""


def nearest(model: Model, path: Schedule, expression: str | None) -> Nearest:
    """The nearest violation after `path`, or state with `expression`. UsageError if `path` leads nowhere."""
    native = _native(model, expression)
    searched = native.native
    if native.start_event is not None:
        return Nearest((), 0, False, "the model breaks a rule before any step")
    if expression is not None:
        searched = replace(searched, bounds=_all_but_invariants(native))
    outcome = search(replace(searched, initial=_state(searched, path)))
    if outcome.violation:
        return Nearest((*path, *outcome.violation.schedule), outcome.states, True)
    if outcome.stop != "complete":
        return Nearest(None, outcome.states, False, outcome.stop)
    met = sorted({native.sites[code].message for code in outcome.bounds if _is_bound(native, code)})
    return Nearest(None, outcome.states, not met, "; ".join(met))


_made: dict[tuple[Model, str | None], Compiled] = {}
"""Compiled here before: somebody asks the same again from elsewhere."""


def _native(model: Model, expression: str | None) -> Compiled:
    key = (model, expression)
    if key not in _made:
        world = build_world(target.find(model.target), model.variant, dict(model.settings))
        if expression is not None:
            _ask(world, expression)
        _made[key] = compiled(world)
    return _made[key]


def _ask(world: World, expression: str) -> None:
    """Make the expression all that is asked of `world`."""
    with configuration(world.configuration), applying(world.edits):
        type_all(world)  # places the statics, which the expression may name
    world.properties[:] = [never(world, expression)]


def _all_but_invariants(native: Compiled) -> frozenset[int]:
    return frozenset(code for code, site in enumerate(native.sites) if site.kind != "invariant")


def _is_bound(native: Compiled, code: int) -> bool:
    return KINDS[native.sites[code].kind].bound


def _state(model: NativeModel, path: Sequence[tuple[int, int]]) -> npt.NDArray[np.uint64]:
    """The packed state to which `path` leads."""
    expander = Expander(model, 1)
    state: npt.NDArray[Any] = model.initial
    for number, (thread, choice) in enumerate(path, 1):
        found, _ = expander.run(state, 0, 1)
        labels = [int(label) & 0xFFFFFFFF for label in expander.labels[:found]]
        if thread << 16 | choice not in labels:
            raise UsageError(f"step {number} breaks a rule, or is not possible: nothing follows it")
        first = labels.index(thread << 16 | choice) * model.words
        state = expander.rows[first : first + model.words].copy()
    return state
