"""Searches do not depend on what keeps the states: counts, levels, transitions, schedules are the same."""

from __future__ import annotations

import pytest

from lastput.engine import stores
from lastput.engine.search import Limits, search

from .test_search import agree
from .toys import counters, graph, grid, plain


@pytest.fixture(params=[1, 40, 700])
def compressed_early(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few states are compressed at once, and none later."""
    monkeypatch.setattr(stores, "COMPRESS_FROM", request.param)


@pytest.mark.usefixtures("compressed_early")
@pytest.mark.parametrize("words", [1, 2, 3, 5])
def test_complete_graphs(words: int) -> None:
    for seed in range(3):
        model = graph(seed, nodes=3000, words=words)
        outcome = search(model, store="compressed")
        assert (outcome.stop, outcome.store) == ("complete", "compressed")
        assert len(outcome.tables) == 2
        agree(outcome, plain(model))


@pytest.mark.usefixtures("compressed_early")
@pytest.mark.parametrize("events", [(0, 3), (3, 0), (2, 2), (9, 9)])
def test_the_same_schedules(events: tuple[int, int]) -> None:
    for seed in range(25):
        model = graph(seed, 400, state_events=events[0], step_events=events[1])
        agree(search(model, store="compressed"), plain(model))


def test_a_million_states_are_compressed() -> None:
    outcome, reference = (search(counters(33), store=store) for store in ("compressed", "plain"))
    assert (reference.store, outcome.store) == ("plain", "compressed")
    assert outcome.levels == reference.levels
    assert outcome.transitions == reference.transitions
    assert outcome.peak_bytes < reference.peak_bytes / 2


@pytest.mark.parametrize("memory", [15_000_000, 120_000_000])
def test_memory_that_is_used_up_goes_further_compressed(memory: int) -> None:
    limits = Limits(max_memory=memory)
    outcome, reference = (search(counters(60_000), limits=limits, store=store) for store in ("auto", "plain"))
    assert (outcome.stop, outcome.store) == ("max-memory", "compressed")
    assert outcome.states > 1.3 * reference.states
    assert outcome.levels[: len(reference.levels) - 1] == reference.levels[:-1]
    assert outcome.peak_bytes <= memory


def test_what_does_not_compress_stays_plain() -> None:
    """Half of a state of `grid` is a hash of the other."""
    outcome = search(grid(60_000), limits=Limits(max_memory=30_000_000))
    assert (outcome.stop, outcome.store, outcome.tables) == ("max-memory", "plain", ())
