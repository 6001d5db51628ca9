"""The deepening search against plain breadth-first search."""

from __future__ import annotations

import pytest

from lastput.engine.hunt import deepening
from lastput.engine.hunt.deepening import deepen
from lastput.engine.hunt.found import Deadline
from lastput.engine.search import search

from ..engine.toys import graph, plain, without_events
from .reference import Graph, Node, of_toy


def nearest(graph: Graph) -> int | None:
    """The fewest steps to a state that is wrong, or to one that a violating step begins in."""
    level: set[Node] = {graph.initial}
    seen, depth = set(level), 0
    while level:
        if any(state in graph.wrong or graph.broken[state] for state in level):
            return depth
        level = {to for state in level for _, to in graph.steps[state]} - seen
        seen |= level
        depth += 1
    return None


@pytest.mark.parametrize(("small", "batch"), [(False, 256), (True, 256), (False, 1), (True, 3)])
def test_finds_what_is_within_its_depth(small: bool, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table of a few places, too, where nearly every state replaces another.

    With a batch of one it goes depth first indeed, and meets states sooner by a detour."""
    monkeypatch.setattr(deepening, "BATCH", batch)
    if small:
        monkeypatch.setattr(deepening, "LEAST_SLOTS", 16)
    met = set()
    for seed in range(30):
        model = graph(seed, 300, threads=3, choices=1, step_events=seed % 3, state_events=1)
        wanted = nearest(of_toy(model))
        just = {wanted, max(1, wanted - 1)} if wanted is not None else set()
        for depth in {2, 5, 7, 10} | just - {0}:
            result = deepen(model, depth, Deadline(), max_memory=1 if small else 1 << 24)
            near = wanted is not None and wanted <= depth
            met.add((near, depth))
            assert (result.found is not None) == near
            assert result.stop in ("violation",) if near else ("depth", "complete")
            if not near:
                assert result.within == depth or result.stop == "complete"
                assert result.stop == "depth" or wanted is None
    assert {(near, depth) for near in (False, True) for depth in (5, 7, 10)} <= met


def test_complete_says_that_everything_was_run() -> None:
    for seed in range(3):
        model = without_events(graph(seed, 200, state_events=8, step_events=8))
        full, result = search(model), deepen(model, None, Deadline(), max_memory=1 << 24)
        assert result.stop == "complete"
        assert result.coverage.tobytes() == full.coverage.tobytes()
        assert result.bounds.keys() == full.bounds.keys()
        assert result.within is not None
        assert result.within >= full.depth


def test_what_is_found_is_a_schedule() -> None:
    from lastput.engine.expander import Expander
    from lastput.engine.hunt.shorten import follow

    for seed in range(10):
        model = graph(seed, 400, step_events=2, state_events=1)
        found = deepen(model, None, Deadline(), max_memory=1 << 24).found
        assert (found is None) == (plain(model).best is None)
        if found is not None:
            assert follow(model, Expander(model, 1), found.schedule, found.code) is not None


def test_limits() -> None:
    model = graph(1, 3000)
    assert deepen(model, None, Deadline(), max_states=100).stop == "max-states"
    assert deepen(model, None, Deadline(timeout=0)).stop == "timeout"
