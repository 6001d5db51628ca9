"""Pages of a process: looked up for a guest, and replaced (Linux 6.1, mm/gup.c, mm/memory.c, mm/ksm.c).

Entries can be read-only. Who else maps a page is not known here, as it is in kernel/memory.py: a write to
what is read-only gives a copy or the page itself, as may be.
"""

from __future__ import annotations

from lastput.kernel.memory import (
    change_begin,
    change_end,
    do_anonymous_page,
    ptep_get_and_clear,
    ptep_set_wrprotect,
    set_pte_at,
)
from lastput.kernel.mm_types import Mm, mm_struct, page, pte_t
from lastput.kernel.mmu_notifier import mmu_notifier_change_pte
from lastput.kernel.page import alloc_page_vma, lru, put_page
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, choose, option, options, ptr


@options
class Change:
    """How secondary MMUs hear of another page in the place of one."""

    change_pte: bool = option(True, "by change_pte, inside of start and end (before 6.10)")


ALLOWED = 0
COPY = 1
"""What becomes of a page that is looked up where its entry does not allow it; anything else: an error."""


def replace(mm: ptr[mm_struct], address: int, writable: bool) -> None:
    """Map a new page at an address of guest memory; tell secondary MMUs, which may map it at once.

    Outside of guest memory they are told, and nothing else.
    """
    new: ptr[page] = NULL
    old: ptr[page] = NULL
    if address < Mm.pages and mm.mmap:
        new = alloc_page_vma(address, mm.mmap.anon_vma)
        old = ptep_get_and_clear(mm.pte[address])
    if Change.change_pte:
        mmu_notifier_change_pte(mm, address, new, writable)
    if new:
        lru.list[address] = new
        set_pte_at(mm.pte[address], new, writable)
    if old:
        put_page(old)


def mapped(mm: ptr[mm_struct], address: int) -> ptr[page]:
    """The page at an address; NULL outside of guest memory."""
    none: ptr[page] = NULL
    return mm.pte[address].page if address < Mm.pages else none


def pte_same(mm: ptr[mm_struct], address: int, old: ptr[page]) -> bool:
    """Whether an entry is what it was. If it maps the same page it may have lost its access flag, which the
    model has no part in.

    Source: Linux 6.1, include/linux/pgtable.h.
    """
    return mapped(mm, address) == old and choose(2) == ALLOWED


def wp_page_copy(mm: ptr[mm_struct], address: int) -> None:
    """Copy on write, which is given up if the entry has changed by then.

    Source: Linux 6.1, mm/memory.c.
    """
    old = mapped(mm, address)
    change_begin(mm, address, address + 1)
    if pte_same(mm, address, old):
        replace(mm, address, True)
    change_end(mm, address, address + 1)


def change_page(mm: ptr[mm_struct], address: int) -> None:
    """ksmd makes a page read-only, or puts an equal one in its place.

    Source: Linux 6.1, mm/ksm.c: write_protect_page, replace_page.
    """
    change_begin(mm, address, address + 1)
    replace(mm, address, False)
    change_end(mm, address, address + 1)


def change_protection(mm: ptr[mm_struct], first: int, end: int) -> None:
    """Entries become read-only, for a while or for good; pages stay: mprotect, clear_refs, fork.

    Source: Linux 6.1, mm/mprotect.c; mm/memory.c: copy_page_range.
    """
    change_begin(mm, first, end)
    if mm.mmap:
        for address in range(first, min(end, Mm.pages)):
            if mm.pte[address].page:
                ptep_set_wrprotect(mm.pte[address])
    change_end(mm, first, end)


# -- look a page up --------------------------------------------------------------------------


def fast(pte: ptr[pte_t], write: bool) -> ptr[page]:
    """The page of an entry that allows the access, with a reference; takes no lock. NULL else.

    Source: Linux 6.1, mm/gup.c: get_user_page_fast_only.
    """
    missing: ptr[page] = NULL
    with atomic():
        found = pte.page
        if not found or (write and not pte.writable):
            return missing
        found._refcount.counter += 1
        current().gup_writable = pte.writable
        return found


def wp_page_reuse(pte: ptr[pte_t]) -> None:
    """Nobody else maps the page of a read-only entry: let it be written again.

    Source: Linux 6.1, mm/memory.c.
    """
    with atomic():
        if pte.page:
            pte.writable = True


def do_swap_page(mm: ptr[mm_struct], address: int, write: bool) -> None:
    """Map a page that has other users where none is, unless somebody was faster: one from swap, which the
    swap cache has, too. It is read-only, and copied for a write. So is the page of zeros that a read gets.

    Source: Linux 6.1, mm/memory.c.
    """
    new = alloc_page_vma(address, mm.mmap.anon_vma)
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    lost = pte.page != NULL
    if not lost:
        lru.list[address] = new
        set_pte_at(pte, new, False)
    spin_unlock(mm.page_table_lock)
    if lost:
        put_page(new)
    elif write:
        wp_page_copy(mm, address)


def vma_lookup(mm: ptr[mm_struct], address: int) -> bool:
    """Whether there is an area at an address. Where a page is mapped there is; elsewhere it may be or not.

    Source: Linux 6.1, include/linux/mm.h.
    """
    mapped = mm.pte[address].page != NULL
    return mapped or choose(2) == ALLOWED


def get_user_page(mm: ptr[mm_struct], address: int, write: bool) -> ptr[page]:
    """The page at an address of guest memory, with a reference; faulted in, or copied, if need be.

    NULL if the area there does not allow the access, or there is none: which areas there are is not known
    here, so that it may be so whenever the entry has to be changed. A page that is only read is mapped for
    writing, too, if its entry allows that.

    Source: Linux 6.1, mm/gup.c: get_user_pages_unlocked.
    """
    assert mm.mm_users.counter != 0, "a page is looked up in an address space that has no user"
    pte = mm.pte[address]
    found = fast(pte, write)
    while not found:
        if not pte.page:
            how = choose(3)
            if how == COPY:
                do_swap_page(mm, address, write)
            elif how == ALLOWED:
                do_anonymous_page(mm, address)
            else:
                return found
        else:
            how = choose(3)
            if how == COPY:
                wp_page_copy(mm, address)
            elif how == ALLOWED:
                wp_page_reuse(pte)
            else:
                return found
        found = fast(pte, write)
    return found
