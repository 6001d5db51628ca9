"""A walk by hand: what it offers, what it refuses, and the way back."""

from __future__ import annotations

import time

import pytest

from lastput import target
from lastput.checker import build_world
from lastput.explore.moments import next_moment
from lastput.explore.session import Session
from lastput.lang import Scenario, Setup, UsageError, choose, scenario, static, struct
from lastput.lang.world import World
from lastput.simulate.explore import explore
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader

DEVICE = "examples/refcounted_device.py"
TO_THE_BUG = ((0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (0, 0))


@struct
class die:
    eyes: int
    other: int


shared = static(die)


def throw() -> None:
    shared.eyes = choose(3) * 2 + choose(2)
    assert shared.other != 7, "nobody else wrote"


def meddle() -> None:
    shared.other = shared.eyes


@scenario()
def dice(s: Setup) -> None:
    """One throws, one looks."""
    s.thread("throw", throw)
    s.thread("meddle", meddle)
    s.invariant(few)


def few() -> bool:
    return shared.other != 4


def device(variant: str = "broken") -> World:
    return build_world(target.find(DEVICE), variant, {})


@pytest.mark.parametrize("world", [lambda: build_world(dice, None, {}), device, lambda: device("fixed")])
def test_it_offers_exactly_the_steps_that_there_are(world: object) -> None:
    assert callable(world)
    known = explore(world())
    session = Session(world())
    reader = StateReader(session.program)
    seen, todo, transitions, broken = set(), [()], 0, 0
    while todo:
        schedule = todo.pop()
        with Scheduler.start(session.program) as run:
            for step in schedule:
                run.step(*step)
            state = reader.key(run)
        if state not in seen:
            seen.add(state)
            place = session.place(schedule)
            broken += len(place.violations)
            for option in place.options:
                transitions += not option.breaks
                broken += bool(option.breaks)
                if not option.breaks:
                    todo.append((*schedule, (option.thread, option.choice)))
    assert (len(seen), transitions, broken) == (known.states, known.transitions, known.violations)


def test_there_and_back_and_there_again() -> None:
    session = Session(device())
    places = [session.here()]
    for step in TO_THE_BUG[:-1]:
        assert not session.here().violations
        places.append(session.take(*step))
    assert [len(place.steps) for place in places] == list(range(len(TO_THE_BUG)))
    for place in reversed(places[:-1]):
        assert session.back() == place
    assert session.back().schedule == ()
    assert session.ahead == TO_THE_BUG[:-1]
    assert session.goto(4) == places[4]
    assert session.forward(100) == places[-1]
    session.goto(4)
    session.take(1)
    assert session.ahead == TO_THE_BUG[5:-1]  # the same way as before
    session.goto(3)
    session.take(0)
    assert session.ahead == ()


def test_the_step_that_breaks_a_rule_says_so() -> None:
    session = Session(device())
    session.follow(TO_THE_BUG[:-1])
    assert [(o.thread, o.breaks) for o in session.here().options] == [(0, "use-after-free")]
    place = session.take(0)
    assert [v.kind for v in place.violations] == ["use-after-free"]
    assert place.violations[0].headline.startswith("BUG: KASAN: slab-use-after-free in")
    assert place.options == ()
    with pytest.raises(UsageError, match="the path ends here: go back"):
        session.take(0)


def test_choices_are_offered_one_by_one_and_properties_are_judged() -> None:
    session = Session(build_world(dice, None, {}))
    throws = [o for o in session.here().options if o.thread == 0]
    assert [(o.choice, o.digits) for o in throws] == [(0, (0,)), (1, (1,)), (2, (2,))]
    session.take(0, 2)
    with pytest.raises(UsageError, match="throw has no choice 2 here"):
        session.take(0, 2)
    session.take(0, 0)
    session.take(0, 0)
    assert session.here().tasks[0].state == "ready"
    session.take(1)
    place = session.take(1)
    assert [v.headline for v in place.violations] == ["invariant broken: few"]
    with pytest.raises(UsageError, match="meddle has finished"):
        session.take(1)
    with pytest.raises(UsageError, match="no thread 9"):
        session.take(9)


def test_a_path_that_cannot_be_followed_changes_nothing() -> None:
    session = Session(device())
    session.take(0)
    for bad in (((0, 0), (7, 0)), ((0, 0), (1, 0), (1, 0)), ((0, 5),)):
        with pytest.raises(UsageError, match="step"):
            session.follow(bad)
    with pytest.raises(UsageError, match="there is no step 2"):
        session.goto(2)
    assert session.path == ((0, 0),)


def test_moments_by_default_and_along_a_schedule() -> None:
    session = Session(device())

    def moment(*kinds: str) -> str:
        found = next_moment(session.program, session.path, session.ahead, kinds)  # type: ignore[arg-type]
        session.follow(found.schedule, found.number)
        return found.text

    assert moment("lock") == "unplug takes table.lock, which reader0 had"
    assert moment("free") == "device is freed"
    assert moment("free") == "nothing more: the walk ends here"
    session.follow(TO_THE_BUG, 0)
    assert moment("branch").startswith("a branch: if ")
    assert session.path + session.ahead == TO_THE_BUG
    assert moment("free") == "device is freed"
    assert moment("free") == "a rule is broken: use-after-free"


def test_a_step_is_answered_at_once() -> None:
    """A generous bound, for the largest scenario of the claims; docs/reference/explore.md has the number."""
    found: Scenario = target.find("kvm/fault-vs-invalidate")
    settings = {"event": "reclaim", "reclaimers": 2, "pages": 2}
    session = Session(build_world(found, "e930bffe95e1", settings))
    path = next_moment(session.program, (), (), kinds=()).schedule[:60]
    assert len(path) == 60
    session.follow(path)
    option = session.here().options[0]
    began = time.perf_counter()
    session.take(option.thread, option.choice)
    assert time.perf_counter() - began < 1
    session._seen.clear()  # as if we had never been there
    began = time.perf_counter()
    session.back()
    assert time.perf_counter() - began < 1
