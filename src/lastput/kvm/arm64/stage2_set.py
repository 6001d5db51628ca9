"""Write stage-2 entries (Linux 4.12, virt/kvm/arm/mmu.c). Every caller holds mmu_lock.

Stage 2 takes no reference to the pages that it maps.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, page, pte_t
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    alloc_pte_page,
    get_pmd_page,
    get_pte_page,
    pmd_t,
    pmd_table_of,
    pte_index,
    put_pmd_page,
)
from lastput.kvm.arm64.stage2_get import pmd_thp_or_huge, stage2_get_pmd
from lastput.kvm.kvm_host import kvm
from lastput.lang import BUG_ON, NULL, atomic, ptr

EFAULT = 14
S2PTE_FLAG_IS_IOMAP = 1
S2PTE_FLAG_LOGGING_ACTIVE = 2


def stage2_set_entry(pte: ptr[pte_t], page: ptr[page], writable: bool) -> None:
    """Store a young entry, a pte or a block. One step."""
    with atomic():
        pte.page = page
        pte.young = True
        pte.writable = writable
        page.secondary += 1
        if writable:
            page.secondary_writable += 1


def stage2_clear_entry(pte: ptr[pte_t]) -> None:
    """Store an empty entry and invalidate the TLB. One step."""
    with atomic():
        pte.page.secondary -= 1
        if pte.writable:
            pte.page.secondary_writable -= 1
        pte.page = NULL
        pte.young = False
        pte.writable = False


def kvm_set_s2pte_readonly(pte: ptr[pte_t]) -> None:
    """Take the right to write away. One step: load-exclusive, store-exclusive.

    Source: Linux 4.12, arch/arm64/include/asm/kvm_mmu.h.
    """
    with atomic():
        if pte.writable:
            pte.page.secondary_writable -= 1
        pte.writable = False


def stage2_dissolve_pmd(pmd: ptr[pmd_t], addr: int) -> None:
    """Clear a block, so that its pages fault again, one by one.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if pmd_thp_or_huge(pmd):
        stage2_clear_entry(pmd.block)
        put_pmd_page(pmd_table_of(pmd, addr))


def stage2_set_pmd_huge(kvm: ptr[kvm], addr: int, page: ptr[page], writable: bool) -> None:
    """Map a block at `addr`. The same block may be there already; a table may not.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pmd = stage2_get_pmd(kvm, True, addr)
    BUG_ON(not pmd)
    if pmd_thp_or_huge(pmd):
        BUG_ON(pmd.block.page != page)
        stage2_clear_entry(pmd.block)
    else:
        get_pmd_page(pmd_table_of(pmd, addr))
    stage2_set_entry(pmd.block, page, writable)


def stage2_set_pte(kvm: ptr[kvm], cache: bool, addr: int, page: ptr[page], writable: bool, flags: int) -> int:
    """Map `page` at `addr`; does nothing where a table is missing and none may be added.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pmd = stage2_get_pmd(kvm, cache, addr)
    if not pmd:
        return 0
    if Arm.logging and Mm.huge and flags & S2PTE_FLAG_LOGGING_ACTIVE:
        stage2_dissolve_pmd(pmd, addr)
    table = pmd.val
    if not table:
        if not cache:
            return 0
        table = alloc_pte_page()
        pmd.val = table
        get_pmd_page(pmd_table_of(pmd, addr))
    pte = table.pte[pte_index(addr)]
    old = pte.page
    if flags & S2PTE_FLAG_IS_IOMAP and old:
        return -EFAULT
    if old:
        stage2_clear_entry(pte)
    else:
        get_pte_page(table)
    stage2_set_entry(pte, page, writable)
    return 0
