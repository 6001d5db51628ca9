"""What is true of a VM of Linux 4.12 in every state: its counts, its tables, its place in the list.

The VM and its address space are looked at until somebody has destroyed the VM: later they may be freed,
and a count that was wrong shows as a leak or a use after free. `watch` states all that apply.
"""

from __future__ import annotations

from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import mm_struct
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import (
    PTRS_PER_PMD,
    PTRS_PER_PTE,
    Stage2,
    pgd_t,
    pmd_page,
    pte_page,
    pud_table_of,
    stage2_pud_offset,
)
from lastput.kvm.kvm_host import Kvm, kvm, vm_list
from lastput.kvm.witness import witness
from lastput.kvm.x86.kvm_host import NR_SHADOW_PAGES, RMAP_ENTRIES, SPT_ENTRIES, X86, kvm_rmap_head
from lastput.lang import NULL, Setup, at, ptr
from lastput.study.invariants import (
    hlist_is_whole,
    is_hashed,
    list_is_whole,
    listed_pages_are_held,
    mm_count_covers,
)
from lastput.study.vmm import Vmm


def is_there() -> bool:
    """The VM and its address space can be looked at: the VM is in vm_list, or in mmu_notifier_unregister."""
    return vm_list.first != NULL or witness.destroying


# -- references ------------------------------------------------------------------------------


def vm_references_count(vm: ptr[kvm], vm_file: ptr[file]) -> bool:
    """users_count is the one reference of the VM's file, until release has put it: nobody adds to 0.

    While the VM is in vm_list it has not freed anything yet, and its file is not freed either. A file
    without references has its release, which puts the VM, pending or under way.
    """
    if witness.destroying:
        return vm.users_count.counter == 0
    if not vm_list.first:
        return True
    users = vm.users_count.counter
    if vm_file.f_count.counter > 0:
        return users == 1
    return users == 0 or users == 1


def vm_references_bounded(vm: ptr[kvm], most: int) -> bool:
    """users_count is no more than there are files of the VM, and some while anybody runs an ioctl of one.

    Which of several files are still open cannot be asked of files that may be freed.
    """
    if witness.destroying:
        return vm.users_count.counter == 0
    if not vm_list.first:
        return True
    busy = witness.running != 0 or witness.ioctls != 0
    return vm.users_count.counter <= most and (vm.users_count.counter > 0 or not busy)


def mm_references_count(mm: ptr[mm_struct], tasks: int) -> bool:
    """mm_count covers the VM, its registration while nobody unregisters, and all users together.

    A task that exits holds one more for a while; and the one of all users is still held when the last
    user is gone, until the address space is torn down.
    """
    return not is_there() or mm_count_covers(mm, vm_list.first != NULL, tasks)


# -- the notifier ----------------------------------------------------------------------------


def notifier_is_listed(vm: ptr[kvm], mm: ptr[mm_struct]) -> bool:
    """The address space has the VM's notifier in its list, and nothing else, just if that says so."""
    if not is_there() or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.list, 1 if is_hashed(vm.mmu_notifier.hlist) else 0)


def count_is_open_invalidations(vm: ptr[kvm], mm: ptr[mm_struct]) -> bool:
    """mmu_notifier_count is never negative, and no more than there are invalidations between start and end.

    A notifier that is removed in between, under the lock of the list, keeps the start that it has seen.
    """
    if not is_there():
        return True
    count = vm.mmu_notifier_count
    removed = mm.mmu_notifier_mm.lock.owner != 0 or not is_hashed(vm.mmu_notifier.hlist)
    return count >= 0 and (count <= mm.changing or removed)


# -- stage 2 of arm64 ------------------------------------------------------------------------


def ptes_count(table: ptr[pte_page]) -> bool:
    """A table of ptes has one reference, and one for each entry in use; every page counts the entry."""
    used = 0
    counted = True
    for i in range(PTRS_PER_PTE):
        page = table.pte[i].page
        if page:
            used += 1
            if page.secondary == 0:
                counted = False
    return counted and table._refcount.counter == 1 + used


def pmds_count(table: ptr[pmd_page]) -> bool:
    """The same of a table of pmds and the tables below."""
    used = 0
    counted = True
    for i in range(PTRS_PER_PMD):
        pmd = table.pmd[i]
        if pmd.val or pmd.block.page:
            used += 1
        if pmd.val and not ptes_count(pmd.val):
            counted = False
    return counted and table._refcount.counter == 1 + used


def tree_counts(pgd: ptr[pgd_t]) -> bool:
    """The same of what is under an entry of the top level."""
    if Stage2.levels == 4 and not pgd.val:
        return True
    pud = stage2_pud_offset(pgd)
    if Stage2.levels == 4 and pud_table_of(pud)._refcount.counter != (2 if pud.val else 1):
        return False
    return not pud.val or pmds_count(pud.val)


def tables_count_entries(vm: ptr[kvm]) -> bool:
    """While nobody has mmu_lock, each table's references are one, and one for each entry in use."""
    if not is_there() or vm.mmu_lock.owner != 0:
        return True
    pgd = vm.arch.pgd
    if not pgd:
        return True
    counted = True
    for i in range(Stage2.pgd_entries):
        if not tree_counts(at(pgd, i)):
            counted = False
    return counted


# -- shadow pages of x86 ---------------------------------------------------------------------


def mapped_by(head: ptr[kvm_rmap_head]) -> int:
    """How many entries a reverse map leads to; -1 if one of them maps nothing, or there is a gap."""
    found = 0
    ended = False
    wrong = False
    for i in range(RMAP_ENTRIES):
        sptep = head.spte[i]
        if not sptep:
            ended = True
        elif ended or not sptep.page:
            wrong = True
        else:
            found += 1
    return -1 if wrong else found


def present_entries(vm: ptr[kvm]) -> int:
    """How many last-level entries map a page; -1 if one maps a page that does not count it."""
    found = 0
    wrong = False
    for i in range(NR_SHADOW_PAGES):
        sp = vm.x86.active_mmu_pages.page[i]
        if sp and sp.level == 1:
            for k in range(SPT_ENTRIES):
                page = sp.spt[k].page
                if page:
                    found += 1
                    if X86.count_mappings and page.secondary == 0:
                        wrong = True
    return -1 if wrong else found


def reverse_maps_lead_to_entries(vm: ptr[kvm]) -> bool:
    """While nobody has mmu_lock, the reverse maps have just the entries that map a page."""
    if not vm_list.first or vm.mmu_lock.owner != 0:
        return True
    slot = vm.memslots.memslots[0]
    listed = 0
    whole = True
    for i in range(len(slot.rmap.head)):
        here = mapped_by(slot.rmap.head[i])
        if here < 0:
            whole = False
        listed += here
    return whole and listed == present_entries(vm)


# -- devices ---------------------------------------------------------------------------------


def devices_are_listed(vm: ptr[kvm]) -> bool:
    """While nobody has kvm->lock, and the VM is not being destroyed, its list of devices is whole."""
    return not vm_list.first or vm.lock.owner != 0 or list_is_whole(vm.devices)


# -- all of them -----------------------------------------------------------------------------


def watch(s: Setup, vmm: Vmm, *, tasks: int, files: int = 0) -> None:
    """State what is true of the VM in every state.

    `tasks` of the process may exit; `files` is how many files of the VM there are besides its own.
    """
    s.invariant(listed_pages_are_held)
    s.invariant(notifier_is_listed, vmm.kvm, vmm.mm)
    s.invariant(count_is_open_invalidations, vmm.kvm, vmm.mm)
    s.invariant(mm_references_count, vmm.mm, tasks)
    if not (files or Kvm.vcpus):
        s.invariant(vm_references_count, vmm.kvm, vmm.vm_file)
    elif Kvm.fdget:
        s.invariant(vm_references_bounded, vmm.kvm, 1 + Kvm.vcpus + files)
    if Kvm.arch == "arm64" and Arm.free_locked and Arm.free_together:
        s.invariant(tables_count_entries, vmm.kvm)
    if Kvm.arch == "x86" and X86.zap_clears_rmap:
        s.invariant(reverse_maps_lead_to_entries, vmm.kvm)
