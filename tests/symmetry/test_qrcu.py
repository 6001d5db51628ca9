"""QRCU: readers and updaters interchangeable, the verdict of the book, and a mistake that is found."""

from __future__ import annotations

from math import factorial

import pytest
from benchmarks.qrcu import qrcu

from lastput.checker import check
from lastput.lang.options import Value
from lastput.plan import Plan
from lastput.simulate.setup import build
from tests.symmetry.searches import BOTH, check_bisimilar, searched


@pytest.mark.parametrize("statements", [False, True])
@pytest.mark.parametrize(("readers", "updaters"), [(2, 1), (1, 2)])
def test_readers_and_updaters_are_interchangeable(readers: int, updaters: int, statements: bool) -> None:
    settings: dict[str, Value] = {"readers": readers, "updaters": updaters, "statements": statements}
    plain, reduced = (searched(build(qrcu, None, settings), names) for names in (frozenset(), BOTH))
    assert reduced.compiled.permutations == factorial(readers) * factorial(updaters)
    assert check_bisimilar(plain, reduced) == reduced.outcome.states
    assert reduced.verdict == plain.verdict
    assert not plain.outcome.codes, "the algorithm is correct"


def test_an_updater_that_does_not_wait_is_found_out() -> None:
    settings: dict[str, Value] = {"readers": 2, "updaters": 1, "drains": False}
    reduced = check(qrcu, settings=settings, plan=Plan(reduce=BOTH))
    whole = check(qrcu, settings=settings)
    assert reduced.violation is not None
    assert whole.violation is not None
    assert reduced.violation.kind == whole.violation.kind == "assertion"
    assert len(reduced.violation.schedule) == len(whole.violation.schedule)
