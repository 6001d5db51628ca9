"""From a fair component to a lasso: a shortest way there, and a loop through all that fairness asks for.

The loop is short, not shortest, for that is as hard as the travelling salesman's: it goes to the nearest
state or step that fairness still asks for, until there is none, and back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastput.lang.scenario import Fairness
from lastput.lasso import kernels
from lastput.lasso.fair import Components
from lastput.lasso.graph import Graph
from lastput.lasso.region import Region, from_the_start

Edge = tuple[int, int, int]
"""A step: its state, its target, its thread."""

Label = Callable[[int, int, int], tuple[int, int]]


@dataclass(frozen=True)
class Lasso:
    """A run without end: `schedule` once, and then its steps from `begins` on again and again.

    Without steps from `begins` on it ends, in a state in which nobody can step.
    """

    schedule: tuple[tuple[int, int], ...]
    begins: int


def lasso(graph: Graph, region: Region, fair: Components, fairness: Fairness, label: Label) -> Lasso | None:
    """The lasso nearest to the start; None if no fair run stays inside the region, or ends there.

    `label` gives (thread, choice) of a step.
    """
    ends = region.inside & (graph.enabled == 0)
    wanted = np.flatnonzero(ends | (fair != 0))
    if not len(wanted):
        return None
    entry = int(wanted[np.argmin(region.distance[wanted])])
    prefix = _prefix(graph, region, entry)
    edges = [] if ends[entry] else _Loop(graph, fair == fair[entry], entry).edges(fairness)
    labels = (label(*edge) for edge in [*prefix, *edges])
    return Lasso(tuple(labels), len(prefix))


def _prefix(graph: Graph, region: Region, entry: int) -> list[Edge]:
    """A shortest way to `entry`: to where the goal becomes open, and from there through open states only."""
    path = [entry]
    while region.parent[path[-1]] != kernels.FAR:
        path.append(int(region.parent[path[-1]]))
    if path[-1] != 0:
        _, parent = from_the_start(graph)
        while path[-1] != 0:
            path.append(int(parent[path[-1]]))
    path.reverse()
    return [_edge(graph, source, target) for source, target in itertools.pairwise(path)]


def _edge(graph: Graph, source: int, target: int) -> Edge:
    first, last = int(graph.offsets[source]), int(graph.offsets[source + 1])
    index = first + int(np.flatnonzero(graph.targets[first:last] == target)[0])
    return source, target, int(graph.threads[index])


class _Loop:
    """A closed walk from `entry` among the states `inside`, which are a fair component."""

    def __init__(self, graph: Graph, inside: npt.NDArray[np.bool_], entry: int) -> None:
        self.graph, self.inside, self.entry = graph, inside, entry
        self.first = np.empty(graph.count, np.uint32)
        self.via = np.empty(graph.count, np.int64)
        self.walk: list[Edge] = []
        self.here = entry
        self.taken, self.able, self.unable = 0, 0, 0
        """Bit masks of the threads that have stepped, that could step somewhere, that could not somewhere."""
        self._look(entry)

    def edges(self, fairness: Fairness) -> list[Edge]:
        """The walk, which ends where it began."""
        while True:
            wanted = self._wanted(fairness)
            if wanted:
                self._go(wanted, fairness == "weak", -1)
            elif self.here != self.entry or not self.walk:
                self._go(0, False, self.entry)
            else:
                return self.walk

    def _wanted(self, fairness: Fairness) -> int:
        """Threads to which the walk, repeated, would be unfair."""
        if fairness == "weak":
            return ~self.taken & ~self.unable & ((1 << 63) - 1)
        return self.able & ~self.taken if fairness == "strong" else 0

    def _go(self, wanted: int, blocked: bool, back: int) -> None:
        graph = self.graph
        steps, found = kernels.nearest(
            graph.offsets, graph.targets, graph.threads, graph.enabled, self.inside, np.uint32(self.here),
            np.uint64(wanted), blocked, back, self.first, self.via,
        )  # fmt: skip
        assert found, "a fair component has all that fairness asks for"
        for index in steps.tolist():
            target, thread = int(graph.targets[index]), int(graph.threads[index])
            self.walk.append((self.here, target, thread))
            self.taken |= 1 << thread
            self.here = target
            self._look(target)

    def _look(self, state: int) -> None:
        enabled = int(self.graph.enabled[state])
        self.able |= enabled
        self.unable |= ~enabled
