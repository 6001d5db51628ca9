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
from lastput.lang import array, const, ghost, length, option, options, ptr, struct, upto


@options
class Mm:
    """Sizes of the address space."""

    pages: int = option(1, "pages of guest memory", low=1, high=2)


@struct
class page:
    """A page frame and its `struct page`; `kfree` gives the frame back to the allocator."""

    _refcount: atomic_t
    index: ghost[Annotated[int, upto(1)]]
    """Position in its mapping. No step: it is set before the page is visible and never changes."""
    mapping: ghost[ptr[anon_vma]]
    """Where rmap finds the areas that may map it. Like `index`."""
    secondary: ghost[Annotated[int, upto(3)]]
    """How many entries of secondary MMUs map this frame. They hold no reference."""


@struct
class pte_t:
    """One page-table entry: absent when `page` is NULL. One machine word: it is stored in one step."""

    page: ptr[page]
    young: bool


@struct
class anon_vma:
    """From a page to the areas that may map it; the interval tree is one pointer here."""

    rwsem: rw_semaphore
    rb_root: ptr[vm_area_struct]


@struct
class vm_area_struct:
    vm_mm: const[ptr[mm_struct]]
    vm_next: const[ptr[vm_area_struct]]
    vm_file: const[ptr[file]]
    anon_vma: const[ptr[anon_vma]]


DYING = 2
"""Room for notifiers that the exit of an address space has unhashed."""


@struct
class mmu_notifier_mm:
    list: hlist_head
    lock: spinlock_t
    mutex: mutex
    """Not the kernel's, as `dying`: designs of kernel/mmu_notifier_designs.py."""
    dying: array[ptr[hlist_node]] = length(DYING)


@struct
class mm_struct:
    mm_users: atomic_t
    mm_count: atomic_t
    mmap: const[ptr[vm_area_struct]]
    mmu_notifier_mm: ptr[mmu_notifier_mm]
    page_table_lock: spinlock_t
    pte: array[pte_t] = length(lambda: Mm.pages)
