"""get_user_pages and the page fault behind it (Linux 4.12, mm/gup.c, mm/memory.c).

mmap_sem is left out: nothing in these models takes it for writing. Memory is anonymous; a page that
was paged out comes back as a new page.
"""

from __future__ import annotations

from lastput.kernel.mm_types import mm_struct, page, pte_t
from lastput.kernel.page import alloc_page_vma, get_page, lru, put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, ptr


def set_pte(pte: ptr[pte_t], page: ptr[page]) -> None:
    """Store a young entry: one machine word."""
    with atomic():
        pte.page = page
        pte.young = True


def handle_mm_fault(mm: ptr[mm_struct], address: int) -> None:
    """Map a new page at `address`, unless somebody was faster."""
    new = alloc_page_vma(address, mm.mmap.anon_vma)
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    lost = pte.page != NULL
    if not lost:
        lru.list[address] = new
        set_pte(pte, new)
    spin_unlock(mm.page_table_lock)
    if lost:
        put_page(new)


def follow_page_mask(mm: ptr[mm_struct], address: int) -> ptr[page]:
    """The page mapped at `address`, with a reference; NULL if there is none."""
    spin_lock(mm.page_table_lock)
    found = mm.pte[address].page
    if found:
        get_page(found)
    spin_unlock(mm.page_table_lock)
    return found


def get_user_pages(mm: ptr[mm_struct], address: int) -> ptr[page]:
    """The page at `address`, faulted in if need be, with a reference. May sleep."""
    might_sleep()
    found = follow_page_mask(mm, address)
    while not found:
        handle_mm_fault(mm, address)
        found = follow_page_mask(mm, address)
    return found
