"""The compressed store: exact whatever is compressed when, within its budget, and small."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lastput.engine import compressed, splitting
from lastput.engine.compressed import CHUNK, Compressed, compress, packing
from lastput.engine.store import Store
from lastput.engine.stores import Adaptive

from .test_store import ALL, BUDGET, rows_of


def mixed_rows(n: int, words: int, seed: int = 0, most: int = 1 << 20) -> np.ndarray:
    """n different rows, each made of two numbers below `most` whose bits are spread over all words."""
    rng = np.random.default_rng(seed)
    codes = np.unique(rng.integers(min(most, n) ** 2, size=2 * n + 10))
    rng.shuffle(codes)
    assert len(codes) >= n
    rows = np.zeros((n, words), np.uint64)
    for word in range(words):
        keep = np.uint64(0xF if word < words - 1 else 0xFFFFFF)
        for shift, numbers in ((0, codes[:n] % min(most, n)), (24, codes[:n] // min(most, n))):
            rows[:, word] |= (numbers.astype(np.uint64) >> np.uint64(4 * word) & keep) << np.uint64(shift)
    return rows.reshape(-1)


def filled(rows: np.ndarray, words: int, at: int, budget: int = BUDGET, **more: int) -> Compressed:
    """A store that is compressed at `at` states, with all of `rows`."""
    plain = Store(words, budget, **more)
    assert plain.add(rows, at)
    store = compress(plain)
    assert store is not None
    n = len(rows) // words
    for first in range(at, n, 999):
        m = min(999, n - first)
        assert store.add(rows[first * words :], m)
    return store


def check(store: Compressed | Adaptive | Store, rows: np.ndarray, n: int | None = None) -> None:
    """The first n rows are stored once, in order, are found, and are not stored again."""
    words = store.words
    n = len(rows) // words if n is None else n
    assert store.count == n
    for first in range(0, n, 1000):
        m = min(1000, n - first)
        states, start = store.rows(first, m)
        got = states[start * words : (start + m) * words]
        assert (got == rows[first * words : (first + m) * words]).all()
    found = np.empty(n, np.int64)
    store.find(rows, n, found)
    assert (found == np.arange(n)).all()
    assert store.add(rows.reshape(-1, words)[:n][::-1].reshape(-1).copy(), n)
    assert store.count == n


@pytest.mark.parametrize("words", range(1, 11))
def test_all_numbers_of_words(words: int) -> None:
    rows = mixed_rows(6000, words)
    check(filled(rows, words, 500), rows)


@pytest.mark.parametrize("at", [1, 2, 3, 100, CHUNK - 1, CHUNK, CHUNK + 1, 20_000])
def test_any_moment_to_compress(at: int) -> None:
    rows = mixed_rows(20_000, 2)
    check(filled(rows, 2, at), rows)


@pytest.mark.parametrize("words", [1, 3])
@pytest.mark.parametrize("keep", [ALL, 0, 1, 0xF << 60, 0xFFFF, ALL >> 32, ALL << 32 & ALL], ids=hex)
def test_colliding_hashes(words: int, keep: int) -> None:
    """Same line, same tag, or both: only the pairs tell states apart."""
    rows = mixed_rows(900, words)
    check(filled(rows, words, 100, keep=keep), rows)


def test_pairs_widen_as_tables_grow() -> None:
    """From one byte to three; whatever was stored before stays what it was."""
    rows = mixed_rows(150_000, 2)
    plain = Store(2, BUDGET)
    plain.add(rows, 2)
    store = compress(plain)
    assert store is not None
    widths = []
    for first in range(2, 150_000, 500):
        assert store.add(rows[2 * first :], min(500, 150_000 - first))
        widths.append(store.width)
        states, _ = store.rows(0, 2)
        assert (states[:4] == rows[:4]).all()
    assert set(widths) >= {2, 3}
    check(store, rows)


def test_states_that_nothing_compresses() -> None:
    """One of the parts, or both, are as many as the states are."""
    rows = np.random.default_rng(3).integers(1 << 63, size=3 * 40_000).astype(np.uint64)
    store = filled(rows, 3, 1000)
    assert sum(store.tables) > 40_000
    check(store, rows)


def test_absent_states_are_not_found() -> None:
    """Neither those with a part that is unknown, nor those with known parts that never met."""
    rows = mixed_rows(4000, 2, most=100)
    for keep in (ALL, 0):
        store = filled(rows[:4000], 2, 1000, keep=keep)
        found = np.empty(4000, np.int64)
        store.find(rows, 4000, found)
        assert (found[:2000] == np.arange(2000)).all()
        assert (found[2000:] == -1).all()


def test_numbers_too_wide_for_the_pairs_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part may be in a table although no state with it was stored: cut off, it would look like another."""
    a, b = np.divmod(np.arange(16, dtype=np.uint64), np.uint64(4))
    rows = (a | b << np.uint64(40)) * np.uint64(0x11)
    store = filled(rows, 1, 16, keep=0)
    monkeypatch.setattr(Compressed, "_widen", lambda _: False)  # no room for that
    more = np.arange(4, 256, dtype=np.uint64)[np.arange(4, 256) % 0x11 > 0]
    more = np.concatenate([more, more << np.uint64(40), more | more << np.uint64(40)])
    assert not store.add(more, len(more))
    assert min(store.tables) > 200
    found = np.empty(len(more), np.int64)
    store.find(more, len(more), found)
    assert (found == -1).all()


def test_duplicates_within_a_block() -> None:
    rows = np.tile(rows_of(5, 2), 100)
    store = filled(rows, 2, 1)
    assert store.count == 5


@pytest.mark.parametrize("most", [600, 999, 1000, 1001])
def test_max_states_counts_new_states_only(most: int) -> None:
    rows = mixed_rows(1000, 2)
    plain = Store(2, BUDGET, max_states=most)
    assert plain.add(rows, 500)
    store = compress(plain)
    assert store is not None
    assert store.add(np.tile(rows, 2), 2000) == (most >= 1000)
    assert store.count == min(most, 1000)
    if most < 1000:
        assert store.stop == "max-states"
    check(store, rows, store.count)


@pytest.mark.parametrize("budget", [2_000_000, 8_000_000])
@pytest.mark.parametrize("words", [1, 2, 5])
def test_budget_is_kept_and_used(budget: int, words: int) -> None:
    n = 1_200_000 // words
    rows = mixed_rows(n, words, most=2000)
    plain, adaptive = Store(words, budget, spare=4), Adaptive(Store(words, budget, spare=4))
    for store in (plain, adaptive):
        for first in range(0, n, 4000):
            if not store.add(rows[first * words :], min(4000, n - first)):
                assert store.stop == "max-memory"
                break
        assert store.bytes + 4 * store.count <= budget
    check(adaptive, rows, adaptive.count)
    if budget > 2_000_000:
        assert adaptive.count > 1.1 * plain.count


def test_without_room_for_tables_all_stays_plain() -> None:
    rows = np.random.default_rng(3).integers(1 << 63, size=3 * 60_000).astype(np.uint64)
    store = Adaptive(Store(3, 1_000_000))
    for first in range(0, 60_000, 1000):
        if not store.add(rows[3 * first :], 1000):
            break
    assert store.stop == "max-memory"
    assert store.tables == ()
    check(store, rows, store.count)


def test_refused_memory_leaves_all_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_rows(5000, 2)
    plain = Store(2, BUDGET)
    assert plain.add(rows, 5000)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr("lastput.engine.compressed.Store", refuse)
    assert compress(plain) is None
    check(plain, rows)


def test_refused_growth_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_rows(20_000, 2, most=300)
    plain = Store(2, BUDGET)
    plain.add(rows, 5000)
    store = compress(plain)
    assert store is not None
    true_reserve, most = compressed.reserve, store.lines

    def refuse(size: int, *rest: object) -> np.ndarray:
        if size > 64 * most:
            raise OSError("no memory")
        return true_reserve(size, *rest)

    monkeypatch.setattr("lastput.engine.compressed.reserve", refuse)
    assert not store.add(rows, 20_000)
    assert store.stop == "max-memory"
    check(store, rows, store.count)


def test_compressed_from_a_number_of_states_on() -> None:
    rows = mixed_rows(3000, 4)
    store = Adaptive(Store(4, BUDGET), compress_from=1000)
    for first in range(0, 3000, 500):
        assert store.add(rows[4 * first :], 500)
        assert bool(store.tables) == (first > 500)
    check(store, rows)


def test_packing_holds_both_numbers() -> None:
    for left, right, least in product(range(1, 33), range(1, 33), range(1, 9)):
        width, low_bits = packing(left, right, least)
        assert least <= width <= 8
        assert low_bits >= left
        assert 8 * width - low_bits >= right


@pytest.mark.parametrize("words", [1, 2, 7])
def test_every_bit_belongs_to_one_part(words: int) -> None:
    sample = np.random.default_rng(1).integers(1 << 62, size=(800, words)).astype(np.uint64)
    for rows in (sample, sample & np.uint64(0xFF00), sample * np.uint64(0), sample[:1]):
        left, right = splitting.choose(rows)
        both = np.zeros((2, words), np.uint64)
        for masks, part in zip(both, (left, right), strict=True):
            masks[part.at] = part.masks
        assert (both[0] ^ both[1] == np.uint64(ALL)).all()


def test_parts_are_found_wherever_their_bits_lie() -> None:
    """Three numbers below 60 in one word, the first and the last of which belong together."""
    a, b = np.divmod(np.random.default_rng(5).permutation(3600).astype(np.uint64), np.uint64(60))
    rows = a | b << np.uint64(20) | (a * np.uint64(7) & np.uint64(63)) << np.uint64(40)
    store = filled(rows, 1, 3000)
    assert max(store.tables) == 60
    assert store.width == 2


@pytest.fixture
def nesting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are compressed when they are quite small, and take little to work with."""
    monkeypatch.setattr(compressed, "NEST_FROM", 300)
    monkeypatch.setattr(compressed, "CHUNK", 128)
    monkeypatch.setattr(compressed, "SAMPLE", 1000)
    monkeypatch.setattr("lastput.engine.store._HUGE_FROM", 1 << 40)


def quartered_rows(n: int, words: int, seed: int = 0, most: int = 128) -> np.ndarray:
    """n different rows of four numbers below `most`, each in a quarter of the words."""
    codes = np.random.default_rng(seed).permutation(most**4)[:n].astype(np.uint64)
    rows = np.zeros((n, words), np.uint64)
    for word in range(words):
        number = codes // np.uint64(most ** (4 * word // words)) % np.uint64(most)
        rows[:, word] = number * np.uint64(0x10001 + word)
    return rows.reshape(-1)


def is_nested(store: Compressed) -> bool:
    """Whether a table of it is compressed in turn."""
    return any(isinstance(table.store, Compressed) for table in (store.left, store.right))


@pytest.mark.usefixtures("nesting")
@pytest.mark.parametrize(("words", "at"), [(20, 500), (23, 8000)])
def test_tables_are_compressed_in_turn(words: int, at: int) -> None:
    """The same states in the same order are found."""
    rows = quartered_rows(20_000, words, most=64)
    store = filled(rows[: 15_000 * words], words, at)
    assert is_nested(store)
    check(store, rows, 15_000)
    found = np.empty(5000, np.int64)
    store.find(rows[15_000 * words :], 5000, found)
    assert (found == -1).all()


@pytest.mark.usefixtures("nesting")
def test_tables_in_turn_keep_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    words, budget, n = 20, 3_000_000, 250_000
    rows = quartered_rows(n, words, most=64)
    counts = []
    for nest_from in (1 << 40, 300):
        monkeypatch.setattr(compressed, "NEST_FROM", nest_from)
        store = Adaptive(Store(words, budget, spare=4), compress_from=5000)
        for first in range(0, n, 2000):
            if not store.add(rows[first * words :], 2000):
                break
            assert store.bytes + 4 * store.count <= budget
        assert store.stop == "max-memory"
        assert store.bytes + 4 * store.count <= budget
        check(store, rows, store.count)
        counts.append(store.count)
    assert counts[1] > 1.1 * counts[0], "compressing tables gains nothing"


@pytest.mark.usefixtures("nesting")
def test_a_table_that_nothing_compresses_stays_whole() -> None:
    rows = np.random.default_rng(3).integers(1 << 63, size=3 * 40_000).astype(np.uint64)
    store = filled(rows, 3, 1000)
    assert not is_nested(store)
    check(store, rows)


RESIDENT = """
import re, sys
import numpy as np
from lastput.engine.stores import make, prepare
from tests.engine.test_compressed import mixed_rows

kind, words, budget = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

prepare("auto", words)
part = np.zeros((4000, words), np.uint64)
open("/proc/self/clear_refs", "w").write("5")  # VmHWM, the peak, begins anew
before = kilobytes("VmRSS")
store, first = make(kind, words, budget), 0
while True:
    numbers = np.arange(first, first + 4000, dtype=np.uint64)
    first += 4000
    part[:] = (numbers % np.uint64(1500))[:, None]
    part[:, 0] |= numbers // np.uint64(1500) << np.uint64(32)
    if not store.add(part.reshape(-1), 4000):
        break
print(store.stop, store.count, (kilobytes("VmHWM") - before) * 1024, *store.tables)
"""


@pytest.mark.parametrize("kind", ["auto", "compressed"])
@pytest.mark.parametrize(("words", "budget"), [(1, 40_000_000), (3, 150_000_000)])
def test_resident_memory_stays_below_the_limit(kind: str, words: int, budget: int) -> None:
    """Conversion and growth included."""
    command = [sys.executable, "-c", RESIDENT, kind, str(words), str(budget)]
    folder = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    stop, count, grown, *tables = run.stdout.split()
    assert stop == "max-memory"
    assert tables
    assert int(count) > budget // 13
    assert budget // 2 < int(grown) < budget + 4_000_000


def test_without_memory_for_an_index_it_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, n = mixed_rows(20_000, 3), 20_000
    plain = Store(3, BUDGET)
    plain.add(rows, n)

    def refuse(*_: object) -> None:
        raise OSError("no address space")

    with monkeypatch.context() as patch:
        patch.setattr(compressed, "reserve", refuse)
        assert compress(plain) is None
    check(plain, rows)
    assert compress(plain) is not None
