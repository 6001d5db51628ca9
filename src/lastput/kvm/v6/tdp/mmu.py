"""What generic KVM calls in the TDP MMU (Linux 7.3, arch/x86/kvm/mmu/mmu.c, tdp_mmu.c, x86.c)."""

from __future__ import annotations

from lastput.kernel.list import list_empty
from lastput.kernel.rcu import rcu_barrier, rcu_read_lock, rcu_read_unlock
from lastput.kernel.rwlock import read_lock, read_unlock, write_lock, write_unlock
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.tdp.kvm_host import Tdp, tdp_spte
from lastput.kvm.v6.tdp.roots import (
    kvm_tdp_mmu_invalidate_all_roots,
    kvm_tdp_mmu_put_root,
    root_of,
)
from lastput.kvm.v6.tdp.zap import (
    kvm_tdp_mmu_unmap_gfn_range,
    kvm_tdp_mmu_zap_all,
    kvm_tdp_mmu_zap_invalidated_roots,
)
from lastput.lang import NULL, WARN_ON, atomic, kfree, ptr

# -- ageing ----------------------------------------------------------------------------------


def kvm_tdp_mmu_age_spte(sptep: ptr[tdp_spte]) -> bool:
    """Test and clear the accessed bit of one entry. One atomic operation: a zap may come in between.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    if not sptep.page or not sptep.accessed:
        return False
    with atomic():  # and, or cmpxchg: of a zapped entry nothing is left to clear
        sptep.accessed = False
    return True


def kvm_tdp_mmu_age_gfn_range(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the accessed bits of a range in every valid root. mmu_lock need not be held.

    What keeps the roots and tables that the walk is in is the read section.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    young = False
    if Tdp.age_rcu:
        rcu_read_lock()
    head = kvm.arch.tdp.tdp_mmu_roots
    node = head.next
    while node != head:
        root = root_of(node)
        if not root.invalid:
            for gfn in range(start, end):
                table = root.spt[gfn].child
                if table and kvm_tdp_mmu_age_spte(table.spt[0]):
                    young = True
        node = root.link.next
    if Tdp.age_rcu:
        rcu_read_unlock()
    return young


# -- zapping everything ----------------------------------------------------------------------


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """The address space goes, or the VM does: nothing stays mapped. Roots stay.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c: kvm_arch_flush_shadow_all, kvm_mmu_zap_all.
    """
    write_lock(kvm.mmu_lock)
    kvm_tdp_mmu_zap_all(kvm)
    write_unlock(kvm.mmu_lock)


def kvm_mmu_zap_all_fast(kvm: ptr[kvm]) -> None:
    """A memory slot goes: give up all roots at once, and zap them without keeping faults out.

    slots_lock is held. Vcpus are asked to let go of obsolete roots; until they do, they are in the guest
    with them.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c.
    """
    write_lock(kvm.mmu_lock)
    kvm_tdp_mmu_invalidate_all_roots(kvm)
    write_unlock(kvm.mmu_lock)
    kvm_tdp_mmu_zap_invalidated_roots(kvm)


# -- the end ---------------------------------------------------------------------------------


def mmu_free_root_page(kvm: ptr[kvm], number: int) -> None:
    """A vcpu lets go of its root.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c.
    """
    root = kvm.arch.tdp.vcpu_root[number]
    if root:
        kvm.arch.tdp.vcpu_root[number] = NULL
        read_lock(kvm.mmu_lock)
        kvm_tdp_mmu_put_root(kvm, root)
        read_unlock(kvm.mmu_lock)


def kvm_mmu_uninit_tdp_mmu(kvm: ptr[kvm]) -> None:
    """Free all roots. The VM has no user left, and no notifier.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    kvm_tdp_mmu_invalidate_all_roots(kvm)
    kvm_tdp_mmu_zap_invalidated_roots(kvm)
    WARN_ON(not list_empty(kvm.arch.tdp.tdp_mmu_roots))
    rcu_barrier()


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """The vcpus go, then the roots.

    Source: Linux 7.3, arch/x86/kvm/x86.c.
    """
    for i in range(Kvm6.vcpus):
        mmu_free_root_page(kvm, i)
        kfree(kvm.vcpus[i])
        kvm.vcpus[i] = NULL
    kvm_mmu_uninit_tdp_mmu(kvm)


def kvm_unmap_gfn_range(kvm: ptr[kvm], start: int, end: int, may_block: bool) -> bool:
    """Unmap a range.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c.
    """
    return kvm_tdp_mmu_unmap_gfn_range(kvm, start, end, may_block)


def kvm_age_gfn(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the accessed bits of a range.

    Source: Linux 7.3, arch/x86/kvm/mmu/mmu.c.
    """
    return kvm_tdp_mmu_age_gfn_range(kvm, start, end)
