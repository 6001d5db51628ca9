"""From a guest page to the entries that map it (Linux 4.14, arch/x86/kvm/mmu.c).

The heads are in the memory slot: they are as old as the slot and die with it, whatever becomes of the
tables. Every entry that maps a page is in the head of its guest page; whoever clears the entry takes
it out. Every function here holds mmu_lock.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kvm.kvm_host import first_memslot, kvm
from lastput.kvm.x86.kvm_host import RMAP_ENTRIES, SPT_ENTRIES, X86, kvm_mmu_page, kvm_rmap_head, spte_t
from lastput.lang import BUG_ON, NULL, WARN_ON, at, atomic, ptr, reinterpret, violation


def gfn_to_rmap(kvm: ptr[kvm], gfn: int) -> ptr[kvm_rmap_head]:
    """The head of a guest page of the slot. The caller is inside kvm->srcu, or the VM is going away.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    slot = first_memslot(kvm)
    return slot.rmap.head[gfn - slot.base_gfn]


def rmap_get_first(head: ptr[kvm_rmap_head]) -> ptr[spte_t]:
    """An entry of the list; NULL when it is empty.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    return head.spte[0]


def pte_list_add(sptep: ptr[spte_t], head: ptr[kvm_rmap_head]) -> None:
    """Put an entry into the list. One step: all users of a head hold mmu_lock.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    with atomic():
        used = 0
        while used < RMAP_ENTRIES and head.spte[used]:
            used += 1
        if used == RMAP_ENTRIES:
            violation("range", "more entries map one guest page than the model has room for")
        head.spte[used] = sptep


def pte_list_remove(sptep: ptr[spte_t], head: ptr[kvm_rmap_head]) -> None:
    """Take an entry out of the list, where it must be; the last one fills its place.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    with atomic():
        found = -1
        last = -1
        for i in range(RMAP_ENTRIES):
            if head.spte[i]:
                last = i
            if head.spte[i] == sptep:
                found = i
        BUG_ON(found < 0)
        head.spte[found] = head.spte[last]
        head.spte[last] = NULL


def page_header(sptep: ptr[spte_t], gfn: int) -> ptr[kvm_mmu_page]:
    """The shadow page that an entry for `gfn` is in.

    The kernel masks the address of the entry; here `gfn` says how far in the table it is.
    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    return reinterpret(kvm_mmu_page, at(sptep, -(gfn % SPT_ENTRIES)))


def rmap_add(kvm: ptr[kvm], sptep: ptr[spte_t], gfn: int) -> None:
    """Note that an entry maps `gfn`.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    pte_list_add(sptep, gfn_to_rmap(kvm, gfn))


def rmap_remove(kvm: ptr[kvm], sptep: ptr[spte_t], gfn: int) -> None:
    """Note that it does so no longer.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    pte_list_remove(sptep, gfn_to_rmap(kvm, gfn))


def mmu_spte_set(sptep: ptr[spte_t], page: ptr[page]) -> None:
    """Store an accessed entry. It holds no reference to the page.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    with atomic():
        sptep.page = page
        sptep.accessed = True
        if X86.count_mappings:
            page.secondary += 1


def mmu_spte_clear_track_bits(sptep: ptr[spte_t]) -> bool:
    """Clear an entry; false if it was absent. What the entry knew of its page goes to the struct page.

    This is why nothing may be zapped after its page was freed: the page is somebody else's by then. The
    dirty bit is left out, it is treated as the accessed bit is.
    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    with atomic():  # xchg
        page = sptep.page
        accessed = sptep.accessed
        sptep.page = NULL
        sptep.accessed = False
        if page and X86.count_mappings:
            page.secondary -= 1
    if not page:
        return False
    if X86.zap_touches_page:
        WARN_ON(page._refcount.counter == 0)
        if accessed:
            kvm_set_pfn_accessed(page)
    return True


def kvm_set_pfn_accessed(page: ptr[page]) -> None:
    """Mark the page accessed: a write to its struct page.

    The model has no page flags; that the page is still the caller's is what matters, and is asserted.
    Source: Linux 4.14, virt/kvm/kvm_main.c.
    """
    assert page._refcount.counter != 0, "a page that nobody holds is marked accessed"


def drop_spte(kvm: ptr[kvm], sptep: ptr[spte_t], gfn: int) -> None:
    """Clear an entry that maps `gfn`, and forget it.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    if mmu_spte_clear_track_bits(sptep) and X86.zap_clears_rmap:
        rmap_remove(kvm, sptep, gfn)
