"""khugepaged makes a huge page of small ones (Linux 4.12, mm/khugepaged.c).

It looks at an address space that has users, or none by now: khugepaged_exit waits for it. The checks of
swap entries, of NUMA nodes and of the number of pages that must be there already are left out; all pages
of guest memory must be mapped, by nobody else, and held by nobody.
"""

from __future__ import annotations

from lastput.kernel.memory import change_begin, change_end, ptep_get_and_clear, set_pte
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier_test_young
from lastput.kernel.page import alloc_page_vma, lru, put_page
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, ptr


def khugepaged_test_exit(mm: ptr[mm_struct]) -> bool:
    """The last user is gone. Asked under mmap_sem.

    Source: Linux 4.12, mm/khugepaged.c.
    """
    return mm.mm_users.counter == 0


def referenced_at(mm: ptr[mm_struct], address: int) -> bool:
    """Whether the page at `address` was accessed lately, here or by a guest. Holds the lock."""
    if mm.pte[address].young:
        return True
    return mmu_notifier_test_young(mm, address)


def khugepaged_scan_pmd(mm: ptr[mm_struct]) -> bool:
    """Whether guest memory is worth a huge page: all of it is mapped, and some was accessed lately.

    Source: Linux 4.12, mm/khugepaged.c.
    """
    found = True
    referenced = False
    spin_lock(mm.page_table_lock)
    for address in range(Mm.pages):
        if not mm.pte[address].page:
            found = False
        elif referenced_at(mm, address):
            referenced = True
    spin_unlock(mm.page_table_lock)
    return found and referenced


def collapse_isolated(mm: ptr[mm_struct], old: ptr[page], other: ptr[page]) -> bool:
    """Both pages are mapped once, and held by nobody else: they can be copied and given up.

    Source: Linux 4.12, mm/khugepaged.c: __collapse_huge_page_isolate.
    """
    if not old or not other:
        return False
    with atomic():
        return old._refcount.counter == 1 and other._refcount.counter == 1


def copy_and_free(old: ptr[page], other: ptr[page]) -> None:
    """Copy the small pages, and give them up. What is written to them now is lost.

    Source: Linux 4.12, mm/khugepaged.c: __collapse_huge_page_copy.
    """
    assert old.secondary == 0, "a page is copied while a secondary MMU maps it"
    assert other.secondary == 0, "a page is copied while a secondary MMU maps it"
    with atomic():
        lru.list[0] = NULL
        lru.list[1] = NULL
    put_page(old)
    put_page(other)


def put_back(mm: ptr[mm_struct], old: ptr[page], other: ptr[page]) -> None:
    """Nothing comes of it: the small pages are mapped again.

    Source: Linux 4.12, mm/khugepaged.c: collapse_huge_page.
    """
    spin_lock(mm.page_table_lock)
    if old:
        set_pte(mm.pte[0], old)
    if other:
        set_pte(mm.pte[1], other)
    spin_unlock(mm.page_table_lock)


def collapse_huge_page(mm: ptr[mm_struct]) -> bool:
    """Replace the two small pages by a huge one; says whether it did.

    The entries go between start and end of the notification, which ends before the copy: that no fault
    looks them up meanwhile is mmap_sem's doing. Clearing the entry of the whole page table (pmd) is one
    step.

    Source: Linux 4.12, mm/khugepaged.c.
    """
    new = alloc_page_vma(0, mm.mmap.anon_vma)
    down_write(mm.mmap_sem)
    done = False
    if not khugepaged_test_exit(mm) and mm.mm_rb == mm.mmap and not mm.pmd.page:
        down_write(mm.mmap.anon_vma.rwsem)
        change_begin(mm, 0, Mm.pages)
        spin_lock(mm.page_table_lock)
        with atomic():  # pmdp_collapse_flush
            old = ptep_get_and_clear(mm.pte[0])
            other = ptep_get_and_clear(mm.pte[1])
        spin_unlock(mm.page_table_lock)
        change_end(mm, 0, Mm.pages)
        done = collapse_isolated(mm, old, other)
        if done:
            copy_and_free(old, other)
            spin_lock(mm.page_table_lock)
            lru.list[0] = new
            set_pte(mm.pmd, new)
            spin_unlock(mm.page_table_lock)
        else:
            put_back(mm, old, other)
        up_write(mm.mmap.anon_vma.rwsem)
    up_write(mm.mmap_sem)
    if not done:
        put_page(new)
    return done


def khugepaged_scan_mm_slot(mm: ptr[mm_struct]) -> bool:
    """One visit to an address space; says whether it collapsed guest memory.

    Source: Linux 4.12, mm/khugepaged.c.
    """
    worth = False
    down_read(mm.mmap_sem)
    if not khugepaged_test_exit(mm) and mm.mm_rb == mm.mmap and not mm.pmd.page:
        worth = khugepaged_scan_pmd(mm)
    up_read(mm.mmap_sem)
    return worth and collapse_huge_page(mm)
