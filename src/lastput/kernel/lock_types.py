"""Memory of the locks (include/linux/spinlock_types.h, rwlock_types.h, rwsem.h, mutex.h).

A lock is who holds it. Wait queues, tickets and debugging fields are left out: which waiter is
next is decided by the scheduler, so every order that a fair queue gives is among those explored.
"""

from __future__ import annotations

from lastput.lang import holder, holders, struct


@struct
class spinlock_t:
    owner: holder


@struct
class rw_semaphore:
    writer: holder
    readers: holders
    nested: holders
    """Readers that are inside twice, if that is possible (kernel/rwsem.py, Rwsem)."""
    waiting: holders
    """Writers on the queue, if readers wait for them."""


@struct
class rwlock_t:
    writer: holder
    readers: holders


@struct
class mutex:
    owner: holder
