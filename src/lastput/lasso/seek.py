"""The front door: each goal of a world, and a lasso for those that some fair run does not come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lastput.engine.model import NativeModel
from lastput.engine.outcome import Limits
from lastput.lang.world import Goal, World
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


def _against(goal: Goal, world: World, graph: Graph, builder: Builder) -> Lasso | None:
    conditions = [p for p in world.properties if p.kind == "progress"]
    part = region(graph, goal, conditions)
    fair = fair_components(graph, part.inside, goal.fairness, len(world.threads))
    return lasso(graph, part, fair, goal.fairness, builder.label)
