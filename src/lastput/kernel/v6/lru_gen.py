"""Reclaim by generations finds the entries of a page (Linux 6.12, mm/rmap.c, mm/vmscan.c: LRU_GEN).

A page that is found young has neighbours, which are looked at, too. Since 1d4832becdc2 (6.12) secondary MMUs
are asked for the page and for each neighbour, with clear_young, which flushes no TLB. Before, neighbours were
looked at in the primary page table alone, and the page was asked for as without LRU_GEN. Generations, tiers,
Bloom filters and lists by memory cgroup are left out: what was found is returned.
"""

from __future__ import annotations

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import Mm, mm_struct, page, pte_t, vm_area_struct
from lastput.kernel.page import isolate_lru_page, put_page
from lastput.kernel.page_idle import ptep_clear_young_notify
from lastput.kernel.rmap import ptep_clear_flush_young, ptep_clear_flush_young_notify
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.vmscan import pick
from lastput.lang import NULL, choose, option, options, ptr, static, struct


@options
class LruGen:
    """How reclaim asks whether pages were accessed, from Linux 6.1 on."""

    lru_gen: bool = option(False, "LRU_GEN is on: reclaim that finds a page young looks at its neighbours")
    young_notify: bool = option(True, "LRU_GEN asks secondary MMUs with clear_young (1d4832becdc2, 6.12)")
    skip_exiting: bool = option(
        False, "a private page that only an exiting process maps is not asked for (c495b97624d0, 6.12)"
    )
    mm_list: bool = option(False, "LRU_GEN walks page tables, of address spaces that are on its list")


# -- the list of address spaces ---------------------------------------------------------------


@struct
class lru_gen_mm_list:
    lock: spinlock_t
    fifo: ptr[mm_struct]
    """The address spaces, of which there is one. The list holds no reference: who dies takes itself off."""


mm_list = static(lru_gen_mm_list)


def lru_gen_del_mm(mm: ptr[mm_struct]) -> None:
    """Take an address space off the list: its memory is gone, the structure is about to go.

    Source: Linux 6.12, mm/vmscan.c.
    """
    spin_lock(mm_list.lock)
    if mm_list.fifo == mm:
        mm_list.fifo = NULL
    spin_unlock(mm_list.lock)


# -- by the reverse map: eviction ---------------------------------------------------------------


def has_young_bit(mm: ptr[mm_struct], pte: ptr[pte_t]) -> bool:
    """Whether it is worth asking about an entry: it maps a page, and it is young or somebody else may know.

    Source: Linux 6.12, mm/vmscan.c: get_pte_pfn.
    """
    if not pte.page:
        return False
    return pte.young or mm.mmu_notifier_mm != NULL  # mm_has_notifiers


def lru_gen_look_around(vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether the page was accessed; if so, clear the accessed bits around it, its own once more.

    Holds the page-table lock. If somebody waits for it, neighbours are not looked at: here either may be so.

    Source: Linux 6.12, mm/vmscan.c.
    """
    mm = vma.vm_mm
    if not ptep_clear_young_notify(vma, address):
        return False
    if Mm.pages == 1 or choose(2) == 0:  # spin_is_contended
        return True
    for i in range(Mm.pages):
        if has_young_bit(mm, mm.pte[i]):
            ptep_clear_young_notify(vma, i)
    return True


def look_around_primary(mm: ptr[mm_struct], address: int) -> bool:
    """The same before 1d4832becdc2: only if the primary entry is young, and only in primary entries.

    Source: Linux 6.1, mm/vmscan.c: lru_gen_look_around.
    """
    if not mm.pte[address].young:
        return False
    if Mm.pages > 1 and choose(2) == 1:
        for i in range(Mm.pages):
            if mm.pte[i].page and mm.pte[i].young:
                ptep_clear_flush_young(mm.pte[i])
    return True


def ask_entry(vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether an entry that maps the page was used. Holds the page-table lock.

    Source: Linux 6.12, mm/rmap.c: folio_referenced_one; 6.1.
    """
    if LruGen.skip_exiting and vma.vm_mm.mm_users.counter == 0:
        return False
    if LruGen.lru_gen and LruGen.young_notify:
        return lru_gen_look_around(vma, address)
    found = False
    if LruGen.lru_gen:
        found = look_around_primary(vma.vm_mm, address)
    if ptep_clear_flush_young_notify(vma, address):
        found = True
    return found


def folio_referenced_one(page: ptr[page], vma: ptr[vm_area_struct], address: int) -> bool:
    """Whether `page` was accessed through `vma` since it was last asked.

    Source: Linux 6.12, mm/rmap.c.
    """
    referenced = False
    mm = vma.vm_mm
    spin_lock(mm.page_table_lock)
    if mm.pte[address].page == page:
        referenced = ask_entry(vma, address)
    spin_unlock(mm.page_table_lock)
    return referenced


def folio_referenced(page: ptr[page]) -> bool:
    """The same of every mapping of `page`; one area maps it in these models.

    The kernel only tries the lock of the reverse map, and leaves the page alone if somebody has it for
    writing: here it waits, and finds that the area is gone.

    Source: Linux 6.12, mm/rmap.c.
    """
    referenced = False
    down_read(page.mapping.rwsem)
    vma = page.mapping.rb_root
    if vma:
        referenced = folio_referenced_one(page, vma, page.index)
    up_read(page.mapping.rwsem)
    return referenced


def evict_folios() -> None:
    """One page is looked at: it would be evicted unless it was referenced.

    Source: Linux 6.12, mm/vmscan.c.
    """
    page = isolate_lru_page(pick())
    if page:
        folio_referenced(page)
        put_page(page)
