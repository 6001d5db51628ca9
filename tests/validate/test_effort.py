"""What the follower need not try, and what it must: refusals cost little, and hide no run."""

from __future__ import annotations

import pytest

from lastput.kernel.sched import task_struct
from lastput.lang import NULL, Scenario, Setup, choose, kfree, kmalloc, option, options, ptr, scenario, struct
from lastput.simulate.setup import build
from lastput.validate.follow import follow
from lastput.validate.outcome import Accepted, Refused, Undecided, Verdict
from lastput.validate.seen import Observable, Seen


@struct
class obj:
    count: int
    value: int


@struct
class node:
    next: ptr[node]


@options
class Opt:
    calls: int = option(1, "calls of a thread", low=0, high=1000)


def events(threads: str, function: str) -> list[Seen]:
    """Entries of a function, each by a thread of its own CPU."""
    return [Seen(n, 10 * n, int(t), int(t), function, "enter") for n, t in enumerate(threads)]


def followed(declared: Scenario, threads: str, function: str, calls: int = 1, most: int = 100_000) -> Verdict:
    world = build(declared, None, {"calls": calls})
    seen: Observable = frozenset({(function, "enter")})
    return follow(world, events(threads, function), seen, most_steps=most)


# -- sleep -------------------------------------------------------------------------------------------


def call(o: ptr[obj], number: int) -> None:
    o.count = number


def reader(o: ptr[obj], own: ptr[obj], times: int) -> None:
    number = 0
    while number < times:
        inner = 0
        while inner < 10:
            own.value += 1
            inner += 1
        call(o, o.value)
        number += 1


def stroller(o: ptr[obj], own: ptr[obj]) -> None:
    number = 0
    while number < 30:
        own.value += 1
        number += 1
    o.value += 1


@scenario(options=(Opt,))
def strolling(s: Setup) -> None:
    """One reads again and again what another changes once, after a long way of its own."""
    o, first, second = s.static(obj, "o"), s.static(obj, "first"), s.static(obj, "second")
    s.thread("reader", reader, o, first, Opt.calls, task=s.static(task_struct, "task_a"))
    s.thread("stroller", stroller, o, second, task=s.static(task_struct, "task_b"))


def test_what_was_tried_in_vain_is_not_tried_again_after_what_does_not_matter() -> None:
    """Where the stroller goes, the reader need not read again, until it is told something else."""
    calls = 40
    assert isinstance(followed(strolling, "0" * calls, "call", calls), Accepted)
    found = followed(strolling, "0" * (calls + 1), "call", calls)
    assert isinstance(found, Refused)
    assert found.position == calls
    # 40 turns of the reader at 30 places of the stroller, and what is looked at ahead of both. All 41 steps
    # of each turn at each of these places would be 50,000.
    assert found.effort.steps < 25_000


def early() -> None:
    """The old value was read."""


def late() -> None:
    """The new value was read."""


def done() -> None:
    """The new value was written."""


def writes(o: ptr[obj]) -> None:
    o.value = 1
    done()


def looks(o: ptr[obj]) -> None:
    value = o.value
    o.count = 1
    if value:
        late()
    else:
        early()


@scenario()
def written(s: Setup) -> None:
    """What one reads depends on whether another has written."""
    o = s.static(obj, "o")
    s.thread("writes", writes, o, task=s.static(task_struct, "task_a"))
    s.thread("looks", looks, o, task=s.static(task_struct, "task_b"))


@pytest.mark.parametrize("read", ["early", "late"])
def test_who_would_have_changed_what_was_read_is_awake(read: str) -> None:
    """The writer is tried first, in vain if the old value was read, and not by a step that shows it."""
    seen: Observable = frozenset({("done", "enter"), ("early", "enter"), ("late", "enter")})
    trace = [Seen(0, 0, 0, 0, "done", "enter"), Seen(1, 10, 1, 1, read, "enter")]
    assert isinstance(follow(build(written, None, {}), trace, seen), Accepted)


# -- slots -------------------------------------------------------------------------------------------


def made() -> None:
    """An object was made."""


def maker(times: int) -> None:
    number = 0
    while number < times:
        if kmalloc(node) != NULL:
            made()
        number += 1


@scenario(options=(Opt,))
def making(s: Setup) -> None:
    """Two that allocate from one pool."""
    s.pool(node, 2 * Opt.calls)
    for name in ("a", "b"):
        s.thread(name, maker, Opt.calls, task=s.static(task_struct, f"task_{name}"))


def test_two_that_allocate_are_not_tried_in_either_order() -> None:
    calls = 30
    assert isinstance(followed(making, "01" * calls, "made", calls), Accepted)
    found = followed(making, "01" * calls + "0", "made", calls)
    assert isinstance(found, Refused)
    assert found.position == 2 * calls
    assert found.effort.steps < 6 * 2 * calls


def waster() -> None:
    if choose(2) == 0:
        kfree(kmalloc(node))
    made()


def taker() -> None:
    if kmalloc(node) != NULL:
        made()


@scenario(options=(Opt,))
def wasteful(s: Setup) -> None:
    """There is room for one node, and one thread may use it up."""
    s.pool(node, 1)
    s.thread("waster", waster, task=s.static(task_struct, "task_a"))
    s.thread("taker", taker, task=s.static(task_struct, "task_b"))


def test_how_much_room_is_left_matters_where_there_is_little() -> None:
    """A slot that was freed is not given out again: only who did not waste it leaves one."""
    assert isinstance(followed(wasteful, "01", "made"), Accepted)


# -- work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 20, 60])
def test_the_work_that_may_be_done_is_counted_in_steps(most: int) -> None:
    found = followed(strolling, "0" * 40, "call", 40, most)
    assert isinstance(found, Undecided)
    assert found.reason == f"{most} steps were not enough"
    assert found.position < 40
