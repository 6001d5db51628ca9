"""Spinlocks (Linux 4.12, include/linux/spinlock.h, kernel/sched/core.c).

Taking the lock and giving it back are one step each. A waiter spins with preemption off in the
kernel; here it is blocked, and a lock that is never given back shows as a deadlock.
"""

from __future__ import annotations

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.preempt import preempt_disable, preempt_enable
from lastput.kernel.sched import current
from lastput.lang import atomic, await_, choose, ptr, roles, this_thread, violation


def spin_lock(lock: ptr[spinlock_t]) -> None:
    """Wait until nobody has `lock`, and take it. The context is atomic until spin_unlock.

    Source: Linux 4.12, include/linux/spinlock.h.
    """
    me = this_thread() + 1
    with atomic():
        await_(lambda: lock.owner == 0 or lock.owner == me, holders=lambda: (1 << lock.owner) >> 1)
        if lock.owner == me:
            violation("lock-recursion", "spin_lock: this task holds the lock already")
        lock.owner = me
        preempt_disable()


def spin_unlock(lock: ptr[spinlock_t]) -> None:
    """Give `lock` back.

    Source: Linux 4.12, include/linux/spinlock.h.
    """
    with atomic():
        if lock.owner != this_thread() + 1:
            violation("lock-owner", "spin_unlock: this task does not hold the lock")
        lock.owner = 0
        preempt_enable()


def lockdep_assert_held(lock: ptr[spinlock_t]) -> None:
    """A violation unless the running task holds `lock`.

    Source: Linux 4.12, include/linux/lockdep.h.
    """
    if lock.owner != this_thread() + 1:
        violation("warning", "lockdep_assert_held: this task does not hold the lock")


def cond_resched_lock(lock: ptr[spinlock_t]) -> bool:
    """Perhaps drop `lock` and take it again; says whether it did.

    The kernel does it when somebody waits for the lock or the CPU is wanted (kernel/sched/core.c,
    `__cond_resched_lock`). Neither can be ruled out, so both answers are explored. It is a sleeping
    function but for `lock` itself.

    Source: Linux 4.12, include/linux/sched.h.
    """
    if current().preempt_count != 1:
        violation("sleep-in-atomic", "cond_resched_lock called with another lock held")
    broken = choose(2) == 1
    if broken:
        spin_unlock(lock)
        spin_lock(lock)
    return broken


roles.lock(spin_lock, spin_unlock)
roles.lock_break(cond_resched_lock)
roles.assertion(lockdep_assert_held)
