"""Roots: counted, listed, and freed by RCU (Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c).

The list is read under RCU, and changed under tdp_mmu_pages_lock by holders of mmu_lock. Whoever may
drop mmu_lock while it stands on a root needs a reference to it.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.list import list_add_rcu, list_del_rcu, list_head
from lastput.kernel.rcu import call_rcu, rcu_read_lock, rcu_read_unlock
from lastput.kernel.refcount import refcount_dec_and_test, refcount_inc_not_zero
from lastput.kernel.rwlock import lockdep_assert_held_rw
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.tdp.kvm_host import Tdp, kvm_mmu_page
from lastput.lang import BUG_ON, NULL, container_of, kfree, ptr


def root_of(node: ptr[list_head]) -> ptr[kvm_mmu_page]:
    """The root that embeds a list node (list_entry)."""
    return container_of(node, kvm_mmu_page, lambda sp: sp.link)


# -- the end of a table ----------------------------------------------------------------------


def tdp_mmu_free_sp_rcu_callback(head: ptr[callback_head]) -> None:
    """Free a table, or a root: no reader can be inside any more.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    kfree(container_of(head, kvm_mmu_page, lambda sp: sp.rcu_head))


def free_sp(sp: ptr[kvm_mmu_page]) -> None:
    """Have a table freed after a grace period."""
    if Tdp.free_by_rcu:
        call_rcu(sp.rcu_head, tdp_mmu_free_sp_rcu_callback)
    else:
        kfree(sp)


# -- references ------------------------------------------------------------------------------


def kvm_tdp_mmu_put_root(kvm: ptr[kvm], root: ptr[kvm_mmu_page]) -> None:
    """Drop a reference to a root. The last one, of an invalid root, frees it.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    if not refcount_dec_and_test(root.tdp_mmu_root_count):
        return
    BUG_ON(not root.invalid)
    spin_lock(kvm.arch.tdp.tdp_mmu_pages_lock)
    list_del_rcu(root.link)
    spin_unlock(kvm.arch.tdp.tdp_mmu_pages_lock)
    free_sp(root)


def put_walked_root(kvm: ptr[kvm], root: ptr[kvm_mmu_page]) -> None:
    """A walk has done with a root. Before a889ea54b3da it lowered the count, and looked no further."""
    if Tdp.put_frees:
        kvm_tdp_mmu_put_root(kvm, root)
    else:
        refcount_dec_and_test(root.tdp_mmu_root_count)


def tdp_mmu_next_root(kvm: ptr[kvm], prev_root: ptr[kvm_mmu_page], only_valid: bool) -> ptr[kvm_mmu_page]:
    """The root behind `prev_root`, the first one for NULL; NULL at the end. The reference moves along.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    lockdep_assert_held_rw(kvm.mmu_lock)
    found: ptr[kvm_mmu_page] = NULL
    head = kvm.arch.tdp.tdp_mmu_roots
    rcu_read_lock()
    node = prev_root.link.next if prev_root else head.next
    while node != head and not found:
        root = root_of(node)
        if not (only_valid and root.invalid) and refcount_inc_not_zero(root.tdp_mmu_root_count):
            found = root
        else:
            node = root.link.next
    rcu_read_unlock()
    if prev_root:
        put_walked_root(kvm, prev_root)
    return found


def add_root(kvm: ptr[kvm], root: ptr[kvm_mmu_page], references: int) -> None:
    """A new root: nobody else knows it yet. Holds tdp_mmu_pages_lock."""
    root.tdp_mmu_root_count.refs.counter = references
    list_add_rcu(root.link, kvm.arch.tdp.tdp_mmu_roots)


# -- the end of a root's use -----------------------------------------------------------------


def kvm_tdp_mmu_invalidate_all_roots(kvm: ptr[kvm]) -> None:
    """Have no vcpu use any of today's roots. mmu_lock is held for writing, or the VM has no user left.

    Whoever calls this zaps the roots next, and puts the TDP MMU's reference to each.

    Source: Linux 7.3, arch/x86/kvm/mmu/tdp_mmu.c.
    """
    head = kvm.arch.tdp.tdp_mmu_roots
    node = head.next
    while node != head:
        root = root_of(node)
        if not root.invalid:
            root.scheduled = True
            root.invalid = True
        node = root.link.next
