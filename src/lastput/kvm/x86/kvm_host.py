"""What x86 adds to a VM (Linux 4.14, arch/x86/include/asm/kvm_host.h), as far as lifetime goes.

A shadow page has a table of SPT_ENTRIES entries. There are two levels: the root (level 2) points at
tables (level 1), which map pages. Shadow paging proper, where the guest's own page table says what is
mapped, and huge pages are left out: the tables are those of two-dimensional paging ("direct" ones).
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.mm_types import Mm, page
from lastput.lang import array, ghost, length, option, options, ptr, struct, upto

SPT_ENTRIES = 2
"""Entries of a table: of the root, and of each table of pages."""

RMAP_ENTRIES = 2
"""How many entries may map one guest page: one of the tables in use, one of those being zapped."""

NR_SHADOW_PAGES = 6
"""Room in the list of shadow pages."""


@options
class X86:
    """What the x86 code does; the defaults are Linux 4.14."""

    zap_clears_rmap: bool = option(True, "drop_spte takes the entry out of its reverse map")
    keep_used_roots: bool = option(True, "kvm_mmu_prepare_zap_page does not free a root that a vcpu uses")
    zap_touches_page: bool = option(True, "mmu_spte_clear_track_bits looks at the struct page, and marks it")
    count_mappings: bool = option(
        True, "an entry that outlives its page is a violation at once, not only when a zap touches the page"
    )


@struct
class spte_t:
    """One entry: absent when both pointers are NULL. One machine word."""

    page: ptr[page]
    """A last-level entry: the frame that it maps."""
    child: ptr[kvm_mmu_page]
    """An entry of the root: the table that it points at."""
    accessed: bool


@struct
class kvm_mmu_page:
    """A shadow page: a table and what is known of it. `kfree` frees both."""

    spt: array[spte_t] = length(SPT_ENTRIES)
    gfn: ghost[Annotated[int, upto(7)]]
    """First guest page under the table. Set before the page is visible, then constant."""
    level: ghost[Annotated[int, upto(2)]]
    """role.level. Like `gfn`."""
    parent: ptr[spte_t]
    """parent_ptes: the entry of the root that points here; NULL for a root, or when cut off."""
    invalid: bool
    """role.invalid: a root that was zapped while a vcpu uses it."""
    root_count: Annotated[int, upto(3)]
    """How many vcpus have it as their root."""
    mmu_valid_gen: Annotated[int, upto(3)]


@struct
class kvm_rmap_head:
    """The entries that map one guest page; NULL slots are unused.

    The kernel keeps one pointer, or a chain of descriptors with room for three each.
    """

    spte: array[ptr[spte_t]] = length(RMAP_ENTRIES)


@struct
class kvm_rmap:
    """kvm_arch_memory_slot.rmap: one head for each page of the slot, freed with the slot.

    One level only: without huge pages the heads of the other levels are always empty.
    """

    head: array[kvm_rmap_head] = length(lambda: Mm.pages)


@struct
class page_list:
    """A list of shadow pages, newest first, packed; NULL slots at the end.

    All of its accesses hold mmu_lock, so the list is an array here, and a change of it is one step.
    """

    page: array[ptr[kvm_mmu_page]] = length(NR_SHADOW_PAGES)


@struct
class x86_arch:
    """kvm_arch of x86."""

    active_mmu_pages: page_list
    zapped_obsolete_pages: page_list
    mmu_valid_gen: Annotated[int, upto(3)]


@struct
class x86_vcpu:
    """kvm_vcpu_arch.mmu of x86."""

    root_hpa: ptr[kvm_mmu_page]
    request_reload: bool
    """KVM_REQ_MMU_RELOAD is pending."""
