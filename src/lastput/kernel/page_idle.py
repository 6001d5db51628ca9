"""Idle-page tracking (Linux 4.12, mm/page_idle.c): user space asks which pages nobody accesses.

The bits idle and young of the page are left out: what is told is returned.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_clear_young
from lastput.kernel.page import isolate_lru_page, put_page
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import atomic, ptr


def ptep_clear_young_notify(vma: ptr[vm_area_struct], address: int) -> bool:
    """Test and clear the accessed bits of the primary entry, then of secondary MMUs; flush no TLB.

    Source: Linux 4.12, include/linux/mmu_notifier.h.
    """
    pte = vma.vm_mm.pte[address]
    with atomic():
        young = pte.young
        pte.young = False
    if mmu_notifier_clear_young(vma.vm_mm, address, address + 1):
        young = True
    return young


def page_idle_clear_pte_refs_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether `page` was accessed through `vma`, under the page-table lock.

    Source: Linux 4.12, mm/page_idle.c.
    """
    referenced = False
    mm = vma.vm_mm
    spin_lock(mm.page_table_lock)
    if mm.pte[address].page == page:
        referenced = ptep_clear_young_notify(vma, address)
    spin_unlock(mm.page_table_lock)
    return referenced


def page_idle_clear_pte_refs(page: ptr[page]) -> bool:
    """Whether `page` was accessed at all. The page lock, which keeps it in its file, is left out.

    Source: Linux 4.12, mm/page_idle.c.
    """
    referenced = False
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        referenced = page_idle_clear_pte_refs_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
    return referenced


def page_idle_bitmap_read(index: int) -> bool:
    """One bit of /sys/kernel/mm/page_idle/bitmap: the page at `index` of memory was not accessed.

    Source: Linux 4.12, mm/page_idle.c.
    """
    idle = False
    page = isolate_lru_page(index)  # page_idle_get_page
    if page:
        idle = not page_idle_clear_pte_refs(page)
        put_page(page)
    return idle
