"""Entries, tables and whole roots go (Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c).

With mmu_lock held for writing a walk is alone but for ageing, which has no lock; for reading it is
beside others of its kind and beside faults. Every walk is a read section of RCU. Where it may yield it
leaves that section, drops mmu_lock and takes both again; then it begins anew at the root, with the entry
that it has not visited yet. The kernel zaps a root in passes of growing granularity; here there is the
one that takes whole tables, as with CONFIG_KVM_PROVE_MMU.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock
from lastput.kernel.refcount import refcount_read
from lastput.kernel.rwlock import (
    lockdep_assert_held_rw,
    read_lock,
    read_unlock,
    write_lock,
    write_unlock,
)
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.tdp.kvm_host import ROOT_ENTRIES, Tdp, kvm_mmu_page, tdp_spte
from lastput.kvm.v6.tdp.roots import (
    free_sp,
    kvm_tdp_mmu_put_root,
    root_of,
    tdp_mmu_next_root,
)
from lastput.lang import BUG_ON, NULL, WARN_ON, atomic, await_, choose, ptr

# -- one entry -------------------------------------------------------------------------------


def kvm_set_pfn_accessed(page: ptr[page]) -> None:
    """What an entry knew goes to the page's struct page, which must still be this page's.

    The model has no page flags; the access itself is what matters. Linux 7.3 hands only the dirty bit
    on; until 6.12 it was the accessed bit as well.

    Source: Linux 6.12, virt/kvm/kvm_main.c.
    """
    assert page._refcount.counter != 0, "a page that nobody holds is marked accessed"


def clear_leaf(sptep: ptr[tdp_spte], removed: bool) -> None:
    """Exchange a last-level entry for an absent one, and hand on what it knew (handle_changed_spte).

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c: handle_changed_spte.
    """
    with atomic():  # xchg
        page = sptep.page
        sptep.page = NULL
        sptep.accessed = False
        sptep.removed = removed
        if page:
            page.secondary -= 1
    if page:
        kvm_set_pfn_accessed(page)


def handle_removed_pt(table: ptr[kvm_mmu_page], shared: bool) -> None:
    """Clear the entries of a table that was taken out of its root, and have it freed.

    The table is out of reach, but a fault that found it earlier may be about to store to it: with others
    about, the entry is frozen first. Who finds it frozen by somebody else waits.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    sptep = table.spt[0]
    if shared:
        await_(lambda: not sptep.removed)
        clear_leaf(sptep, True)
    elif sptep.page:
        clear_leaf(sptep, True)
    free_sp(table)


def zap_table(sptep: ptr[tdp_spte], shared: bool) -> None:
    """Clear an entry of the root, and free the table under it. A lost race is tried again.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c: tdp_mmu_set_spte, tdp_mmu_set_spte_atomic.
    """
    child = sptep.child
    while child:
        with atomic():  # cmpxchg
            won = sptep.child == child
            if won:
                sptep.child = NULL
        if won:
            handle_removed_pt(child, shared)
            return
        child = sptep.child


# -- walks -----------------------------------------------------------------------------------


def tdp_mmu_iter_cond_resched(kvm: ptr[kvm], shared: bool) -> bool:
    """Perhaps drop mmu_lock and take it again, outside of the read section; says whether it did.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    if choose(2) == 0:
        return False
    rcu_read_unlock()
    if shared:
        read_unlock(kvm.mmu_lock)
        read_lock(kvm.mmu_lock)
    else:
        write_unlock(kvm.mmu_lock)
        write_lock(kvm.mmu_lock)
    rcu_read_lock()
    return True


def after_yield(gfn: int) -> int:
    """Where a walk that has yielded goes on. Before 3a0f64de479c it advanced before it looked."""
    return gfn if Tdp.restart_stays else gfn + 1


def tdp_mmu_zap_root(kvm: ptr[kvm], root: ptr[kvm_mmu_page], shared: bool) -> None:
    """Clear every entry of a root, to which the caller holds a reference.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    lockdep_assert_held_rw(kvm.mmu_lock)
    WARN_ON(refcount_read(root.tdp_mmu_root_count) == 0)
    rcu_read_lock()
    gfn = 0
    yielded_gfn = 0  # no yield without progress
    while gfn < ROOT_ENTRIES:
        if gfn != yielded_gfn and tdp_mmu_iter_cond_resched(kvm, shared):
            yielded_gfn = gfn
            gfn = after_yield(gfn)
        else:
            zap_table(root.spt[gfn], shared)
            gfn += 1
    rcu_read_unlock()


def tdp_mmu_zap_leafs(kvm: ptr[kvm], root: ptr[kvm_mmu_page], start: int, end: int, can_yield: bool) -> bool:
    """Clear the last-level entries of a range; tables stay. Says whether there was one.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    flush = False
    rcu_read_lock()
    gfn = start
    yielded_gfn = start
    while gfn < end:
        if can_yield and gfn != yielded_gfn and tdp_mmu_iter_cond_resched(kvm, False):
            yielded_gfn = gfn
            gfn = after_yield(gfn)
        else:
            table = root.spt[gfn].child
            if table and table.spt[0].page:
                clear_leaf(table.spt[0], False)
                flush = True
            gfn += 1
    rcu_read_unlock()
    return flush


# -- all roots -------------------------------------------------------------------------------


def unmap_unheld(kvm: ptr[kvm], start: int, end: int, may_block: bool) -> bool:
    """Unmap a range in every root, with a reference to none: before 7533377215b6."""
    flush = False
    head = kvm.arch.tdp.tdp_mmu_roots
    node = head.next
    while node != head:
        root = root_of(node)
        if tdp_mmu_zap_leafs(kvm, root, start, end, may_block):
            flush = True
        node = root.link.next
    return flush


def kvm_tdp_mmu_unmap_gfn_range(kvm: ptr[kvm], start: int, end: int, may_block: bool) -> bool:
    """Unmap a range in every root, invalid ones as well: a vcpu may still be in the guest with one.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    if not Tdp.unmap_holds_root:
        return unmap_unheld(kvm, start, end, may_block)
    flush = False
    root = tdp_mmu_next_root(kvm, NULL, not Tdp.unmap_invalid)
    while root:
        if tdp_mmu_zap_leafs(kvm, root, start, end, may_block):
            flush = True
        root = tdp_mmu_next_root(kvm, root, not Tdp.unmap_invalid)
    return flush


def kvm_tdp_mmu_zap_all(kvm: ptr[kvm]) -> None:
    """Clear every root, invalid ones as well: nothing may be mapped any more. No vcpu can run.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    root = tdp_mmu_next_root(kvm, NULL, False)
    while root:
        tdp_mmu_zap_root(kvm, root, False)
        root = tdp_mmu_next_root(kvm, root, False)


def kvm_tdp_mmu_zap_invalidated_roots(kvm: ptr[kvm]) -> None:
    """Clear the roots that were made invalid, and put the TDP MMU's reference to each of them.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    read_lock(kvm.mmu_lock)
    root = tdp_mmu_next_root(kvm, NULL, False)
    while root:
        if root.scheduled:
            root.scheduled = False
            BUG_ON(not root.invalid)
            tdp_mmu_zap_root(kvm, root, True)
            kvm_tdp_mmu_put_root(kvm, root)
        root = tdp_mmu_next_root(kvm, root, False)
    read_unlock(kvm.mmu_lock)
