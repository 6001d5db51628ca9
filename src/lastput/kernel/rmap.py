"""From a page to the entries that map it (Linux 4.12, mm/rmap.c).

The walk holds the anon_vma's semaphore for reading, so that an area and its address space cannot go
away under it: free_pgtables takes it for writing before it frees either. It finds areas of an address
space that has no users any more, which is how reclaim meets an exiting task.

When a secondary MMU is told that an entry went is what changed from version to version (`Rmap.notify`).
The model's default for 4.12 is that of 4.10 and before, where a callback may sleep; the release itself
called it under the page-table lock, since c7ab0d2fdc84 in 4.11.
"""

from __future__ import annotations

from lastput.kernel.memory import ptep_get_and_clear, ptep_set_wrprotect
from lastput.kernel.mm_types import Mm, mm_struct, page, pte_t, vm_area_struct
from lastput.kernel.mmu_notifier import (
    mmu_notifier_clear_flush_young,
    mmu_notifier_invalidate_page,
    mmu_notifier_invalidate_range,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.kernel.page import put_page
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import atomic, option, options, ptr


@options
class Rmap:
    """How the walks of the reverse map tell secondary MMUs."""

    notify: str = option(
        "after-ptl",
        "try_to_unmap and page_mkclean call invalidate_page after the page-table lock, or under it "
        "(c7ab0d2fdc84); invalidate_range instead (aac2fea94f7a); or range start and end (369ea8242c0f)",
        values=("after-ptl", "under-ptl", "invalidate-range", "start-end"),
    )
    age_range: bool = option(True, "ageing a huge entry asks for all of its range (57128468080a)")


# -- ageing ----------------------------------------------------------------------------------


def ptep_clear_flush_young(pte: ptr[pte_t]) -> bool:
    """Test and clear the accessed bit of the primary entry, and flush the TLB.

    Source: Linux 4.12, mm/pgtable-generic.c.
    """
    with atomic():
        young = pte.young
        pte.young = False
    return young


def ptep_clear_flush_young_notify(vma: ptr[vm_area_struct], address: int) -> bool:
    """The same for the primary entry and then for secondary MMUs.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    young = ptep_clear_flush_young(vma.vm_mm.pte[address])
    if mmu_notifier_clear_flush_young(vma.vm_mm, address, address + 1):
        young = True
    return young


def pmdp_clear_flush_young_notify(vma: ptr[vm_area_struct]) -> bool:
    """The same for the huge entry. A secondary MMU may map its pages one by one, each with a bit.

    Before 57128468080a (Linux 3.18) the notifier took an address, not a range.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    young = ptep_clear_flush_young(vma.vm_mm.pmd)
    if mmu_notifier_clear_flush_young(vma.vm_mm, 0, Mm.pages if Rmap.age_range else 1):
        young = True
    return young


def page_referenced_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether `page` was accessed through `vma` since it was last asked. Holds the page-table lock.

    Source: Linux 4.12, mm/rmap.c.
    """
    referenced = False
    mm = vma.vm_mm
    spin_lock(mm.page_table_lock)
    if Mm.huge and mm.pmd.page == page:
        referenced = pmdp_clear_flush_young_notify(vma)
    elif mm.pte[address].page == page:
        referenced = ptep_clear_flush_young_notify(vma, address)
    spin_unlock(mm.page_table_lock)
    return referenced


def page_referenced(page: ptr[page]) -> bool:
    """Ask and clear the accessed bits of every mapping of `page`; one area maps it in these models.

    Source: Linux 4.12, mm/rmap.c.
    """
    referenced = False
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        referenced = page_referenced_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
    return referenced


# -- how secondary MMUs hear of a change -----------------------------------------------------


def rmap_change_begin(mm: ptr[mm_struct], address: int) -> None:
    """Before the page-table lock is taken."""
    mm.changing += 1
    if Rmap.notify == "start-end":
        mmu_notifier_invalidate_range_start(mm, address, address + 1)


def rmap_changed_locked(mm: ptr[mm_struct], address: int) -> None:
    """The entry has changed, the page-table lock is still held."""
    if Rmap.notify == "under-ptl":
        mmu_notifier_invalidate_page(mm, address)


def rmap_change_end(mm: ptr[mm_struct], address: int, changed: bool) -> None:
    """After the page-table lock was dropped."""
    if Rmap.notify == "after-ptl" and changed:
        mmu_notifier_invalidate_page(mm, address)
    elif Rmap.notify == "invalidate-range":
        mmu_notifier_invalidate_range(mm, address, address + 1)
    elif Rmap.notify == "start-end":
        mmu_notifier_invalidate_range_end(mm, address, address + 1)
    mm.changing -= 1


# -- unmapping -------------------------------------------------------------------------------


def try_to_unmap_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> None:
    """Clear the entry that maps `page`, and tell secondary MMUs. The caller's reference keeps the page.

    Source: Linux 4.12, mm/rmap.c.
    """
    mm = vma.vm_mm
    pte = mm.pte[address]
    rmap_change_begin(mm, address)
    spin_lock(mm.page_table_lock)
    unmapped = pte.page == page
    if unmapped:
        ptep_get_and_clear(pte)
        put_page(page)
        rmap_changed_locked(mm, address)
    spin_unlock(mm.page_table_lock)
    rmap_change_end(mm, address, unmapped)


def try_to_unmap(page: ptr[page]) -> None:
    """Remove `page` from every address space; the caller holds a reference to it.

    Source: Linux 4.12, mm/rmap.c.
    """
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        try_to_unmap_one(page, vma, page.index)
    up_read(page.mapping.rwsem)


# -- writeback -------------------------------------------------------------------------------


def page_mkclean_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> bool:
    """Make the entry read-only and clean, so that the next write is noticed; says whether it was dirty.

    Source: Linux 4.12, mm/rmap.c.
    """
    mm = vma.vm_mm
    pte = mm.pte[address]
    rmap_change_begin(mm, address)
    spin_lock(mm.page_table_lock)
    cleaned = pte.page == page and (pte.writable or pte.dirty)
    if cleaned:
        ptep_set_wrprotect(pte)
        rmap_changed_locked(mm, address)
    spin_unlock(mm.page_table_lock)
    rmap_change_end(mm, address, cleaned)
    return cleaned


def page_mkclean(page: ptr[page]) -> bool:
    """Write-protect a page of a file everywhere, before it is written to disk. Holds its lock.

    Source: Linux 4.12, mm/rmap.c.
    """
    cleaned = False
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        cleaned = page_mkclean_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
    return cleaned
