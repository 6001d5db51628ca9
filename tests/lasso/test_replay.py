"""A lasso is believed only once CPython has run it: everything that can be wrong with one is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lastput.checker import build_world, check
from lastput.lang import Scenario, UsageError
from lastput.lang.scenario import Fairness
from lastput.lasso.walk import Lasso
from lastput.progress import WrongLasso
from lastput.simulate.lasso import objection
from tests.lasso import models

SPIN, SET = (0, 0), (1, 0)

WRONG = [
    # (scenario, fairness, schedule, begins, what is wrong)
    (models.spinning, "weak", [SPIN], 0, "not weakly fair: thread 1"),
    (models.spinning, "none", [SPIN, SET, SPIN], 3, "all finish"),
    (models.flickering, "none", [(1, 0)] * 3, 0, "does not lead back"),
    (models.spinning, "none", [SPIN], 1, "a thread can step"),
    (models.flickering, "strong", [(1, 0)] * 4, 0, "not strongly fair: thread 0"),
    (models.for_a_moment, "none", [(0, 0), (0, 0)], 2, "before the loop"),
    (models.sooner_or_later, "none", [(0, 0), *[(1, 0)] * 4], 1, "happens in the loop"),
]


@pytest.mark.parametrize(("model", "fairness", "schedule", "begins", "said"), WRONG, ids=range(len(WRONG)))
def test_wrong(
    model: Scenario, fairness: Fairness, schedule: list[tuple[int, int]], begins: int, said: str
) -> None:
    world = build_world(model, None, {})
    goal = replace(world.goals[0], fairness=fairness)
    assert said in objection(world, goal, schedule, begins)


RIGHT = [
    (models.spinning, "none", [SPIN], 0),
    (models.spinning, "none", [SPIN, SPIN], 1),
    (models.flickering, "weak", [(1, 0)] * 4, 0),
    (models.answered, "none", [(1, 0), (0, 0)], 1),
    (models.ends_unanswered, "strong", [(0, 0)], 1),
    (models.tossing, "strong", [(0, 0), (0, 0)], 0),
]


@pytest.mark.parametrize(("model", "fairness", "schedule", "begins"), RIGHT, ids=range(len(RIGHT)))
def test_right(model: Scenario, fairness: Fairness, schedule: list[tuple[int, int]], begins: int) -> None:
    world = build_world(model, None, {})
    assert objection(world, replace(world.goals[0], fairness=fairness), schedule, begins) == ""


def test_a_schedule_that_cannot_be_followed() -> None:
    world = build_world(models.flickering, None, {})
    with pytest.raises(UsageError, match="step 1: wait is blocked"):
        objection(world, world.goals[0], [(0, 0)], 0)
    with pytest.raises(UsageError, match="step 1: there is no choice 1"):
        objection(world, world.goals[0], [(1, 1)], 0)
    world = build_world(models.spinning, None, {})
    with pytest.raises(UsageError, match="step 2: set has finished"):  # in the second round
        objection(world, world.goals[0], [SET], 0)


def test_a_wrong_lasso_is_never_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the search for loops wrong, lastput would say that it is, and not what it found."""
    monkeypatch.setattr("lastput.lasso.seek.lasso", lambda *_: Lasso(((1, 0),), 0))
    with pytest.raises(WrongLasso, match="does not lead back"):
        check(models.flickering)
