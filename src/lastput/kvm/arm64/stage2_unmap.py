"""Take stage-2 entries and tables down (Linux 4.12, virt/kvm/arm/mmu.c).

An entry is cleared, the TLB is told, then the table that held it is put; a table that has become
empty goes the same way, one level up. Cache maintenance of unmapped pages is left out.
"""

from __future__ import annotations

from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
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
    put_pmd_page,
    put_pte_page,
    stage2_pgd_addr_end,
    stage2_pgd_index,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.arm64.stage2_get import stage2_clear_entry
from lastput.kvm.kvm_host import kvm
from lastput.kvm.witness import witness
from lastput.lang import NULL, at, kfree, ptr, reinterpret


def clear_stage2_pud_entry(pud: ptr[pud_t]) -> None:
    table = pud.val
    pud.val = NULL
    put_pmd_page(table)


def clear_stage2_pmd_entry(pmd: ptr[pmd_t], addr: int) -> None:
    table = pmd.val
    pmd.val = NULL
    put_pte_page(table)
    put_pmd_page(pmd_table_of(pmd, addr))


def unmap_stage2_ptes(pmd: ptr[pmd_t], addr: int, end: int) -> None:
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
    table = pud.val
    while addr < end:
        next = pmd_addr_end(addr, end)
        pmd = table.pmd[stage2_pmd_index(addr)]
        if pmd.val:
            unmap_stage2_ptes(pmd, addr, next)
        addr = next
    if table._refcount.counter == 1:
        clear_stage2_pud_entry(pud)


def unmap_stage2_puds(pgd: ptr[pgd_t], addr: int, end: int) -> None:
    """With a folded pud: one entry, and a table that is never empty."""
    pud = stage2_pud_offset(pgd)
    if pud.val:
        unmap_stage2_pmds(pud, addr, end)


def unmap_stage2_range(kvm: ptr[kvm], start: int, size: int) -> None:
    """Unmap guest pages. Between two pgd entries mmu_lock may be dropped and taken again."""
    if Arm.free_locked:
        lockdep_assert_held(kvm.mmu_lock)
    witness.unmapping += 1
    addr = start
    end = start + size
    pgd = at(kvm.arch.pgd, stage2_pgd_index(addr))
    while addr < end:
        if Arm.unmap_retest and not kvm.arch.pgd:
            break
        next = stage2_pgd_addr_end(addr, end)
        unmap_stage2_puds(pgd, addr, next)
        if next != end and Arm.free_locked:
            cond_resched_lock(kvm.mmu_lock)
        pgd = at(pgd, 1)
        addr = next
    witness.unmapping -= 1


def kvm_free_stage2_pgd(kvm: ptr[kvm]) -> None:
    """Free all of stage 2. May be called twice, also by two tasks at a time."""
    pgd: ptr[pgd_t] = NULL
    if Arm.free_locked:
        spin_lock(kvm.mmu_lock)
    early = kvm.arch.pgd
    if early:
        unmap_stage2_range(kvm, 0, Stage2.pgd_entries * PGD_SPAN)
        pgd = kvm.arch.pgd if Arm.free_reread else early
        kvm.arch.pgd = NULL
        witness.released = True
    if Arm.free_locked:
        spin_unlock(kvm.mmu_lock)
    if pgd:
        kfree(reinterpret(pgd_pages, pgd))


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    if Arm.release_frees:
        kvm_free_stage2_pgd(kvm)
