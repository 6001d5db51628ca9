"""Notifiers of a secondary MMU (Linux 4.12, mm/mmu_notifier.c, include/linux/mmu_notifier.h).

One SRCU domain serves every address space. Readers walk the list under it; removal is: call
`release`, unhash, wait for a grace period. Addresses are page numbers. `clear_young`, `test_young`
and `change_pte` differ from what is here in the callback only and come with their first caller.
Registration happens in the set-up of a scenario, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.hlist import hlist_del_init_rcu, hlist_node, hlist_unhashed
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from lastput.lang import (
    BUG_ON,
    NULL,
    const,
    container_of,
    option,
    options,
    ptr,
    static,
    struct,
)


@options
class Notifiers:
    """What the notifier core does; switch one off to see what it is for."""

    release_waits: bool = option(True, "__mmu_notifier_release ends with a grace period")
    unregister_waits: bool = option(True, "mmu_notifier_unregister ends with a grace period")


@struct
class mmu_notifier_ops:
    release: const[Callable[[ptr[mmu_notifier], ptr[mm_struct]], None]]
    clear_flush_young: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], bool]]
    invalidate_page: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int], None]]
    invalidate_range_start: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], None]]
    invalidate_range_end: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], None]]


@struct
class mmu_notifier:
    hlist: hlist_node
    ops: const[ptr[mmu_notifier_ops]]


srcu = static(srcu_struct)


def hlist_entry(node: ptr[hlist_node]) -> ptr[mmu_notifier]:
    """The notifier that embeds a list node."""
    return container_of(node, mmu_notifier, lambda m: m.hlist)


def __mmu_notifier_release(mm: ptr[mm_struct]) -> None:
    """The address space dies: let go of it in every secondary MMU, then empty the list."""
    srcu_read_lock(srcu)
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.release != NULL:
            mn.ops.release(mn, mm)
        node = mn.hlist.next
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        hlist_del_init_rcu(node)
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    srcu_read_unlock(srcu)
    if Notifiers.release_waits:
        synchronize_srcu(srcu)


def mmu_notifier_release(mm: ptr[mm_struct]) -> None:
    if mm.mmu_notifier_mm:
        __mmu_notifier_release(mm)


def mmu_notifier_unregister(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Remove `mn` while the address space may live on. No callback of `mn` runs after this."""
    BUG_ON(mm.mm_count.counter == 0)
    if not hlist_unhashed(mn.hlist):
        srcu_read_lock(srcu)
        if mn.ops.release != NULL:
            mn.ops.release(mn, mm)
        srcu_read_unlock(srcu)
        spin_lock(mm.mmu_notifier_mm.lock)
        hlist_del_init_rcu(mn.hlist)
        spin_unlock(mm.mmu_notifier_mm.lock)
    if Notifiers.unregister_waits:
        synchronize_srcu(srcu)
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def __mmu_notifier_clear_flush_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    young = False
    srcu_read_lock(srcu)
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.clear_flush_young != NULL and mn.ops.clear_flush_young(mn, mm, start, end):
            young = True
        node = mn.hlist.next
    srcu_read_unlock(srcu)
    return young


def mmu_notifier_clear_flush_young(mm: ptr[mm_struct], start: int, end: int) -> bool:
    """Test and clear the accessed bits of secondary MMUs; true if one was set."""
    if mm.mmu_notifier_mm:
        return __mmu_notifier_clear_flush_young(mm, start, end)
    return False


def mmu_notifier_invalidate_page(mm: ptr[mm_struct], address: int) -> None:
    """The primary entry of one page is gone already; the page is not free yet. Linux 4.12 and before."""
    if mm.mmu_notifier_mm:
        srcu_read_lock(srcu)
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_page != NULL:
                mn.ops.invalidate_page(mn, mm, address)
            node = mn.hlist.next
        srcu_read_unlock(srcu)


def mmu_notifier_invalidate_range_start(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of a range are about to go."""
    if mm.mmu_notifier_mm:
        srcu_read_lock(srcu)
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_range_start != NULL:
                mn.ops.invalidate_range_start(mn, mm, start, end)
            node = mn.hlist.next
        srcu_read_unlock(srcu)


def mmu_notifier_invalidate_range_end(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of the range are gone."""
    if mm.mmu_notifier_mm:
        srcu_read_lock(srcu)
        node = mm.mmu_notifier_mm.list.first
        while node:
            mn = hlist_entry(node)
            if mn.ops.invalidate_range_end != NULL:
                mn.ops.invalidate_range_end(mn, mm, start, end)
            node = mn.hlist.next
        srcu_read_unlock(srcu)
