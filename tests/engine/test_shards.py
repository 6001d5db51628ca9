"""Any number of shards or cores: the same counts, coverage, events and counterexample as a plain search."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lastput.engine import routing
from lastput.engine import search as searching
from lastput.engine.hands import Hand
from lastput.engine.model import NativeModel
from lastput.engine.native import shape_of
from lastput.engine.search import Limits, Outcome, Progress
from lastput.engine.shard import Shard
from lastput.engine.sweep import Sweep
from lastput.engine.team import Here, move

from .test_limits import ENDLESS, consistent
from .test_search import agree
from .test_store import rows_of
from .together import Together
from .toys import RING, graph, grid, plain, ring

HOW: list[dict[str, int]] = [{"cores": 1}, {"cores": 2}, {"cores": 7}, {"shards": 2}, {"shards": 7}]
SMALL = Limits(max_memory=60 << 20)
"""So little that no shard takes huge pages: to clear them takes longer than these searches."""


def search(model: NativeModel, *, limits: Limits = SMALL, shards: int = 0, **how: Any) -> Outcome:
    """With shards: in so many of them, in this process."""
    cluster = Together(shards) if shards else None
    return searching.search(model, limits=limits, cluster=cluster, **how)


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("words", [1, 2, 5])
def test_complete_graphs(how: dict[str, int], words: int) -> None:
    for seed in range(2):
        model = graph(seed, nodes=3000, words=words)
        agree(search(model, **how, spread=1), plain(model))


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("spread", [1, 50])
@pytest.mark.parametrize("events", [(3, 0), (9, 9), (0, 60)])
def test_violations_are_the_same(how: dict[str, int], spread: int, events: tuple[int, int]) -> None:
    """Spread at the first level, and in the middle."""
    for seed in range(5):
        model = graph(seed, 400, state_events=events[0], step_events=events[1])
        outcome = search(model, **how, spread=spread, batch=7)
        agree(outcome, plain(model))


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("start", [0, 1, 7])
def test_the_state_of_zeros_is_one_as_any_other(how: dict[str, int], start: int) -> None:
    """Memory that was never written looks like it: filters and boxes must not take one for the other."""
    outcome = search(ring(start), **how, spread=1, batch=4)
    assert (outcome.states, outcome.transitions) == (RING, 2 * RING)
    agree(outcome, plain(ring(start)))


@pytest.mark.parametrize("how", HOW, ids=str)
def test_keep_going(how: dict[str, int]) -> None:
    for seed in range(4):
        model = graph(seed, 1000, state_events=3, step_events=3)
        outcome = search(model, keep_going=True, **how, spread=1, batch=16)
        assert outcome.stop == "complete"
        agree(outcome, plain(model, keep_going=True))


@pytest.mark.parametrize("threads", [1, 17, 40])
def test_numbers_of_threads(threads: int) -> None:
    for seed in range(4):
        model = graph(seed, 2000, words=1, threads=threads, choices=4, step_events=1)
        agree(search(model, shards=3, spread=1), plain(model))
        agree(search(model, cores=3, spread=1), plain(model))


@pytest.mark.parametrize("how", HOW, ids=str)
def test_a_million_states(how: dict[str, int]) -> None:
    outcome = search(grid(31), limits=Limits(), keep_going=True, **how, spread=1000)
    assert (outcome.stop, outcome.states, outcome.transitions) == ("complete", 32**4, 4 * 31 * 32**3)
    assert outcome.levels == np.rint(np.poly1d([1] * 32) ** 4).astype(int).tolist()
    assert outcome.violation is not None
    assert outcome.violation.schedule == [(t, 0) for t in range(4) for _ in range(31)]


def test_max_states_is_looked_at_within_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level of 2,925 states begins 10 before the limit; three shards expand 16 states at a time."""
    monkeypatch.setattr(searching, "_ROUND", 16)
    monkeypatch.setattr(searching, "_PROGRESS_SECONDS", 0.0)
    most, stored = 17_560, [0]
    outcome = search(
        grid(ENDLESS),
        limits=replace(SMALL, max_states=most),
        shards=3,
        spread=1,
        batch=4,
        progress=lambda told: stored.append(told.states),
    )
    assert (outcome.stop, outcome.states) == ("max-states", most)
    assert most < max(stored) <= most + 3 * 16 * 4


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("most", [1, 2, 100, 5000])
def test_max_states_is_exact(how: dict[str, int], most: int) -> None:
    """The same states and transitions, whatever the shards."""
    outcome = search(grid(ENDLESS), limits=replace(SMALL, max_states=most), **how, spread=1)
    alone = search(grid(ENDLESS), limits=replace(SMALL, max_states=most))
    assert (outcome.stop, outcome.states) == ("max-states", most)
    assert (outcome.levels, outcome.transitions) == (alone.levels, alone.transitions)
    consistent(outcome)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_as_many_states_as_allowed_is_complete(how: dict[str, int]) -> None:
    for most, stop in ((256, "complete"), (255, "max-states")):
        limits = replace(SMALL, max_states=most)
        assert search(grid(3), keep_going=True, limits=limits, **how, spread=1).stop == stop


@pytest.mark.parametrize("how", HOW, ids=str)
def test_violation_in_the_level_that_hits_the_limit(how: dict[str, int]) -> None:
    both = 0
    for seed in range(16):
        model = graph(seed, 400, step_events=2)
        expected = plain(model)
        if expected.best is None or len(expected.levels) < 3:
            continue
        limits = replace(SMALL, max_states=sum(expected.levels) - 1)
        outcome = search(model, limits=limits, **how, spread=1)
        assert outcome.stop == "violation"
        assert outcome.violation is not None
        assert outcome.violation.schedule == list(expected.best[1])
        both += 1
    assert both > 3


@pytest.mark.parametrize("memory", [10_000_000, 100_000_000])
@pytest.mark.parametrize("how", [{"cores": 2}, {"shards": 2}], ids=str)
def test_max_memory(memory: int, how: dict[str, int]) -> None:
    outcomes = [search(grid(ENDLESS), limits=Limits(max_memory=memory), **how) for _ in range(2)]
    for outcome in outcomes:
        assert outcome.stop == "max-memory"
        assert outcome.states > memory // 100
        assert outcome.peak_bytes <= memory
        consistent(outcome)
    assert outcomes[0].levels == outcomes[1].levels


def test_one_shard_without_room_ends_the_search() -> None:
    def less(how: dict[str, Any]) -> None:
        if how["number"] == 1:
            how["budget"] //= 50

    outcome = searching.search(grid(ENDLESS), limits=SMALL, cluster=Together(3, change=less), spread=1)
    assert outcome.stop == "max-memory"
    assert outcome.states < 200_000, "the others, who had room, were not to go on"
    consistent(outcome)


def test_a_violating_state_in_one_shard_and_a_violating_step_in_another() -> None:
    """States count for all shards, then: steps of the same level are a step longer."""
    for seed in range(100, 160):
        model = graph(seed, 300, state_events=6, step_events=12)
        agree(search(model, shards=3, spread=1), plain(model))


@pytest.mark.parametrize("how", [{"shards": 2}, {"shards": 3}, {"cores": 2}], ids=str)
def test_many_rounds_to_a_level(how: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards that are done with a level wait for those that are not."""
    monkeypatch.setattr(searching, "_ROUND", 10)
    monkeypatch.setattr(searching, "_LONG_ROUND", 10)
    for seed in range(4):
        model = graph(seed, 1500, state_events=0, step_events=2)
        outcome = search(model, keep_going=True, **how, spread=1, batch=4)
        agree(outcome, plain(model, keep_going=True))


def test_timeout() -> None:
    outcome = search(grid(ENDLESS), limits=Limits(timeout=0.4), cores=3, spread=1)
    assert outcome.stop == "timeout"
    assert 0.4 <= outcome.seconds < 2
    consistent(outcome)


def test_progress_comes_in_the_callers_thread() -> None:
    seen: list[tuple[Progress, int]] = []
    limits = Limits(timeout=1.0)
    search(
        grid(ENDLESS),
        progress=lambda p: seen.append((p, threading.get_ident())),
        limits=limits,
        cores=3,
        spread=1,
    )
    assert {ident for _, ident in seen} == {threading.get_ident()}
    assert [p.states for p, _ in seen] == sorted(p.states for p, _ in seen)


def test_interrupt_from_the_progress_callback() -> None:
    def press(_: Progress) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    outcome = search(grid(ENDLESS), progress=press, limits=Limits(timeout=20), cores=3, spread=1)
    assert outcome.stop == "interrupt"
    consistent(outcome)
    assert threading.active_count() == before


def test_an_error_in_one_shard_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    absorb = Shard.absorb

    def fail(self: Shard, parts: list) -> object:
        if self.number == 2 and len(self.levels) > 5:
            raise RuntimeError("one shard")
        return absorb(self, parts)

    monkeypatch.setattr(Shard, "absorb", fail)
    with pytest.raises(RuntimeError, match="one shard"):
        search(grid(ENDLESS), shards=3, spread=1)


def test_cores_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="cores"):
        search(grid(1), cores=0)


# -- what it is made of ------------------------------------------------------------------------


@pytest.mark.parametrize("words", [1, 2, 3, 9])
@pytest.mark.parametrize("owners", [2, 3, 16])
def test_owners_have_equal_parts(words: int, owners: int) -> None:
    """Also among states that share the index's home, whose hash begins with the same bits."""
    n = 40_000
    rows = rows_of(n, words)
    found = np.zeros(n, np.int64)
    routing.owners_of(rows, n, shape_of(words), owners, found)
    counts = np.bincount(found, minlength=owners)
    assert len(counts) == owners
    # Six standard deviations of a binomial distribution.
    assert (abs(counts - n / owners) < 6 * (n / owners) ** 0.5).all()


@pytest.mark.parametrize("words", [1, 2, 4])
def test_the_filter_drops_only_what_was_there(words: int) -> None:
    """With so few places that states drive each other out all the time."""
    rng = np.random.default_rng(words)
    table = rows_of(300, words).reshape(300, words)
    picked = table[rng.integers(0, 300, 20_000)]
    recent = np.tile(table[0], 16)
    kept = []
    for part in np.split(picked, 40):
        rows = part.reshape(-1).copy()
        n = routing.distil(rows, len(part), recent, 4, shape_of(words))
        kept += [tuple(row) for row in rows[: n * words].reshape(n, words).tolist()]
    assert len(kept) < len(picked)
    seen = {tuple(table[0].tolist())}
    left = iter(kept)
    following = next(left, None)
    for row in map(tuple, picked.tolist()):
        if row == following:
            following = next(left, None)
        else:
            assert row in seen
        seen.add(row)
    assert following is None


def test_moving_keeps_levels_apart() -> None:
    model = graph(3, nodes=2000)
    one = Shard(model, budget=1 << 28)
    one.plant(model.initial)
    for _ in range(4):
        one.begin()
        one.expand(1 << 40)
    team = Here([Shard(model, budget=1 << 28, number=i, of=3) for i in range(3)])
    move(Here([one]), team)
    levels = [sum(sizes) for sizes in zip(*(shard.levels for shard in team.shards), strict=True)]
    assert levels == one.levels
    assert sum(shard.store.count for shard in team.shards) == one.store.count
    assert sum(shard.transitions for shard in team.shards) == one.transitions
    team.close()


def test_the_same_result_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that dawdle change nothing."""
    model = graph(5, nodes=30_000)
    expected = search(model, keep_going=True)
    work = Sweep._work

    def dawdle(self: Sweep, hand: Hand) -> None:
        time.sleep(0.002 * (id(hand) >> 4 & 3))
        work(self, hand)

    monkeypatch.setattr(Sweep, "_work", dawdle)
    found = search(model, keep_going=True, cores=3, spread=1, batch=64)
    assert (found.levels, found.transitions) == (expected.levels, expected.transitions)
