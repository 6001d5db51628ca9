"""Page faults, and the entries that they make (Linux 4.12, mm/memory.c).

Memory is anonymous, or a shared mapping of a file (`Mm.file`). Swap is left out: a page that was paged
out comes back as a new page, which is as good as another one for whoever maps it.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, address_space, mm_struct, page, pte_t, vm_area_struct
from lastput.kernel.mmu_notifier import (
    mmu_notifier_change_pte,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.kernel.page import (
    alloc_page_vma,
    get_page,
    lock_page,
    lru,
    put_page,
    trylock_page,
    unlock_page,
)
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, container_of, ptr

# -- entries ---------------------------------------------------------------------------------


def __set_pte(pte: ptr[pte_t], page: ptr[page], writable: bool) -> None:
    """Store a young entry: one machine word."""
    with atomic():
        pte.page = page
        pte.young = True
        pte.writable = writable
        pte.dirty = writable


def set_pte_at(pte: ptr[pte_t], page: ptr[page], writable: bool) -> None:
    """Store a young entry; the page has one more mapping (page_add_new_anon_rmap).

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h.
    """
    with atomic():
        __set_pte(pte, page, writable)
        page._mapcount += 1


def set_pte(pte: ptr[pte_t], page: ptr[page]) -> None:
    """Store a young, writable entry.

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h.
    """
    set_pte_at(pte, page, True)


def ptep_clear_flush(pte: ptr[pte_t]) -> ptr[page]:
    """Clear an entry, and flush it from the TLB; returns what it mapped, NULL if nothing. One exchange.

    Source: Linux 4.12, mm/pgtable-generic.c.
    """
    with atomic():
        page = pte.page
        pte.page = NULL
        pte.young = False
        pte.writable = False
        pte.dirty = False
    return page


def ptep_get_and_clear(pte: ptr[pte_t]) -> ptr[page]:
    """The same for good: the page has one mapping less (page_remove_rmap).

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h.
    """
    with atomic():
        page = ptep_clear_flush(pte)
        if page:
            page._mapcount -= 1
    return page


def ptep_set_wrprotect(pte: ptr[pte_t]) -> None:
    """Take the permission to write, and flush the TLB.

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h.
    """
    with atomic():
        pte.writable = False
        pte.dirty = False


# -- around a change of entries --------------------------------------------------------------


def change_begin(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries of a range are about to change: tell secondary MMUs."""
    mm.changing += 1
    if Mm.notify_before:
        mmu_notifier_invalidate_range_start(mm, start, end)


def change_end(mm: ptr[mm_struct], start: int, end: int) -> None:
    """They have changed."""
    if not Mm.notify_before:
        mmu_notifier_invalidate_range_start(mm, start, end)
    mmu_notifier_invalidate_range_end(mm, start, end)
    mm.changing -= 1


# -- areas -----------------------------------------------------------------------------------


def first_vma(mm: ptr[mm_struct]) -> ptr[vm_area_struct]:
    """The first area that is left."""
    return mm.mm_rb if Mm.mmap_sem else mm.mmap


def find_vma(mm: ptr[mm_struct], address: int) -> ptr[vm_area_struct]:
    """The area of guest memory, unless it is unmapped. Holds mmap_sem.

    Every address that these models ask for is in guest memory.

    Source: Linux 4.12, mm/mmap.c.
    """
    missing: ptr[vm_area_struct] = NULL
    vma = first_vma(mm)
    return vma if vma == mm.mmap else missing


# -- faults ----------------------------------------------------------------------------------


def none_at(mm: ptr[mm_struct], address: int) -> bool:
    """Nothing is mapped at `address`, be it by a small or a huge entry. Holds the page-table lock."""
    if Mm.huge and mm.pmd.page:
        return False
    return not mm.pte[address].page


def do_anonymous_page(mm: ptr[mm_struct], address: int) -> None:
    """Map a new page at `address`, unless somebody was faster.

    Source: Linux 4.12, mm/memory.c.
    """
    new = alloc_page_vma(address, mm.mmap.anon_vma)
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    lost = not none_at(mm, address)
    if not lost:
        lru.list[address] = new
        set_pte(pte, new)
    spin_unlock(mm.page_table_lock)
    if lost:
        put_page(new)


def wp_page_reuse(pte: ptr[pte_t]) -> None:
    """Nobody else maps the page: let it be written again.

    Source: Linux 4.12, mm/memory.c.
    """
    with atomic():
        pte.writable = True
        pte.dirty = True
        pte.young = True


def wp_page_copy(mm: ptr[mm_struct], address: int, old: ptr[page]) -> None:
    """Copy on write: map a copy of `old`, which the caller holds, in its place.

    Secondary MMUs hear of the new page before the primary entry has it: else they could map the old
    one again in between.

    Source: Linux 4.12, mm/memory.c.
    """
    new = alloc_page_vma(address, mm.mmap.anon_vma)
    pte = mm.pte[address]
    change_begin(mm, address, address + 1)
    spin_lock(mm.page_table_lock)
    same = pte.page == old
    if same:
        ptep_get_and_clear(pte)
        mmu_notifier_change_pte(mm, address, new, True)
        lru.list[address] = new
        set_pte(pte, new)
    spin_unlock(mm.page_table_lock)
    change_end(mm, address, address + 1)
    put_page(old if same else new)


def lock_for_reuse(mm: ptr[mm_struct], pte: ptr[pte_t], old: ptr[page]) -> bool:
    """Lock the page under the page-table lock, which may have to be dropped; false if the entry changed.

    Source: Linux 4.12, mm/memory.c: do_wp_page.
    """
    if trylock_page(old):
        return True
    get_page(old)
    spin_unlock(mm.page_table_lock)
    lock_page(old)
    spin_lock(mm.page_table_lock)
    same = True
    if pte.page != old:
        unlock_page(old)
        same = False
    put_page(old)
    return same


def do_wp_page(mm: ptr[mm_struct], address: int) -> bool:
    """A write to a read-only page; false if the entry is none by now.

    A page that nobody else maps is not copied. ksmd holds the lock of a page while it compares it, and
    has marked the other one: neither becomes writable under its eyes.

    Source: Linux 4.12, mm/memory.c.
    """
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    old = pte.page
    if not old:
        spin_unlock(mm.page_table_lock)
        return False
    if Mm.file or pte.writable:
        wp_page_reuse(pte)
        spin_unlock(mm.page_table_lock)
        return True
    if not old.PageKsm:
        if not lock_for_reuse(mm, pte, old):
            spin_unlock(mm.page_table_lock)
            return True
        alone = not old.PageKsm and old._mapcount == 1  # reuse_swap_page
        unlock_page(old)
        if alone:
            wp_page_reuse(pte)
            spin_unlock(mm.page_table_lock)
            return True
    get_page(old)
    spin_unlock(mm.page_table_lock)
    wp_page_copy(mm, address, old)
    put_page(old)
    return True


def filemap_fault(mapping: ptr[address_space], address: int) -> ptr[page]:
    """The page of a file, locked and with a reference; NULL behind the end of the file.

    The page cache is full from the start: a page that is not in it was truncated.

    Source: Linux 4.12, mm/filemap.c.
    """
    missing: ptr[page] = NULL
    with atomic():  # find_get_page
        found = mapping.page_tree[address]
        if found:
            found._refcount.counter += 1
    if not found:
        return missing
    lock_page(found)
    if address >= mapping.i_size or mapping.page_tree[address] != found:
        unlock_page(found)
        put_page(found)
        return missing
    return found


def do_shared_fault(mm: ptr[mm_struct], address: int) -> bool:
    """Map the file's page at `address`; false behind its end (SIGBUS). Its lock keeps truncate away.

    Source: Linux 4.12, mm/memory.c.
    """
    mapping = container_of(mm.mmap.anon_vma, address_space, lambda m: m.i_mmap)
    found = filemap_fault(mapping, address)
    if not found:
        return False
    spin_lock(mm.page_table_lock)
    lost = not none_at(mm, address)
    if not lost:
        set_pte(mm.pte[address], found)
    spin_unlock(mm.page_table_lock)
    unlock_page(found)
    if lost:
        put_page(found)
    return True


def handle_mm_fault(mm: ptr[mm_struct], address: int, write: bool) -> bool:
    """Make `address` accessible; false if that cannot be (SIGBUS). Holds mmap_sem for reading.

    The entry is looked at without the page-table lock, as in the kernel, and again under it.

    Source: Linux 4.12, mm/memory.c: handle_pte_fault.
    """
    if Mm.write_protect and write and do_wp_page(mm, address):
        return True
    if Mm.file:
        return do_shared_fault(mm, address)
    do_anonymous_page(mm, address)
    return True


# -- fork ------------------------------------------------------------------------------------


def copy_one_pte(src: ptr[pte_t], dst: ptr[pte_t]) -> None:
    """Share a page with the child: read-only for both.

    Source: Linux 4.12, mm/memory.c.
    """
    page = src.page
    if page:
        if src.writable:
            ptep_set_wrprotect(src)
        get_page(page)
        set_pte_at(dst, page, False)


def copy_page_range(child: ptr[mm_struct], mm: ptr[mm_struct]) -> None:
    """Give the child the pages of its parent, to be copied when one of them writes.

    The parent's secondary MMUs lose their permission to write between start and end. The child's
    page-table lock is left out: nobody else knows the child.

    Source: Linux 4.12, mm/memory.c.
    """
    change_begin(mm, 0, Mm.pages)
    for address in range(Mm.pages):
        spin_lock(mm.page_table_lock)
        copy_one_pte(mm.pte[address], child.pte[address])
        spin_unlock(mm.page_table_lock)
    change_end(mm, 0, Mm.pages)
