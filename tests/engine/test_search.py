"""The search against a plain breadth-first search over random graphs."""

from __future__ import annotations

import numpy as np
import pytest

from lastput.engine.search import Limits, Outcome, search

from .toys import BOUND, STATE_CODE, STEP_CODE, Plain, graph, grid, plain, without_events


def agree(outcome: Outcome, expected: Plain) -> None:
    assert outcome.levels == expected.levels
    assert outcome.states == sum(expected.levels)
    assert outcome.depth == len(expected.levels) - 1
    assert outcome.transitions == expected.transitions
    assert {**outcome.codes, **outcome.bounds} == expected.codes
    assert outcome.events == sum(n for code, n in expected.codes.items() if code != BOUND)
    assert outcome.coverage.tobytes() == expected.coverage
    if expected.best is None:
        assert outcome.violation is None
        return
    switches, schedule, code, thread, choice = expected.best
    violation = outcome.violation
    assert violation is not None
    assert violation.schedule == list(schedule)
    assert (violation.switches, violation.depth) == (switches, len(schedule))
    assert (violation.code, violation.thread, violation.choice) == (code, thread, choice)


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_complete_graphs(words: int, seed: int) -> None:
    model = graph(seed, nodes=3000, words=words)
    outcome = search(model)
    assert outcome.stop == "complete"
    assert outcome.states > 1000
    agree(outcome, plain(model))


@pytest.mark.parametrize("batch", [1, 7, 4096])
@pytest.mark.parametrize("events", [(0, 3), (3, 0), (2, 2), (0, 60), (9, 9)])
def test_violations_are_shortest_with_fewest_switches(events: tuple[int, int], batch: int) -> None:
    for seed in range(25):
        model = graph(seed, 400, state_events=events[0], step_events=events[1])
        expected = plain(model)
        outcome = search(model, batch=batch)
        assert outcome.stop == ("violation" if expected.best else "complete")
        agree(outcome, expected)


@pytest.mark.parametrize("threads", [1, 2, 7, 17, 40])
def test_numbers_of_threads(threads: int) -> None:
    for seed in range(8):
        model = graph(seed, 2000, words=1, threads=threads, choices=4, step_events=1)
        agree(search(model), plain(model))


@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_keep_going_explores_everything(batch: int) -> None:
    for seed in range(5):
        model = graph(seed, 1000, state_events=3, step_events=3)
        outcome = search(model, keep_going=True, batch=batch)
        assert outcome.stop == "complete"
        agree(outcome, plain(model, keep_going=True))


def test_bounds_are_not_violations() -> None:
    model = without_events(graph(1, 1000, state_events=8, step_events=8))
    outcome = search(model)
    assert (outcome.stop, outcome.events, outcome.codes) == ("complete", 0, {})
    assert set(outcome.bounds) == {BOUND, STEP_CODE, STATE_CODE}


def test_unseen_witnesses() -> None:
    assert search(graph(0, 1)).unseen == {63}
    assert search(graph(0, 3000)).unseen == frozenset()


def test_deadlock_is_a_state_event() -> None:
    outcome = search(grid(4))
    assert (outcome.stop, outcome.states, outcome.codes) == ("violation", 625, {STATE_CODE: 1})
    assert outcome.violation is not None
    assert outcome.violation.thread is None
    assert outcome.violation.schedule == [(t, 0) for t in range(4) for _ in range(4)]
    assert outcome.violation.switches == 3


def test_growth_to_a_million_states() -> None:
    outcome = search(grid(31), keep_going=True)
    assert outcome.states == 32**4
    assert outcome.transitions == 4 * 31 * 32**3
    assert outcome.levels == np.rint(np.poly1d([1] * 32) ** 4).astype(int).tolist()
    assert outcome.peak_bytes < 40 * outcome.states


def test_batch_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch"):
        search(grid(1), limits=Limits(), batch=0)
