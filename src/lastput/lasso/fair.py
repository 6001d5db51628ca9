"""Where a fair run can stay for ever, inside a part of the graph.

A run without end is, from some point on, inside one strongly connected component, and can visit all of it
again and again. So it need be unfair to nobody there if (weak) each thread takes a step within the component
or cannot step in one of its states; or (strong) each thread that can step in one of its states takes a step
within it.

For strong fairness a component that fails may have a smaller one that does not: states in which somebody
could step who never does within the component are left out, and what remains is taken apart again. This is
emptiness of Streett automata; E. A. Emerson and C.-L. Lei, "Modalities for Model Checking: Branching Time
Logic Strikes Back", Science of Computer Programming 8(3), 1987; T. Latvala and K. Heljanko, "Coping with
Strong Fairness", Fundamenta Informaticae 43, 2000. Departure: all components are found, not the first, since
the nearest is wanted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lastput.lang.scenario import Fairness
from lastput.lasso import kernels
from lastput.lasso.graph import Graph
from lastput.lasso.region import Mask

Components = npt.NDArray[np.uint32]


def fair_components(graph: Graph, inside: Mask, fairness: Fairness, threads: int) -> Components:
    """The number of the fair component that each state is in, from 1; 0 for states in none.

    `threads` is how many threads there are. Only states `inside` count, and steps between them.
    """
    everybody = np.uint64((1 << threads) - 1)
    left, fair = inside.copy(), np.zeros(graph.count, np.uint32)
    made = 0
    while left.any():
        found = np.zeros(graph.count, np.uint32)
        number = kernels.components(graph.offsets, graph.targets, left, found)
        taken, able, unable = (np.zeros(number + 1, np.uint64) for _ in range(3))
        kernels.summarise(
            graph.offsets, graph.targets, graph.threads, graph.enabled, found, taken, able, unable
        )
        wronged = _wronged(fairness, everybody, taken, able, unable)
        good = (taken != 0) & (wronged == 0)
        names = np.zeros(number + 1, np.uint32)
        names[good] = np.arange(made + 1, made + 1 + int(good.sum()), dtype=np.uint32)
        made += int(good.sum())
        fair = np.maximum(fair, names[found])
        if fairness != "strong":
            break
        again = (taken != 0) & ~good
        left = again[found] & (graph.enabled & wronged[found] == 0)
    return fair


def _wronged(
    fairness: Fairness,
    everybody: np.uint64,
    taken: npt.NDArray[np.uint64],
    able: npt.NDArray[np.uint64],
    unable: npt.NDArray[np.uint64],
) -> npt.NDArray[np.uint64]:
    """Of each component, the threads to which a run that visits all of it is unfair."""
    if fairness == "weak":
        return ~taken & ~unable & everybody
    if fairness == "strong":
        return able & ~taken & everybody
    return np.zeros_like(taken)
