"""What the VM's own ioctls do to stage 2 (Linux 4.12, virt/kvm/arm/mmu.c).

They run in a task that has the VM's address space and holds its file.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.preempt import might_sleep
from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    pgd_t,
    pmd_addr_end,
    pte_index,
    pud_t,
    stage2_pgd_addr_end,
    stage2_pgd_index,
    stage2_pgd_none,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.arm64.stage2_get import pmd_thp_or_huge
from lastput.kvm.arm64.stage2_set import S2PTE_FLAG_IS_IOMAP, kvm_set_s2pte_readonly, stage2_set_pte
from lastput.kvm.arm64.stage2_unmap import unmap_stage2_range
from lastput.kvm.kvm_host import first_memslot, kvm, kvm_memory_slot
from lastput.kvm.witness import witness
from lastput.lang import at, ptr


def kvm_arch_flush_shadow_memslot(kvm: ptr[kvm], slot: ptr[kvm_memory_slot]) -> None:
    """A slot goes, or moves: unmap its pages.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    spin_lock(kvm.mmu_lock)
    unmap_stage2_range(kvm, slot.base_gfn, slot.npages)
    spin_unlock(kvm.mmu_lock)


def kvm_phys_addr_ioremap(kvm: ptr[kvm], guest_ipa: int, device: ptr[page], writable: bool) -> int:
    """Map one page of a device. The cache of tables is filled before the lock is taken.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    might_sleep()  # mmu_topup_memory_cache
    spin_lock(kvm.mmu_lock)
    result = stage2_set_pte(kvm, True, guest_ipa, device, writable, S2PTE_FLAG_IS_IOMAP)
    spin_unlock(kvm.mmu_lock)
    return result


def stage2_unmap_vm(kvm: ptr[kvm]) -> None:
    """KVM_ARM_VCPU_INIT again: unmap all RAM, so that the guest starts from clean memory.

    mmap_sem, which the kernel holds for reading to look at the areas of the slot, is left out: here the
    slot is unmapped whole.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    slot = first_memslot(kvm)
    unmap_stage2_range(kvm, slot.base_gfn, slot.npages)
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)


def stage2_wp_pmds(pud: ptr[pud_t], addr: int, end: int) -> None:
    """Write-protect blocks and ptes under a table of pmds.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    table = pud.val
    while addr < end:
        next = pmd_addr_end(addr, end)
        pmd = table.pmd[stage2_pmd_index(addr)]
        if pmd_thp_or_huge(pmd):
            kvm_set_s2pte_readonly(pmd.block)
        elif pmd.val:
            ptes = pmd.val
            while addr < next:
                pte = ptes.pte[pte_index(addr)]
                if pte.page:
                    kvm_set_s2pte_readonly(pte)
                addr += 1
        addr = next


def stage2_wp_puds(pgd: ptr[pgd_t], addr: int, end: int) -> None:
    """Write-protect what is under a pgd entry.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pud = stage2_pud_offset(pgd)
    if pud.val:
        stage2_wp_pmds(pud, addr, end)


def stage2_wp_range(kvm: ptr[kvm], addr: int, end: int) -> None:
    """Write-protect a range. mmu_lock may be dropped and taken again before each pgd entry.

    The test after that cannot matter as things are: only ioctls of the VM come here, in a task that is a
    user of the VM's memory and holds its file, so that nobody frees stage 2 meanwhile. It does if another
    process's ioctl were let in (`mm_test`): kvm/vcpu-vs-exit, does=wp.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pgd = at(arch_pgd(kvm), stage2_pgd_index(addr))
    while addr < end:
        cond_resched_lock(kvm.mmu_lock)
        if Arm.wp_retest and not arch_pgd(kvm):
            break
        next = stage2_pgd_addr_end(addr, end)
        if not stage2_pgd_none(pgd):
            stage2_wp_puds(pgd, addr, next)
        pgd = at(pgd, 1)
        addr = next


def kvm_mmu_wp_memory_region(kvm: ptr[kvm]) -> None:
    """Logging begins: write-protect the slot.

    The final flush of the TLB is left out, each store is one with its own: a bound, what the guest writes
    between the two is not looked at.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    slot = first_memslot(kvm)
    spin_lock(kvm.mmu_lock)
    stage2_wp_range(kvm, slot.base_gfn, slot.base_gfn + slot.npages)
    spin_unlock(kvm.mmu_lock)


def kvm_mmu_write_protect_pt_masked(kvm: ptr[kvm], gfn: int) -> None:
    """Write-protect one page that userspace has just been told is dirty. Holds mmu_lock.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    lockdep_assert_held(kvm.mmu_lock)
    stage2_wp_range(kvm, gfn, gfn + 1)


def kvm_vm_ioctl_get_dirty_log(kvm: ptr[kvm]) -> None:
    """Hand out which pages were written, and watch for the next write to each of them.

    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    mutex_lock(kvm.slots_lock)
    slot = first_memslot(kvm)
    spin_lock(kvm.mmu_lock)
    for i in range(slot.npages):
        if kvm.dirty_bitmap[i]:
            kvm.dirty_bitmap[i] = False
            if Arm.log_protects:
                kvm_mmu_write_protect_pt_masked(kvm, slot.base_gfn + i)
            witness.unlogged &= ~(1 << i)  # userspace copies the page after this
    spin_unlock(kvm.mmu_lock)
    mutex_unlock(kvm.slots_lock)
