"""Threads that expand and store at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from lastput.engine import kernels, sweep
from lastput.engine.kernels import BLOCK
from lastput.engine.outcome import Limits
from lastput.engine.search import search
from lastput.engine.store import Store
from lastput.engine.sweep import Sweep

from .test_search import agree
from .test_store import rows_of
from .toys import graph, grid, plain

SMALL = Limits(max_memory=60 << 20)
THREADS = 4


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("keep", [(1 << 64) - 1, ~0xFFFF & (1 << 64) - 1, 0x3F << 50 | 0xFF])
def test_threads_that_find_the_same_states(words: int, keep: int) -> None:
    """Each state is there once, whoever stored it; also where all hashes collide, or all tags."""
    n = 3000 if keep < 1 << 56 else 80_000
    rows = rows_of(n, words)
    store = Store(words, 1 << 26, keep=keep, bits=19)
    room = n + BLOCK
    start = Barrier(THREADS)

    def insert(thread: int) -> tuple[int, int]:
        """All rows, at the same time as the other threads."""
        first, mine = thread * room, rows.copy()
        start.wait()
        done, count = kernels.insert(
            mine, 0, n, store.states, first, first + room, store.index, store.bits, store.keep, store.shape,
            np.zeros(BLOCK, np.uint64), np.zeros(BLOCK, np.uint64), None, True,
        )  # fmt: skip
        assert done == n
        return first, count

    with ThreadPoolExecutor(THREADS) as pool:
        ranges = list(pool.map(insert, range(THREADS)))
    table = store.states[: THREADS * room * words].reshape(-1, words)
    stored = [tuple(row) for first, count in ranges for row in table[first:count].tolist()]
    assert len(stored) == n
    assert set(stored) == set(map(tuple, rows.reshape(n, words).tolist()))
    found = np.zeros(n, np.int64)
    store.find(rows, n, found)
    assert (table[found] == rows.reshape(n, words)).all()


@pytest.mark.parametrize("chunk", [1, 7, 5000])
def test_places_that_were_not_used(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps of all sizes are closed, at the end of each level and while it grows."""
    monkeypatch.setattr(sweep, "_MOST_CHUNK", chunk)
    for seed in range(2):
        model = graph(seed, nodes=40_000, step_events=1)
        alone = search(model, limits=SMALL, keep_going=True)
        for cores in (2, 5):
            outcome = search(model, limits=SMALL, keep_going=True, cores=cores, spread=1, batch=64)
            assert (outcome.levels, outcome.transitions) == (alone.levels, alone.transitions)
            assert (outcome.codes, outcome.bounds) == (alone.codes, alone.bounds)
            assert outcome.violation == alone.violation


@pytest.mark.parametrize("cores", [1, 3])
def test_counts_where_the_index_grows(cores: int) -> None:
    """Batches for whose successors there are no places are finished, their events counted."""
    model = graph(2, nodes=40_000, words=1, step_events=60, state_events=40)
    expected = plain(model, keep_going=True)
    assert sum(expected.levels) > 30_000
    outcome = search(model, limits=SMALL, keep_going=True, cores=cores, spread=1, batch=512)
    agree(outcome, expected)


def test_a_sweep_ends_where_it_was_stopped() -> None:
    """Of a level, exactly the states before `next` were expanded."""
    model = grid(12)
    for calls in range(4, 16, 2):
        left = calls
        store = Store(model.words, 1 << 24)
        hands = sweep.Hands(model, 3, 16, 1 << 26)
        store.add(model.initial, 1)
        first, made = 0, 0
        while first < store.count:

            def halt() -> bool:
                nonlocal left
                left -= 1
                return left == 0

            one = Sweep(model, store, store.limit, first, store.count, halt=halt, note=lambda codes: None)
            left = calls
            one.run(hands, 3)
            for rows, n in one.rest:
                store.add(rows, n)
            first, made = one.next, made + one.transitions
        hands.close()
        assert (store.count, made) == (13**4, 4 * 12 * 13**3)
