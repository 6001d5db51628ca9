"""The way to a violation or to a state that somebody describes; and what cannot be described."""

from __future__ import annotations

import time

import pytest

from lastput.checker import build_world
from lastput.cli import target
from lastput.explore.expression import condition, names
from lastput.explore.nearest import Model, nearest
from lastput.explore.session import Session
from lastput.explore.walk import Walk
from lastput.lang import UsageError

from .conftest import DEVICE

BROKEN, FIXED = Model(DEVICE, "broken", ()), Model(DEVICE, "fixed", ())


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(build_world(target.find(DEVICE), "broken", {}))


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("device.refs ==", "not an expression"),
        ("nobody.x == 1", "no object is called nobody: use one of device, table"),
        ("device.nope == 1", "has no field nope; instead: use one of"),
        ("device == 1", "cannot be compared"),
        ("__import__('os').system('true')", "only functions of the model"),
        ("(lambda: 1)() == 1", "only functions of the model"),
        ("device.__class__ == 1", "that is no field"),
        ("'device' == 1", "use a number"),
        ("[x for x in (1,)] == 1", "only names, fields"),
        ("(device := NULL) == NULL", "only names, fields"),
        ("kfree(device) == NULL", "only functions of the model"),
        ("open_vs_disconnect == 1", "no object is called open_vs_disconnect"),
        ("Device.readers.__init__ == 1", "that is no field"),
        ("device_put(device) == 1", "returns nothing"),
    ],
)
def test_what_is_no_condition(session: Session, text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        condition(session.world, text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_can_be_typed(session: Session) -> None:
    assert names(session.world) == ["device", "table", "task_struct", "task_struct_2"]
    condition(session.world, "task_struct.2.mm == NULL or task_struct_2.mm == NULL")
    condition(session.world, "Device.readers == 1 and not table.dev")


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
