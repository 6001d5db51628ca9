"""Replaying a schedule: what the trace says, which schedules are refused, and the debugger."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from lastput.lang import (
    Scenario,
    Setup,
    UsageError,
    atomic,
    await_,
    cell,
    choose,
    holder,
    kfree,
    kzalloc,
    ptr,
    ref,
    scenario,
    static,
    struct,
    this_thread,
)
from lastput.lang.world import World
from lastput.simulate.debug import debug
from lastput.simulate.replay import replay
from lastput.simulate.setup import build


@struct
class spinlock_t:
    owner: holder


@struct
class ops_t:
    release: Callable[[ptr[device]], None]


@struct
class device:
    lock: spinlock_t
    refs: int
    ops: ptr[ops_t]
    next: ptr[device]
    back: cell[ptr[device]]


def spin_lock(lock: ptr[spinlock_t]) -> None:
    with atomic():
        await_(lambda: lock.owner == 0, holders=lambda: 1 << lock.owner >> 1)
        lock.owner = this_thread() + 1


def spin_unlock(lock: ptr[spinlock_t]) -> None:
    lock.owner = 0


def release(dev: ptr[device]) -> None:
    kfree(dev)


def put(dev: ptr[device]) -> None:
    spin_lock(dev.lock)
    dev.refs -= 1
    last = dev.refs == 0
    spin_unlock(dev.lock)
    if last:
        dev.ops.release(dev)


def clone(dev: ptr[device]) -> None:
    new = kzalloc(device)
    new.next = dev
    new.back = ref(lambda: new.next)
    new.back.value = new
    with atomic():
        new.refs = choose(2) + 2 * choose(3)
        dev.next = new


ops = static(ops_t)


@scenario()
def puts(s: Setup) -> None:
    ops.release = release
    dev = s.new(device, refs=1, ops=ops)
    s.thread("a", put, dev)
    s.thread("b", put, dev)


@scenario()
def clones(s: Setup) -> None:
    s.pool(device, 1)
    s.thread("a", clone, s.static(device))


def world(declared: Scenario) -> World:
    return build(declared, None, {})


A, B = (0, 0), (1, 0)
CRASH = [A, A, A, A, A, A, A, A, B]
"""a: lock, load, store, load, unlock, load ops, load release, kfree; b: lock."""


def line(function: Callable[..., object], offset: int) -> int:
    return function.__code__.co_firstlineno + offset


def test_a_crash() -> None:
    trace = replay(world(puts), CRASH)
    assert trace.fault is not None
    assert (trace.fault.kind, trace.fault.thread) == ("use-after-free", 1)
    assert [(f.function, f.line) for f in trace.fault.frames] == [
        ("put", line(put, 1)),
        ("spin_lock", line(spin_lock, 2)),
    ]
    assert (trace.done, trace.suspended) == ([0], [])
    (life,) = trace.lives["device"]
    assert (life.kind, life.step, life.thread) == ("free", 8, 0)
    assert [(f.function, f.line) for f in life.stack] == [
        ("put", line(put, 6)),
        ("release", line(release, 1)),
    ]


def test_what_a_step_did() -> None:
    steps = replay(world(puts), CRASH).steps
    lock, load, store = steps[:3]
    assert [(f.function, f.line) for f in lock.stack] == [
        ("put", line(put, 1)),
        ("spin_lock", line(spin_lock, 2)),
    ]
    assert lock.operation.kind == "await"
    assert [(e.kind, e.object, e.path, e.before, e.value) for e in lock.events] == [
        ("await", "", "", None, None),
        ("store", "device", "lock.owner", 0, 1),
    ]
    assert lock.held == {"device.lock.owner": 1}
    assert (load.operation.object, load.operation.path) == ("device", "refs")
    assert [(e.kind, e.value) for e in load.events] == [("load", 1)]
    assert [(e.kind, e.before, e.value) for e in store.events] == [("store", 1, 0)]
    assert [s.held for s in steps[4:6]] == [{}, {}]
    assert steps[5].events[0].shown == "ops"
    assert steps[6].events[0].shown == "release"
    assert [s.ended for s in steps] == [False] * 7 + [True, False]


def test_suspended_threads_and_who_holds_what() -> None:
    trace = replay(world(puts), [A])
    assert trace.fault is None
    first, second = trace.suspended
    assert (first.enabled, second.enabled) == (True, False)
    assert (first.pending.kind, first.pending.path) == ("load", "refs")
    assert [f.function for f in second.stack] == ["put", "spin_lock"]
    assert second.pending.holders == 0b01


def test_allocation_choices_and_addresses() -> None:
    trace = replay(world(clones), [A, A, A, A, A, (0, 1 + 2 * 2)])
    assert trace.fault is None
    assert [f.kind for f in trace.state_faults] == ["leak"]
    (born,) = trace.lives["device#0"]
    assert (born.kind, born.step, born.stack[-1].line) == ("alloc", 1, line(clone, 1))
    assert trace.steps[0].events[0].shown == "device#0"
    assert trace.steps[1].events[0].shown == "device"
    assert trace.steps[2].events[0].shown == "&device#0.next"
    assert [(e.kind, e.path, e.value) for e in trace.steps[5].events] == [
        ("choose", "", 1),
        ("choose", "", 2),
        ("store", "refs", 5),
        ("store", "next", trace.steps[0].events[0].value),
    ]


def test_replay_can_be_repeated() -> None:
    shared = world(puts)
    assert replay(shared, CRASH).steps == replay(shared, CRASH).steps


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ([A, B], "step 2: b is blocked"),
        ([(2, 0)], "step 1: there is no thread 2"),
        ([(-1, 0)], "step 1: there is no thread -1"),
        ([(0, 1)], "step 1: there is no choice 1"),
        ([(0, -1)], "step 1: there is no choice -1"),
        ([A] * 9, "step 9: a has finished"),
        ([*CRASH, A], "step 9: use-after-free"),
    ],
)
def test_schedules_that_do_not_fit(schedule: list[tuple[int, int]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replay(world(puts), schedule)


def test_a_choice_too_large_for_its_atomic_block() -> None:
    with pytest.raises(UsageError, match="step 6: there is no choice 6"):
        replay(world(clones), [A, A, A, A, A, (0, 6)])


def test_the_debugger_stops_in_the_model() -> None:
    out = io.StringIO()
    typed = io.StringIO("p dev.refs\np last\nnext\nwhere\ncontinue\n")
    fault = debug(world(puts), [A, A, A, A], stdin=typed, stdout=out)
    assert fault is None
    shown = out.getvalue()
    assert f"{__file__}({line(put, 3)})put()" in shown
    assert "-> last = dev.refs == 0" in shown
    assert "(Pdb) 0" in shown
    assert "name 'last' is not defined" in shown
    assert "-> spin_unlock(dev.lock)" in shown
    assert shown.rstrip().endswith("step 4 ends: nothing is broken")


def test_quitting_the_debugger_ends_the_step() -> None:
    out = io.StringIO()
    fault = debug(world(puts), CRASH, stdin=io.StringIO("quit\n"), stdout=out)
    assert fault is not None
    assert fault.kind == "use-after-free"


def test_nothing_to_debug() -> None:
    with pytest.raises(UsageError, match="empty"):
        debug(world(puts), [])


def test_interrupting_a_replay_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Suspended threads end without a word, whatever the reason for stopping."""
    replay(world(puts), [A])
    with pytest.raises(UsageError):
        replay(world(puts), [A, B])
    assert capfd.readouterr() == ("", "")
