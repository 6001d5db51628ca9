"""Progress of the retry protocols of KVM: the table of docs/explanation/progress.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastput import check
from lastput.checker import build_world
from lastput.lang.options import Value
from lastput.lang.scenario import FAIRNESS
from lastput.lang.world import Goal
from lastput.progress import ask
from lastput.target import find
from tests.docs.test_reference import rows
from tests.lasso.brute import graphs_of
from tests.lasso.oracle import violated

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "progress.md"
CASES: list[tuple[str, str | None, dict[str, Value]]] = [
    ("kvm/fault-vs-invalidate", None, {"event": "reclaim", "vcpus": 1}),
    ("kvm/fault-vs-invalidate", None, {"event": "dontneed", "vcpus": 1}),
    ("kvm/v6-pfncache", "58cd407ca4c6", {}),
]


def told(number: int) -> list[str]:
    """What the page says of a case, under each fairness."""
    table = [row for row in rows(PAGE.read_text(), "In KVM") if row[0].startswith("`kvm/")]
    assert CASES[number][0] in table[number][0]
    return table[number][1:]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_verdicts(number: int) -> None:
    name, variant, settings = CASES[number]
    for fairness, expected in zip(FAIRNESS, told(number), strict=True):
        result = check(find(name), variant, settings=settings, finishes=True, fairness=fairness)
        found = result.violation
        assert (found.kind if found else result.verdict) == expected
        if found and found.kind == "starvation":  # by whoever retries, of the one that invalidates
            assert found.lasso is not None
            assert [found.tasks[index].name for index in found.lasso.still] == ["balloon"]
            assert {thread for thread, _ in found.schedule[found.lasso.begins :]} == {0}


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(CASES)))
def test_like_brute_force(number: int) -> None:
    name, variant, settings = CASES[number]
    world = build_world(find(name), variant, settings)
    ask(world, finishes=True, fairness=None)
    (goal,) = world.goals
    world.goals = [Goal(goal.kind, fairness, goal.threads) for fairness in FAIRNESS]
    toys = graphs_of(world, most=10_000)
    assert toys is not None
    for fairness, toy, expected in zip(FAIRNESS, toys, told(number), strict=True):
        assert violated(toy, fairness, from_start=True) == (expected != "holds")
