"""References to an mm_struct (Linux 4.12, include/linux/sched/mm.h, kernel/fork.c).

`mm_users` keeps the address space usable, `mm_count` keeps the structure; all users together hold
one `mm_count`.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_inc_not_zero
from lastput.kernel.hlist import hlist_empty
from lastput.kernel.mm_types import mm_struct
from lastput.lang import BUG_ON, NULL, kfree, ptr, roles


def mmgrab(mm: ptr[mm_struct]) -> None:
    """Keep the structure, not the address space: one more `mm_count`.

    Source: Linux 4.12, include/linux/sched/mm.h.
    """
    atomic_inc(mm.mm_count)


def mmget_not_zero(mm: ptr[mm_struct]) -> bool:
    """Become a user of the address space unless the last one is gone; says whether it worked.

    Source: Linux 4.12, include/linux/sched/mm.h.
    """
    return atomic_inc_not_zero(mm.mm_users)


def mmu_notifier_mm_destroy(mm: ptr[mm_struct]) -> None:
    """No notifier may be left when the structure dies.

    Source: Linux 4.12, mm/mmu_notifier.c: __mmu_notifier_mm_destroy.
    """
    notifiers = mm.mmu_notifier_mm
    if notifiers:
        BUG_ON(not hlist_empty(notifiers.list))
        kfree(notifiers)
        mm.mmu_notifier_mm = NULL


def __mmdrop(mm: ptr[mm_struct]) -> None:
    """Free the structure. Its top-level page table, which goes with it, is part of it here.

    Source: Linux 4.12, kernel/fork.c.
    """
    mmu_notifier_mm_destroy(mm)
    kfree(mm)


def mmdrop(mm: ptr[mm_struct]) -> None:
    """Drop an `mm_count`; the last one frees the structure.

    Source: Linux 4.12, include/linux/sched/mm.h.
    """
    if atomic_dec_and_test(mm.mm_count):
        __mmdrop(mm)


roles.reference(mmgrab, mmdrop)
