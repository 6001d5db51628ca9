"""Removing a notifier, as it was before Linux 3.10 (mm/mmu_notifier.c).

    v2.6.27..v3.5  unhash, then release, in an RCU read section      release_before_3_6
    3ad3d901bbcf   release all, then unhash; RCU                     mmu_notifier.py, options
    21a92735f660   the same under one SRCU domain                    mmu_notifier.py, options
    751efd8610d3   unhash, then release; whoever unhashed calls it   release_unhash_first (design D1)
    d34883d4e35c   release, then unhash, as ever since               mmu_notifier.py

Between unhashing and the end of `release` nobody hears of an invalidation.
"""

from __future__ import annotations

from lastput.kernel.hlist import hlist_del_init_rcu, hlist_del_rcu, hlist_unhashed
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier_types import (
    call_release,
    hlist_entry,
    mmu_notifier,
    wait_for_walks,
    walk_begin,
    walk_end,
)
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import BUG_ON, ptr


def release_before_3_6(mm: ptr[mm_struct]) -> None:
    """Unhash a notifier, let go in its secondary MMU, then the next one.

    Source: Linux 3.5, mm/mmu_notifier.c: __mmu_notifier_release.
    """
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        hlist_del_init_rcu(node)
        walk_begin()
        spin_unlock(mm.mmu_notifier_mm.lock)
        call_release(hlist_entry(node), mm)
        walk_end()
        spin_lock(mm.mmu_notifier_mm.lock)
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    wait_for_walks()


def unregister_before_3_6(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Whoever finds the node hashed, under the lock, unhashes it and calls `release`.

    Source: Linux 3.5, mm/mmu_notifier.c: mmu_notifier_unregister.
    """
    BUG_ON(mm.mm_count.counter == 0)
    spin_lock(mm.mmu_notifier_mm.lock)
    if not hlist_unhashed(mn.hlist):
        hlist_del_rcu(mn.hlist)
        walk_begin()
        spin_unlock(mm.mmu_notifier_mm.lock)
        call_release(mn, mm)
        walk_end()
    else:
        spin_unlock(mm.mmu_notifier_mm.lock)
    wait_for_walks()
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def release_unhash_first(mm: ptr[mm_struct]) -> None:
    """As before 3.6, in one read section around all of it.

    Source: Linux 3.9, mm/mmu_notifier.c: __mmu_notifier_release.
    """
    walk_begin()
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        hlist_del_init_rcu(node)
        spin_unlock(mm.mmu_notifier_mm.lock)
        call_release(hlist_entry(node), mm)
        spin_lock(mm.mmu_notifier_mm.lock)
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    walk_end()
    wait_for_walks()


def unregister_unhash_first(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Whoever finds the node hashed, under the lock, unhashes it and calls `release`.

    Source: Linux 3.9, mm/mmu_notifier.c: mmu_notifier_unregister.
    """
    BUG_ON(mm.mm_count.counter == 0)
    spin_lock(mm.mmu_notifier_mm.lock)
    if not hlist_unhashed(mn.hlist):
        walk_begin()
        hlist_del_rcu(mn.hlist)
        spin_unlock(mm.mmu_notifier_mm.lock)
        call_release(mn, mm)
        walk_end()
    else:
        spin_unlock(mm.mmu_notifier_mm.lock)
    wait_for_walks()
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)
