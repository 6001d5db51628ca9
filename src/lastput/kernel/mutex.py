"""Mutexes (Linux 4.12, kernel/locking/mutex.c): the owner alone may unlock, a waiter sleeps."""

from __future__ import annotations

from lastput.kernel.lock_types import mutex
from lastput.kernel.preempt import might_sleep
from lastput.lang import atomic, await_, ptr, roles, this_thread, violation


def mutex_lock(lock: ptr[mutex]) -> None:
    """Take `lock`. May sleep.

    Source: Linux 4.12, kernel/locking/mutex.c.
    """
    might_sleep()
    me = this_thread() + 1
    with atomic():
        await_(lambda: lock.owner == 0 or lock.owner == me, holders=lambda: (1 << lock.owner) >> 1)
        if lock.owner == me:
            violation("lock-recursion", "mutex_lock: this task holds the mutex already")
        lock.owner = me


def mutex_trylock(lock: ptr[mutex]) -> bool:
    """Take `lock` if nobody holds it; says whether it did. The caller itself counts as somebody.

    Source: Linux 4.12, kernel/locking/mutex.c.
    """
    with atomic():
        if lock.owner != 0:
            return False
        lock.owner = this_thread() + 1
        return True


def mutex_unlock(lock: ptr[mutex]) -> None:
    """Give `lock` back.

    Source: Linux 4.12, kernel/locking/mutex.c.
    """
    with atomic():
        if lock.owner != this_thread() + 1:
            violation("lock-owner", "mutex_unlock: this task does not hold the mutex")
        lock.owner = 0


def mutex_is_locked(lock: ptr[mutex]) -> bool:
    """Whether anybody holds `lock`.

    Source: Linux 4.12, include/linux/mutex.h.
    """
    return lock.owner != 0


def lockdep_assert_held_mutex(lock: ptr[mutex]) -> None:
    """A violation unless the running task holds `lock`.

    Source: Linux 4.12, include/linux/lockdep.h: lockdep_assert_held.
    """
    if lock.owner != this_thread() + 1:
        violation("warning", "lockdep_assert_held: this task does not hold the mutex")


roles.lock(mutex_lock, mutex_unlock)
roles.lock(mutex_trylock, mutex_unlock)
roles.assertion(lockdep_assert_held_mutex)
