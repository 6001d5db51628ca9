"""What an experiment came to, in words."""

from __future__ import annotations

from dataclasses import replace

from lastput.report.experiments import finding
from lastput.result import Counts, Result, Violation


def violation(kind: str) -> Violation:
    return Violation(kind, "", "", "", "f", "", 1, 0, None, (), (), (), 0)


def result(kind: str = "", **settings: bool) -> Result:
    found = Result("s", "", "v", "holds", settings=settings, counts=Counts(97, 100, 5))
    return replace(found, verdict="violated", violation=violation(kind)) if kind else found


def test_a_proof_a_crash_a_no_and_a_yes() -> None:
    assert finding(result()) == "holds: 97 states"
    assert finding(result("null-deref")) == "null-deref in f after 0 steps, 0 context switches"
    assert finding(result("unreachable")) == "never happens: 97 states searched"
    assert finding(result("invariant", show=True)) == "happens after 0 steps, 0 context switches"
    assert finding(result("invariant")) == "invariant in f after 0 steps, 0 context switches"
