"""Taking memory away from an address space (Linux 4.12, mm/mmap.c, mm/memory.c).

Pages are freed as their entry is cleared: the kernel gathers them and frees a full batch while it
goes on. Each entry has its own section of the page-table lock.
"""

from __future__ import annotations

from lastput.kernel.file import fput
from lastput.kernel.memory import change_begin, change_end, first_vma, ptep_get_and_clear
from lastput.kernel.mm_types import Mm, mm_struct, vm_area_struct
from lastput.kernel.mmu_interval_notifier import Interval
from lastput.kernel.mmu_notifier import (
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_release,
)
from lastput.kernel.page import put_page
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, kfree, ptr


def zap_pte(mm: ptr[mm_struct], address: int) -> None:
    """Clear the entry at `address` and drop its reference to the page.

    Source: Linux 4.12, mm/memory.c: zap_pte_range.
    """
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    page = ptep_get_and_clear(pte)
    spin_unlock(mm.page_table_lock)
    if page:
        put_page(page)


def zap_huge_pmd(mm: ptr[mm_struct]) -> None:
    """Clear the huge entry and drop its reference to the page.

    Source: Linux 4.12, mm/huge_memory.c.
    """
    spin_lock(mm.page_table_lock)
    page = ptep_get_and_clear(mm.pmd)
    spin_unlock(mm.page_table_lock)
    if page:
        put_page(page)


def unmap_vmas(mm: ptr[mm_struct]) -> None:
    """Clear every entry of guest memory.

    The kernel's unmap_vmas has the notification inside; here it is the caller's, because at the end of
    the address space, when no notifier is left, it says nothing to anybody.

    Source: Linux 4.12, mm/memory.c.
    """
    if Mm.huge:
        zap_huge_pmd(mm)
    for address in range(Mm.pages):
        zap_pte(mm, address)


def unlink_anon_vmas(vma: ptr[vm_area_struct]) -> None:
    """From here on rmap does not find `vma`; one area maps the memory of these models.

    For a file the kernel's function is unlink_file_vma.

    Source: Linux 4.12, mm/rmap.c.
    """
    if vma.anon_vma:
        down_write(vma.anon_vma.rwsem)
        vma.anon_vma.rb_root = NULL
        up_write(vma.anon_vma.rwsem)


def free_pgtables(mm: ptr[mm_struct]) -> None:
    """Take the areas out of the reverse map. Page tables are part of the address space here.

    Source: Linux 4.12, mm/memory.c.
    """
    vma = first_vma(mm)
    while vma:
        unlink_anon_vmas(vma)
        vma = vma.vm_next


def remove_vma(vma: ptr[vm_area_struct]) -> ptr[vm_area_struct]:
    """Free `vma`; returns the one behind it. Puts the file that it maps.

    Source: Linux 4.12, mm/mmap.c.
    """
    next = vma.vm_next
    if vma.vm_file:
        fput(vma.vm_file)
    kfree(vma)
    return next


def exit_mmap(mm: ptr[mm_struct]) -> None:
    """The last user is gone. Secondary MMUs let go first, while the pages still exist.

    Source: Linux 4.12, mm/mmap.c.
    """
    if Mm.scanners:
        mm.exiting = True
    mmu_notifier_release(mm)
    if Interval.notifiers:  # release leaves intervals registered, and unmap_vmas tells them
        mmu_notifier_invalidate_range_start(mm, 0, Mm.pages)
    unmap_vmas(mm)
    if Interval.notifiers:
        mmu_notifier_invalidate_range_end(mm, 0, Mm.pages)
    free_pgtables(mm)
    vma = first_vma(mm)
    while vma:
        vma = remove_vma(vma)


def unmap_region(mm: ptr[mm_struct], vma: ptr[vm_area_struct]) -> None:
    """Clear the entries of an area that is no longer in the tree, and take it out of the reverse map.

    Source: Linux 4.12, mm/mmap.c.
    """
    change_begin(mm, 0, Mm.pages)
    unmap_vmas(mm)
    change_end(mm, 0, Mm.pages)
    unlink_anon_vmas(vma)


def do_munmap(mm: ptr[mm_struct]) -> None:
    """Unmap guest memory, unless it is gone already. Splitting of areas is left out: it goes whole.

    Source: Linux 4.12, mm/mmap.c: vm_munmap.
    """
    down_write(mm.mmap_sem)
    vma = first_vma(mm)
    if vma == mm.mmap:
        mm.mm_rb = vma.vm_next
        unmap_region(mm, vma)
        remove_vma(vma)
    up_write(mm.mmap_sem)
