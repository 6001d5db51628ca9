"""A vcpu runs the guest (Linux 7.3, arch/x86/kvm/mmu/mmu.c, tdp_mmu.c).

The guest only touches pages; hardware sets the accessed bit, and the MMU's walk is one step. A vcpu whose
root has become invalid leaves the guest and loads another one before it enters again
(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS); the request is the state of the root here.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import page
from lastput.kernel.page import put_page
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock
from lastput.kernel.rwlock import read_lock, read_unlock
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.v6.kvm_host import gfn_to_hva, kvm, kvm_vcpu
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.retry import mmu_invalidate_retry
from lastput.kvm.v6.tdp.kvm_host import kvm_mmu_page, tdp_spte
from lastput.kvm.v6.tdp.mmu import mmu_free_root_page
from lastput.kvm.v6.tdp.roots import add_root, tdp_mmu_next_root
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, atomic, choose, kfree, kzalloc, ptr

ENTERED = 0
FAULT = 1
RELOAD = 2


def guest_access(kvm: ptr[kvm], number: int, gfn: int) -> int:
    """The guest touches a page, unless its root is obsolete: ENTERED, FAULT or RELOAD."""
    with atomic():
        root = kvm.arch.tdp.vcpu_root[number]
        if not root or root.invalid:
            return RELOAD
        table = root.spt[gfn].child
        if not table or not table.spt[0].page:
            return FAULT
        table.spt[0].accessed = True
        assert table.spt[0].page.secondary != 0, "the guest reaches a page that the TDP MMU does not count"
        return ENTERED


def kvm_tdp_mmu_alloc_root(kvm: ptr[kvm], number: int) -> None:
    """Load the valid root, or a new one if there is none.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    read_lock(kvm.mmu_lock)
    root = tdp_mmu_next_root(kvm, NULL, True)
    if not root:
        root = kzalloc(kvm_mmu_page)
        spin_lock(kvm.arch.tdp.tdp_mmu_pages_lock)
        add_root(kvm, root, 2)
        spin_unlock(kvm.arch.tdp.tdp_mmu_pages_lock)
    read_unlock(kvm.mmu_lock)
    kvm.arch.tdp.vcpu_root[number] = root


def set_leaf(sptep: ptr[tdp_spte], page: ptr[page]) -> bool:
    """Store a last-level entry over an absent one; false if somebody has frozen or set it (cmpxchg).

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c: tdp_mmu_map_handle_target_level.
    """
    with atomic():
        if sptep.removed or sptep.page:
            return False
        sptep.page = page
        sptep.accessed = True
        page.secondary += 1
        return True


def kvm_tdp_mmu_map(root: ptr[kvm_mmu_page], gfn: int, page: ptr[page]) -> None:
    """Map a page, with the table above it if there is none. A race that is lost faults again.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    rcu_read_lock()
    sptep = root.spt[gfn]
    table = sptep.child
    if not table:
        new = kzalloc(kvm_mmu_page)
        with atomic():  # cmpxchg
            won = sptep.child == NULL
            if won:
                sptep.child = new
        table = new
        if not won:
            kfree(new)
            table = sptep.child
    if table:
        set_leaf(table.spt[0], page)
    rcu_read_unlock()


def kvm_tdp_page_fault(kvm: ptr[kvm], number: int, gfn: int) -> None:
    """Map the page behind `gfn`, unless it is being invalidated, or the root is obsolete.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c: kvm_tdp_mmu_page_fault, is_page_fault_stale.
    """
    mmu_seq = kvm.mmu_invalidate_seq
    page = get_user_pages(current().mm, gfn_to_hva(kvm, gfn))
    root = kvm.arch.tdp.vcpu_root[number]
    read_lock(kvm.mmu_lock)
    if root.invalid or mmu_invalidate_retry(kvm, mmu_seq):
        witness6.retried = True
    else:
        kvm_tdp_mmu_map(root, gfn, page)
    read_unlock(kvm.mmu_lock)
    put_page(page)
    witness6.retried = False


def vcpu_run(kvm: ptr[kvm], number: int, base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time."""
    witness6.running += 1
    for _touch in range(Kvm6.touches):
        gfn = base_gfn + (choose(npages) if npages > 1 else 0)
        outcome = guest_access(kvm, number, gfn)
        while outcome != ENTERED:
            srcu_read_lock(kvm.srcu)
            if outcome == RELOAD:
                mmu_free_root_page(kvm, number)
                kvm_tdp_mmu_alloc_root(kvm, number)
            else:
                kvm_tdp_page_fault(kvm, number, gfn)
            srcu_read_unlock(kvm.srcu)
            outcome = guest_access(kvm, number, gfn)
    witness6.running -= 1


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest.

    Source: Linux 7.3, arch/x86/kvm/x86.c.
    """
    kvm = vcpu.kvm
    for i in range(Kvm6.vcpus):
        if kvm.vcpus[i] == vcpu:
            vcpu_run(kvm, i, base_gfn, npages)
