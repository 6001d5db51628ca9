"""What the host's mmu notifiers do to stage 2 (Linux 4.12, virt/kvm/arm/mmu.c).

The generic callbacks hold kvm->srcu and mmu_lock. Every entry point but kvm_age_hva tests arch.pgd
in 4.12: a release may have freed stage 2 while this callback was on its way.
"""

from __future__ import annotations

from lastput.kernel.mm_types import pte_t
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import pte_index
from lastput.kvm.arm64.stage2_get import stage2_get_pmd
from lastput.kvm.arm64.stage2_unmap import unmap_stage2_range
from lastput.kvm.kvm_host import first_page, hva_to_gfn, kvm, kvm_memslots_of, last_page
from lastput.kvm.witness import witness
from lastput.lang import atomic, ptr


def kvm_unmap_hva_range(kvm: ptr[kvm], start: int, end: int) -> None:
    if not kvm.arch.pgd:
        return
    slot = kvm_memslots_of(kvm).memslots[0]
    first = first_page(slot, start)
    last = last_page(slot, end)
    if first < last:
        unmap_stage2_range(kvm, hva_to_gfn(slot, first), last - first)


def kvm_unmap_hva(kvm: ptr[kvm], hva: int) -> None:
    """One page; 4.12's function for it does what the range function does."""
    kvm_unmap_hva_range(kvm, hva, hva + 1)


def stage2_ptep_test_and_clear_young(pte: ptr[pte_t]) -> bool:
    """Load-exclusive, store-exclusive: one step."""
    with atomic():
        young = pte.young
        pte.young = False
    return young


def kvm_age_hva_handler(kvm: ptr[kvm], gpa: int) -> bool:
    """Test and clear the access flag of one guest page."""
    pmd = stage2_get_pmd(kvm, False, gpa)
    if not pmd:
        return False
    table = pmd.val
    if not table:
        return False
    pte = table.pte[pte_index(gpa)]
    if not pte.page:
        return False
    return stage2_ptep_test_and_clear_young(pte)


def age_slots(kvm: ptr[kvm], start: int, end: int) -> bool:
    """handle_hva_to_gpa with kvm_age_hva_handler."""
    young = False
    slot = kvm_memslots_of(kvm).memslots[0]
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        if kvm_age_hva_handler(kvm, hva_to_gfn(slot, hva)):
            young = True
            witness.was_young = True
        hva += 1
    return young


def kvm_age_hva(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the access flags of a range."""
    if Arm.age_guard and not kvm.arch.pgd:
        return False
    return age_slots(kvm, start, end)
