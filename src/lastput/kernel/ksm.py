"""ksmd merges two equal pages of guest memory (Linux 4.12, mm/ksm.c).

Both pages are made read-only first, so that they can be compared while nobody writes; then the second
one is replaced by the first. The trees of candidates are left out: the pages are those at 0 and 1, and
they are equal.
"""

from __future__ import annotations

from lastput.kernel.gup import follow_page_mask
from lastput.kernel.memory import (
    __set_pte,
    change_begin,
    change_end,
    ptep_clear_flush,
    ptep_get_and_clear,
    set_pte_at,
)
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier_change_pte
from lastput.kernel.page import get_page, put_page, trylock_page, unlock_page
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import option, options, ptr


@options
class Ksm:
    """What ksmd does."""

    counts: bool = option(True, "write_protect_page leaves pages alone that somebody holds")


def ksm_test_exit(mm: ptr[mm_struct]) -> bool:
    """The last user is gone. Asked under mmap_sem.

    Source: Linux 4.12, mm/ksm.c.
    """
    return mm.mm_users.counter == 0


def write_protect_page(mm: ptr[mm_struct], address: int, page: ptr[page]) -> bool:
    """Make the page at `address` read-only; false if it is another one, or if somebody may write to it.

    A reference beyond those of the mappings and ksmd's own is somebody's who looked the page up for
    writing (O_DIRECT, or a fault of a secondary MMU that has not mapped it yet).

    Source: Linux 4.12, mm/ksm.c.
    """
    pte = mm.pte[address]
    done = False
    change_begin(mm, address, address + 1)
    spin_lock(mm.page_table_lock)
    if pte.page == page:
        done = True
        if pte.writable:
            ptep_clear_flush(pte)  # from here on nobody takes a reference by way of the entry
            held = page._refcount.counter != page._mapcount + 1
            if Ksm.counts and held:
                done = False
            else:
                mmu_notifier_change_pte(mm, address, page, False)
            __set_pte(pte, page, not done)
    spin_unlock(mm.page_table_lock)
    change_end(mm, address, address + 1)
    return done


def replace_page(mm: ptr[mm_struct], address: int, page: ptr[page], kpage: ptr[page]) -> bool:
    """Map `kpage` read-only instead of `page`; false if the entry has changed since it was compared.

    Source: Linux 4.12, mm/ksm.c.
    """
    pte = mm.pte[address]
    change_begin(mm, address, address + 1)
    spin_lock(mm.page_table_lock)
    same = pte.page == page and not pte.writable
    if same:
        get_page(kpage)
        ptep_get_and_clear(pte)
        mmu_notifier_change_pte(mm, address, kpage, False)
        set_pte_at(pte, kpage, False)
        put_page(page)
    spin_unlock(mm.page_table_lock)
    change_end(mm, address, address + 1)
    return same


def pages_identical(page: ptr[page], kpage: ptr[page]) -> None:
    """Compare two pages that nobody may write to: they are equal, and stay so.

    Source: Linux 4.12, mm/ksm.c.
    """
    assert page.secondary_writable == 0, "pages are compared while a secondary MMU may write to one"
    assert kpage.secondary_writable == 0, "pages are compared while a secondary MMU may write to one"


def make_ksm_page(mm: ptr[mm_struct], kpage: ptr[page]) -> bool:
    """Make the page at 0 the one that others are merged into; false if somebody holds it.

    Source: Linux 4.12, mm/ksm.c: try_to_merge_one_page.
    """
    if not trylock_page(kpage):
        return False
    done = write_protect_page(mm, 0, kpage)
    if done:
        kpage.PageKsm = True  # set_page_stable_node
    unlock_page(kpage)
    return done


def try_to_merge_one_page(mm: ptr[mm_struct], page: ptr[page], kpage: ptr[page]) -> bool:
    """Merge the page at 1 into `kpage`; says whether it did. Holds mmap_sem, and both pages.

    Source: Linux 4.12, mm/ksm.c.
    """
    done = False
    if trylock_page(page):
        if write_protect_page(mm, 1, page):
            pages_identical(page, kpage)
            done = replace_page(mm, 1, page, kpage)
        unlock_page(page)
    return done


def ksm_scan(mm: ptr[mm_struct]) -> bool:
    """One visit to an address space; says whether it merged pages.

    Source: Linux 4.12, mm/ksm.c: cmp_and_merge_page.
    """
    done = False
    down_read(mm.mmap_sem)
    if not ksm_test_exit(mm) and mm.mm_rb == mm.mmap:
        kpage = follow_page_mask(mm, 0, False)
        if kpage:
            page = follow_page_mask(mm, 1, False)
            if page:
                if page != kpage and make_ksm_page(mm, kpage):
                    done = try_to_merge_one_page(mm, page, kpage)
                put_page(page)
            put_page(kpage)
    up_read(mm.mmap_sem)
    return done
