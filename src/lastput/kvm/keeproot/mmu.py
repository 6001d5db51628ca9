"""Page tables of a guest on LoongArch (Linux 7.1, arch/loongarch/kvm/mmu.c, vm.c).

The root is allocated with the VM and freed in kvm_arch_destroy_vm, after mmu_notifier_unregister: no
callback can meet a VM without one, and none tests for it. The tables below the root are another
matter. kvm_flush_range frees them, and what keeps callbacks out of them is mmu_lock, which
kvm_arch_flush_shadow_all did not take before the patch "KVM: loongarch: Grab MMU lock in
kvm_arch_flush_shadow_all()" of May 2026 (MIPS: likewise, since b62091108633 of 2017).

The callbacks below are those of the generic code of Linux 4.12, which differs from that of 7.1 in how
it finds the slot and in names (kvm_age_gfn for kvm_age_hva), not in what is held.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import page, pte_t
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.keeproot.kvm_host import PTRS_PER_PGD, PTRS_PER_PTE, LoongArch, loongarch_ptes
from lastput.kvm.kvm_host import (
    Kvm,
    first_memslot,
    first_page,
    gfn_to_hva,
    hva_to_gfn,
    kvm,
    kvm_vcpu,
    last_page,
    mmu_notifier_retry,
)
from lastput.kvm.witness import witness
from lastput.lang import NULL, atomic, choose, kfree, kzalloc, ptr

# -- entries ---------------------------------------------------------------------------------


def kvm_set_pte(pte: ptr[pte_t], page: ptr[page]) -> None:
    """Store a young entry. It holds no reference to the page.

    Source: Linux 7.1, arch/loongarch/include/asm/kvm_mmu.h.
    """
    with atomic():
        pte.page = page
        pte.young = True
        page.secondary += 1


def kvm_flush_pte(pte: ptr[pte_t]) -> None:
    """Clear an entry. Flushing the TLBs is one with it: a guest's access is one step.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    with atomic():
        if pte.page:
            pte.page.secondary -= 1
        pte.page = NULL
        pte.young = False


def kvm_mkold_pte(pte: ptr[pte_t]) -> bool:
    """Test and clear the accessed bit. Plain loads and stores in the kernel, under mmu_lock.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    young = pte.young
    if young:
        pte.young = False
    return young


# -- walks -----------------------------------------------------------------------------------


def kvm_populate_gpa(kvm: ptr[kvm], cache: bool, gfn: int) -> ptr[pte_t]:
    """The entry of `gfn`; NULL if there is no table and none may be added. Holds mmu_lock.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    missing: ptr[pte_t] = NULL
    table = kvm.pgd.table[gfn // PTRS_PER_PTE]
    if not table:
        if not cache:
            return missing
        table = kzalloc(loongarch_ptes)
        kvm.pgd.table[gfn // PTRS_PER_PTE] = table
    return table.pte[gfn % PTRS_PER_PTE]


def free_table(table: ptr[loongarch_ptes]) -> None:
    """Free what was gathered on the walk's list, after mmu_lock is dropped."""
    if table:
        kfree(table)


def flush_table(kvm: ptr[kvm], index: int) -> ptr[loongarch_ptes]:
    """Clear every entry of one table and take it out of the root: kvm_ptw_leaf with _KVM_FLUSH_PGTABLE.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c: kvm_ptw_leaf.
    """
    table = kvm.pgd.table[index]
    if table:
        for i in range(PTRS_PER_PTE):
            if table.pte[i].page:
                kvm_flush_pte(table.pte[i])
        kvm.pgd.table[index] = NULL
    return table


def kvm_flush_range(kvm: ptr[kvm]) -> None:
    """Clear all of the guest's memory, free the tables, keep the root.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    if LoongArch.flush_locked:
        spin_lock(kvm.mmu_lock)
    witness.unmapping += 1
    first = flush_table(kvm, 0)
    second = flush_table(kvm, 1)
    witness.unmapping -= 1
    if LoongArch.flush_locked:
        spin_unlock(kvm.mmu_lock)
    free_table(first)
    free_table(second)


# -- what generic KVM calls ------------------------------------------------------------------


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """Empty the guest's page tables. Called by the release of the notifier, with no lock held.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    if LoongArch.keeps_root:
        kvm_flush_range(kvm)
    elif kvm.pgd:
        kvm_flush_range(kvm)
        free_root(kvm)
    witness.released = True


def free_root(kvm: ptr[kvm]) -> None:
    """The root goes."""
    pgd = kvm.pgd
    kvm.pgd = NULL
    kfree(pgd)


def kvm_age_gfn(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the accessed bits of a range. There is no test of the root: it exists.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c: kvm_age_gfn, kvm_ptw_top, kvm_ptw_leaf.
    """
    young = False
    slot = first_memslot(kvm)
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        pte = kvm_populate_gpa(kvm, False, hva_to_gfn(slot, hva))
        if pte and pte.page and kvm_mkold_pte(pte):
            young = True
            witness.was_young = True
        hva += 1
    return young


def kvm_unmap_gfn_range(kvm: ptr[kvm], start: int, end: int) -> None:
    """Clear the entries of a range; tables stay.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    slot = first_memslot(kvm)
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        pte = kvm_populate_gpa(kvm, False, hva_to_gfn(slot, hva))
        if pte and pte.page:
            kvm_flush_pte(pte)
        hva += 1


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """The vcpus go, and the root. No callback can run any more.

    Source: Linux 7.1, arch/loongarch/kvm/vm.c.
    """
    for i in range(Kvm.vcpus):
        kfree(kvm.vcpus[i])
        kvm.vcpus[i] = NULL
    if LoongArch.keeps_root:
        free_root(kvm)


# -- faults ----------------------------------------------------------------------------------


def guest_access(kvm: ptr[kvm], gfn: int) -> bool:
    """The guest touches a page; false if that faults. An old entry faults, too."""
    with atomic():
        table = kvm.pgd.table[gfn // PTRS_PER_PTE]
        if not table:
            return False
        pte = table.pte[gfn % PTRS_PER_PTE]
        if not pte.page or not pte.young:
            return False
        assert pte.page.secondary != 0, "the guest reaches a page that no entry counts"
        return True


def kvm_map_page_fast(kvm: ptr[kvm], gfn: int) -> bool:
    """Make a mapped page young again; false if it is not mapped.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    spin_lock(kvm.mmu_lock)
    pte = kvm_populate_gpa(kvm, False, gfn)
    mapped = False
    if pte and pte.page:
        pte.young = True
        mapped = True
    spin_unlock(kvm.mmu_lock)
    return mapped


def kvm_map_page(kvm: ptr[kvm], gfn: int) -> None:
    """Map the page behind `gfn`, unless it is being invalidated: then the guest faults again.

    Source: Linux 7.1, arch/loongarch/kvm/mmu.c.
    """
    srcu_read_lock(kvm.srcu)
    if not kvm_map_page_fast(kvm, gfn):
        might_sleep()  # kvm_mmu_topup_memory_cache
        mmu_seq = kvm.mmu_notifier_seq
        page = get_user_pages(current().mm, gfn_to_hva(kvm, gfn))
        spin_lock(kvm.mmu_lock)
        if not mmu_notifier_retry(kvm, mmu_seq):
            pte = kvm_populate_gpa(kvm, True, gfn)
            if pte.page != page:
                kvm_flush_pte(pte)
                kvm_set_pte(pte, page)
        spin_unlock(kvm.mmu_lock)
        put_page(page)
    srcu_read_unlock(kvm.srcu)


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time.

    Source: Linux 7.1, arch/loongarch/kvm/vcpu.c.
    """
    witness.running += 1
    for _touch in range(Kvm.touches):
        gfn = base_gfn + (choose(npages) if npages > 1 else 0)
        while not guest_access(vcpu.kvm, gfn):
            kvm_map_page(vcpu.kvm, gfn)
    witness.running -= 1


assert PTRS_PER_PGD == 2, "kvm_flush_range gathers two tables"
