"""Every kind of violation that model code can commit, where it is noticed and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.lang import (
    BUG_ON,
    NULL,
    WARN_ON,
    Setup,
    array,
    at,
    atomic,
    await_,
    cell,
    holder,
    holders,
    kfree,
    kmalloc,
    kzalloc,
    length,
    ptr,
    reinterpret,
    scenario,
    static,
    struct,
    this_thread,
    u8,
    u64,
    upto,
    violation,
)
from lastput.simulate.explore import explore
from lastput.simulate.replay import replay
from lastput.simulate.setup import build


@struct
class ops_t:
    run: Callable[[int], None]


@struct
class lock_t:
    owner: holder
    readers: holders


@struct
class node:
    next: ptr[node]
    lock: lock_t
    count: Annotated[int, upto(2)]
    small: u8
    big: u64
    link: cell[ptr[node]]
    slots: array[u8] = length(2)
    inner: array[lock_t] = length(2)
    flag: bool


@struct
class other:
    number: int


ops = static(ops_t)


def null_read(n: ptr[node]) -> None:
    n.next.small = 1


def null_embedded(n: ptr[node]) -> None:
    lock = n.next.lock
    lock.owner = 0


def null_local(n: ptr[node]) -> None:
    p: ptr[node] = NULL
    p.small = 1


def null_argument_of(n: ptr[node]) -> None:
    null_argument(NULL)


def null_argument(n: ptr[node]) -> None:
    n.small = 1


def null_result(n: ptr[node]) -> None:
    nothing_found().small = 1


def nothing_found() -> ptr[node]:
    return NULL  # type: ignore[no-any-return]


def null_cell(n: ptr[node]) -> None:
    n.link.value = n


def null_reassigned(n: ptr[node]) -> None:
    p = n.next
    p = NULL
    p.small = 1


def null_condition(n: ptr[node]) -> None:
    await_(lambda: n.next.small == 1)


def use_after_free(n: ptr[node]) -> None:
    kfree(n)
    n.small = 1


def read_after_free(n: ptr[node]) -> None:
    kfree(n)
    await_(lambda: n.small == 1)


def double_free(n: ptr[node]) -> None:
    kfree(n)
    kfree(n)


def free_inside(n: ptr[node]) -> None:
    kfree(reinterpret(node, n.lock))


def free_static(n: ptr[node]) -> None:
    kfree(ops)


def free_locked(n: ptr[node]) -> None:
    n.lock.owner = 1
    kfree(n)


def free_read_locked(n: ptr[node]) -> None:
    n.inner[1].readers |= 1
    kfree(n)


def index_high(n: ptr[node]) -> None:
    n.slots[2] = 1


def index_negative(n: ptr[node]) -> None:
    i = 0
    n.slots[i - 1] = 1


def index_struct(n: ptr[node]) -> None:
    n.inner[n.small + 2].owner = 0


def wrong_type(n: ptr[node]) -> None:
    reinterpret(other, n).number = 1


def off_the_end(n: ptr[node]) -> None:
    at(n, 1).small = 1


def before_the_start(n: ptr[node]) -> None:
    at(n, -1).next = NULL


def unborn(n: ptr[node]) -> None:
    first = kzalloc(other)
    at(at(first, 1), 0).number = 1


def uninit(n: ptr[node]) -> None:
    o = kmalloc(other)
    n.small = o.number


def wild_pointer(n: ptr[node]) -> None:
    n.next = at(n, 1000)


def call_null(n: ptr[node]) -> None:
    ops.run(1)


def hold_at_exit(n: ptr[node]) -> None:
    n.lock.owner = this_thread() + 1


def read_hold_at_exit(n: ptr[node]) -> None:
    n.lock.readers |= 1 << this_thread()


def divide(n: ptr[node]) -> None:
    n.small = 7 // n.small


def modulo(n: ptr[node]) -> None:
    n.small = 7 % n.small


def overflow(n: ptr[node]) -> None:
    x = 1 << 62
    n.small = x * 2


def overflow_minus(n: ptr[node]) -> None:
    x = -(1 << 62) * 2
    n.small = -x


def overflow_augmented(n: ptr[node]) -> None:
    x = 1 << 62
    x += x


def shift_far(n: ptr[node]) -> None:
    n.small = 1 << (64 + n.small)


def shift_back(n: ptr[node]) -> None:
    n.small = 1 >> (n.small - 1)


def forever(n: ptr[node]) -> None:
    while True:
        pass


def forever_atomic(n: ptr[node]) -> None:
    with atomic():
        while n.small == 0:
            n.flag = True


def recursion(n: ptr[node]) -> None:
    violation("lock-recursion", "again")


def bug(n: ptr[node]) -> None:
    BUG_ON(n.small == 0)


def warning(n: ptr[node]) -> None:
    WARN_ON(not n.flag)


def asserting(n: ptr[node]) -> None:
    assert n.flag, "flag must be set"


def out_of_range(n: ptr[node]) -> None:
    n.count = 3


def below_range(n: ptr[node]) -> None:
    n.count -= 1


def pool_exhausted(n: ptr[node]) -> None:
    kfree(kzalloc(other))
    kfree(kzalloc(other))
    kzalloc(other)


FAULTS: list[tuple[Any, str, int]] = [
    (null_read, "null-deref", 2),
    (null_embedded, "null-deref", 2),
    (null_local, "null-deref", 1),
    (null_argument_of, "null-deref", 1),
    (null_result, "null-deref", 1),
    (null_cell, "null-deref", 2),
    (null_reassigned, "null-deref", 2),
    (null_condition, "null-deref", 1),
    (use_after_free, "use-after-free", 2),
    (read_after_free, "use-after-free", 2),
    (double_free, "double-free", 2),
    (free_inside, "invalid-free", 1),
    (free_static, "invalid-free", 1),
    (free_locked, "lock-freed", 2),
    (free_read_locked, "lock-freed", 3),
    (index_high, "out-of-bounds", 0),
    (index_negative, "out-of-bounds", 0),
    (index_struct, "out-of-bounds", 1),
    (wrong_type, "out-of-bounds", 1),
    (off_the_end, "out-of-bounds", 1),
    (before_the_start, "null-deref", 1),
    (unborn, "out-of-bounds", 2),
    (uninit, "uninit", 2),
    (wild_pointer, "out-of-bounds", 0),
    (call_null, "bad-call", 1),
    (hold_at_exit, "lock-held-at-exit", 1),
    (read_hold_at_exit, "lock-held-at-exit", 2),
    (divide, "division", 1),
    (modulo, "division", 1),
    (overflow, "overflow", 0),
    (overflow_minus, "overflow", 0),
    (overflow_augmented, "overflow", 0),
    (shift_far, "overflow", 1),
    (shift_back, "overflow", 1),
    (forever, "soft-lockup", 0),
    (forever_atomic, "soft-lockup", 1),
    (recursion, "lock-recursion", 0),
    (bug, "bug", 1),
    (warning, "warning", 1),
    (asserting, "assertion", 1),
    (out_of_range, "range", 1),
    (below_range, "range", 2),
    (pool_exhausted, "pool", 5),
]
"""Function, what it breaks, and in which step; 0 is before the first one."""


def world_of(function: Any) -> Any:
    @scenario()
    def alone(s: Setup) -> None:
        n = s.new(node)
        s.pool(other, 2)
        s.thread("a", function, n)

    return build(alone, None, {})


@pytest.mark.parametrize(("function", "kind", "step"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_fault(function: Any, kind: str, step: int) -> None:
    world = world_of(function)
    found = explore(world)
    if kind in ("range", "pool"):
        assert (found.bounds, found.kinds, found.shortest) == ({kind}, set(), None)
    else:
        assert (found.kinds, found.shortest, found.violations) == ({kind}, step, 1)
    # A violating step yields no state and is no transition; nor does a violation before all steps.
    assert (found.states, found.transitions) == (step, max(0, step - 1))
    trace = replay(world, [(0, 0)] * step)
    assert trace.fault is not None
    assert (trace.fault.kind, trace.fault.thread, len(trace.steps)) == (kind, 0, step)
    frame = trace.fault.frames[-1]
    assert frame.file == __file__


def test_the_innermost_frame_is_the_faulting_line() -> None:
    trace = replay(world_of(null_argument_of), [(0, 0)])
    assert trace.fault is not None
    first = null_argument_of.__code__.co_firstlineno
    inner = null_argument.__code__.co_firstlineno
    assert [(f.function, f.line) for f in trace.fault.frames] == [
        ("null_argument_of", first + 1),
        ("null_argument", inner + 1),
    ]


def test_the_address_is_null_plus_the_field() -> None:
    trace = replay(world_of(null_argument_of), [(0, 0)])
    assert trace.fault is not None
    assert (trace.fault.address, trace.fault.type) == (4, "u8")


def wrapping(n: ptr[node]) -> None:
    n.small = 300
    n.flag = 17 > 3
    n.slots[1] = -1


def test_stores_convert_as_c_does() -> None:
    steps = replay(world_of(wrapping), [(0, 0)] * 3).steps
    values = [s.events[0].value for s in steps]
    assert values == [44, 1, 255]


def too_large(n: ptr[node]) -> None:
    n.big = -1


def test_the_upper_half_of_a_u64_is_beyond_the_language() -> None:
    fault = replay(world_of(too_large), [(0, 0)]).fault
    assert fault is not None
    assert fault.kind == "range"


# -- what only a whole state can break ---------------------------------------------------------


def put_lock(n: ptr[node]) -> None:
    with atomic():
        await_(lambda: n.lock.owner == 0, holders=lambda: 1 << n.lock.owner >> 1)
        n.lock.owner = this_thread() + 1
    n.lock.owner = 0


def take_and_wait(n: ptr[node]) -> None:
    n.lock.owner = this_thread() + 1
    await_(lambda: n.flag)


def never_three(n: ptr[node]) -> bool:
    return n.small != 3


def set_three(n: ptr[node]) -> None:
    n.small = 3
    n.small = 0


def in_null(n: ptr[node]) -> bool:
    return n.next.small == 0


def test_deadlock_is_not_final() -> None:
    @scenario()
    def stuck(s: Setup) -> None:
        n = s.new(node)
        s.thread("a", take_and_wait, n)
        s.thread("b", put_lock, n)
        s.final(never_three, n)

    world = build(stuck, None, {})
    found = explore(world)
    assert "deadlock" in found.kinds
    assert "leak" not in found.kinds
    trace = replay(world, [(0, 0)])
    assert [f.kind for f in trace.state_faults] == ["deadlock"]
    assert [(t.name, t.pending.kind, t.pending.holders, t.enabled) for t in trace.suspended] == [
        ("a", "await", None, False),
        ("b", "await", 1, False),
    ]
    assert trace.steps[-1].held == {"node.lock.owner": 1}


def test_a_daemon_may_wait_for_ever() -> None:
    @scenario()
    def waiting(s: Setup) -> None:
        n = s.static(node)
        s.thread("a", take_and_wait, n, daemon=True)
        s.thread("b", set_three, n)
        s.final(never_three, n)

    assert explore(build(waiting, None, {})).kinds == set()


def test_leaks_and_properties() -> None:
    @scenario()
    def properties(s: Setup) -> None:
        n = s.new(node, small=3)
        s.thread("a", set_three, n)
        s.invariant(never_three, n)
        s.reachable(in_null, n)
        s.final(never_three, n)

    found = explore(build(properties, None, {}))
    # small is 3, 3, 0: the invariant is broken in two states of three, in_null faults in all, the
    # object leaks in the last.
    assert found.kinds == {"invariant", "null-deref", "leak", "unreachable"}
    assert (found.states, found.transitions, found.violations, found.shortest) == (3, 2, 6, 0)


def test_reachable_needs_one_state() -> None:
    @scenario()
    def reached(s: Setup) -> None:
        n = s.static(node)
        s.thread("a", set_three, n)
        s.reachable(never_three, n)

    assert explore(build(reached, None, {})).kinds == set()


def test_exploring_stops_at_max_states() -> None:
    @scenario()
    def many(s: Setup) -> None:
        n = s.static(node)
        for name in "abc":
            s.thread(name, set_three, n)

    found = explore(build(many, None, {}), max_states=5)
    assert not found.complete
    assert explore(build(many, None, {})).complete
