"""Which world a violation is of, as long as both are in this process.

A result is plain data and does not hold the model. But whoever shows one right where it was made, as a
notebook does, can have its scene without naming the scenario again.
"""

from __future__ import annotations

import weakref

from lastput.lang.world import World
from lastput.result import Violation

_WORLDS: dict[int, World] = {}
"""By the identity of the violation: equal ones may be of models that differ."""


def remember(violation: Violation, world: World) -> None:
    """Keep `world` until `violation` is gone."""
    _WORLDS[id(violation)] = world
    weakref.finalize(violation, _WORLDS.pop, id(violation), None).atexit = False


def world_of(violation: Violation) -> World | None:
    """The world that was remembered for this very violation; None for one that was read or copied."""
    return _WORLDS.get(id(violation))
