"""Shadow pages: found, taken out of use, freed (Linux 4.14, arch/x86/kvm/mmu.c).

To zap a page is to clear its entries, cut it off from its parent, and put it on a list of pages to be
freed; to commit is to tell the TLBs and free what is on the list. A root that a vcpu uses is emptied
and marked invalid; the vcpu frees it. mmu_lock is held throughout.
"""

from __future__ import annotations

from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
from lastput.kvm.kvm_host import Kvm, kvm, kvm_vcpu
from lastput.kvm.witness import witness
from lastput.kvm.x86.kvm_host import (
    NR_SHADOW_PAGES,
    SPT_ENTRIES,
    X86,
    kvm_mmu_page,
    page_list,
    spte_t,
)
from lastput.kvm.x86.rmap import drop_spte
from lastput.lang import NULL, WARN_ON, atomic, kfree, ptr, violation

BATCH_ZAP_PAGES = 1
"""Pages that are zapped before mmu_lock may be dropped; 10 in the kernel."""


# -- lists of shadow pages -------------------------------------------------------------------


def list_add(sp: ptr[kvm_mmu_page], pages: ptr[page_list]) -> None:
    """Put a page first (one step, under mmu_lock).

    Source: Linux 4.14, include/linux/list.h.
    """
    with atomic():
        if pages.page[NR_SHADOW_PAGES - 1]:
            violation("range", "more shadow pages than the model has room for")
        for i in range(NR_SHADOW_PAGES - 1, 0, -1):
            pages.page[i] = pages.page[i - 1]
        pages.page[0] = sp


def list_del(sp: ptr[kvm_mmu_page], pages: ptr[page_list]) -> None:
    """Take a page out (one step, under mmu_lock).

    Source: Linux 4.14, include/linux/list.h.
    """
    with atomic():
        found = False
        for i in range(NR_SHADOW_PAGES):
            found = found or pages.page[i] == sp
            if found:
                pages.page[i] = pages.page[i + 1] if i + 1 < NR_SHADOW_PAGES else NULL


# -- one page --------------------------------------------------------------------------------


def drop_parent_pte(sp: ptr[kvm_mmu_page], parent: ptr[spte_t]) -> None:
    """Cut a table off from the entry that points at it.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    sp.parent = NULL
    parent.child = NULL


def kvm_mmu_page_unlink_children(kvm: ptr[kvm], sp: ptr[kvm_mmu_page]) -> None:
    """Clear every entry of a page.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    for i in range(SPT_ENTRIES):
        sptep = sp.spt[i]
        if sp.level == 1:
            drop_spte(kvm, sptep, sp.gfn + i)
        else:
            child = sptep.child
            if child:
                drop_parent_pte(child, sptep)


def kvm_mmu_unlink_parents(sp: ptr[kvm_mmu_page]) -> None:
    """Cut a page off from its parent.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    parent = sp.parent
    if parent:
        drop_parent_pte(sp, parent)


def kvm_reload_remote_mmus(kvm: ptr[kvm]) -> None:
    """Ask every vcpu to load a new root before it runs the guest again. It leaves the guest for that.

    Source: Linux 4.14, virt/kvm/kvm_main.c.
    """
    for i in range(Kvm.vcpus):
        kvm.vcpus[i].x86.request_reload = True


def kvm_mmu_prepare_zap_page(kvm: ptr[kvm], sp: ptr[kvm_mmu_page], invalid_list: ptr[page_list]) -> int:
    """Take a page out of use; returns how many pages there are to be freed.

    A root that is in use stays in the list of active pages, at the new end, marked invalid.
    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    lockdep_assert_held(kvm.mmu_lock)
    kvm_mmu_page_unlink_children(kvm, sp)
    kvm_mmu_unlink_parents(sp)
    zapped = 0
    list_del(sp, kvm.x86.active_mmu_pages)
    if sp.root_count != 0 and X86.keep_used_roots:
        list_add(sp, kvm.x86.active_mmu_pages)
        if not sp.invalid:
            kvm_reload_remote_mmus(kvm)
    else:
        list_add(sp, invalid_list)
        zapped = 1
    sp.invalid = True
    return zapped


def kvm_mmu_commit_zap_page(kvm: ptr[kvm], invalid_list: ptr[page_list]) -> None:
    """Free what was zapped. The flush of the TLBs is one with it: a guest's access is one step here.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    lockdep_assert_held(kvm.mmu_lock)
    sp = invalid_list.page[0]
    while sp:
        WARN_ON(not sp.invalid)
        if X86.keep_used_roots:
            WARN_ON(sp.root_count != 0)
        list_del(sp, invalid_list)
        kfree(sp)
        sp = invalid_list.page[0]


# -- all pages -------------------------------------------------------------------------------


def is_obsolete_sp(kvm: ptr[kvm], sp: ptr[kvm_mmu_page]) -> bool:
    """Whether a page is older than the last call that zapped everything.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    return sp.mmu_valid_gen != kvm.x86.mmu_valid_gen


def oldest_obsolete(kvm: ptr[kvm]) -> ptr[kvm_mmu_page]:
    """The oldest page that is obsolete and not yet invalid; NULL if there is none.

    The walk from the old end, which ends at the first page that is not obsolete. One step: the caller
    holds mmu_lock.
    """
    found: ptr[kvm_mmu_page] = NULL
    with atomic():
        young = False
        for i in range(NR_SHADOW_PAGES - 1, -1, -1):
            sp = kvm.x86.active_mmu_pages.page[i]
            if sp and not found and not young:
                young = not is_obsolete_sp(kvm, sp)
                if not young and not sp.invalid:
                    found = sp
    return found


def kvm_zap_obsolete_pages(kvm: ptr[kvm]) -> None:
    """Zap every obsolete page. Between two of them mmu_lock may be dropped; then the walk starts anew.

    The list of zapped pages is the VM's: whoever commits frees what another task has zapped, too.
    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    batch = 0
    sp = oldest_obsolete(kvm)
    while sp:
        if batch >= BATCH_ZAP_PAGES and cond_resched_lock(kvm.mmu_lock):
            batch = 0
        else:
            batch += kvm_mmu_prepare_zap_page(kvm, sp, kvm.x86.zapped_obsolete_pages)
        sp = oldest_obsolete(kvm)
    kvm_mmu_commit_zap_page(kvm, kvm.x86.zapped_obsolete_pages)


def kvm_mmu_invalidate_zap_all_pages(kvm: ptr[kvm]) -> None:
    """Make every page obsolete, and zap it. A second caller finds less to do.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    spin_lock(kvm.mmu_lock)
    witness.unmapping += 1
    kvm.x86.mmu_valid_gen += 1
    kvm_reload_remote_mmus(kvm)
    kvm_zap_obsolete_pages(kvm)
    witness.unmapping -= 1
    spin_unlock(kvm.mmu_lock)


# -- vcpus -----------------------------------------------------------------------------------


def mmu_free_roots(vcpu: ptr[kvm_vcpu]) -> None:
    """A vcpu lets go of its root; an invalid one that nobody else uses is freed.

    Source: Linux 4.14, arch/x86/kvm/mmu.c.
    """
    kvm = vcpu.kvm
    root = vcpu.x86.root_hpa
    if not root:
        return
    spin_lock(kvm.mmu_lock)
    root.root_count -= 1
    if root.root_count == 0 and root.invalid:
        kvm_mmu_prepare_zap_page(kvm, root, kvm.x86.zapped_obsolete_pages)
        kvm_mmu_commit_zap_page(kvm, kvm.x86.zapped_obsolete_pages)
    spin_unlock(kvm.mmu_lock)
    vcpu.x86.root_hpa = NULL


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """The vcpus let go of their roots and are freed. No callback can run any more.

    Source: Linux 4.14, arch/x86/kvm/x86.c: kvm_arch_destroy_vm, kvm_free_vcpus.
    """
    for i in range(Kvm.vcpus):
        mmu_free_roots(kvm.vcpus[i])
    for i in range(Kvm.vcpus):
        kfree(kvm.vcpus[i])
        kvm.vcpus[i] = NULL


def kvm_arch_free_memslot(kvm: ptr[kvm]) -> None:
    """The reverse maps go with the slot.

    Source: Linux 4.14, arch/x86/kvm/x86.c.
    """
    kfree(kvm.memslots.memslots[0].rmap)
