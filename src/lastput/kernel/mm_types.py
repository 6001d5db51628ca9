"""Memory of address spaces and pages (Linux 4.12, include/linux/mm_types.h, rmap.h, mmu_notifier.h).

The model has one virtual area of guest memory per address space, of `pages` pages, with a host
page table of one level. Addresses are counted in pages.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.atomic import atomic_t
from lastput.kernel.fs_types import file
from lastput.kernel.hlist import hlist_head, hlist_node
from lastput.kernel.lock_types import mutex, rw_semaphore, spinlock_t
from lastput.lang import array, const, ghost, holder, length, option, options, ptr, struct, upto


@options
class Mm:
    """Sizes of the address space, and what is done to it: what nobody does is not compiled."""

    pages: int = option(1, "pages of guest memory", low=1, high=2)
    mmap_sem: bool = option(False, "somebody takes mmap_sem for writing, so that everybody takes it")
    write_protect: bool = option(False, "entries can be read-only: after fork, KSM, writeback")
    huge: bool = option(False, "one huge entry can cover all of guest memory")
    file: bool = option(False, "guest memory is a shared mapping of a file")
    hugetlb: bool = option(False, "the file is one of hugetlbfs")
    scanners: bool = option(False, "ksmd or khugepaged can be at work when the last user goes")
    notify_before: bool = option(True, "invalidate_range_start comes before the change of primary entries")
    v6_order: bool = option(False, "exec and the end of an address space are Linux 6.1's (kernel/v6)")
    kvm_run_areas: int = option(0, "vcpus whose kvm_run may be mapped, where `v6_order`", low=0, high=64)


@struct
class page:
    """A page frame and its `struct page`; `kfree` gives the frame back to the allocator."""

    _refcount: atomic_t
    index: ghost[Annotated[int, upto(lambda: max(1, Mm.pages - 1))]]
    """Position in its mapping. No step: it is set before the page is visible and never changes."""
    mapping: ghost[ptr[anon_vma]]
    """Where rmap finds the areas that may map it. Like `index`."""
    _mapcount: ghost[Annotated[int, upto(3)]]
    """How many primary entries map it. No step: it changes in the step that changes the entry, under
    the lock of the page table."""
    secondary: ghost[Annotated[int, upto(3)]]
    """How many entries of secondary MMUs map this frame. They hold no reference."""
    secondary_writable: ghost[Annotated[int, upto(3)]]
    """How many of those allow writing."""
    PG_locked: holder
    PageKsm: bool
    """ksmd has merged it: it is copied before it is written, also if one mapping is left."""


@struct
class pte_t:
    """One page-table entry: absent when `page` is NULL. One machine word: it is stored in one step."""

    page: ptr[page]
    young: bool
    writable: bool
    dirty: bool


@struct
class anon_vma:
    """From a page to the areas that may map it; the interval tree is a list here.

    A file has one, too: i_mmap and i_mmap_rwsem of its address_space, which `page.mapping` points at
    with a cast in the kernel.
    """

    rwsem: rw_semaphore
    rb_root: ptr[vm_area_struct]


@struct
class address_space:
    """The pages of a file, and who maps it. The page cache holds a reference to each page."""

    i_mmap: anon_vma
    page_tree: array[ptr[page]] = length(lambda: Mm.pages)
    i_size: Annotated[int, upto(2)]
    """Pages that the file has: what is behind it may not be faulted in."""


@struct
class hugetlbfs_inode:
    """A file of hugetlbfs, and what it may still take of the quota of its file system."""

    mapping: address_space
    i_count: Annotated[int, upto(3)]
    quota: Annotated[int, upto(3)]


@struct
class vm_area_struct:
    vm_mm: const[ptr[mm_struct]]
    vm_next: const[ptr[vm_area_struct]]
    vm_file: const[ptr[file]]
    anon_vma: const[ptr[anon_vma]]
    """Where rmap looks for it: the anon_vma, or i_mmap of the file."""


SEQ_MAX = 15
"""Of interval notifiers: each burst of invalidations takes two numbers, the first is 2."""

DYING = 2
"""Room for notifiers that the exit of an address space has unhashed."""


@struct
class mmu_notifier_mm:
    list: hlist_head
    lock: spinlock_t
    mutex: mutex
    """Not the kernel's, as `dying`: designs of kernel/mmu_notifier_designs.py."""
    dying: array[ptr[hlist_node]] = length(DYING)
    has_itree: bool
    """From here on: interval notifiers, Linux 5.5 (kernel/mmu_interval_notifier.py)."""
    invalidate_seq: Annotated[int, upto(SEQ_MAX)]
    active_invalidate_ranges: Annotated[int, upto(7)]
    itree: hlist_head
    deferred_list: hlist_head


@struct
class kvm_run_area:
    """The areas that map kvm_run of one vcpu; where `v6_order`, they come and go."""

    vm_file: ptr[file]
    areas: Annotated[int, upto(15)]
    """How many. Each holds the file."""


@struct
class mm_struct:
    mm_users: atomic_t
    mm_count: atomic_t
    pinned_vm: Annotated[int, upto(3)]
    """Pages that devices hold (RDMA)."""
    mmap: const[ptr[vm_area_struct]]
    """The areas that it had when the scenario began, guest memory first."""
    mm_rb: ptr[vm_area_struct]
    """The areas that it has. Only `Mm.mmap_sem` looks here: without, no area goes before the end."""
    mmap_sem: rw_semaphore
    mmu_notifier_mm: ptr[mmu_notifier_mm]
    page_table_lock: spinlock_t
    pte: array[pte_t] = length(lambda: Mm.pages)
    pmd: pte_t
    """The huge entry, if `page` is set: then the entries in `pte` are none."""
    kvm_run: array[kvm_run_area] = length(lambda: max(1, Mm.kvm_run_areas))
    exiting: ghost[bool]
    """exit_mmap has begun. Only with `Mm.scanners`."""
    changing: ghost[Annotated[int, upto(lambda: 63 if Mm.v6_order else 7)]]
    """How many tasks are between the first change of a primary entry and the last word to secondary MMUs."""
