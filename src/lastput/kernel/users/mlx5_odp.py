"""Memory regions of an mlx5 adapter that fault (drivers/infiniband/hw/mlx5/odp.c, mr.c).

Linux 6.13 and 6.14. A region is told of invalidations by an interval notifier, takes the pages out of the
adapter's table, and drops its DMA mappings. An implicit region covers all memory by children; a child that
has become empty is taken out of its parent and destroyed by a work. One child of one page here. Faults,
which make children and map pages, are left out; so are the keys' cache and the DMA mappings, which the
adapter's table entry stands for.
"""

from __future__ import annotations

from lastput.kernel.lock_types import mutex
from lastput.kernel.mm_types import page
from lastput.kernel.mmu_interval_notifier import (
    mmu_interval_notifier,
    mmu_interval_notifier_remove,
    mmu_interval_set_seq,
)
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.preempt import might_sleep
from lastput.kernel.refcount import (
    refcount_dec_and_test,
    refcount_inc_not_zero,
    refcount_t,
)
from lastput.kernel.workqueue import queue_work, work_struct, workqueue_struct
from lastput.lang import (
    NULL,
    atomic,
    await_,
    const,
    container_of,
    ghost,
    kfree,
    option,
    options,
    ptr,
    static,
    struct,
    violation,
)


@options
class Mlx5:
    """Which fixes are in."""

    cmpxchg: bool = option(True, "only who takes a child out of its parent destroys it (d3d930411ce3)")
    drops_parent: bool = option(True, "... and who does not, lets go of the parent (Linux 6.14)")
    revoke_locked: bool = option(True, "a key is revoked under the lock of its region (abb604a1a9c8)")


@struct
class mlx5_ib_mr:
    """A region: its key, its ib_umem_odp, and what it needs as a child or as a parent."""

    notifier: mmu_interval_notifier
    umem_mutex: mutex
    usecount: refcount_t
    """Of the key: whoever may still use it."""
    mtt: ptr[page]
    """The adapter's entry for the page, without a reference."""
    revoked: bool
    """The key is gone: the adapter answers its use with an error."""
    private: bool
    """The region is in use (umem_odp->private)."""
    parent: const[ptr[mlx5_ib_mr]]
    implicit_children: ptr[mlx5_ib_mr]
    wq: const[ptr[workqueue_struct]]
    odp_destroy: work_struct


@struct
class mlx5_witness:
    """What is to be seen; true for a moment only."""

    lost: ghost[bool]
    """An invalidation found the empty child destroyed by somebody else."""
    revoked_first: ghost[bool]
    """An invalidation found the region revoked."""


witness = static(mlx5_witness)


def mlx5r_deref_odp_mkey(mr: ptr[mlx5_ib_mr]) -> None:
    """Drop a use of the key. Whoever waits for the last one sees the count.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/mlx5_ib.h.
    """
    refcount_dec_and_test(mr.usecount)


def mlx5r_deref_wait_odp_mkey(mr: ptr[mlx5_ib_mr]) -> None:
    """Drop the owner's use of the key, and wait until nobody uses it. May sleep.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/mlx5_ib.h.
    """
    might_sleep()
    if not refcount_dec_and_test(mr.usecount):
        await_(lambda: mr.usecount.refs.counter == 0)


def mlx5r_umr_update_xlt(mr: ptr[mlx5_ib_mr]) -> None:
    """Have the adapter take the page out of its table: a request that names the key.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/umr.c.
    """
    with atomic():
        if mr.revoked:
            violation("bug", "completion with error: the request names a revoked key")
        found = mr.mtt
        mr.mtt = NULL
        if found:
            found.secondary -= 1


def destroy_unused_implicit_child_mr(mr: ptr[mlx5_ib_mr]) -> None:
    """The child is empty: take it out of its parent, and have a work destroy it.

    If the parent is going already, it destroys its children.

    Source: Linux 6.13 and 6.14, drivers/infiniband/hw/mlx5/odp.c.
    """
    imr = mr.parent
    if not refcount_inc_not_zero(imr.usecount):
        return
    if Mlx5.cmpxchg:
        with atomic():  # __xa_cmpxchg
            mine = imr.implicit_children == mr
            if mine:
                imr.implicit_children = NULL
        if not mine:
            witness.lost = True
            if Mlx5.drops_parent:
                mlx5r_deref_odp_mkey(imr)
            return
    else:
        imr.implicit_children = NULL  # xa_erase
        mr.odp_destroy.pending = False  # INIT_WORK
    queue_work(imr.wq, mr.odp_destroy)


def mlx5_ib_invalidate_range(
    mni: ptr[mmu_interval_notifier], start: int, end: int, event: int, cur_seq: int
) -> bool:
    """Pages are about to go.

    Source: Linux 6.13 and 6.14, drivers/infiniband/hw/mlx5/odp.c.
    """
    mr = container_of(mni, mlx5_ib_mr, lambda m: m.notifier)
    mutex_lock(mr.umem_mutex)
    mmu_interval_set_seq(mni, cur_seq)
    if not mr.private:
        witness.revoked_first = True
        mutex_unlock(mr.umem_mutex)
        witness.revoked_first = False
        return True
    mlx5r_umr_update_xlt(mr)
    if mr.parent:
        destroy_unused_implicit_child_mr(mr)
        witness.lost = False
    mutex_unlock(mr.umem_mutex)
    return True


def mlx5_revoke_mr(mr: ptr[mlx5_ib_mr]) -> None:
    """Take the key from the adapter. Its entries are of no use to it any more.

    Before abb604a1a9c8 an invalidation could come behind this, and name the key.

    Source: Linux 6.13 and 6.14, drivers/infiniband/hw/mlx5/mr.c.
    """
    if Mlx5.revoke_locked:
        mutex_lock(mr.umem_mutex)
    with atomic():
        mr.revoked = True
        found = mr.mtt
        mr.mtt = NULL
        if found:
            found.secondary -= 1
    if Mlx5.revoke_locked:
        mr.private = False
        mutex_unlock(mr.umem_mutex)


def destroy(mr: ptr[mlx5_ib_mr]) -> None:
    """Nobody uses the key: revoke it, stop the notifications, free the region.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/mr.c: __mlx5_ib_dereg_mr.
    """
    mlx5_revoke_mr(mr)
    mmu_interval_notifier_remove(mr.notifier)
    kfree(mr)


def free_implicit_child_mr_work(work: ptr[work_struct]) -> None:
    """Destroy a child, then let go of its parent.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/odp.c.
    """
    mr = container_of(work, mlx5_ib_mr, lambda m: m.odp_destroy)
    imr = mr.parent
    mlx5r_deref_wait_odp_mkey(mr)
    destroy(mr)
    mlx5r_deref_odp_mkey(imr)


def dereg_mr(mr: ptr[mlx5_ib_mr]) -> None:
    """A region that is no parent goes.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/mr.c: mlx5_ib_dereg_mr.
    """
    mlx5r_deref_wait_odp_mkey(mr)
    destroy(mr)


def dereg_implicit_mr(imr: ptr[mlx5_ib_mr]) -> None:
    """A parent goes, and with it the children that are left. Its own notifier is left out: it maps nothing.

    Source: Linux 6.13, drivers/infiniband/hw/mlx5/odp.c: mlx5_ib_free_odp_mr.
    """
    mlx5r_deref_wait_odp_mkey(imr)
    with atomic():  # xa_erase
        mr = imr.implicit_children
        imr.implicit_children = NULL
    if mr:
        dereg_mr(mr)
    kfree(imr)
