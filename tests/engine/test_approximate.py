"""Approximate stores: what they may leave out is what they say, and what they find is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lastput.engine import search as searching
from lastput.engine.approximate import KINDS, Approximate
from lastput.engine.approximate_kernels import _hash
from lastput.engine.search import Limits, search

from .test_compressed import mixed_rows
from .test_search import agree
from .toys import STATE_CODE, STEP_CODE, _expand, counters, graph, grid, plain

ROOMY = Limits(max_memory=8_000_000)


def followed(model, schedule: list[tuple[int, int]]) -> tuple:
    """The state that a schedule leads to."""
    state = tuple(model.initial.tolist())
    for step in schedule:
        successors, _ = _expand(model, state, np.zeros(max(1, model.coverage), np.uint8))
        state = next(to for thread, choice, to in successors if (thread, choice) == step)
    return state


def is_real(model, violation) -> bool:
    """Whether following the schedule ends in the violation."""
    by_state = violation.thread is None
    state = followed(model, violation.schedule if by_state else violation.schedule[:-1])
    _, events = _expand(model, state, np.zeros(max(1, model.coverage), np.uint8))
    if by_state:
        return any(code == violation.code == STATE_CODE for _, _, code in events)
    return (*violation.schedule[-1], violation.code) in events and violation.code == STEP_CODE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", [1, 2, 3, 5])
def test_with_room_nothing_is_left_out(kind: str, words: int) -> None:
    for seed in range(3):
        model = graph(seed, nodes=3000, words=words)
        outcome, expected = search(model, store=kind, limits=ROOMY), plain(model)
        assert (outcome.stop, outcome.store) == ("approximate", kind)
        assert outcome.omission is not None
        assert outcome.omission.probability < 0.01
        agree(outcome, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 7, 4096])
@pytest.mark.parametrize("events", [(0, 3), (3, 0), (2, 2)])
def test_violations_are_real(kind: str, batch: int, events: tuple[int, int]) -> None:
    """And as short as any, where nothing was left out."""
    for seed in range(20):
        model = graph(seed, 400, state_events=events[0], step_events=events[1])
        outcome, expected = search(model, store=kind, limits=ROOMY, batch=batch), plain(model)
        assert outcome.stop == ("violation" if expected.best else "approximate")
        assert outcome.levels == expected.levels
        if expected.best is not None:
            assert outcome.violation is not None
            assert outcome.violation.depth == len(outcome.violation.schedule)
            assert is_real(model, outcome.violation)
            assert len(outcome.violation.schedule) <= len(expected.best[1]) + 1


def test_a_way_back_over_many_levels_and_states() -> None:
    outcome = search(grid(24), store="hash", limits=ROOMY)
    assert outcome.stop == "violation"
    assert outcome.violation is not None
    assert outcome.violation.depth == 4 * 24
    assert is_real(grid(24), outcome.violation)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_finds_its_way_back(kind: str) -> None:
    """Each state is followed from the initial one along the steps that were noted."""
    model = graph(3, 500, words=2)
    seen = {0: tuple(model.initial.tolist())}
    store = Approximate(kind, 2, 8_000_000, max_successors=model.max_successors)
    store.add(model.initial, 1)
    first, end = 0, 1
    while first < end:
        store.begin(first)
        for state in range(first, end):
            rows, start = store.rows(state, 1)
            here = tuple(rows[2 * start : 2 * start + 2].tolist())
            seen[state] = here
            successors, _ = _expand(model, here, np.zeros(64, np.uint8))
            made = np.array([to for _, _, to in successors], np.uint64).reshape(-1)
            assert store.add_successors(made, len(successors), np.zeros(len(successors), np.uint64), state)
        first, end = end, store.count
    assert len(seen) > 300
    for state, expected in seen.items():
        here = seen[0]
        for step in store.way_to(state, 500):
            here = _expand(model, here, np.zeros(64, np.uint8))[0][step][2]
        assert here == expected


@pytest.mark.parametrize("size", [30_000, 60_000, 120_000])
def test_as_many_are_left_out_as_expected(size: int) -> None:
    """Of rows known to differ, put into filters of `size` bytes: within five standard deviations."""
    n = 60_000
    rows = mixed_rows(n, 2)
    store = Approximate("bits", 2, 50_000_000, max_successors=2)
    store.lines = size // 64
    store.add(rows, 1)
    store.begin(0)
    for first in range(1, n, 997):
        m = min(997, n - first)
        assert store.add_successors(rows[2 * first :], m, np.zeros(m, np.uint64), 0)
    missing, expected = n - store.count, store.omission.expected
    assert expected > 20
    assert abs(missing - expected) < 5 * expected**0.5


def test_tags_are_compared_within_a_line_or_the_next() -> None:
    """As often as by counting, in a table that is 85 % full: some lines overflow."""
    n, lines = 13_600, 1000
    store = Approximate("hash", 1, 50_000_000, max_successors=2)
    store.lines = lines
    rows = mixed_rows(n, 1)
    store.add(rows, 1)
    store.begin(0)
    assert store.add_successors(rows[1:], n - 1, np.zeros(n - 1, np.uint64), 0)
    assert store.count == n
    filled, compared, over = [0] * lines, 0, 0
    for i in range(n):
        line = (int(_hash(rows, np.uint64(i), (0,))) >> 32) * lines >> 32
        while filled[line] == 16:
            line, compared, over = (line + 1) % lines, compared + 16, over + 1
        compared += filled[line]
        filled[line] += 1
    assert over > 500
    assert filled == np.count_nonzero(store.table[: 16 * lines].reshape(lines, 16), axis=1).tolist()
    assert store.omission.expected * 2**32 == pytest.approx(compared, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("memory", [1_000_000, 30_000_000])
def test_memory_is_kept(kind: str, memory: int) -> None:
    outcome = search(counters(60_000), store=kind, limits=Limits(max_memory=memory))
    assert outcome.stop == "max-memory"
    assert outcome.peak_bytes <= memory
    assert outcome.omission is not None


@pytest.mark.parametrize("kind", KINDS)
def test_max_states(kind: str) -> None:
    outcome = search(counters(60_000), store=kind, limits=Limits(max_memory=8_000_000, max_states=1000))
    assert (outcome.stop, outcome.states) == ("max-states", 1000)


def test_going_on_after_violations_is_refused() -> None:
    with pytest.raises(ValueError, match="approximate"):
        search(grid(1), store="hash", keep_going=True)


RESIDENT = """
import re, sys
from lastput.engine.search import Limits, prepare, search
from tests.engine.toys import counters

kind, memory = sys.argv[1], int(sys.argv[2])

def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

prepare(5, kind)
search(counters(10), store=kind, limits=Limits(max_memory=1_000_000))
open("/proc/self/clear_refs", "w").write("5")  # VmHWM, the peak, begins anew
before = kilobytes("VmRSS")
outcome = search(counters(60_000), store=kind, limits=Limits(max_memory=memory))
print(outcome.stop, (kilobytes("VmHWM") - before) * 1024)
"""


@pytest.mark.parametrize("kind", ["hash", "bits"])
def test_more_memory_than_the_machine_has(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a store takes all that it may at once: no more is asked for than there is."""
    monkeypatch.setattr(searching, "available", lambda: 20_000_000)
    outcome = search(counters(1000), store=kind, limits=Limits(max_memory=1 << 50))
    assert 0 < outcome.peak_bytes <= 16_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_resident_memory_stays_below_the_limit(kind: str) -> None:
    memory = 150_000_000
    command = [sys.executable, "-c", RESIDENT, kind, str(memory)]
    folder = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    stop, grown = run.stdout.split()
    assert stop == "max-memory"
    assert memory // 2 < int(grown) < memory + 4_000_000
