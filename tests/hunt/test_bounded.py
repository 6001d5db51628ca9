"""The bounded searches against plain references, over toys and over brute force's graph of real scenarios."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lastput.checker import build_world, compiled
from lastput.engine.expander import Expander
from lastput.engine.hunt.bounded import Counted, _Bounded, bounded
from lastput.engine.hunt.found import Deadline, Schedule
from lastput.engine.hunt.shorten import shorten, switches
from lastput.engine.hunt.walks import How, walk
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.search import search
from lastput.lang.scenario import Scenario

from ..engine.toys import _expand, graph, without_events
from .model import gated, race
from .reference import costs, first_violation, of_toy, of_world

COUNTED: tuple[Counted, ...] = ("preemptions", "switches")


def rows(model: NativeModel, counted: Counted, most: int | None) -> set[tuple[tuple[int, ...], int | None]]:
    """What the search has stored, as pairs of state and thread."""
    search = _Bounded(model, counted, Deadline(), None, None, None)
    search.run(most, count_states=False)
    width, store = model.words + 1, search.store
    table = store.states[: store.count * width].reshape(store.count, width).tolist()
    return {(tuple(row[:-1]), row[-1] - 1 if row[-1] else None) for row in table}


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("words", [1, 2, 4])
def test_the_rows_within_a_bound_are_those_of_the_reference(counted: Counted, words: int) -> None:
    for seed in range(6):
        model = graph(seed, 250, words=words, threads=4, choices=1)
        wanted = costs(of_toy(model), switches=counted == "switches")
        for bound in (0, 1, 2, 3):
            expected = {row for row, (spent, _) in wanted.items() if spent <= bound}
            assert rows(model, counted, bound) == expected
        assert rows(model, counted, None) == set(wanted)


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("events", [(0, 3), (3, 0), (2, 2), (0, 20)])
def test_violations_have_the_fewest_and_then_the_shortest(counted: Counted, events: tuple[int, int]) -> None:
    met = Counter[int]()
    for seed in range(25):
        model = graph(seed, 300, threads=4, choices=1, state_events=events[0], step_events=events[1])
        expected = first_violation(of_toy(model), switches=counted == "switches")
        result = bounded(model, counted, None, Deadline())
        assert (result.stop == "violation") == (expected is not None)
        if expected is None:
            assert result.stop == "complete"
            continue
        assert result.found is not None
        assert spent(model, result.found.schedule, counted) == expected[0]
        assert len(result.found.schedule) == expected[1]
        assert result.within == (expected[0] - 1 if expected[0] else None)
        met[expected[0]] += 1
    assert sum(met.values()) > 5


def spent(model: NativeModel, schedule: Schedule, counted: Counted) -> int:
    """Preemptions or switches of a schedule, which is followed in the toy; it must be possible."""
    state: Any = tuple(model.initial.tolist())
    last, found = None, 0
    for step in schedule:
        successors, events = _expand(model, state, Expander(model, 1).coverage)
        able = {thread for thread, _, _ in (*successors, *events)} - {STATE_EVENT}
        found += last not in (None, step[0]) and (counted == "switches" or last in able)
        after = [to for thread, choice, to in successors if (thread, choice) == step]
        assert after or step in [event[:2] for event in events]
        state, last = (after or [None])[0], step[0]
    return found


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize(
    ("scenario", "settings"),
    [(gated, {}), (race, {"safe": True, "depth": 3, "noise": 3}), (race, {"safe": True, "depth": 2})],
)
def test_real_scenarios_agree_with_plain_cpython(
    counted: Counted, scenario: Scenario, settings: dict[str, int]
) -> None:
    """A thread that waits is not able to go on: what the reference asks of CPython's run itself."""
    world = build_world(scenario, None, settings)
    wanted = costs(of_world(world), switches=counted == "switches")
    model = compiled(build_world(scenario, None, settings)).native
    most = max(spent for spent, _ in wanted.values())
    for bound in range(most + 1):
        within = [row for row, (spent, _) in wanted.items() if spent <= bound]
        result = bounded(model, counted, bound, Deadline())
        assert (result.rows, result.states) == (len(within), len({state for state, _ in within}))
        assert result.stop == ("bound" if bound < most else "complete")
        assert result.within == bound


@pytest.mark.parametrize("counted", COUNTED)
def test_without_a_bound_it_is_the_full_search(counted: Counted) -> None:
    for seed in range(3):
        model = graph(seed, 3000)
        full, result = search(model), bounded(model, counted, None, Deadline())
        assert (result.stop, result.states) == ("complete", full.states)
        assert result.coverage.tobytes() == full.coverage.tobytes()
    model = without_events(graph(1, 1000, state_events=8, step_events=8))
    assert bounded(model, counted, None, Deadline()).bounds.keys() == search(model).bounds.keys()


def test_limits() -> None:
    model = graph(1, 3000)
    few = bounded(model, "preemptions", None, Deadline(), max_states=100)
    assert (few.stop, few.rows) == ("max-states", 100)
    assert bounded(model, "preemptions", None, Deadline(), max_memory=1).stop == "max-memory"
    assert bounded(model, "preemptions", None, Deadline(timeout=0)).stop == "timeout"


def test_shortening_keeps_the_violation_and_never_makes_it_worse() -> None:
    better = 0
    for seed in range(60):
        model = graph(seed, 500, step_events=1 + seed % 3, state_events=seed % 5)
        found = walk(model, How(seed=seed, limit=300), 50, Deadline()).found
        if found is None:
            continue
        short = shorten(model, found, Deadline())
        assert short.code == found.code
        assert breaks(model, short.schedule) == {found.code}
        ranks = [(switches(s), len(s)) for s in (short.schedule, found.schedule)]
        assert ranks[0] <= ranks[1]
        better += ranks[0] < ranks[1]
    assert better > 15


def breaks(model: NativeModel, schedule: Schedule) -> set[int]:
    """The codes of the rules that a schedule breaks, be it on the way or at its end."""
    state, codes = tuple(model.initial.tolist()), set()
    for step in [*schedule, None]:
        successors, events = _expand(model, state, Expander(model, 1).coverage)
        codes |= {c for t, choice, c in events if t == STATE_EVENT or (t, choice) == step} - model.bounds
        after = [to for thread, choice, to in successors if (thread, choice) == step]
        if not after:
            return codes
        (state,) = after
    return codes
