"""A page of the owner is replaced: stage 2 may map the new one at once (Linux 6.1, virt/kvm/kvm_main.c).

Gone in Linux 6.10. The start of the invalidation around it has unmapped the old page, so that nothing has to
be taken away here; and nothing is added but a leaf, because there is no memory at hand for a table.
"""

from __future__ import annotations

from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.rwlock import write_lock, write_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.v6.arm64.kvm_host import kvm_pgtable
from lastput.kvm.v6.arm64.map import stage2_map_walk_leaf
from lastput.kvm.v6.arm64.pgtable import kvm_pgtable_walk, no_visit, top_index
from lastput.kvm.v6.kvm_host import hva_to_gfn_memslot, kvm, kvm_memory_slot, kvm_memslots_of
from lastput.kvm.v6.notifier import mmu_notifier_to_kvm
from lastput.kvm.v6.options import Kvm6
from lastput.lang import WARN_ON, ptr

ENOMEM = 12


def kvm_pgtable_stage2_map(pgt: ptr[kvm_pgtable], addr: int, page: ptr[page]) -> int:
    """Map a page read-only, if there is a table for it; -ENOMEM if not.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c, without a memcache.
    """
    if not pgt.pgd.pte[top_index(addr)].table:
        return -ENOMEM
    return kvm_pgtable_walk(pgt, addr, addr + 1, no_visit, stage2_map_walk_leaf, no_visit, page, False, False)


def kvm_set_spte_gfn(kvm: ptr[kvm], gfn: int, page: ptr[page]) -> None:
    """Map the new page. Holds mmu_lock.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    pgt = kvm.arch.arm64.mmu.pgt
    if pgt:
        kvm_pgtable_stage2_map(pgt, gfn, page)


def kvm_change_spte(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], address: int, page: ptr[page]) -> None:
    """The walk of one slot.

    Source: Linux 6.1, virt/kvm/kvm_main.c: __kvm_handle_hva_range, kvm_change_spte_gfn.
    """
    if address >= slot.userspace_addr and address < slot.userspace_addr + slot.npages:
        write_lock(kvm.mmu_lock)
        kvm_set_spte_gfn(kvm, hva_to_gfn_memslot(address, slot), page)
        write_unlock(kvm.mmu_lock)


def kvm_mmu_notifier_change_pte(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int, page: ptr[page], writable: bool
) -> None:
    """The primary entry is about to map `page`. Between start and end of an invalidation.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    WARN_ON(kvm.mn_active_invalidate_count == 0)
    if kvm.mmu_invalidate_in_progress == 0:
        return
    srcu_read_lock(kvm.srcu)
    slots = kvm_memslots_of(kvm)
    for i in range(Kvm6.slots):
        if i < slots.used and not slots.invalid:
            kvm_change_spte(kvm, slots.slot[i], address, page)
    srcu_read_unlock(kvm.srcu)
