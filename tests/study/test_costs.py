"""Costs of paths, against counts made by hand; and that counting changes no execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_t
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from lastput.lang import (
    Scenario,
    Setup,
    atomic,
    choose,
    const,
    ghost,
    option,
    options,
    scenario,
    static,
    struct,
)
from lastput.simulate.explore import explore
from lastput.simulate.meter import NAMES
from lastput.simulate.setup import build
from lastput.study.costs import UNBOUNDED, Costs, costs


@options
class Way:
    checked: bool = option(True, "the flag is tested")


@struct
class thing_t:
    lock: spinlock_t
    srcu: srcu_struct
    refs: atomic_t
    a: int
    b: int
    fixed: const[int]
    flag: bool
    seen: ghost[bool]


thing = static(thing_t)


def straight() -> None:
    """Three loads (one of a const), two stores, two branches; book-keeping is free."""
    if Way.checked and thing.flag:
        return
    thing.a = thing.b + thing.fixed
    thing.seen = True
    for _i in range(1):
        thing.b = 1


def is_checked() -> bool:
    """What an option decides is no branch, behind a name either."""
    return Way.checked == 1


def decided() -> None:
    """One branch."""
    if is_checked() and Way.checked == 1 and thing.flag:
        thing.a = 2
    if not is_checked():
        thing.a = 1


def primitives() -> None:
    """One of each, and what they do inside is not counted again."""
    srcu_read_lock(thing.srcu)
    spin_lock(thing.lock)
    atomic_inc(thing.refs)
    spin_unlock(thing.lock)
    srcu_read_unlock(thing.srcu)
    synchronize_srcu(thing.srcu)
    with atomic():  # an exchange
        thing.a = thing.b
    with atomic():  # a word in two pieces
        thing.a = 1
        thing.b = 1


def either() -> None:
    """One store or three."""
    if choose(2) == 1:
        thing.a = 1
        thing.a = 2
    thing.b = 0


def until_set() -> None:
    """Loads until another thread has stored."""
    while not thing.flag:
        thing.seen = False


def until_set_body() -> None:
    """Calls it, behind something that costs nothing to it."""
    thing.a = 3
    until_set()
    thing.a = 4


def twice() -> None:
    """Calls the same function two times, with different costs."""
    step(1)
    step(2)


def step(times: int) -> None:
    """As many stores."""
    for _i in range(times):
        thing.b = 1


def other() -> None:
    """Meanwhile."""
    spin_lock(thing.lock)
    thing.flag = True
    spin_unlock(thing.lock)
    if atomic_dec_and_test(thing.refs):
        thing.a = 9


def model(function: Callable[[], None], with_other: bool) -> Scenario:
    @scenario(name="costs", options=(Way,))
    def made(s: Setup) -> None:
        """A function that is counted."""
        thing.refs.counter = 2
        s.thread("counted", function, task=s.static(task_struct))
        if with_other:
            s.thread("other", other, task=s.static(task_struct))

    return made


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")


def counted(function: Callable[[], None], what: Callable[..., Any] | None = None, **how: Any) -> Costs:
    with_other = how.pop("with_other", False)
    return costs(build(model(function, with_other), None, how), "counted", what or function)


def least(found: Costs) -> dict[str, int]:
    return {name: count for name, count in zip(NAMES, found.least, strict=True) if count}


def most(found: Costs) -> dict[str, int]:
    return {name: count for name, count in zip(NAMES, found.most, strict=True) if count}


def test_loads_stores_and_branches() -> None:
    found = counted(straight)
    # Branches: the flag, and the one round of the loop.
    assert least(found) == most(found) == {"loads": 3, "stores": 2, "branches": 2}


def test_what_an_option_excludes_costs_nothing() -> None:
    assert least(counted(straight, checked=False)) == {"loads": 2, "stores": 2, "branches": 1}


def test_what_an_option_decides_is_no_branch() -> None:
    assert most(counted(decided)) == {"loads": 1, "branches": 1}


def test_primitives_count_as_a_whole() -> None:
    expected = {"stores": 1, "atomic operations": 2, "locks": 1, "read sections": 1, "grace periods": 1}
    assert least(counted(primitives)) == expected
    assert most(counted(primitives, with_other=True)) == expected


def test_least_and_most_differ_where_paths_do() -> None:
    found = counted(either)
    assert least(found) == {"stores": 1, "branches": 1}
    assert most(found) == {"stores": 3, "branches": 1}


def test_another_thread_chooses_the_path() -> None:
    found = counted(straight, with_other=True)
    assert least(found) == {"loads": 1, "branches": 1}
    assert most(found) == {"loads": 3, "stores": 2, "branches": 2}


def test_a_loop_that_waits_for_others_has_no_largest_cost() -> None:
    found = counted(until_set_body, until_set, with_other=True)
    assert least(found) == {"loads": 1, "branches": 1}
    assert most(found) == {"loads": UNBOUNDED, "branches": UNBOUNDED}


def test_a_function_that_never_ends_has_no_cost() -> None:
    assert not counted(until_set).executed


def test_every_call_is_an_execution() -> None:
    found = counted(twice, step)
    assert (found.of("stores"), found.of("branches")) == ((1, 2), (1, 2))


@pytest.mark.parametrize("function", [straight, primitives, either, until_set_body])
def test_counting_changes_no_execution(function: Callable[[], None]) -> None:
    world = build(model(function, True), None, {})
    assert costs(world, "counted", function).states == explore(world).states
