"""Notifiers of a secondary MMU (Linux 4.12, mm/mmu_notifier.c, include/linux/mmu_notifier.h).

Readers walk the list under one SRCU domain for all address spaces; removal is: call `release`,
unhash, wait for a grace period. Addresses are page numbers. Earlier versions and designs that were
only proposed are in mmu_notifier_versions and mmu_notifier_designs; `Notifiers.design` chooses.
mmu_notifier_register is in mmu_notifier_register.py; scenarios that do not race with it call
hlist_add_head_rcu in their set-up.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.fs_types import callback_head
from lastput.kernel.hlist import hlist_del_init_rcu, hlist_del_rcu, hlist_empty, hlist_unhashed
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_interval_notifier import (
    Interval,
    mn_itree_range_end,
    mn_itree_range_start,
    mn_itree_release,
)
from lastput.kernel.mmu_notifier_designs import (
    release_exit_frees,
    release_mutex_after_pick,
    release_mutex_after_unhash,
    release_mutex_in_section,
    release_mutex_of_mm,
    unregister_exit_frees,
    unregister_mutex_of_mm,
    unregister_own_mutex,
    unregister_then_free,
)
from lastput.kernel.mmu_notifier_types import (
    Notifiers,
    call_release,
    hlist_entry,
    mmu_notifier,
    mmu_notifier_ops,
    srcu,
    wait_for_walks,
    walk_begin,
    walk_end,
)
from lastput.kernel.mmu_notifier_versions import (
    release_before_3_6,
    release_unhash_first,
    unregister_before_3_6,
    unregister_unhash_first,
)
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import call_srcu
from lastput.kernel.v6.mmu_notifier import __mmu_notifier_invalidate_range_end as v6_invalidate_range_end
from lastput.kernel.v6.mmu_notifier import __mmu_notifier_invalidate_range_start as v6_invalidate_range_start
from lastput.kernel.v6.mmu_notifier import __mmu_notifier_release as v6_release
from lastput.lang import BUG_ON, NULL, ptr

__all__ = [
    "Notifiers",
    "hlist_entry",
    "mmu_notifier",
    "mmu_notifier_call_srcu",
    "mmu_notifier_clear_flush_young",
    "mmu_notifier_invalidate_page",
    "mmu_notifier_invalidate_range_end",
    "mmu_notifier_invalidate_range_start",
    "mmu_notifier_ops",
    "mmu_notifier_release",
    "mmu_notifier_unregister",
    "mmu_notifier_unregister_no_release",
    "srcu",
]


def __mmu_notifier_release(mm: ptr[mm_struct]) -> None:
    """The address space dies: let go of it in every secondary MMU, then empty the list.

    Callbacks go on arriving while `release` runs. d34883d4e35c left the read section before it
    unhashed; by 4.4 it ends after that.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        call_release(mn, mm)
        node = mn.hlist.next
    if not Notifiers.unhash_in_section:
        walk_end()
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        hlist_del_init_rcu(node)
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    if Notifiers.unhash_in_section:
        walk_end()
    if Notifiers.release_waits:
        wait_for_walks()


def has_list(mm: ptr[mm_struct]) -> bool:
    """Whether there is a list to walk; since Linux 5.5 an empty one is not."""
    return not Interval.notifiers or not hlist_empty(mm.mmu_notifier_mm.list)


def release_both(mm: ptr[mm_struct]) -> None:
    """Of an address space that may have interval notifiers, too; an empty list takes no grace period.

    Source: Linux 7.3, mm/mmu_notifier.c: __mmu_notifier_release.
    """
    subscriptions = mm.mmu_notifier_mm
    if subscriptions:
        if subscriptions.has_itree:
            mn_itree_release(subscriptions)
        if not hlist_empty(subscriptions.list):
            __mmu_notifier_release(mm)


def mmu_notifier_release(mm: ptr[mm_struct]) -> None:
    """What exit_mmap does first, as `Notifiers.design` says. The caller holds an mm_count.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    if Interval.notifiers:
        release_both(mm)
    elif mm.mmu_notifier_mm:
        if Notifiers.v6_hooks:
            v6_release(mm)
        elif Notifiers.design == "v3.5":
            release_before_3_6(mm)
        elif Notifiers.design == "D1":
            release_unhash_first(mm)
        elif Notifiers.design == "D2a-i":
            release_mutex_in_section(mm)
        elif Notifiers.design == "D2a-ii":
            release_mutex_after_pick(mm)
        elif Notifiers.design == "D2a-iii":
            release_mutex_after_unhash(mm)
        elif Notifiers.design == "D2b":
            release_mutex_of_mm(mm)
        elif Notifiers.design == "D3-exit":
            release_exit_frees(mm)
        else:
            __mmu_notifier_release(mm)


def __mmu_notifier_unregister(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Linux 4.12's mmu_notifier_unregister.

    Nothing keeps it from calling `release` while __mmu_notifier_release does, too. Before
    d34883d4e35c the node was removed with hlist_del_rcu, which must find it hashed.

    Source: Linux 4.12, mm/mmu_notifier.c: mmu_notifier_unregister.
    """
    BUG_ON(mm.mm_count.counter == 0)
    if not hlist_unhashed(mn.hlist):
        walk_begin()
        call_release(mn, mm)
        walk_end()
        spin_lock(mm.mmu_notifier_mm.lock)
        if Notifiers.del_init:
            hlist_del_init_rcu(mn.hlist)
        else:
            hlist_del_rcu(mn.hlist)
        spin_unlock(mm.mmu_notifier_mm.lock)
    if Notifiers.unregister_waits:
        wait_for_walks()
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def mmu_notifier_unregister(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Remove `mn` while the address space may live on. No callback of `mn` runs after this.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    if Notifiers.design == "v3.5":
        unregister_before_3_6(mn, mm)
    elif Notifiers.design == "D1":
        unregister_unhash_first(mn, mm)
    elif Notifiers.design == "D2a-i" or Notifiers.design == "D2a-ii" or Notifiers.design == "D2a-iii":
        unregister_own_mutex(mn, mm)
    elif Notifiers.design == "D2b":
        unregister_mutex_of_mm(mn, mm)
    elif Notifiers.design == "D3":
        unregister_then_free(mn, mm)
    elif Notifiers.design == "D3-exit":
        unregister_exit_frees(mn, mm)
    else:
        __mmu_notifier_unregister(mn, mm)


def mmu_notifier_unregister_no_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Remove `mn` without a callback and without waiting: walks may still be inside its methods.

    Whoever calls this frees `mn` after a grace period of its own (mmu_notifier_call_srcu). The kernel
    drops the mm_count here, too. Design D2b needs its mutex here: exit may have `mn` in its array.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    if Notifiers.design == "D2b":
        mutex_lock(mm.mmu_notifier_mm.mutex)
    spin_lock(mm.mmu_notifier_mm.lock)
    hlist_del_init_rcu(mn.hlist)
    spin_unlock(mm.mmu_notifier_mm.lock)
    if Notifiers.design == "D2b":
        mutex_unlock(mm.mmu_notifier_mm.mutex)
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def mmu_notifier_call_srcu(head: ptr[callback_head], func: Callable[[ptr[callback_head]], None]) -> None:
    """Have `func` called when every walk that is under way now has ended.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    call_srcu(srcu, head, func)


def __mmu_notifier_clear_flush_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    """The walk of mmu_notifier_clear_flush_young.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    young = False
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.clear_flush_young != NULL and mn.ops.clear_flush_young(mn, mm, start, end):
            young = True
        node = mn.hlist.next
    walk_end()
    return young


def mmu_notifier_clear_flush_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    """Test and clear the accessed bits of secondary MMUs; true if one was set.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    if mm.mmu_notifier_mm:
        return __mmu_notifier_clear_flush_young(mm, start, end)
    return False


def __mmu_notifier_clear_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    """The walk of mmu_notifier_clear_young.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    young = False
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.clear_young != NULL and mn.ops.clear_young(mn, mm, start, end):
            young = True
        node = mn.hlist.next
    walk_end()
    return young


def mmu_notifier_clear_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    """The same without a TLB flush: for idle-page tracking, which can do with an estimate.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    if mm.mmu_notifier_mm:
        return __mmu_notifier_clear_young(mm, start, end)
    return False


def __mmu_notifier_test_young(mm: ptr[mm_struct], address: int) -> bool:
    """The walk of mmu_notifier_test_young: it ends at the first that says yes.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    young = False
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node and not young:
        mn = hlist_entry(node)
        if mn.ops.test_young != NULL:
            young = mn.ops.test_young(mn, mm, address)
        node = mn.hlist.next
    walk_end()
    return young


def mmu_notifier_test_young(mm: ptr[mm_struct], address: int) -> bool:
    """Whether a secondary MMU has accessed the page; asks until one says so, and clears nothing.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    if mm.mmu_notifier_mm:
        return __mmu_notifier_test_young(mm, address)
    return False


def __mmu_notifier_change_pte(mm: ptr[mm_struct], address: int, page: ptr[page], writable: bool) -> None:
    """The walk of mmu_notifier_change_pte.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.change_pte != NULL:
            mn.ops.change_pte(mn, mm, address, page, writable)
        node = mn.hlist.next
    walk_end()


def mmu_notifier_change_pte(mm: ptr[mm_struct], address: int, page: ptr[page], writable: bool) -> None:
    """The primary entry is about to map `page` instead. Called with the page-table lock held.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    if mm.mmu_notifier_mm:
        __mmu_notifier_change_pte(mm, address, page, writable)


def mmu_notifier_invalidate_page(mm: ptr[mm_struct], address: int) -> None:
    """The primary entry of one page is gone already; the page is not free yet. Linux 4.12 and before.

    Source: Linux 4.12, mm/mmu_notifier.c: __mmu_notifier_invalidate_page.
    """
    if mm.mmu_notifier_mm:
        walk_begin()
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_page != NULL:
                mn.ops.invalidate_page(mn, mm, address)
            node = mn.hlist.next
        walk_end()


def mmu_notifier_invalidate_range(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Only for secondary MMUs that walk the primary's own page table: KVM has no such callback.

    Source: Linux 4.12, mm/mmu_notifier.c.
    """
    if mm.mmu_notifier_mm:
        walk_begin()
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_range != NULL:
                mn.ops.invalidate_range(mn, mm, start, end)
            node = mn.hlist.next
        walk_end()


def mmu_notifier_invalidate_range_start(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of a range are about to go.

    Source: Linux 4.12, mm/mmu_notifier.c: __mmu_notifier_invalidate_range_start.
    """
    if Interval.notifiers:
        mn_itree_range_start(mm, start, end)
    if Notifiers.v6_hooks:
        if mm.mmu_notifier_mm:
            v6_invalidate_range_start(mm, start, end)
    elif mm.mmu_notifier_mm and has_list(mm):
        walk_begin()
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_range_start != NULL:
                mn.ops.invalidate_range_start(mn, mm, start, end)
            node = mn.hlist.next
        walk_end()


def mmu_notifier_invalidate_range_end(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of the range are gone.

    Source: Linux 4.12, mm/mmu_notifier.c: __mmu_notifier_invalidate_range_end.
    """
    if Interval.notifiers:
        mn_itree_range_end(mm)
    if Notifiers.v6_hooks:
        if mm.mmu_notifier_mm:
            v6_invalidate_range_end(mm, start, end)
    elif mm.mmu_notifier_mm and has_list(mm):
        walk_begin()
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_range_end != NULL:
                mn.ops.invalidate_range_end(mn, mm, start, end)
            node = mn.hlist.next
        walk_end()
