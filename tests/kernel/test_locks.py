"""Locks and SRCU: what they exclude, what they let through, and each misuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.kernel.lock_types import rw_semaphore, spinlock_t
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
from lastput.kernel.srcu import (
    cleanup_srcu_struct,
    srcu_read_lock,
    srcu_read_unlock,
    srcu_struct,
    synchronize_srcu,
)
from lastput.lang import Setup, atomic, kfree, ptr, scenario, struct, upto
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build


@struct
class shared:
    a: spinlock_t
    b: spinlock_t
    sem: rw_semaphore
    ssp: srcu_struct
    value: Annotated[int, upto(7)]
    inside: Annotated[int, upto(7)]


@struct
class node:
    value: Annotated[int, upto(7)]


@struct
class head:
    ssp: srcu_struct
    first: ptr[node]


def run(
    struct: type[Any], *functions: Callable[..., None], reach: Callable[..., bool] | None = None
) -> Explored:
    """Explore threads that run `functions` on one shared object."""

    @scenario()
    def threads(s: Setup) -> None:
        memory = s.static(struct, "memory")
        if struct is head:
            memory.first = s.new(node)
        for i, function in enumerate(functions):
            s.thread(f"t{i}", function, memory, task=s.static(task_struct, f"task{i}"))
        if reach is not None:
            s.reachable(reach, memory)

    return explore(build(threads, None, {}))


def increment(s: ptr[shared]) -> None:
    spin_lock(s.a)
    before = s.value
    s.value = before + 1
    assert s.value == before + 1, "somebody else was inside"
    spin_unlock(s.a)


def increment_with_break(s: ptr[shared]) -> None:
    spin_lock(s.a)
    before = s.value
    cond_resched_lock(s.a)
    assert s.value == before, "changed while the lock was dropped"
    spin_unlock(s.a)


def lock_twice(s: ptr[shared]) -> None:
    spin_lock(s.a)
    spin_lock(s.a)


def unlock_only(s: ptr[shared]) -> None:
    spin_unlock(s.a)


def keep(s: ptr[shared]) -> None:
    spin_lock(s.a)


def sleep_inside(s: ptr[shared]) -> None:
    spin_lock(s.a)
    might_sleep()


def break_below_another(s: ptr[shared]) -> None:
    spin_lock(s.a)
    spin_lock(s.b)
    cond_resched_lock(s.b)


def assert_held(s: ptr[shared]) -> None:
    lockdep_assert_held(s.a)


def a_then_b(s: ptr[shared]) -> None:
    spin_lock(s.a)
    spin_lock(s.b)
    spin_unlock(s.b)
    spin_unlock(s.a)


def b_then_a(s: ptr[shared]) -> None:
    spin_lock(s.b)
    spin_lock(s.a)
    spin_unlock(s.a)
    spin_unlock(s.b)


def read(s: ptr[shared]) -> None:
    down_read(s.sem)
    with atomic():
        s.inside += 1
    with atomic():
        s.inside -= 1
    up_read(s.sem)


def write(s: ptr[shared]) -> None:
    down_write(s.sem)
    assert s.inside == 0, "a reader is inside"
    up_write(s.sem)


def read_twice(s: ptr[shared]) -> None:
    down_read(s.sem)
    down_read(s.sem)


def read_then_write(s: ptr[shared]) -> None:
    down_read(s.sem)
    down_write(s.sem)


def write_spinning(s: ptr[shared]) -> None:
    spin_lock(s.a)
    down_write(s.sem)


def up_nothing(s: ptr[shared]) -> None:
    up_read(s.sem)


def both_read(s: ptr[shared]) -> bool:
    return s.inside == 2


def test_a_spinlock_excludes() -> None:
    found = run(shared, increment, increment, increment)
    assert not found.kinds


def test_a_lock_break_lets_others_in() -> None:
    assert run(shared, increment, increment_with_break).kinds == {"assertion"}


def test_readers_share_and_a_writer_excludes() -> None:
    assert not run(shared, read, read, write, reach=both_read).kinds


@pytest.mark.parametrize(
    ("functions", "kind"),
    [
        ((lock_twice,), "lock-recursion"),
        ((unlock_only,), "lock-owner"),
        ((increment, unlock_only), "lock-owner"),
        ((keep,), "lock-held-at-exit"),
        ((sleep_inside,), "sleep-in-atomic"),
        ((break_below_another,), "sleep-in-atomic"),
        ((assert_held,), "warning"),
        ((a_then_b, b_then_a), "deadlock"),
        ((read_twice,), "lock-recursion"),
        ((read_then_write,), "lock-recursion"),
        ((write_spinning,), "sleep-in-atomic"),
        ((up_nothing,), "lock-owner"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(f.__name__ for f in value),
)
def test_misuse_of_locks(functions: tuple[Callable[..., None], ...], kind: str) -> None:
    assert kind in run(shared, *functions).kinds


# -- SRCU ------------------------------------------------------------------------------------


def reader(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)
    found = h.first
    if found:
        found.value = 1
    srcu_read_unlock(h.ssp)


def nested_reader(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)
    found = h.first
    srcu_read_lock(h.ssp)
    srcu_read_unlock(h.ssp)
    if found:
        found.value = 1
    srcu_read_unlock(h.ssp)


def remover(h: ptr[head]) -> None:
    old = h.first
    h.first = 0
    synchronize_srcu(h.ssp)
    kfree(old)


def hasty_remover(h: ptr[head]) -> None:
    old = h.first
    h.first = 0
    kfree(old)


def waits_for_itself(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)
    synchronize_srcu(h.ssp)


def unlock_without_lock(h: ptr[head]) -> None:
    srcu_read_unlock(h.ssp)


def stays_inside(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)


def three_deep(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)
    srcu_read_lock(h.ssp)
    srcu_read_lock(h.ssp)


def cleaner(h: ptr[head]) -> None:
    cleanup_srcu_struct(h.ssp)


def waits(h: ptr[head]) -> None:
    synchronize_srcu(h.ssp)


def a_new_reader_is_not_waited_for(h: ptr[head]) -> bool:
    """The remover is done with its grace period, and a later reader is inside."""
    return not h.first and h.ssp.readers != 0 and h.ssp.waiter[0] == 0


@pytest.mark.parametrize("who", [reader, nested_reader])
def test_a_grace_period_waits_for_readers(who: Callable[..., None]) -> None:
    found = run(head, who, who, remover, reach=a_new_reader_is_not_waited_for)
    assert not found.kinds
    assert not found.bounds


def test_two_grace_periods_at_a_time() -> None:
    found = run(head, reader, remover, waits)
    assert not found.kinds
    assert not found.bounds


def test_without_a_grace_period_a_reader_meets_freed_memory() -> None:
    assert "use-after-free" in run(head, reader, hasty_remover).kinds


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (waits_for_itself, "rcu-misuse"),
        (unlock_without_lock, "rcu-misuse"),
        (stays_inside, "lock-held-at-exit"),
    ],
)
def test_misuse_of_srcu(function: Callable[..., None], kind: str) -> None:
    assert kind in run(head, function).kinds


def test_the_limits_of_srcu_are_bounds() -> None:
    assert run(head, three_deep).bounds == {"range"}
    assert run(head, reader, waits, waits, waits).bounds == {"range"}


def test_a_domain_in_use_is_not_cleaned_up() -> None:
    assert "rcu-misuse" in run(head, reader, cleaner, remover).kinds
