"""What the host's mmu notifiers do to shadow pages (Linux 4.14, arch/x86/kvm/mmu.c).

Each goes from the slot to the heads of its guest pages, and from a head to the entries: no root is
read, none has to exist. The generic callbacks hold kvm->srcu, which keeps the slot, and mmu_lock.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kvm.kvm_host import first_memslot, first_page, hva_to_gfn, kvm, last_page
from lastput.kvm.witness import witness
from lastput.kvm.x86.kvm_host import RMAP_ENTRIES, kvm_rmap_head, spte_t
from lastput.kvm.x86.rmap import (
    drop_spte,
    gfn_to_rmap,
    mmu_spte_clear_track_bits,
    mmu_spte_set,
    rmap_get_first,
)
from lastput.kvm.x86.zap import kvm_mmu_invalidate_zap_all_pages
from lastput.lang import atomic, ptr


def mmu_spte_age(sptep: ptr[spte_t]) -> bool:
    """Test and clear the accessed bit of one entry.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    with atomic():  # test_and_clear_bit
        young = sptep.accessed
        sptep.accessed = False
    return young


def kvm_age_rmapp(head: ptr[kvm_rmap_head]) -> bool:
    """Test and clear the accessed bit of every entry that maps one guest page.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    young = False
    for i in range(RMAP_ENTRIES):
        sptep = head.spte[i]
        if sptep and mmu_spte_age(sptep):
            young = True
    return young


def kvm_unmap_rmapp(kvm: ptr[kvm], head: ptr[kvm_rmap_head], gfn: int) -> bool:
    """Clear every entry that maps one guest page; says whether there was one.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: kvm_unmap_rmapp, kvm_zap_rmapp.
    """
    flush = False
    sptep = rmap_get_first(head)
    while sptep:
        drop_spte(kvm, sptep, gfn)
        flush = True
        sptep = rmap_get_first(head)
    return flush


def kvm_set_pte_rmapp(kvm: ptr[kvm], head: ptr[kvm_rmap_head], new: ptr[page]) -> bool:
    """The primary entry changes to a read-only one of `new`: so do the entries that map the guest page.

    A writable one would drop them (kvm_unmap_rmapp).
    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    flush = False
    for i in range(RMAP_ENTRIES):
        sptep = head.spte[i]
        if sptep:
            mmu_spte_clear_track_bits(sptep)
            mmu_spte_set(sptep, new)
            flush = True
    return flush


def kvm_age_hva(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Test and clear the accessed bits of a range.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: kvm_age_hva, kvm_handle_hva_range.
    """
    young = False
    slot = first_memslot(kvm)
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        if kvm_age_rmapp(gfn_to_rmap(kvm, hva_to_gfn(slot, hva))):
            young = True
            witness.was_young = True
        hva += 1
    return young


def kvm_unmap_hva_range(kvm: ptr[kvm], start: int, end: int) -> bool:
    """Clear every entry that maps the range.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: kvm_unmap_hva_range, kvm_handle_hva_range.
    """
    flush = False
    slot = first_memslot(kvm)
    hva = first_page(slot, start)
    while hva < last_page(slot, end):
        gfn = hva_to_gfn(slot, hva)
        if kvm_unmap_rmapp(kvm, gfn_to_rmap(kvm, gfn), gfn):
            flush = True
        hva += 1
    return flush


def kvm_set_spte_hva(kvm: ptr[kvm], hva: int, new: ptr[page]) -> None:
    """One page of the host changes.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    slot = first_memslot(kvm)
    if first_page(slot, hva) < last_page(slot, hva + 1):
        kvm_set_pte_rmapp(kvm, gfn_to_rmap(kvm, hva_to_gfn(slot, hva)), new)


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """Zap everything. Nothing becomes NULL that a callback would follow.

    Source: Linux 4.14, arch/x86/kvm/x86.c.
    """
    kvm_mmu_invalidate_zap_all_pages(kvm)
    witness.released = True
