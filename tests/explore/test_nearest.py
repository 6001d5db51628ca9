"""The way to a violation or to a state that somebody describes."""

from __future__ import annotations

import time

import pytest

from lastput.explore.nearest import Model, nearest
from lastput.explore.walk import Walk
from lastput.lang import UsageError

from .conftest import DEVICE

BROKEN, FIXED = Model(DEVICE, "broken", ()), Model(DEVICE, "fixed", ())


def test_the_nearest_violation_from_the_start_and_from_here() -> None:
    first = nearest(BROKEN, (), None)
    assert first.schedule is not None
    assert len(first.schedule) == 9
    later = nearest(BROKEN, ((0, 0), (0, 0), (0, 0)), None)
    assert later.schedule is not None
    assert len(later.schedule) == 9
    assert later.schedule[:3] == ((0, 0), (0, 0), (0, 0))
    # The device is unplugged first: nothing can go wrong any more.
    gone = nearest(BROKEN, ((1, 0),) * 4, None)
    assert (gone.schedule, gone.complete) == (None, True)
    assert nearest(FIXED, (), None).complete
    with pytest.raises(UsageError, match="step 2 breaks a rule, or is not possible"):
        nearest(BROKEN, ((0, 0), (1, 0)), None)


def test_the_nearest_state_and_that_there_is_none() -> None:
    walk = Walk(BROKEN)
    expression = "table.dev == NULL and device.refs == 1"
    found = nearest(BROKEN, (), expression)
    assert found.schedule is not None
    walk.session.follow(found.schedule)
    assert walk.is_true(expression)
    walk.by(-1)
    assert not walk.is_true(expression)
    never = nearest(BROKEN, (), "device.refs == 3")
    assert (never.schedule, never.complete) == (None, True)
    # More states than up to the first violation: the search goes on beside it.
    assert never.states > nearest(BROKEN, (), None).states


def test_a_search_runs_beside_the_walk(walk: Walk) -> None:
    walk.find(None)
    found = wait(walk)
    assert found == "9 steps on: the shortest way, of 40 states searched"
    assert [v.kind for v in walk.session.here().violations] == ["warning"]
    with pytest.raises(UsageError, match="a rule is broken here"):
        walk.find(None)
    walk.goto(0)
    walk.find("device.refs == 3")
    assert wait(walk) == "never true, whatever is done from here: all 42 states were searched"
    walk.find("device.refs == 2")
    walk.take(0, 0)  # who goes on gives it up
    assert walk.finder.under_way is None
    assert walk.session.path == ((0, 0),)


def wait(walk: Walk) -> str:
    """What the search comes to."""
    until = time.monotonic() + 60
    while walk.finder.under_way is not None and time.monotonic() < until:
        walk.look()
        time.sleep(0.02)
    return walk.said
