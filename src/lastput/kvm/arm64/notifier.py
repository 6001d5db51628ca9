"""What the host's mmu notifiers do to stage 2 (Linux 4.12, virt/kvm/arm/mmu.c).

The generic callbacks hold kvm->srcu and mmu_lock. Every entry point but those of ageing tests arch.pgd
in 4.12: a release may have freed stage 2 while this callback was on its way.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page, pte_t
from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import pte_index
from lastput.kvm.arm64.stage2_get import pte_of, stage2_get_pmd
from lastput.kvm.arm64.stage2_set import stage2_set_pte
from lastput.kvm.arm64.stage2_unmap import unmap_stage2_range
from lastput.kvm.kvm_host import first_memslot, first_page, hva_to_gfn, kvm, last_page
from lastput.kvm.witness import witness
from lastput.lang import atomic, ptr


def stage2_ptep_test_and_clear_young(pte: ptr[pte_t]) -> bool:
    """Test and clear the access flag, of a pte or a block. One step: load-exclusive, store-exclusive.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    with atomic():
        young = pte.young
        pte.young = False
    return young


def kvm_age_hva_handler(kvm: ptr[kvm], gpa: int) -> bool:
    """Test and clear the access flag of one guest page.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pmd = stage2_get_pmd(kvm, False, gpa)
    if not pmd:
        return False
    pte = pte_of(pmd, pte_index(gpa))
    if not pte or not pte.page:
        return False
    return stage2_ptep_test_and_clear_young(pte)


def age_slots(kvm: ptr[kvm], start: int, end: int) -> bool:
    """handle_hva_to_gpa with kvm_age_hva_handler.

    Source: Linux 4.12, virt/kvm/arm/mmu.c: handle_hva_to_gpa.
    """
    young = False
    slot = first_memslot(kvm)
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        if kvm_age_hva_handler(kvm, hva_to_gfn(slot, hva)):
            young = True
            witness.was_young = True
        hva += 1
    return young


def kvm_age_hva(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the access flags of a range.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.age_guard and not arch_pgd(kvm):
        return False
    return age_slots(kvm, start, end)


def kvm_test_age_hva_handler(kvm: ptr[kvm], gpa: int) -> bool:
    """Whether the access flag of one guest page is set.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    pmd = stage2_get_pmd(kvm, False, gpa)
    if not pmd:
        return False
    pte = pte_of(pmd, pte_index(gpa))
    if not pte or not pte.page:
        return False
    return pte.young


def kvm_test_age_hva(kvm: ptr[kvm], hva: int) -> bool:
    """Whether a page was accessed. The range is empty until cf2d23e0bac9: the answer is always no.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.age_guard and not arch_pgd(kvm):
        return False
    young = False
    slot = first_memslot(kvm)
    at_hva = first_page(slot, hva)
    while at_hva < last_page(slot, hva + 1 if Arm.test_age_page else hva):
        if kvm_test_age_hva_handler(kvm, hva_to_gfn(slot, at_hva)):
            young = True
        at_hva += 1
    return young


def kvm_unmap_hva_range(kvm: ptr[kvm], start: int, end: int) -> None:
    """Unmap a range. The walk may break mmu_lock, and tests arch.pgd itself after that.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.unmap_guard and not arch_pgd(kvm):
        return
    slot = first_memslot(kvm)
    first = first_page(slot, start)
    last = last_page(slot, end)
    if first < last:
        unmap_stage2_range(kvm, hva_to_gfn(slot, first), last - first)


def kvm_unmap_hva(kvm: ptr[kvm], hva: int) -> None:
    """One page; 4.12's function for it does what the range function does.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    kvm_unmap_hva_range(kvm, hva, hva + 1)


def kvm_set_spte_hva(kvm: ptr[kvm], hva: int, page: ptr[page]) -> None:
    """The host maps another page at `hva`, read-only; stage 2 follows where it has a table.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if Arm.unmap_guard and not arch_pgd(kvm):
        return
    slot = first_memslot(kvm)
    if first_page(slot, hva) < last_page(slot, hva + 1):
        stage2_set_pte(kvm, False, hva_to_gfn(slot, hva), page, False, 0)
