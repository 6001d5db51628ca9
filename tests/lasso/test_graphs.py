"""Random graphs: the search for loops against fixpoints of sets, and each lasso followed step by step."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lastput.lang.scenario import FAIRNESS, Fairness
from lastput.lang.world import Goal, Property
from lastput.lasso.fair import fair_components
from lastput.lasso.graph import Graph
from lastput.lasso.region import region
from lastput.lasso.walk import Lasso, lasso
from tests.lasso.oracle import Toy, nearest, violated

GRAPHS = 2_000

WHEN = Property("progress", "when", bool, ())
THEN = Property("progress", "then", bool, ())


def random_toy(rng: random.Random) -> Toy:
    """A graph of up to a dozen states, all of them reachable, numbered breadth first."""
    count, threads = rng.randint(1, 12), rng.randint(1, 4)
    steps = [
        [(rng.randrange(threads), rng.randrange(count)) for _ in range(rng.choice((0, 1, 1, 2, 2, 3)))]
        for _ in range(count)
    ]
    order = [0]
    for state in order:
        order += dict.fromkeys(t for _, t in steps[state] if t not in order)
    number = {old: new for new, old in enumerate(order)}
    steps = [sorted((who, number[t]) for who, t in steps[old]) for old in order]
    enabled = [{who for who, _ in own} for own in steps]
    for own in enabled:
        if rng.random() < 0.1:  # a step into a bound of the model
            own.add(rng.randrange(threads))
    chance = rng.random()
    when, then = ([rng.random() < share for _ in order] for share in (0.5, chance * 0.5))
    return Toy(threads, steps, enabled, when, then)


def graph_of(toy: Toy) -> Graph:
    degrees = [len(own) for own in toy.steps]
    bits = [when | then << 1 for when, then in zip(toy.when, toy.then, strict=True)]
    flat = [step for own in toy.steps for step in own]
    return Graph(
        np.array([0, *np.cumsum(degrees)], np.int64),
        np.array([target for _, target in flat], np.uint32),
        np.array([who for who, _ in flat], np.uint8),
        np.array([sum(1 << who for who in own) for own in toy.enabled], np.uint64),
        np.array(bits, np.uint64),
        np.zeros(len(toy.steps), np.uint64),
    )


def sought(toy: Toy, goal: Goal) -> Lasso | None:
    """The lasso against `goal`; the choice of each of its steps is the state that it leads to."""
    graph = graph_of(toy)
    part = region(graph, goal, [WHEN, THEN])
    fair = fair_components(graph, part.inside, goal.fairness, toy.threads)
    return lasso(graph, part, fair, goal.fairness, lambda source, target, thread: (thread, target))


def follow(toy: Toy, goal: Goal, found: Lasso) -> None:
    """Every step of the lasso is there, the loop closes and is fair, and the goal stays open."""
    path = [0]
    for thread, target in found.schedule:
        assert (thread, target) in toy.steps[path[-1]]
        path.append(target)
    around, loop = path[found.begins :], {thread for thread, _ in found.schedule[found.begins :]}
    assert around[0] == around[-1]
    if not loop:
        assert not toy.enabled[around[0]]
    for thread in set(range(toy.threads)) - loop:
        can = [thread in toy.enabled[state] for state in around]
        assert not (all(can) if goal.fairness == "weak" else any(can) and goal.fairness == "strong")
    asked = [0] if goal.when is None else [n for n in range(found.begins + 1) if toy.when[path[n]]]
    assert any(not any(toy.then[state] for state in path[n:]) for n in asked)


@pytest.mark.parametrize("fairness", FAIRNESS)
@pytest.mark.parametrize("kind", ["leads-to", "eventually"])
def test_like_fixpoints(fairness: Fairness, kind: str) -> None:
    goal = (
        Goal("leads-to", fairness, when=WHEN, then=THEN)
        if kind == "leads-to"
        else Goal("eventually", fairness, then=THEN)
    )
    rng = random.Random(f"{fairness} {kind}")
    counts = [0, 0]
    for _ in range(GRAPHS):
        toy = random_toy(rng)
        found = sought(toy, goal)
        wrong = violated(toy, fairness, from_start=goal.when is None)
        assert (found is not None) == wrong, toy
        counts[wrong] += 1
        assert (found.begins if found else None) == nearest(toy, fairness, from_start=goal.when is None), toy
        if found:
            follow(toy, goal, found)
    assert min(counts) > GRAPHS // 10, "too few of one kind to tell anything"


def test_each_fairness_is_another_question() -> None:
    """Among the random graphs are those that tell the three apart, in both directions that there are."""
    rng = random.Random("apart")
    told = set()
    for _ in range(GRAPHS):
        toy = random_toy(rng)
        told.add(tuple(violated(toy, fairness, from_start=True) for fairness in FAIRNESS))
    assert told == {(False,) * 3, (True, False, False), (True, True, False), (True,) * 3}


def test_a_ring_of_a_million_states() -> None:
    """No recursion, and linear: one component, and a loop through all of it."""
    count = 1_000_000
    graph = Graph(
        np.arange(count + 1, dtype=np.int64),
        np.roll(np.arange(count, dtype=np.uint32), -1),
        np.zeros(count, np.uint8),
        np.ones(count, np.uint64),
        np.zeros(count, np.uint64),
        np.zeros(count, np.uint64),
    )
    goal = Goal("finishes", "strong", threads=(0,))
    part = region(graph, goal, [])
    fair = fair_components(graph, part.inside, "strong", 1)
    assert (fair == 1).all()
    found = lasso(graph, part, fair, "strong", lambda source, target, thread: (thread, 0))
    assert found is not None
    assert (found.begins, len(found.schedule)) == (0, count)
