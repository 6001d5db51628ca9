"""struct hmm: one notifier of an address space for all devices that mirror it (mm/hmm.c).

Linux 5.2, and its fixes in 5.3. A driver's mirror holds a reference to the struct hmm; the last one
removes the notifier without calling `release`, because whoever drops it may be inside a callback. That
is no fence: walks of the notifier list may still be in the callbacks, which find the struct.
Ranges, and what a mirror does about invalidated pages, are left out: the question is who lives how long.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.fs_types import callback_head
from lastput.kernel.list import (
    list_del,
    list_del_init,
    list_empty,
    list_head,
)
from lastput.kernel.lock_types import rw_semaphore
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier import (
    mmu_notifier,
    mmu_notifier_call_srcu,
    mmu_notifier_unregister_no_release,
)
from lastput.kernel.refcount import refcount_dec_and_test, refcount_inc_not_zero, refcount_t
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.sched_mm import mmdrop
from lastput.lang import NULL, const, container_of, ghost, kfree, option, options, ptr, static, struct


@options
class Hmm:
    """Which fixes are in."""

    free_by_srcu: bool = option(True, "the struct is freed after a grace period (6d7c3cde93c1)")
    release_locked: bool = option(True, "hmm_release keeps the mirrors' lock (14331726a3c4)")


@struct
class hmm:
    mm: const[ptr[mm_struct]]
    kref: refcount_t
    mirrors: list_head
    mirrors_sem: rw_semaphore
    mmu_notifier: mmu_notifier
    rcu: callback_head


@struct
class hmm_mirror_ops:
    release: const[Callable[[ptr[hmm_mirror]], None]]
    sync_cpu_device_pagetables: const[Callable[[ptr[hmm_mirror], int, int], None]]


@struct
class hmm_mirror:
    hmm: const[ptr[hmm]]
    ops: const[ptr[hmm_mirror_ops]]
    list: list_head


@struct
class hmm_witness:
    """What is to be seen; true for a moment only."""

    bails_out: ghost[bool]
    """A callback finds the struct without a reference."""


witness = static(hmm_witness)


def hmm_free_rcu(rcu: ptr[callback_head]) -> None:
    """No walk can find the struct any more.

    Source: Linux 5.3, mm/hmm.c.
    """
    kfree(container_of(rcu, hmm, lambda h: h.rcu))


def hmm_free(dead: ptr[hmm]) -> None:
    """The last reference is gone. mm->hmm, which finds the struct for the next mirror, is left out.

    The address space is kept until here: 6d7c3cde93c1's series has a reference for it
    (8a9320b7ec5d), which both variants have here, because it is not this bug.

    Source: Linux 5.2, mm/hmm.c.
    """
    mmu_notifier_unregister_no_release(dead.mmu_notifier, dead.mm)
    mmdrop(dead.mm)
    if Hmm.free_by_srcu:
        mmu_notifier_call_srcu(dead.rcu, hmm_free_rcu)
    else:
        kfree(dead)


def hmm_put(hmm: ptr[hmm]) -> None:
    """Drop a reference.

    Source: Linux 5.2, mm/hmm.c.
    """
    if refcount_dec_and_test(hmm.kref):
        hmm_free(hmm)


def hmm_get_unless_zero(found: ptr[hmm]) -> bool:
    """A callback takes a reference for its duration; since 6d7c3cde93c1 it gives up if there is none.

    Before, callbacks took it by mm_get_hmm, from a pointer that might be stale already.

    Source: Linux 5.3, mm/hmm.c: kref_get_unless_zero.
    """
    return refcount_inc_not_zero(found.kref)


def hmm_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space dies: tell every mirror.

    Source: Linux 5.2 and 5.3, mm/hmm.c.
    """
    found = container_of(mn, hmm, lambda h: h.mmu_notifier)
    if not hmm_get_unless_zero(found):
        bail_out()
        return
    if Hmm.release_locked:
        release_locked(found)
    else:
        release_one_by_one(found)
    hmm_put(found)


def bail_out() -> None:
    """Nothing is left to do for this callback."""
    witness.bails_out = True


def release_locked(found: ptr[hmm]) -> None:
    """Tell them with the lock held: a mirror cannot go meanwhile, nor may its callback make it go."""
    down_read(found.mirrors_sem)
    node = found.mirrors.next
    while node != found.mirrors:
        mirror = container_of(node, hmm_mirror, lambda m: m.list)
        if mirror.ops.release != NULL:
            mirror.ops.release(mirror)
        node = node.next
    up_read(found.mirrors_sem)


def release_one_by_one(found: ptr[hmm]) -> None:
    """Take one off the list, drop the lock, tell it. By now its driver may have freed it."""
    down_write(found.mirrors_sem)
    while not list_empty(found.mirrors):
        mirror = container_of(found.mirrors.next, hmm_mirror, lambda m: m.list)
        list_del_init(mirror.list)
        if mirror.ops.release != NULL:
            up_write(found.mirrors_sem)
            mirror.ops.release(mirror)
            down_write(found.mirrors_sem)
    up_write(found.mirrors_sem)


def hmm_invalidate_range_start(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """Pages are about to go: tell every mirror.

    Source: Linux 5.2, mm/hmm.c.
    """
    found = container_of(mn, hmm, lambda h: h.mmu_notifier)
    if not hmm_get_unless_zero(found):
        bail_out()
        return
    down_read(found.mirrors_sem)
    node = found.mirrors.next
    while node != found.mirrors:
        mirror = container_of(node, hmm_mirror, lambda m: m.list)
        mirror.ops.sync_cpu_device_pagetables(mirror, start, end)
        node = node.next
    up_read(found.mirrors_sem)
    hmm_put(found)


def hmm_mirror_unregister(mirror: ptr[hmm_mirror]) -> None:
    """The driver is done: no callback of `mirror` runs after this, and the driver may free it.

    Source: Linux 5.2 and 5.3, mm/hmm.c.
    """
    hmm = mirror.hmm
    down_write(hmm.mirrors_sem)
    if Hmm.release_locked:
        list_del(mirror.list)
    else:
        list_del_init(mirror.list)
    up_write(hmm.mirrors_sem)
    hmm_put(hmm)
