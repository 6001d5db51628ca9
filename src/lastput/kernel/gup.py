"""get_user_pages (Linux 4.12, mm/gup.c).

Whoever looks up a page must keep the address space alive: every look-up asserts that it has a user. The
scanners (mm_slot.py) hold none; of them it is asked that exit_mmap waits.
mmap_sem is taken where somebody takes it for writing. Signals, and the retry that drops mmap_sem while
a page is read from disk, are left out: both end a look-up that has found nothing yet.
"""

from __future__ import annotations

from lastput.kernel.memory import find_vma, handle_mm_fault
from lastput.kernel.mm_slot import Scan
from lastput.kernel.mm_types import Mm, mm_struct, page, pte_t
from lastput.kernel.page import get_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, ptr


def pte_lookup(mm: ptr[mm_struct], address: int) -> ptr[pte_t]:
    """The entry that maps `address`: the huge one, if there is one."""
    if Mm.huge and mm.pmd.page:
        return mm.pmd
    return mm.pte[address]


def is_alive(mm: ptr[mm_struct]) -> bool:
    """Whether pages may still be looked up."""
    if Mm.scanners and not Scan.strict:
        return not mm.exiting
    return mm.mm_users.counter != 0


def follow_page_mask(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page mapped at `address`, with a reference; NULL if there is none, or it may not be written.

    Source: Linux 4.12, mm/gup.c.
    """
    missing: ptr[page] = NULL
    with atomic():
        spin_lock(mm.page_table_lock)
        assert is_alive(mm), "a page is looked up in an address space that has no user"
    pte = pte_lookup(mm, address)
    found = pte.page
    if Mm.write_protect and found and write and not pte.writable:
        found = missing
    if found:
        get_page(found)
        if Mm.write_protect and write:
            pte.dirty = True
    spin_unlock(mm.page_table_lock)
    return found


def faultin_pages(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """Look the page up, and fault it in until it is there. NULL outside of any area or file.

    Source: Linux 4.12, mm/gup.c: __get_user_pages.
    """
    missing: ptr[page] = NULL
    if Mm.mmap_sem and not find_vma(mm, address):
        return missing
    found = follow_page_mask(mm, address, write)
    while not found:
        if not handle_mm_fault(mm, address, write):
            return missing
        found = follow_page_mask(mm, address, write)
    return found


def get_user_pages_for(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page at `address`, faulted in if need be, with a reference. May sleep.

    Source: Linux 4.12, mm/gup.c: get_user_pages_unlocked.
    """
    might_sleep()
    if Mm.mmap_sem:
        down_read(mm.mmap_sem)
    found = faultin_pages(mm, address, write)
    if Mm.mmap_sem:
        up_read(mm.mmap_sem)
    return found


def get_user_pages(mm: ptr[mm_struct], address: int) -> ptr[page]:
    """The page at `address` for writing. May sleep.

    Source: Linux 4.12, mm/gup.c: get_user_pages_unlocked.
    """
    return get_user_pages_for(mm, address, True)


def get_user_pages_nowait(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page at `address` if it is mapped, with a reference: FOLL_NOWAIT. NULL else.

    Source: Linux 4.12, mm/gup.c: get_user_pages.
    """
    missing: ptr[page] = NULL
    if Mm.mmap_sem:
        down_read(mm.mmap_sem)
    found = missing
    if not Mm.mmap_sem or find_vma(mm, address):
        found = follow_page_mask(mm, address, write)
    if Mm.mmap_sem:
        up_read(mm.mmap_sem)
    return found


def __get_user_pages_fast(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page at `address` if its entry allows the access, with a reference; takes no lock. NULL else.

    One step. The kernel walks with interrupts off, which holds up the free of page tables; takes a
    reference unless the count is 0; and lets go of it if the entry has changed meanwhile. What it
    returns was mapped, with a count above 0, at the moment of its second look.

    Source: Linux 4.12, mm/gup.c.
    """
    missing: ptr[page] = NULL
    with atomic():
        assert is_alive(mm), "a page is looked up in an address space that has no user"
        pte = pte_lookup(mm, address)
        found = pte.page
        if not found or (Mm.write_protect and write and not pte.writable):
            return missing
        get_page(found)
        return found


def get_user_pages_fast(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page at `address`: without a lock if it is mapped, else as get_user_pages. May sleep.

    Source: Linux 4.12, mm/gup.c.
    """
    found = __get_user_pages_fast(mm, address, write)
    if found:
        return found
    return get_user_pages_for(mm, address, write)
