"""A vcpu runs the guest (Linux 4.14, arch/x86/kvm/mmu.c, x86.c), with two-dimensional paging.

The guest only touches pages; hardware sets the accessed bit. The MMU's walk is one step. The fast path
for entries that are present, and the limit on the number of shadow pages, are left out: the one
changes bits of an entry that is still there (cmpxchg), the other zaps as kvm_mmu_prepare_zap_page does.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import page
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.kvm_host import Kvm, gfn_to_hva, kvm, kvm_vcpu, mmu_notifier_retry
from lastput.kvm.x86.kvm_host import NR_SHADOW_PAGES, SPT_ENTRIES, X86, kvm_mmu_page, spte_t
from lastput.kvm.x86.rmap import drop_spte, mmu_spte_set, rmap_add
from lastput.kvm.x86.zap import is_obsolete_sp, list_add, mmu_free_roots
from lastput.lang import NULL, atomic, choose, kzalloc, ptr

ENTERED = 0
FAULT = 1
RELOAD = 2


def find_sp(kvm: ptr[kvm], gfn: int, level: int) -> ptr[kvm_mmu_page]:
    """for_each_valid_sp: the page in use for `gfn`; NULL if there is none. One step, under mmu_lock.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: for_each_valid_sp.
    """
    found: ptr[kvm_mmu_page] = NULL
    with atomic():
        for i in range(NR_SHADOW_PAGES):
            sp = kvm.x86.active_mmu_pages.page[i]
            if sp and not sp.invalid and not is_obsolete_sp(kvm, sp) and sp.level == level and sp.gfn == gfn:
                found = sp
    return found


def kvm_mmu_get_page(kvm: ptr[kvm], gfn: int, level: int) -> ptr[kvm_mmu_page]:
    """The shadow page for `gfn` at `level`, made if need be. From a cache that was filled before.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    found = find_sp(kvm, gfn, level)
    if found:
        return found
    with atomic():
        sp = kzalloc(kvm_mmu_page)
        sp.gfn = gfn
        sp.level = level
        sp.mmu_valid_gen = kvm.x86.mmu_valid_gen
        list_add(sp, kvm.x86.active_mmu_pages)
    return sp


def kvm_mmu_load(vcpu: ptr[kvm_vcpu]) -> None:
    """Give the vcpu a root, and count it.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: kvm_mmu_load, mmu_alloc_direct_roots.
    """
    kvm = vcpu.kvm
    spin_lock(kvm.mmu_lock)
    root = kvm_mmu_get_page(kvm, 0, 2)
    root.root_count += 1
    spin_unlock(kvm.mmu_lock)
    vcpu.x86.root_hpa = root


def root_entry(root: ptr[kvm_mmu_page], gfn: int) -> ptr[spte_t]:
    """The entry of the root that covers `gfn`."""
    return root.spt[gfn // SPT_ENTRIES]


def __direct_map(kvm: ptr[kvm], root: ptr[kvm_mmu_page], gfn: int, page: ptr[page]) -> None:
    """Map `page` at `gfn`, with the table in between if it is missing. Holds mmu_lock.

    Source: Linux 4.14, arch/x86/kvm/mmu.c: __direct_map, mmu_set_spte.
    """
    parent = root_entry(root, gfn)
    table = parent.child
    if not table:
        table = kvm_mmu_get_page(kvm, gfn - gfn % SPT_ENTRIES, 1)
        table.parent = parent
        parent.child = table
    sptep = table.spt[gfn % SPT_ENTRIES]
    old = sptep.page
    if old and old != page:
        drop_spte(kvm, sptep, gfn)
    if old != page:
        mmu_spte_set(sptep, page)
        rmap_add(kvm, sptep, gfn)


def tdp_page_fault(vcpu: ptr[kvm_vcpu], gfn: int, hva: int) -> None:
    """Map the page behind `gfn`, unless it is being invalidated: then the guest faults again.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    kvm = vcpu.kvm
    might_sleep()  # mmu_topup_memory_caches
    mmu_seq = kvm.mmu_notifier_seq
    page = get_user_pages(current().mm, hva)
    spin_lock(kvm.mmu_lock)
    if not mmu_notifier_retry(kvm, mmu_seq):
        __direct_map(kvm, vcpu.x86.root_hpa, gfn, page)
    spin_unlock(kvm.mmu_lock)
    put_page(page)


def guest_access(vcpu: ptr[kvm_vcpu], gfn: int) -> int:
    """The guest touches a page, unless a request keeps it from entering: ENTERED, FAULT or RELOAD."""
    with atomic():
        if vcpu.x86.request_reload or not vcpu.x86.root_hpa:
            return RELOAD
        table = root_entry(vcpu.x86.root_hpa, gfn).child
        if not table:
            return FAULT
        sptep = table.spt[gfn % SPT_ENTRIES]
        if not sptep.page:
            return FAULT
        sptep.accessed = True
        if X86.count_mappings:
            assert sptep.page.secondary != 0, "the guest reaches a page that the shadow pages do not count"
        return ENTERED


def kvm_mmu_reload(vcpu: ptr[kvm_vcpu]) -> None:
    """Serve a request for another root, and load one.

    Source: Linux 4.14, arch/x86/kvm/x86.c: vcpu_enter_guest.
    """
    with atomic():  # kvm_check_request
        asked = vcpu.x86.request_reload
        vcpu.x86.request_reload = False
    if asked:
        mmu_free_roots(vcpu)
    if not vcpu.x86.root_hpa:
        kvm_mmu_load(vcpu)


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time.

    Source: Linux 4.14, arch/x86/kvm/x86.c.
    """
    kvm = vcpu.kvm
    for _touch in range(Kvm.touches):
        gfn = base_gfn + (choose(npages) if npages > 1 else 0)
        outcome = guest_access(vcpu, gfn)
        while outcome != ENTERED:
            srcu_read_lock(kvm.srcu)
            if outcome == RELOAD:
                kvm_mmu_reload(vcpu)
            else:
                tdp_page_fault(vcpu, gfn, gfn_to_hva(kvm, gfn))
            srcu_read_unlock(kvm.srcu)
            outcome = guest_access(vcpu, gfn)
