"""A vcpu runs the guest (Linux 4.12, virt/kvm/arm/mmu.c, virt/kvm/arm/arm.c).

The guest only touches pages; with `Arm.logging` each touch is a write. The MMU's walk of stage 2 is one
step: no variant under study depends on what it sees half-way. The access flag is set by software, as on
hardware without its own management of it. update_vttbr runs on every entry, not only with a new VMID,
so that a stage 2 that is gone would be seen at once. Signals are left out; an access that cannot be
served goes to user space, which lets the vcpu be.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import Mm, page
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    pgd_t,
    pte_index,
    stage2_pgd_index,
    stage2_pgd_none,
    stage2_pmd_index,
    stage2_pud_offset,
)
from lastput.kvm.arm64.stage2_get import pte_of, stage2_get_pmd
from lastput.kvm.arm64.stage2_set import S2PTE_FLAG_LOGGING_ACTIVE, stage2_set_pmd_huge, stage2_set_pte
from lastput.kvm.kvm_host import Kvm, gfn_to_hva, kvm, kvm_vcpu, mmu_notifier_retry
from lastput.kvm.witness import witness
from lastput.lang import at, atomic, choose, ptr

FSC_NONE = 0
FSC_FAULT = 1
FSC_ACCESS = 2
FSC_PERM = 3

EFAULT = 14


def guest_access(kvm: ptr[kvm], pgd: ptr[pgd_t], gpa: int) -> int:
    """The guest touches a page: the fault status that the MMU reports, FSC_NONE for success."""
    with atomic():
        entry = at(pgd, stage2_pgd_index(gpa))
        if stage2_pgd_none(entry):
            return FSC_FAULT
        pmd_table = stage2_pud_offset(entry).val
        if not pmd_table:
            return FSC_FAULT
        pte = pte_of(pmd_table.pmd[stage2_pmd_index(gpa)], pte_index(gpa))
        if not pte or not pte.page:
            return FSC_FAULT
        if not pte.young:
            return FSC_ACCESS
        if Arm.logging and not pte.writable:
            return FSC_PERM
        assert pte.page.secondary != 0, "the guest reaches a page that stage 2 does not count"
        if Arm.logging:
            witness.unlogged |= 1 << gfn_offset(kvm, gpa)
        return FSC_NONE


def gfn_offset(kvm: ptr[kvm], gfn: int) -> int:
    """Position of a guest page in its slot."""
    return gfn - kvm.memslots.memslots[0].base_gfn


def transparent_hugepage_adjust(page: ptr[page]) -> bool:
    """Whether the page is a huge one that the host maps as such; a block may map it then.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    return Mm.huge and current().mm.pmd.page == page


def map_page(kvm: ptr[kvm], gpa: int, page: ptr[page]) -> None:
    """The end of user_mem_abort, under mmu_lock: a block where it fits, unless pages are logged."""
    if Mm.huge and not Arm.logging and transparent_hugepage_adjust(page):
        stage2_set_pmd_huge(kvm, gpa, page, True)
    else:
        if Arm.logging:
            kvm.dirty_bitmap[gfn_offset(kvm, gpa)] = True  # mark_page_dirty
        stage2_set_pte(kvm, True, gpa, page, True, S2PTE_FLAG_LOGGING_ACTIVE if Arm.logging else 0)


def user_mem_abort(vcpu: ptr[kvm_vcpu], gpa: int, hva: int) -> int:
    """Map the page behind `gpa`, unless it is being invalidated: then the guest faults again.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    kvm = vcpu.kvm
    might_sleep()  # mmu_topup_memory_cache
    mmu_seq = 0
    if Kvm.seq_first:
        mmu_seq = kvm.mmu_notifier_seq
    page = get_user_pages(current().mm, hva)
    if not page:
        return -EFAULT
    if not Kvm.seq_first:
        mmu_seq = kvm.mmu_notifier_seq
    retry = False
    if not Kvm.retry_locked:
        retry = mmu_notifier_retry(kvm, mmu_seq)
    spin_lock(kvm.mmu_lock)
    if Kvm.retry_locked:
        retry = mmu_notifier_retry(kvm, mmu_seq)
    if retry:
        witness.retried = True
    else:
        map_page(kvm, gpa, page)
    spin_unlock(kvm.mmu_lock)
    put_page(page)
    witness.retried = False
    return 0


def handle_access_fault(vcpu: ptr[kvm_vcpu], gpa: int) -> None:
    """Make a mapped page young again.

    kvm_set_pfn_accessed, which follows outside of the lock, is left out: pages have no such flag here.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    kvm = vcpu.kvm
    spin_lock(kvm.mmu_lock)
    pmd = stage2_get_pmd(kvm, False, gpa)
    if pmd:
        pte = pte_of(pmd, pte_index(gpa))
        if pte and pte.page:
            pte.young = True
    spin_unlock(kvm.mmu_lock)


def kvm_handle_guest_abort(vcpu: ptr[kvm_vcpu], gpa: int, fault_status: int) -> int:
    """Serve a fault; below 0 if it is for user space, as outside of every slot.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    kvm = vcpu.kvm
    result = 0
    srcu_read_lock(kvm.srcu)
    hva = gfn_to_hva(kvm, gpa)
    if Kvm.slots_change and hva < 0:
        result = -EFAULT
    elif fault_status == FSC_ACCESS:
        handle_access_fault(vcpu, gpa)
    else:
        result = user_mem_abort(vcpu, gpa, hva)
    srcu_read_unlock(kvm.srcu)
    return result


def update_vttbr(kvm: ptr[kvm]) -> ptr[pgd_t]:
    """What VTTBR_EL2 gets: the table, read without a lock.

    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    return arch_pgd(kvm)


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time.

    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    kvm = vcpu.kvm
    witness.running += 1
    for _touch in range(Kvm.touches):
        gpa = base_gfn + (choose(npages) if npages > 1 else 0)
        fault_status = guest_access(kvm, update_vttbr(kvm), gpa)
        while fault_status != FSC_NONE:
            if kvm_handle_guest_abort(vcpu, gpa, fault_status) < 0:
                fault_status = FSC_NONE
            else:
                fault_status = guest_access(kvm, update_vttbr(kvm), gpa)
    witness.running -= 1
