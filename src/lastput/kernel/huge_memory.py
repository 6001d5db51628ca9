"""Huge pages: one entry that maps all of guest memory (Linux 4.12, mm/huge_memory.c).

A compound page is one object here: its tail pages have no count of their own in the kernel either. The
split of the compound page itself, which needs that nobody holds it, is left out: only the entry splits,
which is what secondary MMUs are told of.
"""

from __future__ import annotations

from lastput.kernel.memory import change_begin, change_end, ptep_get_and_clear, set_pte
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import atomic, ptr


def __split_huge_pmd_locked(mm: ptr[mm_struct]) -> None:
    """Map the parts of the huge page one by one; each mapping holds a reference.

    The entry is invalid for a moment (pmdp_invalidate): nobody finds the page in between.

    Source: Linux 4.12, mm/huge_memory.c.
    """
    with atomic():  # page_ref_add, and the clearing of the entry
        page = mm.pmd.page
        page._refcount.counter += Mm.pages - 1
        ptep_get_and_clear(mm.pmd)
    for address in range(Mm.pages):
        set_pte(mm.pte[address], page)


def split_huge_pmd(mm: ptr[mm_struct]) -> None:
    """Replace the huge entry by small ones.

    Source: Linux 4.12, mm/huge_memory.c: __split_huge_pmd.
    """
    change_begin(mm, 0, Mm.pages)
    spin_lock(mm.page_table_lock)
    if mm.pmd.page:
        __split_huge_pmd_locked(mm)
    spin_unlock(mm.page_table_lock)
    change_end(mm, 0, Mm.pages)
