"""Find or make the stage-2 entry of an address (Linux 4.12, virt/kvm/arm/mmu.c).

Every caller holds mmu_lock. `cache` says whether tables may be added.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page, pte_t
from lastput.kvm.arm64.pgtable import (
    alloc_pmd_page,
    alloc_pte_page,
    get_pmd_page,
    get_pte_page,
    pmd_t,
    pmd_table_of,
    pte_index,
    pud_t,
    stage2_pgd_index,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.kvm_host import kvm
from lastput.lang import NULL, at, atomic, ptr


def stage2_get_pud(kvm: ptr[kvm], cache: bool, addr: int) -> ptr[pud_t]:
    """The pud entry. arch.pgd is not tested: a NULL one gives NULL plus the index.

    With a folded pud the pgd entry is never none, so `cache` finds no use at this level.
    """
    pgd = at(kvm.arch.pgd, stage2_pgd_index(addr))
    return stage2_pud_offset(pgd)


def stage2_get_pmd(kvm: ptr[kvm], cache: bool, addr: int) -> ptr[pmd_t]:
    """The pmd entry; NULL if there is no table and none may be added.

    The test of `pud` is d6dbdd3c8558's, meant for a four-level table. A NULL arch.pgd passes it
    unless the index is 0.
    """
    missing: ptr[pmd_t] = NULL
    pud = stage2_get_pud(kvm, cache, addr)
    if not pud:
        return missing
    table = pud.val
    if not table:
        if not cache:
            return missing
        table = alloc_pmd_page()
        pud.val = table
    return table.pmd[stage2_pmd_index(addr)]


def stage2_set_entry(pte: ptr[pte_t], page: ptr[page]) -> None:
    """Store a young last-level entry. Stage 2 takes no reference to the page."""
    with atomic():
        pte.page = page
        pte.young = True
        page.secondary += 1


def stage2_clear_entry(pte: ptr[pte_t]) -> None:
    """Store an empty last-level entry and invalidate the TLB."""
    with atomic():
        pte.page.secondary -= 1
        pte.page = NULL
        pte.young = False


def stage2_set_pte(kvm: ptr[kvm], cache: bool, addr: int, page: ptr[page]) -> None:
    """Map `page` at `addr`; does nothing where a table is missing and none may be added."""
    pmd = stage2_get_pmd(kvm, cache, addr)
    if not pmd:
        return
    table = pmd.val
    if not table:
        if not cache:
            return
        table = alloc_pte_page()
        pmd.val = table
        get_pmd_page(pmd_table_of(pmd, addr))
    pte = table.pte[pte_index(addr)]
    if pte.page:
        stage2_clear_entry(pte)
    else:
        get_pte_page(table)
    stage2_set_entry(pte, page)
