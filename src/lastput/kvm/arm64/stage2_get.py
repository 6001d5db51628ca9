"""Find or make the stage-2 entry of an address (Linux 4.12, virt/kvm/arm/mmu.c).

Every caller holds mmu_lock. `cache` says whether tables may be added.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, pte_t
from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    Stage2,
    alloc_pmd_page,
    alloc_pud_page,
    get_pud_page,
    pmd_page,
    pmd_t,
    pud_t,
    pud_table_of,
    stage2_pgd_index,
    stage2_pgd_none,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.kvm_host import kvm
from lastput.lang import NULL, at, ptr, reinterpret


def stage2_get_pud(kvm: ptr[kvm], cache: bool, addr: int) -> ptr[pud_t]:
    """The pud entry. arch.pgd is not tested: a NULL one gives NULL plus the index.

    With a folded pud the pgd entry is never none, so `cache` finds no use at this level. That the
    kernel warns when it is none is left out: with four levels every first fault under an entry would.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    missing: ptr[pud_t] = NULL
    if Arm.get_pud_guard and not arch_pgd(kvm):
        return missing
    pgd = at(arch_pgd(kvm), stage2_pgd_index(addr))
    if Stage2.levels == 4 and stage2_pgd_none(pgd):
        if not cache:
            return missing
        pgd.val = reinterpret(pmd_page, alloc_pud_page())
    return stage2_pud_offset(pgd)


def stage2_get_pmd(kvm: ptr[kvm], cache: bool, addr: int) -> ptr[pmd_t]:
    """The pmd entry; NULL if there is no table and none may be added.

    The test of `pud` is d6dbdd3c8558's, meant for a four-level table. A NULL arch.pgd passes it
    unless the index is 0.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    missing: ptr[pmd_t] = NULL
    pud = stage2_get_pud(kvm, cache, addr)
    if Arm.pud_test and not pud:
        return missing
    table = pud.val
    if not table:
        if not cache:
            return missing
        table = alloc_pmd_page()
        pud.val = table
        if Stage2.levels == 4:
            get_pud_page(pud_table_of(pud))
    return table.pmd[stage2_pmd_index(addr)]


def pmd_thp_or_huge(pmd: ptr[pmd_t]) -> bool:
    """Whether the entry maps a block.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    return Mm.huge and pmd.block.page != NULL


def pte_of(pmd: ptr[pmd_t], index: int) -> ptr[pte_t]:
    """The entry that maps the address: the block, or the one in the table below; NULL without either."""
    missing: ptr[pte_t] = NULL
    if pmd_thp_or_huge(pmd):
        return pmd.block
    table = pmd.val
    if not table:
        return missing
    return table.pte[index]
