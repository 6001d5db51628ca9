"""The array of states and its hash index: exact under collisions, at every size, through growth."""

from __future__ import annotations

import numpy as np
import pytest

from lastput.engine import memory
from lastput.engine.kernels import _hash
from lastput.engine.store import Store

ALL = (1 << 64) - 1
BUDGET = 1 << 30


def rows_of(n: int, words: int, seed: int = 0) -> np.ndarray:
    """n different rows: small numbers in shuffled order, one word at a time differing."""
    numbers = np.random.default_rng(seed).permutation(n).astype(np.uint64)
    rows = np.zeros((n, words), np.uint64)
    for word in range(words):
        rows[:, word] = numbers >> np.uint64(3 * word) & np.uint64(7)
    rows[:, -1] = numbers >> np.uint64(3 * (words - 1))
    return rows.reshape(-1)


def check(store: Store, rows: np.ndarray) -> None:
    """Everything in `rows` is stored once, in order, is found, and is not stored again."""
    n = len(rows) // store.words
    assert store.count == n
    assert (store.states[: len(rows)] == rows).all()
    found = np.empty(n, np.int64)
    store.find(rows, n, found)
    assert (found == np.arange(n)).all()
    assert store.add(rows[::-1].reshape(n, -1)[:, ::-1].reshape(-1).copy(), n)
    assert store.count == n


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("keep", [ALL, 0, 1, 0xF << 60, 0xFFFF, ALL << 48 & ALL], ids=hex)
def test_colliding_hashes(words: int, keep: int) -> None:
    """Same place, same tag, or both: only the states tell states apart."""
    rows = rows_of(700, words)
    store = Store(words, BUDGET, keep=keep)
    assert store.add(rows, 700)
    check(store, rows)


@pytest.mark.parametrize("words", [1, 2, 4])
def test_growth_from_one_line_of_slots(words: int) -> None:
    rows = rows_of(100_000, words)
    store = Store(words, BUDGET, bits=4)
    for first in range(0, len(rows), 999 * words):
        part = rows[first : first + 999 * words]
        assert store.add(part, len(part) // words)
    assert store.bits == 18
    check(store, rows)


@pytest.mark.parametrize("keep", [ALL >> 32, ALL << 32 & ALL], ids=hex)
def test_growth_with_colliding_hashes(keep: int) -> None:
    rows = rows_of(3000, 2)
    store = Store(2, BUDGET, bits=5, keep=keep)
    assert store.add(rows, 3000)
    check(store, rows)


def test_the_walk_goes_on_at_the_first_line() -> None:
    """States that all belong to the last of four lines of slots."""
    candidates = np.arange(400, dtype=np.uint64)
    last_line = [int(_hash(candidates, np.uint64(i), (0,), np.uint64(ALL))) >> 62 == 3 for i in range(400)]
    rows = candidates[last_line][:40]
    store = Store(1, BUDGET, bits=6)
    assert store.add(rows, 40)
    assert store.index.reshape(-1)[:16].all()
    check(store, rows)


def test_no_duplicates_in_millions() -> None:
    """Would lose states if equal tags were taken for equal states: 32 bits of hash decide there."""
    n = 2_000_000
    rows = rows_of(n, 1)
    store = Store(1, BUDGET)
    assert store.add(rows, n)
    check(store, rows)


def test_absent_states_are_not_found() -> None:
    rows = rows_of(2000, 2)
    for keep in (ALL, 0):
        store = Store(2, BUDGET, keep=keep)
        store.add(rows, 1000)
        found = np.empty(2000, np.int64)
        store.find(rows, 2000, found)
        assert (found[:1000] == np.arange(1000)).all()
        assert (found[1000:] == -1).all()


def test_duplicates_within_a_block() -> None:
    rows = np.tile(rows_of(5, 2), 100)
    store = Store(2, BUDGET)
    assert store.add(rows, 500)
    assert store.count == 5


@pytest.mark.parametrize("most", [1, 2, 999, 1000, 1001])
def test_max_states_counts_new_states_only(most: int) -> None:
    rows = np.tile(rows_of(1000, 2), 2)
    store = Store(2, BUDGET, max_states=most)
    assert store.add(rows, 2000) == (most >= 1000)
    assert store.count == min(most, 1000)


@pytest.mark.parametrize("budget", [100_000, 1_000_000, 5_000_000])
def test_budget_is_kept(budget: int) -> None:
    store = Store(2, budget, spare=4)
    assert not store.add(rows_of(400_000, 2), 400_000)
    assert store.stop == "max-memory"
    assert store.bytes + 4 * store.count <= budget
    assert store.count > budget // 100


def test_refused_growth_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(20_000, 2)
    true_reserve = memory.reserve

    def refuse(size: int, kind: type, *rest: bool) -> np.ndarray:
        if kind is np.uint32 and size > 4 << 14:
            raise OSError("no memory")
        return true_reserve(size, kind, *rest)

    monkeypatch.setattr("lastput.engine.store.reserve", refuse)
    monkeypatch.setattr("lastput.engine.memory.reserve", refuse)
    store = Store(2, BUDGET)
    store.add(rows, 5000)
    assert not store.add(rows, 20_000)
    assert store.stop == "max-memory"
    check(store, rows[: 2 * store.count])
