"""Every claim and every entry of the corpus, run; the small ones compared with brute force."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lastput.simulate.explore import Explored
from lastput.study.claims import claims
from lastput.study.corpus import entries
from lastput.study.experiment import Run
from lastput.study.settle import Settled, settle

from .brute import brute_force

SMALL, LARGE = 1_000, 10_000
"""States that brute force is asked to explore in the short run, and with --long."""

RUNS: Mapping[str, Run] = {
    run.words: run
    for run in (
        *(run for entry in entries() for run in entry.runs),
        *(exhibit.run for claim in claims() for exhibit in claim.exhibits),
    )
}
LARGER: Mapping[str, Run] = {run.words: run for entry in entries() for run in entry.larger}


@pytest.fixture(scope="module")
def settled(request: pytest.FixtureRequest) -> Mapping[str, Settled]:
    """All of them that a test was selected for, several at a time."""
    chosen = {
        item.callspec.params.get("words")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    }
    runs = [run for words, run in RUNS.items() if words in chosen]
    return {one.run.words: one for one in settle(runs, fresh=True)}


@pytest.fixture(scope="module")
def explored(settled: Mapping[str, Settled], long: bool) -> Mapping[str, Explored]:
    """Those with few enough states, by brute force."""
    limit = LARGE if long else SMALL
    small = [words for words, one in settled.items() if one.result.counts.states <= limit]
    found = brute_force([RUNS[words] for words in small], 4 * limit)
    return dict(zip(small, found, strict=True))


@pytest.mark.parametrize("words", RUNS)
def test_the_experiment_comes_out_as_expected(words: str, settled: Mapping[str, Settled]) -> None:
    assert settled[words].wrong == ""


@pytest.mark.parametrize("words", RUNS)
def test_brute_force_agrees(
    words: str, settled: Mapping[str, Settled], explored: Mapping[str, Explored]
) -> None:
    result = settled[words].result
    if words not in explored:
        pytest.skip(f"{result.counts.states:,} states")
    found = explored[words]
    if result.violation is None or result.violation.kind == "unreachable":
        kinds = {result.violation.kind} if result.violation else set()
        assert (found.states, found.transitions) == (result.counts.states, result.counts.transitions)
        assert (found.kinds, found.bounds, found.complete) == (kinds, set(), True)
    else:
        assert result.violation.kind in found.kinds
        assert found.shortest == len(result.violation.steps)


@pytest.mark.long
@pytest.mark.parametrize("words", LARGER)
def test_larger_bounds_change_nothing(words: str) -> None:
    (one,) = settle([LARGER[words]])
    assert one.wrong == ""


def test_each_bug_is_caught_before_its_fix_and_not_after() -> None:
    for entry in entries():
        assert entry.before.expect.verdict == "violated", entry.number
        assert entry.before.expect.kinds, entry.number
        assert entry.before.expect.functions or entry.before.expect.story, entry.number
        assert entry.after.expect.verdict == "holds", entry.number
        assert entry.before != entry.after, entry.number


def test_numbers_are_unique() -> None:
    for numbers in ([entry.number for entry in entries()], [claim.number for claim in claims()]):
        assert len(set(numbers)) == len(numbers)
