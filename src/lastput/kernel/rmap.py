"""From a page to the entries that map it (Linux 4.12, mm/rmap.c).

The walk holds the anon_vma's semaphore for reading, so that an area and its address space cannot go
away under it: free_pgtables takes it for writing before it frees either. It finds areas of an address
space that has no users any more, which is how reclaim meets an exiting task.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_clear_flush_young, mmu_notifier_invalidate_page
from lastput.kernel.page import put_page
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, ptr


def ptep_clear_flush_young(vma: ptr[vm_area_struct], address: int) -> bool:
    """Test and clear the accessed bit of the primary entry."""
    pte = vma.vm_mm.pte[address]
    with atomic():
        young = pte.young
        pte.young = False
    return young


def ptep_clear_flush_young_notify(vma: ptr[vm_area_struct], address: int) -> bool:
    """The same for the primary entry and then for secondary MMUs."""
    young = ptep_clear_flush_young(vma, address)
    if mmu_notifier_clear_flush_young(vma.vm_mm, address, address + 1):
        young = True
    return young


def page_referenced_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether `page` was accessed through `vma` since it was last asked. Holds the page-table lock."""
    referenced = False
    mm = vma.vm_mm
    spin_lock(mm.page_table_lock)
    if mm.pte[address].page == page:
        referenced = ptep_clear_flush_young_notify(vma, address)
    spin_unlock(mm.page_table_lock)
    return referenced


def page_referenced(page: ptr[page]) -> bool:
    """Ask and clear the accessed bits of every mapping of `page`."""
    referenced = False
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        referenced = page_referenced_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
    return referenced


def try_to_unmap_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> None:
    """Clear the entry that maps `page`, then tell secondary MMUs, outside the page-table lock."""
    mm = vma.vm_mm
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    unmapped = pte.page == page
    if unmapped:
        with atomic():  # ptep_clear_flush
            pte.page = NULL
            pte.young = False
        put_page(page)
    spin_unlock(mm.page_table_lock)
    if unmapped:
        mmu_notifier_invalidate_page(mm, address)


def try_to_unmap(page: ptr[page]) -> None:
    """Remove `page` from every address space; the caller holds a reference to it."""
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        try_to_unmap_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
