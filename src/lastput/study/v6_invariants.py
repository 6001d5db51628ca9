"""What is true of a VM of Linux 6.1 and later in every state: its counts, its tables, its place in lists.

As in `kvm_invariants`; `watch` states all that apply.
"""

from __future__ import annotations

from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import mm_struct
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_pgtable, table_page
from lastput.kvm.v6.kvm_host import kvm, vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.tdp.roots import root_of
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, Setup, ptr
from lastput.study.invariants import (
    hlist_is_whole,
    is_hashed,
    list_is_whole,
    listed_pages_are_held,
    mm_count_covers,
)
from lastput.study.v6_vmm import Vmm


def is_there() -> bool:
    """The VM and its address space can be looked at: the VM is in vm_list, or in mmu_notifier_unregister."""
    return vm_list.first != NULL or witness6.destroying


# -- references ------------------------------------------------------------------------------


def vm_references_count(vm: ptr[kvm], vm_file: ptr[file]) -> bool:
    """users_count is the one reference of the VM's file, until release has put it: nobody adds to 0."""
    if witness6.destroying:
        return vm.users_count.counter == 0
    if not vm_list.first:
        return True
    users = vm.users_count.counter
    if vm_file.f_count.counter > 0:
        return users == 1
    return users == 0 or users == 1


def vm_references_bounded(vm: ptr[kvm]) -> bool:
    """users_count is no more than there are files of the VM, and some while a vcpu runs."""
    if witness6.destroying:
        return vm.users_count.counter == 0
    if not vm_list.first:
        return True
    users = vm.users_count.counter
    return users <= 1 + Kvm6.vcpus and (users > 0 or witness6.running == 0)


def mm_references_count(mm: ptr[mm_struct], others: int) -> bool:
    """mm_count covers the VM, its registration while nobody unregisters, and all users together.

    `others` hold one more for a while: tasks that exit, or that have it as their victim.
    """
    return not is_there() or mm_count_covers(mm, vm_list.first != NULL, others)


# -- the notifier ----------------------------------------------------------------------------


def notifier_is_listed(vm: ptr[kvm], mm: ptr[mm_struct]) -> bool:
    """The address space has the VM's notifier in its list, and nothing else, just if that says so."""
    if not is_there() or not mm.mmu_notifier_mm or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.list, 1 if is_hashed(vm.mmu_notifier.hlist) else 0)


def counts_are_open_invalidations(vm: ptr[kvm], mm: ptr[mm_struct]) -> bool:
    """Neither count is negative, nor more than there are invalidations between start and end.

    A notifier that is removed in between, under the lock of the list, keeps the start that it has seen.
    """
    if not is_there():
        return True
    active = vm.mn_active_invalidate_count
    in_progress = vm.mmu_invalidate_in_progress
    if active < 0 or in_progress < 0:
        return False
    if not mm.mmu_notifier_mm:
        return True
    removed = mm.mmu_notifier_mm.lock.owner != 0 or not is_hashed(vm.mmu_notifier.hlist)
    return removed or (in_progress <= mm.changing and active <= mm.changing)


# -- stage 2 of arm64 ------------------------------------------------------------------------


def entries_count(table: ptr[table_page]) -> bool:
    """A table has one reference, and one for each entry in use; every page that it maps counts the entry."""
    used = 0
    counted = True
    for i in range(Arm6.ptrs_per_pte):
        pte = table.pte[i]
        if pte.page or pte.table or pte.locked:
            used += 1
        if pte.page and pte.page.secondary == 0:
            counted = False
    return counted and table._refcount.counter == 1 + used


def tree_counts(pgt: ptr[kvm_pgtable]) -> bool:
    """The same of all tables of one stage 2."""
    counted = entries_count(pgt.pgd)
    for i in range(Arm6.ptrs_per_pte):
        table = pgt.pgd.pte[i].table
        if table and not entries_count(table):
            counted = False
    return counted


def tables_count_entries(vm: ptr[kvm]) -> bool:
    """While nobody has mmu_lock, each table's references are one, and one for each entry in use."""
    if not is_there() or vm.mmu_lock.writer != 0 or vm.mmu_lock.readers != 0:
        return True
    counted = True
    if vm.arch.arm64.mmu.pgt:
        counted = tree_counts(vm.arch.arm64.mmu.pgt)
    for i in range(Arm6.nested):
        pgt = vm.arch.arm64.nested_mmus[i].pgt
        if pgt and not tree_counts(pgt):
            counted = False
    return counted


# -- roots of the TDP MMU --------------------------------------------------------------------


def roots_are_listed(vm: ptr[kvm]) -> bool:
    """While nobody changes the list of roots, it is whole, and each valid root has a reference."""
    if not is_there() or vm.arch.tdp.tdp_mmu_pages_lock.owner != 0:
        return True
    head = vm.arch.tdp.tdp_mmu_roots
    if not list_is_whole(head):
        return False
    held = True
    node = head.next
    while node != head:
        root = root_of(node)
        if not root.invalid and root.tdp_mmu_root_count.refs.counter == 0:
            held = False
        node = node.next
    return held


# -- all of them -----------------------------------------------------------------------------


def watch(s: Setup, made: Vmm, *, others: int) -> None:
    """State what is true of the VM in every state. `others` may hold an mm_count for a while."""
    s.invariant(listed_pages_are_held)
    s.invariant(notifier_is_listed, made.kvm, made.mm)
    s.invariant(mm_references_count, made.mm, others)
    if Kvm6.vcpus:
        s.invariant(vm_references_bounded, made.kvm)
    else:
        s.invariant(vm_references_count, made.kvm, made.vm_file)
    if Kvm6.memslot_update == "count":
        s.invariant(counts_are_open_invalidations, made.kvm, made.mm)
    if Kvm6.arch == "arm64":
        s.invariant(tables_count_entries, made.kvm)
    if Kvm6.arch == "tdp":
        s.invariant(roots_are_listed, made.kvm)


def watch_registered(s: Setup, made: Vmm, *, counts: bool) -> None:
    """The same of a VM that is registered while the scenario runs. `counts`: and hears of whole pairs."""
    s.invariant(listed_pages_are_held)
    s.invariant(notifier_is_listed, made.kvm, made.mm)
    s.invariant(vm_references_count, made.kvm, made.vm_file)
    s.invariant(tables_count_entries, made.kvm)
    if counts:
        s.invariant(counts_are_open_invalidations, made.kvm, made.mm)
