"""The end of an address space (Linux 4.12, mm/mmap.c, mm/memory.c).

Pages are freed as their entry is cleared: the kernel gathers them and frees a full batch while it
goes on. Each entry has its own section of the page-table lock.
"""

from __future__ import annotations

from lastput.kernel.file import fput
from lastput.kernel.mm_types import Mm, mm_struct, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_release
from lastput.kernel.page import put_page
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, kfree, ptr


def zap_pte(mm: ptr[mm_struct], address: int) -> None:
    """Clear the entry at `address` and drop its reference to the page (zap_pte_range)."""
    pte = mm.pte[address]
    spin_lock(mm.page_table_lock)
    with atomic():  # xchg: ptep_get_and_clear_full
        page = pte.page
        pte.page = NULL
        pte.young = False
    spin_unlock(mm.page_table_lock)
    if page:
        put_page(page)


def unmap_vmas(mm: ptr[mm_struct]) -> None:
    for address in range(Mm.pages):
        zap_pte(mm, address)


def unlink_anon_vmas(vma: ptr[vm_area_struct]) -> None:
    """From here on rmap does not find `vma` (mm/rmap.c)."""
    if vma.anon_vma:
        down_write(vma.anon_vma.rwsem)
        vma.anon_vma.rb_root = NULL
        up_write(vma.anon_vma.rwsem)


def free_pgtables(mm: ptr[mm_struct]) -> None:
    vma = mm.mmap
    while vma:
        unlink_anon_vmas(vma)
        vma = vma.vm_next


def remove_vma(vma: ptr[vm_area_struct]) -> ptr[vm_area_struct]:
    """Free `vma`; returns the one behind it. Puts the file that it maps."""
    next = vma.vm_next
    if vma.vm_file:
        fput(vma.vm_file)
    kfree(vma)
    return next


def exit_mmap(mm: ptr[mm_struct]) -> None:
    """The last user is gone. Secondary MMUs let go first, while the pages still exist."""
    mmu_notifier_release(mm)
    unmap_vmas(mm)
    free_pgtables(mm)
    vma = mm.mmap
    while vma:
        vma = remove_vma(vma)
