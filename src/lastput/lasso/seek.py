"""The front door: each goal of a world, and a lasso for those that some fair run does not come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lastput.engine.model import NativeModel
from lastput.engine.outcome import Limits
from lastput.lang.world import Goal, World
from lastput.lasso import kernels
from lastput.lasso.fair import fair_components
from lastput.lasso.graph import Builder, Graph
from lastput.lasso.region import region
from lastput.lasso.walk import Lasso, lasso


@dataclass(frozen=True)
class Sought:
    """A lasso for each goal, in the world's order; None for one that every fair run comes to.

    `states` and `steps` are those of the graph, `bytes` what it took.
    """

    lassos: tuple[Lasso | None, ...]
    states: int
    steps: int
    bytes: int


def seek(
    world: World, model: NativeModel, limits: Limits, told: Callable[[int], None] | None = None
) -> Sought:
    """Look for a lasso against each goal of `world`. TooLarge (`lasso.graph`) where a limit is reached.

    `model` is the world's native code, without reductions. `told` is called with the number of states so far.
    """
    builder = Builder(model, limits, told)
    graph = builder.build()
    found = tuple(_against(goal, world, graph, builder) for goal in world.goals)
    return Sought(found, graph.count, len(graph.targets), graph.bytes)


def prepare() -> None:
    """Compile the kernels, or load them from numba's cache, by looking for the loop of one state."""
    labels, events = np.zeros(1, np.uint64), np.zeros((0, 2), np.uint64)
    offsets, enabled, threads = np.zeros(2, np.int64), np.zeros(1, np.uint64), np.zeros(1, np.uint8)
    kernels.gather(labels, 1, offsets, enabled, threads)
    kernels.note_broken(events, 0, enabled)
    nothing = np.zeros(1, np.uint64)
    graph = Graph(offsets, np.zeros(1, np.uint32), threads, enabled, nothing, nothing)
    part = region(graph, Goal("finishes", "strong", (0,)), [])
    fair = fair_components(graph, part.inside, "strong", 1)
    lasso(graph, part, fair, "strong", lambda source, target, thread: (thread, 0))


def _against(goal: Goal, world: World, graph: Graph, builder: Builder) -> Lasso | None:
    conditions = [p for p in world.properties if p.kind == "progress"]
    part = region(graph, goal, conditions)
    fair = fair_components(graph, part.inside, goal.fairness, len(world.threads))
    return lasso(graph, part, fair, goal.fairness, builder.label)
