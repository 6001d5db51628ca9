"""Take stage-2 entries and tables down (Linux 4.12, virt/kvm/arm/mmu.c).

An entry is cleared, the TLB is told, then the table that held it is put; a table that has become
empty goes the same way, one level up. Cache maintenance of unmapped pages is left out: it changes
no entry and no count.
"""

from __future__ import annotations

from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    PGD_SPAN,
    Stage2,
    pgd_pages,
    pgd_t,
    pmd_addr_end,
    pmd_t,
    pmd_table_of,
    pte_index,
    pud_t,
    pud_table_of,
    put_pmd_page,
    put_pte_page,
    put_pud_page,
    stage2_pgd_addr_end,
    stage2_pgd_index,
    stage2_pgd_none,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.arm64.stage2_get import pmd_thp_or_huge
from lastput.kvm.arm64.stage2_set import stage2_clear_entry
from lastput.kvm.kvm_host import kvm
from lastput.kvm.witness import witness
from lastput.lang import NULL, at, kfree, ptr, reinterpret


def clear_stage2_pgd_entry(pgd: ptr[pgd_t]) -> None:
    """Drop an empty table of puds. Only with four levels is there one.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pud_table_of(stage2_pud_offset(pgd))
    pgd.val = NULL
    put_pud_page(table)


def clear_stage2_pud_entry(pud: ptr[pud_t]) -> None:
    """Drop an empty table of pmds.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pud.val
    pud.val = NULL
    put_pmd_page(table)
    if Stage2.levels == 4:
        put_pud_page(pud_table_of(pud))


def clear_stage2_pmd_entry(pmd: ptr[pmd_t], addr: int) -> None:
    """Drop an empty table of ptes.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pmd.val
    pmd.val = NULL
    put_pte_page(table)
    put_pmd_page(pmd_table_of(pmd, addr))


def unmap_stage2_ptes(pmd: ptr[pmd_t], addr: int, end: int) -> None:
    """Clear entries; then the table, if it has become empty.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pmd.val
    start = addr
    while addr < end:
        pte = table.pte[pte_index(addr)]
        if pte.page:
            stage2_clear_entry(pte)
            put_pte_page(table)
        addr += 1
    if table._refcount.counter == 1:
        clear_stage2_pmd_entry(pmd, start)


def unmap_stage2_pmds(pud: ptr[pud_t], addr: int, end: int) -> None:
    """Clear blocks and tables; then the table of them, if it has become empty.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pud.val
    while addr < end:
        next = pmd_addr_end(addr, end)
        pmd = table.pmd[stage2_pmd_index(addr)]
        if pmd_thp_or_huge(pmd):
            stage2_clear_entry(pmd.block)
            put_pmd_page(table)
        elif pmd.val:
            unmap_stage2_ptes(pmd, addr, next)
        addr = next
    if table._refcount.counter == 1:
        clear_stage2_pud_entry(pud)


def unmap_stage2_puds(pgd: ptr[pgd_t], addr: int, end: int) -> None:
    """Clear what is under a pgd entry. With a folded pud: one entry, and a table that is never empty.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pud = stage2_pud_offset(pgd)
    if pud.val:
        unmap_stage2_pmds(pud, addr, end)
    if Stage2.levels == 4 and pud_table_of(pud)._refcount.counter == 1:
        clear_stage2_pgd_entry(pgd)


def unmap_stage2_range(kvm: ptr[kvm], start: int, size: int) -> None:
    """Unmap guest pages. Between two pgd entries mmu_lock may be dropped and taken again.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.free_locked:
        lockdep_assert_held(kvm.mmu_lock)
    witness.unmapping += 1
    addr = start
    end = start + size
    pgd = at(arch_pgd(kvm), stage2_pgd_index(addr))
    while addr < end:
        if Arm.unmap_retest and not arch_pgd(kvm):
            break
        next = stage2_pgd_addr_end(addr, end)
        if Stage2.levels == 3 or not stage2_pgd_none(pgd):
            unmap_stage2_puds(pgd, addr, next)
        if next != end and Arm.free_locked:
            cond_resched_lock(kvm.mmu_lock)
        pgd = at(pgd, 1)
        addr = next
    witness.unmapping -= 1


def free_before_6c0d706b563a(kvm: ptr[kvm]) -> None:
    """kvm_free_stage2_pgd with the test and the reset of arch.pgd outside of mmu_lock.

    Source: Linux 4.11, virt/kvm/arm/mmu.c: kvm_free_stage2_pgd.
    """
    if not arch_pgd(kvm):
        return
    if Arm.free_locked:
        spin_lock(kvm.mmu_lock)
    unmap_stage2_range(kvm, 0, Stage2.pgd_entries * PGD_SPAN)
    if Arm.free_locked:
        spin_unlock(kvm.mmu_lock)
    kfree(reinterpret(pgd_pages, arch_pgd(kvm)))
    kvm.arch.pgd = NULL
    witness.released = True


def kvm_free_stage2_pgd(kvm: ptr[kvm]) -> None:
    """Free all of stage 2. May be called twice, also by two tasks at a time.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pgd: ptr[pgd_t] = NULL
    spin_lock(kvm.mmu_lock)
    early = arch_pgd(kvm)
    if early:
        unmap_stage2_range(kvm, 0, Stage2.pgd_entries * PGD_SPAN)
        pgd = arch_pgd(kvm) if Arm.free_reread else early
        kvm.arch.pgd = NULL
        witness.released = True
    spin_unlock(kvm.mmu_lock)
    if pgd:
        kfree(reinterpret(pgd_pages, pgd))


def empty_stage2(kvm: ptr[kvm]) -> None:
    """Unmap everything, and keep the pgd: designs D3 and D4, which free it later."""
    spin_lock(kvm.mmu_lock)
    unmap_stage2_range(kvm, 0, Stage2.pgd_entries * PGD_SPAN)
    spin_unlock(kvm.mmu_lock)


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """What the release of the notifier does: all of stage 2 goes. Nothing, before 293f29363.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.root_kept:
        empty_stage2(kvm)
    elif Arm.release_frees and Arm.free_locked and Arm.free_together:
        kvm_free_stage2_pgd(kvm)
    elif Arm.release_frees:
        free_before_6c0d706b563a(kvm)
