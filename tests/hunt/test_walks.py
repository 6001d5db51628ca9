"""Walks: the random numbers, that nothing but seed and number decides, and PCT's guarantee, measured."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from lastput.checker import build_world, compiled
from lastput.engine.hunt import walk_kernels as kernels
from lastput.engine.hunt.found import Deadline
from lastput.engine.hunt.walks import How, Walked, distinct, walk
from lastput.engine.model import NativeModel

from ..engine.toys import AXES, BOUND, graph, grid, without_events
from .model import race


def native(depth: int = 1, noise: int = 0) -> NativeModel:
    return compiled(build_world(race, "racy", {"depth": depth, "noise": noise})).native


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers(counter: str, key: str, words: str) -> None:
    """The answers that Random123, the library of Philox's authors, is tested with."""
    given = [np.uint64(int(word, 16)) for word in (counter + " " + key).split()]
    assert [f"{int(word):08x}" for word in kernels.philox(*given)] == words.split()


def everything(walked: Walked) -> tuple[object, ...]:
    return (*astuple(walked)[:11], walked.bounds, walked.coverage.tobytes())


@pytest.mark.parametrize("points", [None, 0, 3])
@pytest.mark.parametrize("step_events", [0, 2])
def test_the_number_of_walkers_changes_nothing(points: int | None, step_events: int) -> None:
    for seed in range(2):
        model = graph(seed, 900, step_events=step_events, state_events=step_events // 2)
        how = How(seed=seed, limit=60, points=points, span=40)
        results = [walk(model, how, 700, Deadline(), batch=batch) for batch in (1, 13, 1024)]
        for result in results:
            result.seconds = 0.0
        assert everything(results[0]) == everything(results[1]) == everything(results[2])
        assert results[0].stop == ("violation" if step_events else "walks")


def test_seeds_differ() -> None:
    model = graph(1, 900)
    met = {walk(model, How(seed=seed, limit=20), 1, Deadline()).coverage.tobytes() for seed in range(6)}
    assert len(met) > 3


def test_walks_end_where_all_is_done_or_at_their_limit() -> None:
    model = without_events(grid(5))
    done = walk(model, How(seed=1, limit=100), 300, Deadline())
    assert (done.walks, done.steps, done.longest, done.cut) == (300, 300 * 5 * AXES, 5 * AXES, 0)
    exact = walk(model, How(seed=1, limit=5 * AXES), 300, Deadline())
    assert (exact.steps, exact.cut) == (done.steps, 0)
    cut = walk(model, How(seed=1, limit=7), 300, Deadline())
    assert (cut.steps, cut.longest, cut.cut) == (300 * 7, 7, 300)


def test_the_first_walk_that_finds_something_is_the_find() -> None:
    model = native(depth=2, noise=5)
    how = How(seed=3, limit=100)
    found = walk(model, how, 5000, Deadline())
    assert found.walk is not None
    assert found.walks == found.walk + 1
    assert walk(model, how, found.walk, Deadline()).found is None
    alone = walk(model, how, 1, Deadline(), first=found.walk)
    assert (alone.walk, alone.found) == (found.walk, found.found)


def test_threads_are_drawn_evenly_and_then_their_choices() -> None:
    """Of 30,000 draws each share is within 5 standard deviations, which fails for one seed in 300,000."""
    n = 30_000
    labels = np.array([i << 32 | t << 16 | c for i in range(n) for t, c in ((0, 0), (2, 0), (2, 1), (2, 2))])
    chosen = np.zeros(n, np.int64)
    numbers, lengths = np.arange(n), np.zeros(n, np.int64)
    kernels.pick_random(labels.astype(np.uint64), 4 * n, n, np.uint64(5), numbers, lengths, chosen)
    counts = np.bincount(chosen % 4, minlength=4)
    for count, share in zip(counts, (1 / 2, 1 / 6, 1 / 6, 1 / 6), strict=True):
        assert abs(count - n * share) < 5 * (n * share * (1 - share)) ** 0.5


def rate(model: NativeModel, how: How, walks: int) -> float:
    """The share of the walks that find something."""
    first = finds = 0
    while first < walks:
        found = walk(model, how, walks - first, Deadline(), first=first, batch=256)
        if found.walk is None:
            break
        finds += 1
        first = found.walk + 1
    return finds / walks


@pytest.mark.parametrize(("depth", "k", "walks"), [(1, 4, 2_000), (2, 5, 8_000), (3, 7, 30_000)])
@pytest.mark.parametrize("wider", [1, 2])
def test_pct_finds_bugs_of_known_depth_as_often_as_it_promises(
    depth: int, k: int, walks: int, wider: int
) -> None:
    """Each race is lost in one way only: one order of the priorities, one place for each change point.

    So the share is 1 / (n k^(d-1)) not only at least but exactly. It is within 5 standard deviations, which
    fails for one seed in 1.7 million.
    """
    span = k * wider
    promised = 1 / (2 * span ** (depth - 1))
    found = rate(native(depth), How(seed=11, limit=50, points=depth - 1, span=span), walks)
    assert abs(found - promised) < 5 * (promised * (1 - promised) / walks) ** 0.5


@pytest.mark.parametrize(("depth", "k"), [(1, 4), (2, 5), (3, 7)])
def test_no_walk_of_the_races_is_longer_than_their_k(depth: int, k: int) -> None:
    model = without_events_of(native(depth))
    assert walk(model, How(seed=2, limit=50), 3000, Deadline()).longest <= k


def without_events_of(model: NativeModel) -> NativeModel:
    return replace(model, bounds=frozenset(range(256)))


@pytest.mark.parametrize("depth", [2, 3])
def test_pct_of_too_small_a_depth_finds_nothing(depth: int) -> None:
    """A bug of depth d needs d - 1 change points."""
    how = How(seed=4, limit=50, points=depth - 2, span=5)
    assert walk(native(depth), how, 5000, Deadline()).found is None


@pytest.mark.parametrize("n", [0, 1, 50, 3_000, 100_000, 3_000_000])
def test_estimate_of_distinct_states(n: int) -> None:
    """Within 7 %: more than four standard errors."""
    registers = np.zeros(kernels.REGISTERS, np.uint8)
    states = np.arange(n, dtype=np.uint64)
    for _ in range(2):  # a second time changes nothing
        kernels.note(states, n, 1, registers)
    assert abs(distinct(registers) - n) <= 0.07 * n


def test_limits_of_the_model_are_counted_and_walked_around() -> None:
    model = without_events(graph(1, 900, step_events=20))
    walked = walk(model, How(seed=1, limit=50), 200, Deadline())
    assert walked.stop == "walks"
    assert walked.bounds[BOUND] > 0


def test_time_ends_walks() -> None:
    walked = walk(graph(1, 900), How(seed=1, limit=10**6), 10**6, Deadline(timeout=0.2))
    assert walked.stop == "timeout"
