"""The hooks of mmu notifiers that take a list and intervals apart (Linux 6.1, mm/mmu_notifier.c).

They are entered whenever the address space has ever had a notifier; what walks the list, only if something
is on it. An empty list costs no grace period. Interval notifiers are in kernel/mmu_interval_notifier.py.
"""

from __future__ import annotations

from lastput.kernel.hlist import hlist_del_init_rcu, hlist_empty
from lastput.kernel.mm_types import mm_struct, mmu_notifier_mm
from lastput.kernel.mmu_notifier_register import add_notifier, mm_drop_all_locks, mm_take_all_locks
from lastput.kernel.mmu_notifier_types import (
    call_release,
    hlist_entry,
    mmu_notifier,
    wait_for_walks,
    walk_begin,
    walk_end,
)
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import BUG_ON, NULL, kzalloc, ptr


def mn_hlist_release(mm: ptr[mm_struct]) -> None:
    """Let go of the address space in every secondary MMU, then empty the list.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        call_release(mn, mm)
        node = mn.hlist.next
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        hlist_del_init_rcu(node)
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    walk_end()
    wait_for_walks()


def __mmu_notifier_release(mm: ptr[mm_struct]) -> None:
    """The address space dies.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    if not hlist_empty(mm.mmu_notifier_mm.list):
        mn_hlist_release(mm)


def mn_hlist_invalidate_range_start(mm: ptr[mm_struct], start: int, end: int) -> None:
    """The walk of the list before primary entries change.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.invalidate_range_start != NULL:
            mn.ops.invalidate_range_start(mn, mm, start, end)
        node = mn.hlist.next
    walk_end()


def __mmu_notifier_invalidate_range_start(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of a range are about to go.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    if not hlist_empty(mm.mmu_notifier_mm.list):
        mn_hlist_invalidate_range_start(mm, start, end)


def mn_hlist_invalidate_end(mm: ptr[mm_struct], start: int, end: int) -> None:
    """The walk of the list after primary entries have changed. invalidate_range, for which KVM of arm64 has
    no use, is left out.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        if mn.ops.invalidate_range_end != NULL:
            mn.ops.invalidate_range_end(mn, mm, start, end)
        node = mn.hlist.next
    walk_end()


def __mmu_notifier_invalidate_range_end(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of the range are gone.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    if not hlist_empty(mm.mmu_notifier_mm.list):
        mn_hlist_invalidate_end(mm, start, end)


# -- registration ----------------------------------------------------------------------------


def __mmu_notifier_register(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Have `mn` hear of what happens to `mm`; it takes an mm_count. Holds mmap_lock for writing.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    BUG_ON(mm.mm_users.counter == 0)
    spare = kzalloc(mmu_notifier_mm)
    mm_take_all_locks(mm)
    add_notifier(mn, mm, spare)
    mm_drop_all_locks(mm)


def mmu_notifier_register(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Have `mn` hear of what happens to `mm` from now on. May sleep. A signal does not come in between here.

    Source: Linux 6.1, mm/mmu_notifier.c.
    """
    down_write(mm.mmap_sem)
    __mmu_notifier_register(mn, mm)
    up_write(mm.mmap_sem)
