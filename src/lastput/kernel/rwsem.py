"""Read-write semaphores (Linux 4.12, include/linux/rwsem.h).

By default a waiting writer does not hold up new readers, as it does in the kernel: no interleaving is
lost, and a deadlock that needs that fairness is not found. Instead, a task that takes a semaphore twice
for reading is reported, as by lockdep, because a writer in between would make it one.
"""

from __future__ import annotations

from lastput.kernel.lock_types import rw_semaphore
from lastput.kernel.preempt import might_sleep
from lastput.lang import atomic, await_, option, options, ptr, roles, this_thread, violation


@options
class Rwsem:
    """How fair read-write semaphores are."""

    fair: bool = option(False, "readers wait for writers on the queue; reading twice is no report")


def down_read_fair(sem: ptr[rw_semaphore]) -> None:
    """Wait for the writer, and for those on the queue; the second time, too."""
    with atomic():
        await_(
            lambda: sem.writer == 0 and sem.waiting == 0,
            holders=lambda: sem.waiting | ((1 << sem.writer) >> 1),
        )
        sem.nested |= sem.readers & (1 << this_thread())
        sem.readers |= 1 << this_thread()


def down_read(sem: ptr[rw_semaphore]) -> None:
    """Wait until no writer has `sem`, and take it for reading. May sleep.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    might_sleep()
    if Rwsem.fair:
        down_read_fair(sem)
        return
    me = this_thread() + 1
    with atomic():
        await_(lambda: sem.writer == 0 or sem.writer == me, holders=lambda: (1 << sem.writer) >> 1)
        if sem.writer == me or (sem.readers >> this_thread()) & 1:
            violation("lock-recursion", "down_read: this task holds the semaphore already")
        sem.readers |= 1 << this_thread()


def up_read(sem: ptr[rw_semaphore]) -> None:
    """Give back what down_read took.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    with atomic():
        if (sem.readers >> this_thread()) & 1 == 0:
            violation("lock-owner", "up_read: this task is no reader")
        if Rwsem.fair and (sem.nested >> this_thread()) & 1:
            sem.nested &= ~(1 << this_thread())
        else:
            sem.readers &= ~(1 << this_thread())


def down_write(sem: ptr[rw_semaphore]) -> None:
    """Wait until nobody has `sem`, and take it for writing. May sleep.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    might_sleep()
    me = this_thread() + 1
    if Rwsem.fair:
        with atomic():
            sem.waiting |= 1 << this_thread()
    with atomic():
        await_(
            lambda: (sem.writer == 0 and sem.readers & ~(1 << this_thread()) == 0) or sem.writer == me,
            holders=lambda: sem.readers | ((1 << sem.writer) >> 1),
        )
        if sem.writer == me or sem.readers != 0:
            violation("lock-recursion", "down_write: this task holds the semaphore already")
        if Rwsem.fair:
            sem.waiting &= ~(1 << this_thread())
        sem.writer = me


def up_write(sem: ptr[rw_semaphore]) -> None:
    """Give back what down_write took.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    with atomic():
        if sem.writer != this_thread() + 1:
            violation("lock-owner", "up_write: this task is not the writer")
        sem.writer = 0


def down_read_trylock(sem: ptr[rw_semaphore]) -> bool:
    """Take `sem` for reading unless a writer has it; says whether it did.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    with atomic():
        if sem.writer != 0:
            return False
        if (sem.readers >> this_thread()) & 1:
            violation("lock-recursion", "down_read_trylock: this task holds the semaphore already")
        sem.readers |= 1 << this_thread()
        return True


def down_write_trylock(sem: ptr[rw_semaphore]) -> bool:
    """Take `sem` for writing if nobody has it; says whether it did.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    with atomic():
        if sem.writer != 0 or sem.readers != 0:
            return False
        sem.writer = this_thread() + 1
        return True


def downgrade_write(sem: ptr[rw_semaphore]) -> None:
    """From writer to reader, with nobody in between.

    Source: Linux 4.12, kernel/locking/rwsem.c.
    """
    with atomic():
        if sem.writer != this_thread() + 1:
            violation("lock-owner", "downgrade_write: this task is not the writer")
        sem.writer = 0
        sem.readers |= 1 << this_thread()


roles.lock(down_read, up_read)
roles.lock(down_write, up_write)
roles.lock(down_read_trylock, up_read)
roles.lock(down_write_trylock, up_write)
