"""States on disk: the same levels as a plain search, however little memory there is; nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lastput.engine.disk import LEAST, DiskError, DiskStore, RowFile, distinct, in_order

WORDS = [1, 2, 3, 5]


def random_rows(rng: np.random.Generator, n: int, words: int, values: int = 5) -> np.ndarray:
    """Rows with many doubles, and with first words that mostly do not tell them apart."""
    return rng.integers(0, values, (n, words)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def as_set(rows: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, rows.tolist()))


def stored(store: DiskStore, first: int, n: int) -> list[tuple[int, ...]]:
    rows, at = store.rows(first, n)
    return list(map(tuple, rows[at * store.words :].reshape(n, store.words).tolist()))


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("budget", [LEAST, 1 << 24])
def test_levels_are_what_sets_say(words: int, budget: int, tmp_path: Path) -> None:
    """Levels of random rows against Python's sets. With the least memory, some levels take several runs."""
    rng = np.random.default_rng(words)
    store = DiskStore(words, budget, tmp_path)
    known: set[tuple[int, ...]] = set()
    for size in (1, 50, 3000, 60_000, 20):
        rows = random_rows(rng, size, words, 5 if size < 100_000 else 1 << 40)
        for part in np.array_split(rows, 7):
            assert store.add(part.reshape(-1), len(part))
        first = store.count
        assert store.append_level()
        new = as_set(rows) - known
        assert stored(store, first, store.count - first) == sorted(new)
        known |= new
    assert store.count == len(known)
    assert store.on_disk == len(known) * words * 8


def test_much_more_than_memory_is_merged_in_parts(tmp_path: Path) -> None:
    store = DiskStore(2, LEAST, tmp_path)
    rng = np.random.default_rng(7)
    rows = random_rows(rng, 100_000, 2, 250)  # 62,500 pairs, most of them more than once
    store.add(rows.reshape(-1), len(rows))
    assert len(list(tmp_path.glob("*/run-*"))) > 1
    store.append_level()
    assert stored(store, 0, store.count) == sorted(as_set(rows))
    assert not list(tmp_path.glob("*/run-*"))


@pytest.mark.parametrize("words", WORDS)
def test_find(words: int, tmp_path: Path) -> None:
    store = DiskStore(words, LEAST, tmp_path)
    rng = np.random.default_rng(3)
    for _ in range(4):
        rows = random_rows(rng, 2000, words, 100)
        store.add(rows.reshape(-1), len(rows))
        store.append_level()
    everything = stored(store, 0, store.count)
    wanted = random_rows(rng, 500, words, 120)
    found = np.zeros(500, np.int64)
    store.find(wanted.reshape(-1), 500, found, 0, store.count)
    for row, place in zip(map(tuple, wanted.tolist()), found.tolist(), strict=True):
        assert (everything[place] == row) if place >= 0 else (row not in set(everything))
    store.find(wanted.reshape(-1), 500, found, store.count, store.count)
    assert (found == -1).all()


def test_no_more_than_max_states(tmp_path: Path) -> None:
    store = DiskStore(1, LEAST, tmp_path, max_states=10)
    store.add(np.arange(8, dtype=np.uint64), 8)
    assert store.append_level()
    store.add(np.arange(5, 15, dtype=np.uint64), 10)
    assert not store.append_level()
    assert (store.count, store.stop) == (10, "max-states")


def test_exactly_max_states_is_not_too_many(tmp_path: Path) -> None:
    store = DiskStore(1, LEAST, tmp_path, max_states=10)
    store.add(np.arange(10, dtype=np.uint64), 10)
    assert store.append_level()
    store.add(np.arange(10, dtype=np.uint64), 10)
    assert store.append_level()


def test_the_folder_goes_with_the_store(tmp_path: Path) -> None:
    store = DiskStore(1, LEAST, tmp_path)
    store.add(np.arange(10, dtype=np.uint64), 10)
    store.append_level()
    assert list(tmp_path.iterdir())
    del store
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_cut_is_an_error(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows", 2)
    file.append(np.zeros((100, 2), np.uint64))
    with (tmp_path / "rows").open("r+b") as cut:
        cut.truncate(800)
    with pytest.raises(DiskError, match="shorter"):
        file.read(40, 20)


def test_order_and_doubles() -> None:
    rows = np.array([[2, 1], [1, 2], [1, 1], [2, 1], [1, 2]], np.uint64)
    assert distinct(in_order(rows)).tolist() == [[1, 1], [1, 2], [2, 1]]
