"""The yardstick protocol: lastput, Spin, Rumur and a brute-force walk count the same states.

Spin and Rumur are Debian packages. Where one is missing its tests are skipped, and the skip says what
to install; with LASTPUT_PEERS=required (as in CI) a missing one is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.peers import rumur, spin, tool
from benchmarks.peers.table import Sizes
from benchmarks.peers.walk import walk
from benchmarks.protocol import protocol

from lastput.compiler.compile import Compiled, compile_world
from lastput.engine.search import Outcome, search
from lastput.simulate.explore import explore
from lastput.simulate.setup import build

PUBLISHED = {
    Sizes(1, 1, 1, 1, False): (5_939, 15_739),
    Sizes(1, 1, 1, 1, True): (86_322, 296_370),
    Sizes(2, 1, 1, 1, False): (29_789, 82_725),
    Sizes(1, 2, 1, 1, True): (662_790, 2_779_467),
    Sizes(2, 1, 1, 1, True): (713_480, 2_560_703),
}
"""States and transitions, counted by Spin, Rumur, LTSmin, TLC and a C program written for this protocol
(states; Spin 6.5.2, Rumur 2022.08.20) and by that program (transitions) before lastput could run it."""
PUBLISHED_LARGE = {
    Sizes(2, 2, 1, 1, True): (10_299_698, 45_240_874),
    Sizes(2, 2, 2, 1, True): (42_421_774, 189_670_998),
}
"""From the same source."""

COMPARED = [
    Sizes(1, 1, 1, 1, False),
    Sizes(1, 1, 1, 1, True),
    Sizes(2, 1, 1, 1, True),
    Sizes(2, 2, 2, 0, False),
    Sizes(1, 1, 1, 2, False, early=False),
    Sizes(3, 0, 1, 1, False),
]
"""Sizes at which the peers are run: several threads of a kind, several passes, each kind absent once."""
WALKED = [
    Sizes(1, 1, 1, 1, False),
    Sizes(2, 1, 2, 0, True),
    Sizes(1, 1, 1, 2, False, early=False),
    Sizes(3, 0, 1, 1, False),
]
UNGUARDED = [Sizes(1, 1, 1, 1, True, fixed=False), Sizes(2, 1, 1, 1, False, fixed=False)]
QUICK = ("-O1",)
"""Compiler flags: these verifiers run for less time than they take to compile."""


def lastput(sizes: Sizes, *, keep_going: bool = False) -> tuple[Compiled, Outcome]:
    compiled = compile_world(build(protocol, None, sizes.settings()))
    return compiled, search(compiled.native, keep_going=keep_going)


def need(*programs: str) -> None:
    """Skip, or fail where the peers are required, if one of `programs` is not installed."""
    missing = tool.missing(*programs, "gcc")
    if missing:
        told = f"NOT COMPARED, {' and '.join(missing)} not installed: {tool.INSTALL}"
        if os.environ.get("LASTPUT_PEERS") == "required":
            pytest.fail(told)
        pytest.skip(told)


@pytest.mark.parametrize("sizes", PUBLISHED, ids=str)
def test_counts_are_the_published_ones(sizes: Sizes) -> None:
    _, outcome = lastput(sizes)
    assert outcome.stop == "complete"
    assert (outcome.states, outcome.transitions) == PUBLISHED[sizes]


@pytest.mark.long
@pytest.mark.parametrize("sizes", PUBLISHED_LARGE, ids=str)
def test_counts_of_large_sizes_are_the_published_ones(sizes: Sizes) -> None:
    _, outcome = lastput(sizes)
    assert (outcome.states, outcome.transitions) == PUBLISHED_LARGE[sizes]


@pytest.mark.parametrize("sizes", COMPARED, ids=str)
def test_spin_counts_the_same(sizes: Sizes, tmp_path: Path) -> None:
    need("spin")
    answer = spin.ask(spin.spin(sizes, tmp_path, flags=QUICK))
    _, outcome = lastput(sizes)
    assert not answer.violated
    assert outcome.stop == "complete"
    assert answer.states == outcome.states
    assert answer.transitions == outcome.transitions + 1, "Spin counts the step into the initial state"


@pytest.mark.parametrize("sizes", COMPARED, ids=str)
def test_rumur_counts_the_same(sizes: Sizes, tmp_path: Path) -> None:
    need("rumur")
    answer = rumur.ask(rumur.rumur(sizes, tmp_path, flags=QUICK))
    _, outcome = lastput(sizes)
    assert not answer.violated
    assert outcome.stop == "complete"
    assert answer.states == outcome.states
    ends = answer.transitions - outcome.transitions
    assert 1 <= ends <= 8, "only the start, and the rule that lets a final state stay, are counted on top"


@pytest.mark.parametrize("sizes", WALKED, ids=str)
def test_walk_finds_the_same_levels(sizes: Sizes) -> None:
    found = walk(sizes)
    _, outcome = lastput(sizes)
    assert (outcome.states, outcome.transitions) == (found.states, found.transitions)
    assert tuple(outcome.levels) == found.levels


@pytest.mark.parametrize("sizes", UNGUARDED, ids=str)
def test_spin_finds_the_same_shortest_violation(sizes: Sizes, tmp_path: Path) -> None:
    need("spin")
    answer = spin.ask(spin.spin(sizes, tmp_path, "breadth-first", flags=QUICK))
    assert answer.violated
    assert answer.shortest == shortest_null_dereference(sizes)


@pytest.mark.parametrize("sizes", UNGUARDED, ids=str)
def test_rumur_finds_the_same_shortest_violation(sizes: Sizes, tmp_path: Path) -> None:
    need("rumur")
    answer = rumur.ask(rumur.rumur(sizes, tmp_path, trace=True, flags=QUICK))
    assert answer.violated
    assert answer.shortest == shortest_null_dereference(sizes)


def shortest_null_dereference(sizes: Sizes) -> int:
    compiled, outcome = lastput(sizes)
    assert outcome.stop == "violation"
    assert outcome.violation is not None
    site = compiled.sites[outcome.violation.code]
    assert (site.kind, site.message, site.function) == ("assertion", "NULL pgd dereference", "kvm_age_hva")
    return len(outcome.violation.schedule)


def test_walk_finds_the_same_violations() -> None:
    sizes = Sizes(1, 1, 1, 1, False, fixed=False)
    found = walk(sizes)
    _, outcome = lastput(sizes, keep_going=True)
    assert outcome.violation is not None
    assert (outcome.states, outcome.transitions) == (found.states, found.transitions)
    assert outcome.events == found.broken
    assert len(outcome.violation.schedule) == found.shortest


@pytest.mark.parametrize(
    "sizes",
    [Sizes(1, 1, 1, 0, False), Sizes(1, 1, 1, 0, False, fixed=False), Sizes(2, 0, 1, 1, False)],
    ids=str,
)
def test_the_same_source_under_cpython_counts_the_same(sizes: Sizes) -> None:
    simulated = explore(build(protocol, None, sizes.settings()))
    found = walk(sizes)
    assert simulated.complete
    assert (simulated.states, simulated.transitions) == (found.states, found.transitions)
    assert (simulated.violations, simulated.shortest) == (found.broken, found.shortest)
    assert tuple(simulated.levels) == found.levels


def test_a_stored_state_takes_at_most_32_bytes() -> None:
    _, outcome = lastput(Sizes(2, 1, 1, 1, True))
    assert outcome.peak_bytes <= 32 * outcome.states
