"""Reclaim by generations walks page tables (Linux 6.12, mm/vmscan.c: LRU_GEN, where entries age in hardware).

The walk is a user of the address space (mm_users). So it never meets the end of one; but its last put may be
that end, and is left to a worker. That the walk only tries mmap_lock, and goes on to another address space
without it, is left out.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test
from lastput.kernel.fork import __mmput
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.page_idle import ptep_clear_young_notify
from lastput.kernel.sched_mm import mmget_not_zero
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.v6.lru_gen import has_young_bit, mm_list
from lastput.lang import NULL, atomic, await_, ghost, ptr, static, struct


@struct
class async_put:
    mm: ptr[mm_struct]
    """The address space whose async_put_work is queued."""
    inside: ghost[bool]
    """The worker is inside of __mmput."""


async_put_work = static(async_put)


def mmput_async(mm: ptr[mm_struct]) -> None:
    """Drop an `mm_users`; after the last one, a worker tears the address space down. Does not sleep.

    Source: Linux 6.12, kernel/fork.c.
    """
    if atomic_dec_and_test(mm.mm_users):
        async_put_work.mm = mm


def mmput_async_fn() -> None:
    """Body of the worker, a daemon thread.

    Source: Linux 6.12, kernel/fork.c.
    """
    with atomic():
        await_(lambda: async_put_work.mm != NULL)
        mm = async_put_work.mm
        async_put_work.mm = NULL
    async_put_work.inside = True
    __mmput(mm)
    async_put_work.inside = False


def iterate_mm_list() -> ptr[mm_struct]:
    """The next address space on the list, of which the caller is now a user; NULL if there is none.

    Source: Linux 6.12, mm/vmscan.c.
    """
    spin_lock(mm_list.lock)
    mm = mm_list.fifo
    if mm and not mmget_not_zero(mm):
        mm = NULL
    spin_unlock(mm_list.lock)
    return mm


def walk_pte_range(mm: ptr[mm_struct]) -> None:
    """Test and clear the accessed bits of all entries of a table. The kernel only tries the lock.

    Source: Linux 6.12, mm/vmscan.c.
    """
    spin_lock(mm.page_table_lock)
    for i in range(Mm.pages):
        if has_young_bit(mm, mm.pte[i]):
            ptep_clear_young_notify(mm.mmap, i)
    spin_unlock(mm.page_table_lock)


def walk_mm() -> None:
    """Visit one address space, if there is one left.

    Source: Linux 6.12, mm/vmscan.c: try_to_inc_max_seq, walk_mm.
    """
    mm = iterate_mm_list()
    if mm:
        walk_pte_range(mm)
        mmput_async(mm)
