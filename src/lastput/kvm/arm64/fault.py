"""A vcpu runs the guest (Linux 4.12, virt/kvm/arm/mmu.c, virt/kvm/arm/arm.c).

The guest only touches pages. The MMU's walk of stage 2 is one step: no variant under study depends
on what it sees half-way. The access flag is set by software, as on hardware without its own
management of it. update_vttbr runs on every entry, not only with a new VMID, so that a stage 2 that
is gone would be seen at once. Signals, exits to user space and dirty logging are left out.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.arm64.pgtable import pgd_t, pte_index, stage2_pgd_index, stage2_pmd_index
from lastput.kvm.arm64.stage2_get import stage2_get_pmd, stage2_set_pte
from lastput.kvm.kvm_host import Kvm, gfn_to_hva, kvm, kvm_vcpu, mmu_notifier_retry
from lastput.kvm.witness import witness
from lastput.lang import at, atomic, choose, ptr

FSC_NONE = 0
FSC_FAULT = 1
FSC_ACCESS = 2


def guest_access(pgd: ptr[pgd_t], gpa: int) -> int:
    """The guest touches a page: the fault status that the MMU reports, FSC_NONE for success."""
    with atomic():
        pmd_table = at(pgd, stage2_pgd_index(gpa)).val
        if not pmd_table:
            return FSC_FAULT
        pte_table = pmd_table.pmd[stage2_pmd_index(gpa)].val
        if not pte_table:
            return FSC_FAULT
        pte = pte_table.pte[pte_index(gpa)]
        if not pte.page:
            return FSC_FAULT
        if not pte.young:
            return FSC_ACCESS
        assert pte.page.secondary != 0, "the guest reaches a page that stage 2 does not count"
        return FSC_NONE


def user_mem_abort(vcpu: ptr[kvm_vcpu], gpa: int, hva: int) -> None:
    """Map the page behind `gpa`, unless it is being invalidated: then the guest faults again."""
    kvm = vcpu.kvm
    might_sleep()  # mmu_topup_memory_cache
    mmu_seq = kvm.mmu_notifier_seq
    page = get_user_pages(current().mm, hva)
    spin_lock(kvm.mmu_lock)
    if mmu_notifier_retry(kvm, mmu_seq):
        witness.retried = True
    else:
        stage2_set_pte(kvm, True, gpa, page)
    spin_unlock(kvm.mmu_lock)
    put_page(page)
    witness.retried = False


def handle_access_fault(vcpu: ptr[kvm_vcpu], gpa: int) -> None:
    """Make a mapped page young again."""
    kvm = vcpu.kvm
    spin_lock(kvm.mmu_lock)
    pmd = stage2_get_pmd(kvm, False, gpa)
    if pmd:
        table = pmd.val
        if table:
            pte = table.pte[pte_index(gpa)]
            if pte.page:
                pte.young = True
    spin_unlock(kvm.mmu_lock)


def kvm_handle_guest_abort(vcpu: ptr[kvm_vcpu], gpa: int, fault_status: int) -> None:
    kvm = vcpu.kvm
    srcu_read_lock(kvm.srcu)
    hva = gfn_to_hva(kvm, gpa)
    if fault_status == FSC_ACCESS:
        handle_access_fault(vcpu, gpa)
    else:
        user_mem_abort(vcpu, gpa, hva)
    srcu_read_unlock(kvm.srcu)


def update_vttbr(kvm: ptr[kvm]) -> ptr[pgd_t]:
    """What VTTBR_EL2 gets: the table, read without a lock."""
    return kvm.arch.pgd


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time."""
    kvm = vcpu.kvm
    witness.running += 1
    for _touch in range(Kvm.touches):
        gpa = base_gfn + (choose(npages) if npages > 1 else 0)
        fault_status = guest_access(update_vttbr(kvm), gpa)
        while fault_status != FSC_NONE:
            kvm_handle_guest_abort(vcpu, gpa, fault_status)
            fault_status = guest_access(update_vttbr(kvm), gpa)
    witness.running -= 1
