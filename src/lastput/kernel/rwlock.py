"""Read-write spinlocks (Linux 6.1, include/linux/rwlock.h, kernel/sched/core.c).

As spin_lock: a waiter is blocked here, where it spins in the kernel. A waiting writer does not hold up
new readers, as a queued one does in the kernel: no interleaving is lost, and a reader that takes the
lock twice, which that queue would block for ever, is reported as recursion instead.
"""

from __future__ import annotations

from lastput.kernel.lock_types import rwlock_t
from lastput.kernel.preempt import preempt_disable, preempt_enable
from lastput.kernel.sched import current
from lastput.lang import atomic, await_, choose, ptr, roles, this_thread, violation


def read_lock(lock: ptr[rwlock_t]) -> None:
    """Take `lock` beside other readers.

    Source: Linux 6.1, include/linux/rwlock.h.
    """
    me = this_thread() + 1
    with atomic():
        await_(lambda: lock.writer == 0 or lock.writer == me, holders=lambda: (1 << lock.writer) >> 1)
        if lock.writer == me or (lock.readers >> this_thread()) & 1:
            violation("lock-recursion", "read_lock: this task holds the lock already")
        lock.readers |= 1 << this_thread()
        preempt_disable()


def read_unlock(lock: ptr[rwlock_t]) -> None:
    """Leave `lock` as a reader.

    Source: Linux 6.1, include/linux/rwlock.h.
    """
    with atomic():
        if (lock.readers >> this_thread()) & 1 == 0:
            violation("lock-owner", "read_unlock: this task is no reader")
        lock.readers &= ~(1 << this_thread())
        preempt_enable()


def write_lock(lock: ptr[rwlock_t]) -> None:
    """Take `lock` alone.

    Source: Linux 6.1, include/linux/rwlock.h.
    """
    me = this_thread() + 1
    with atomic():
        await_(
            lambda: (lock.writer == 0 and lock.readers & ~(1 << this_thread()) == 0) or lock.writer == me,
            holders=lambda: lock.readers | ((1 << lock.writer) >> 1),
        )
        if lock.writer == me or lock.readers != 0:
            violation("lock-recursion", "write_lock: this task holds the lock already")
        lock.writer = me
        preempt_disable()


def write_unlock(lock: ptr[rwlock_t]) -> None:
    """Leave `lock` as its writer.

    Source: Linux 6.1, include/linux/rwlock.h.
    """
    with atomic():
        if lock.writer != this_thread() + 1:
            violation("lock-owner", "write_unlock: this task is not the writer")
        lock.writer = 0
        preempt_enable()


def lockdep_assert_held_write(lock: ptr[rwlock_t]) -> None:
    """A violation unless the running task holds `lock` for writing.

    Source: Linux 6.1, include/linux/lockdep.h.
    """
    if lock.writer != this_thread() + 1:
        violation("warning", "lockdep_assert_held_write: this task is not the writer")


def lockdep_assert_held_rw(lock: ptr[rwlock_t]) -> None:
    """A violation unless the running task holds `lock`, for reading or for writing.

    Source: Linux 6.1, include/linux/lockdep.h: lockdep_assert_held.
    """
    with atomic():
        if lock.writer != this_thread() + 1 and (lock.readers >> this_thread()) & 1 == 0:
            violation("warning", "lockdep_assert_held: this task does not hold the lock")


def cond_resched_rwlock_write(lock: ptr[rwlock_t]) -> bool:
    """Perhaps drop `lock` and take it again; says whether it did. See `cond_resched_lock`.

    Source: Linux 6.1, kernel/sched/core.c: __cond_resched_rwlock_write.
    """
    task = current()
    if task.preempt_count != 1:
        violation("sleep-in-atomic", "cond_resched_rwlock_write called with another lock held")
    if task.non_block_count != 0:
        violation("sleep-in-atomic", "cond_resched_rwlock_write called where blocking is forbidden")
    if task.rcu_read_lock_nesting != 0:
        violation("rcu-misuse", "Illegal context switch in RCU read-side critical section")
    broken = choose(2) == 1
    if broken:
        write_unlock(lock)
        write_lock(lock)
    return broken


roles.lock(read_lock, read_unlock)
roles.lock(write_lock, write_unlock)
roles.lock_break(cond_resched_rwlock_write)
roles.assertion(lockdep_assert_held_write, lockdep_assert_held_rw)
