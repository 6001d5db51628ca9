"""Where a goal is still open: the states in which a run may be that has not yet come to what it should.

Without progress a run is, from some point on, in such states for ever. For `finishes` and `eventually` that
point is the start; for `leads-to` any state in which `when` is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastput.lang.world import Goal, Property
from lastput.lasso import kernels
from lastput.lasso.graph import Graph

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """`inside`: states that a run can be in with the goal open since some earlier one.

    `distance` is the length of a shortest run up to there, FAR outside; `parent` the state before on it, FAR
    for a state in which the goal becomes open.
    """

    inside: Mask
    distance: npt.NDArray[np.uint32]
    parent: npt.NDArray[np.uint32]


def region(graph: Graph, goal: Goal, conditions: Sequence[Property]) -> Region:
    """The region of `goal`; `conditions` are the world's, in the order of the bits of `marks`."""
    pending = ~_met(graph, goal, conditions)
    if goal.when is None:
        starts = np.zeros(1 if pending[0] else 0, np.int64)
    else:
        starts = np.flatnonzero(pending & _holds(graph, goal.when, conditions))
    distance, parent = np.empty(graph.count, np.uint32), np.empty(graph.count, np.uint32)
    depth = np.zeros(len(starts), np.uint32) if goal.when is None else depths(graph)[starts]
    kernels.spread(graph.offsets, graph.targets, starts, depth, pending, distance, parent)
    return Region(distance != kernels.FAR, distance, parent)


def depths(graph: Graph) -> npt.NDArray[np.uint32]:
    """The length of a shortest run to each state."""
    return from_the_start(graph)[0]


def from_the_start(graph: Graph) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The length of a shortest run to each state, and the state before it on that run."""
    distance, parent = np.empty(graph.count, np.uint32), np.empty(graph.count, np.uint32)
    everywhere = np.ones(graph.count, np.bool_)
    kernels.spread(
        graph.offsets,
        graph.targets,
        np.zeros(1, np.int64),
        np.zeros(1, np.uint32),
        everywhere,
        distance,
        parent,
    )
    return distance, parent


def _met(graph: Graph, goal: Goal, conditions: Sequence[Property]) -> Mask:
    """Where what should happen has happened, or does."""
    if goal.then is not None:
        return _holds(graph, goal.then, conditions)
    wanted = np.uint64(sum(1 << thread for thread in goal.threads))
    met: Mask = graph.finished & wanted == wanted
    return met


def _holds(graph: Graph, condition: Property, conditions: Sequence[Property]) -> Mask:
    bit = next(number for number, known in enumerate(conditions) if known is condition)
    held: Mask = graph.marks >> np.uint64(bit) & np.uint64(1) == 1
    return held
