"""On-demand paging of RDMA: memory regions that the adapter maps as it needs them.

drivers/infiniband/core/umem_odp.c, as it was to Linux 4.20 and is since f27a0d50a4bc. All regions of a
process share one notifier, which is registered with the first region and removed with the last; before,
both happened with the lock of the regions held for reading, which every callback takes for reading, too.

Finding the owner's address space (get_task_mm, later umem->owning_mm) is left out: regions are released
by tasks of the process here. So is the adapter's fault, which has its own retry protocol, and
`invalidate_range_end`. Registering again is not the whole of mmu_notifier_register: the locks that it
takes besides keep invalidations from falling in between, and nobody here depends on an end.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.lock_types import mutex, rw_semaphore
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier, mmu_notifier_unregister
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwsem import down_read, down_write, downgrade_write, up_read, up_write
from lastput.kernel.sched_mm import mmgrab
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    NULL,
    array,
    atomic,
    const,
    container_of,
    kfree,
    length,
    option,
    options,
    ptr,
    struct,
    upto,
)

UMEMS = 2
"""Regions of one process."""


@options
class Odp:
    """Which fix is in."""

    unlocked: bool = option(True, "the notifier is removed with no lock held (f27a0d50a4bc)")


@struct
class ib_umem_odp:
    """A region of one page; `dma` is the page that the adapter may access, without a reference."""

    context: const[ptr[ib_ucontext]]
    per_mm: ptr[ib_ucontext_per_mm]
    slot: const[int]
    """Where it is in the tree."""
    umem_mutex: mutex
    dma: ptr[page]


@struct
class ib_ucontext_per_mm:
    """What the regions of a process share; to Linux 4.20 part of struct ib_ucontext."""

    mm: const[ptr[mm_struct]]
    mn: mmu_notifier
    umem_rwsem: rw_semaphore
    umem_tree: array[ptr[ib_umem_odp]] = length(UMEMS)
    odp_mrs_count: Annotated[int, upto(UMEMS)]


@struct
class ib_ucontext:
    """A process's handle of the adapter."""

    per_mm_list_lock: mutex
    per_mm: ptr[ib_ucontext_per_mm]
    """What new regions share, if anything."""
    spare: ptr[ib_ucontext_per_mm]
    """What the next allocation of it returns."""


def ib_umem_odp_unmap_dma_pages(umem: ptr[ib_umem_odp]) -> None:
    """The adapter lets go of the region.

    Source: Linux 4.19, drivers/infiniband/core/umem_odp.c.
    """
    mutex_lock(umem.umem_mutex)
    with atomic():
        found = umem.dma
        umem.dma = NULL
        if found:
            found.secondary -= 1
    mutex_unlock(umem.umem_mutex)


def for_each_umem(per_mm: ptr[ib_ucontext_per_mm]) -> None:
    """rbt_ib_umem_for_each_in_range with the callback that unmaps: every region has the one page."""
    for i in range(UMEMS):
        umem = per_mm.umem_tree[i]
        if umem:
            ib_umem_odp_unmap_dma_pages(umem)


def ib_umem_notifier_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space dies, or the notifier goes.

    Source: Linux 4.19, drivers/infiniband/core/umem_odp.c.
    """
    per_mm = container_of(mn, ib_ucontext_per_mm, lambda p: p.mn)
    down_read(per_mm.umem_rwsem)
    for_each_umem(per_mm)
    up_read(per_mm.umem_rwsem)


def ib_umem_notifier_invalidate_range_start(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """Pages are about to go.

    Source: Linux 4.19, drivers/infiniband/core/umem_odp.c.
    """
    per_mm = container_of(mn, ib_ucontext_per_mm, lambda p: p.mn)
    down_read(per_mm.umem_rwsem)
    for_each_umem(per_mm)
    up_read(per_mm.umem_rwsem)


def register(per_mm: ptr[ib_ucontext_per_mm]) -> None:
    """The part of mmu_notifier_register that matters here: on the list, and a reference for it."""
    mm = per_mm.mm
    mmgrab(mm)
    spin_lock(mm.mmu_notifier_mm.lock)
    hlist_add_head_rcu(per_mm.mn.hlist, mm.mmu_notifier_mm.list)
    spin_unlock(mm.mmu_notifier_mm.lock)


def add_umem_to_per_mm(umem: ptr[ib_umem_odp]) -> None:
    """From here on the region hears of invalidations. The lock is held for writing.

    Source: Linux 4.20, drivers/infiniband/core/umem_odp.c.
    """
    umem.per_mm.umem_tree[umem.slot] = umem


def remove_umem_from_per_mm(umem: ptr[ib_umem_odp]) -> None:
    """... and no longer. The lock is held for writing.

    Source: Linux 4.20, drivers/infiniband/core/umem_odp.c.
    """
    umem.per_mm.umem_tree[umem.slot] = NULL


def ib_umem_odp_get(umem: ptr[ib_umem_odp]) -> None:
    """A new region; the first one registers the notifier.

    Source: Linux 4.19, drivers/infiniband/core/umem_odp.c.
    """
    per_mm = umem.context.per_mm
    umem.per_mm = per_mm
    down_write(per_mm.umem_rwsem)
    per_mm.odp_mrs_count += 1
    add_umem_to_per_mm(umem)
    downgrade_write(per_mm.umem_rwsem)
    if per_mm.odp_mrs_count == 1:
        register(per_mm)
    up_read(per_mm.umem_rwsem)


def ib_umem_odp_release(umem: ptr[ib_umem_odp]) -> None:
    """A region goes; the last one removes the notifier, with the lock held for reading.

    For reading, so that callbacks, which mmu_notifier_unregister waits for, are not held up.

    Source: Linux 4.19, drivers/infiniband/core/umem_odp.c.
    """
    per_mm = umem.per_mm
    ib_umem_odp_unmap_dma_pages(umem)
    down_write(per_mm.umem_rwsem)
    remove_umem_from_per_mm(umem)
    per_mm.odp_mrs_count -= 1
    downgrade_write(per_mm.umem_rwsem)
    if per_mm.odp_mrs_count == 0:
        mmu_notifier_unregister(per_mm.mn, per_mm.mm)
    up_read(per_mm.umem_rwsem)
    kfree(umem)


def get_per_mm(umem: ptr[ib_umem_odp]) -> None:
    """A new region counts; the first one allocates what regions share and registers the notifier.

    Source: Linux 5.0, drivers/infiniband/core/umem_odp.c.
    """
    context = umem.context
    mutex_lock(context.per_mm_list_lock)
    per_mm = context.per_mm
    if not per_mm:
        per_mm = context.spare
        context.spare = NULL
        register(per_mm)
        context.per_mm = per_mm
    umem.per_mm = per_mm
    per_mm.odp_mrs_count += 1
    mutex_unlock(context.per_mm_list_lock)


def put_per_mm(umem: ptr[ib_umem_odp]) -> None:
    """The last region removes the notifier, which nobody finds any more; no lock is held.

    Source: Linux 5.0, drivers/infiniband/core/umem_odp.c.
    """
    context = umem.context
    per_mm = umem.per_mm
    mutex_lock(context.per_mm_list_lock)
    per_mm.odp_mrs_count -= 1
    need_free = per_mm.odp_mrs_count == 0
    if need_free:
        context.per_mm = NULL
    mutex_unlock(context.per_mm_list_lock)
    if need_free:
        mmu_notifier_unregister(per_mm.mn, per_mm.mm)
        kfree(per_mm)


def umem_get(umem: ptr[ib_umem_odp]) -> None:
    """A task of the process registers a region."""
    if Odp.unlocked:
        get_per_mm(umem)
        down_write(umem.per_mm.umem_rwsem)
        add_umem_to_per_mm(umem)
        up_write(umem.per_mm.umem_rwsem)
    else:
        ib_umem_odp_get(umem)


def umem_release(umem: ptr[ib_umem_odp]) -> None:
    """... and releases it."""
    if Odp.unlocked:
        ib_umem_odp_unmap_dma_pages(umem)
        down_write(umem.per_mm.umem_rwsem)
        remove_umem_from_per_mm(umem)
        up_write(umem.per_mm.umem_rwsem)
        put_per_mm(umem)
        kfree(umem)
    else:
        ib_umem_odp_release(umem)
