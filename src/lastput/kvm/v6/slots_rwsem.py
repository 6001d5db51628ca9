"""`mmu_notifier_slots_lock`: what the first version of 52ac8b358b0c held from start to end.

A semaphore of the kernel is fair: a writer that waits holds up new readers. `lastput.kernel.rwsem` leaves
that out, because no interleaving is lost by it; here it is the question. Readers are counted, not named:
one task may be a reader twice, for an invalidation inside of another one.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.preempt import might_sleep
from lastput.lang import atomic, await_, ptr, struct, upto


@struct
class slots_rwsem:
    readers: Annotated[int, upto(3)]
    writing: bool
    writer_waits: bool


def down_read_slots(sem: ptr[slots_rwsem]) -> None:
    """Become a reader, behind a writer that waits.

    Source: Linux 5.15, kernel/locking/rwsem.c: down_read.
    """
    might_sleep()
    with atomic():
        await_(lambda: not sem.writing and not sem.writer_waits)
        sem.readers += 1


def up_read_slots(sem: ptr[slots_rwsem]) -> None:
    """Stop reading.

    Source: Linux 5.15, kernel/locking/rwsem.c: up_read.
    """
    with atomic():
        sem.readers -= 1


def down_write_slots(sem: ptr[slots_rwsem]) -> None:
    """Become the writer; from here on new readers wait. There is one writer at a time, under slots_lock.

    Source: Linux 5.15, kernel/locking/rwsem.c: down_write.
    """
    might_sleep()
    sem.writer_waits = True
    with atomic():
        await_(lambda: sem.readers == 0)
        sem.writer_waits = False
        sem.writing = True


def up_write_slots(sem: ptr[slots_rwsem]) -> None:
    """Stop writing.

    Source: Linux 5.15, kernel/locking/rwsem.c: up_write.
    """
    sem.writing = False
