"""Symmetry of threads, objects and slots: exactly one state of each orbit, and nothing else lost."""

from __future__ import annotations

import re

import pytest

from lastput.checker import check
from lastput.compiler.compile import emit
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.lang.world import World
from lastput.plan import Plan
from lastput.simulate.setup import build
from tests.symmetry import models
from tests.symmetry.orbits import Acts, orbits, states
from tests.symmetry.searches import ALL, BOTH, check_bisimilar, concrete_violation, said, searched

THREE: dict[str, Value] = {"workers": 3}
OWN, TASK = ("own0", "own1"), ("task0", "task1")
SLOTS = tuple(f"node#{i}" for i in range(4))

CASES: list[tuple[Scenario, dict[str, Value], Acts, int]] = [
    (models.locks, {}, Acts((0, 1), [TASK], numbers=True), 2),
    (models.locks, THREE, Acts((0, 1, 2), [("task0", "task1", "task2")], numbers=True), 6),
    (models.semaphores, THREE, Acts((0, 1, 2), [("task0", "task1", "task2")], numbers=True), 6),
    (models.owners, {}, Acts((0, 1), [OWN, TASK]), 2),
    (models.tags, {}, Acts((0, 1), [("person0", "person1"), ("tag0", "tag1")]), 2),
    (models.masks, THREE, Acts((0, 1, 2)), 6),
    (models.heap, {}, Acts((0, 1), (), SLOTS[:2]), 4),
    (models.heap, {"nodes": 3}, Acts((0, 1), (), SLOTS[:3]), 12),
    (models.numbers, {}, Acts(), 1),
    (models.arithmetic, {"workers": 1}, Acts(), 1),
]


def world(scenario: Scenario, settings: dict[str, Value]) -> World:
    return build(scenario, None, settings)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].name}-{c[3]}")
def test_one_state_of_each_orbit(case: tuple[Scenario, dict[str, Value], Acts, int]) -> None:
    scenario, settings, acts, permutations = case
    reduced = searched(world(scenario, settings), BOTH)
    assert reduced.compiled.permutations == permutations
    brute = world(scenario, settings)
    oracle = states(brute)
    assert reduced.outcome.states == orbits(brute, oracle, acts)
    assert permutations == 1 or reduced.outcome.states < len(oracle)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].name}-{c[3]}")
def test_nothing_but_states_is_lost(case: tuple[Scenario, dict[str, Value], Acts, int]) -> None:
    scenario, settings, _, _ = case
    plain = searched(world(scenario, settings))
    reduced = searched(world(scenario, settings), BOTH)
    assert reduced.verdict == plain.verdict
    assert check_bisimilar(plain, reduced) == reduced.outcome.states
    if reduced.outcome.violation is not None and reduced.compiled.permutations > 1:
        found = concrete_violation(plain, reduced)
        shortest = plain.outcome.violation
        assert shortest is not None
        assert found.depth == len(found.schedule) == shortest.depth
        assert found.switches >= shortest.switches


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].name}-{c[3]}")
def test_with_steps_taken_alone_as_well(case: tuple[Scenario, dict[str, Value], Acts, int]) -> None:
    scenario, settings, _, _ = case
    plain, both, all_ = (searched(world(scenario, settings), names) for names in (frozenset(), BOTH, ALL))
    assert said(all_) == said(plain)
    assert all_.outcome.states <= both.outcome.states


@pytest.mark.parametrize("workers", [2, 3])
def test_an_index_of_ones_own_is_no_number(workers: int) -> None:
    """Elements of an array change places with the threads that have them."""
    settings: dict[str, Value] = {"workers": workers}
    plain, reduced = (searched(world(models.elements, settings), names) for names in (frozenset(), BOTH))
    assert reduced.compiled.permutations == {2: 2, 3: 6}[workers]
    assert check_bisimilar(plain, reduced) == reduced.outcome.states < plain.outcome.states
    assert reduced.verdict == plain.verdict


@pytest.mark.parametrize(
    ("scenario", "settings", "why"),
    [
        (models.numbers, {}, "numbered0 and numbered1: not interchangeable: a number is named in numbered"),
        (models.scanned, {}, "not interchangeable: an object is named in scanning"),
        (models.arithmetic, {}, "2 slots .* elements that would be interchanged are told apart in moving"),
        (models.holders_as_numbers, {}, "a value of several kinds is used as a number in holding"),
        (models.first_bit, {}, "a thread is named in waiting"),
        (models.owners, {"named": True}, "not interchangeable: invariant first_is_small: an object is named"),
        (models.heap, {"workers": 1, "nodes": 5}, "the 5 slots of the pool of node: interchangeable$"),
        (models.heap, {"workers": 2, "nodes": 5}, "interchangeable, of which the first 4 are used"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(scenario: Scenario, settings: dict[str, Value], why: str) -> None:
    text = emit(world(scenario, settings), "symmetry")
    assert re.search(why, text, re.MULTILINE), text


def test_each_reduction_by_itself() -> None:
    settings: dict[str, Value] = {"nodes": 3}
    found = {
        names: searched(world(models.heap, settings), frozenset(names)).compiled.permutations
        for names in ((), ("heap",), ("symmetry",), ("heap", "symmetry"))
    }
    assert found == {(): 1, ("heap",): 6, ("symmetry",): 2, ("heap", "symmetry"): 12}


def test_a_violation_is_reported_as_without() -> None:
    """It is replayed under CPython, which knows of no symmetry."""
    whole = check(models.heap, settings={"nodes": 3})
    reduced = check(models.heap, settings={"nodes": 3}, plan=Plan(reduce=BOTH))
    assert whole.violation is not None
    assert reduced.violation is not None
    assert reduced.violation.kind == whole.violation.kind == "leak"
    assert len(reduced.violation.schedule) == len(whole.violation.schedule)
    assert reduced.counts.states < whole.counts.states
    assert reduced.violation.shortest
    everything = check(models.heap, settings={"nodes": 3}, plan=Plan(reduce=ALL))
    assert everything.violation is not None
    assert everything.violation.kind == "leak"
    assert not everything.violation.shortest
