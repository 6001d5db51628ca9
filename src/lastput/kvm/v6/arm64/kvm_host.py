"""What arm64 adds to a VM (Linux 6.1, arch/arm64/include/asm/kvm_host.h, kvm_pgtable.h).

Stage 2 has two levels: the top one, whose entries are blocks or tables, and the last one. Addresses count
pages; a table has `Arm6.ptrs_per_pte` entries.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_t
from lastput.kernel.fs_types import callback_head
from lastput.kernel.mm_types import page
from lastput.lang import array, const, ghost, length, option, options, ptr, struct


def ipa_pages() -> int:
    """Guest pages that stage 2 spans."""
    return Arm6.tops * Arm6.ptrs_per_pte


@options
class Arm6:
    """Stage 2 of arm64; the defaults are Linux 6.1."""

    ptrs_per_pte: int = option(2, "entries of a table of stage 2", low=2, high=512)
    tops: int = option(2, "entries of the top-level table that are in use", low=1, high=512)
    ram_base: int = option(1, "first guest page of RAM; each top-level entry spans 2 pages", low=0, high=3)
    age_guard: bool = option(True, "kvm_age_gfn tests mmu.pgt first")
    age_pgt_once: bool = option(False, "the compiler has joined the two reads of mmu.pgt in kvm_age_gfn")
    unmap_guard: bool = option(True, "kvm_unmap_gfn_range tests mmu.pgt first")
    honour_may_block: bool = option(True, "a range that must not block is unmapped in one go (b5331379bc62)")
    remember_break: bool = option(False, "stage2_apply_range forgives a stage 2 that went in its lock break")
    shared_walks: bool = option(False, "entries change by compare and exchange, through a locked one (6.2)")
    shared_faults: bool = option(False, "faults hold mmu_lock for reading, and walk under RCU (6.2)")
    permissions: bool = option(False, "entries of stage 2 may be read-only, and the guest may only read")
    hardware_af: bool = option(False, "the MMU sets access flags itself (HAFDBS)")
    mmio: bool = option(False, "the guest accesses what is no memory, too")
    test_clear_young: bool = option(True, "one walk tests and clears access flags (6.6), not mkold, is_young")
    batch: int = option(1, "top-level entries that an unmap takes in one go", low=1, high=512)
    blocks: bool = option(False, "the host backs guest memory by blocks; faults map one where they may")
    reload_pre: bool = option(True, "a walk reads an entry again after its pre-order visitor (a9f0e3d5a089)")
    free_at_once: bool = option(False, "unlinked tables are freed at once, as in the hypervisor of pKVM")
    uninit_twice: bool = option(False, "kvm_arch_destroy_vm frees stage 2, too (a3ca3bfd01b7)")
    nested: int = option(0, "shadow stage-2 MMUs of a guest hypervisor (6.11 and later)", low=0, high=1)
    nested_hooks: bool = option(False, "shadows are looked for, although there are none (6.11 and later)")
    free_invalidates: bool = option(True, "freeing stage 2 of a nested MMU marks it invalid (34b8f4adedd5)")
    seq_in_mmap_lock: bool = option(True, "user_mem_abort reads the sequence under mmap_lock (13ec9308a857)")
    vma_sizes: bool = option(False, "user_mem_abort looks up how large a page the area may be mapped with")


@struct
class kvm_pte_t:
    """One entry, one machine word: each change is one step. All zero is the empty entry."""

    page: ptr[page]
    """A leaf: a page, or at the top level a block of them."""
    table: ptr[table_page]
    young: bool
    writable: bool
    """Only with `Arm6.permissions`."""
    locked: bool
    """KVM_INVALID_PTE_LOCKED: invalid, and about to be made anew by whoever has locked it."""


@struct
class table_page:
    """A page of entries. It has one reference, and one more for each entry in use."""

    pte: array[kvm_pte_t] = length(lambda: Arm6.ptrs_per_pte)
    _refcount: atomic_t
    rcu_head: callback_head
    unlinked: ghost[bool]
    """Book-keeping: no MMU reaches the table any more."""


@struct
class kvm_pgtable:
    pgd: const[ptr[table_page]]


@struct
class kvm_s2_mmu:
    pgt: ptr[kvm_pgtable]
    pgd_phys: ptr[table_page]
    """What the MMU of the CPU walks."""
    valid: bool
    """kvm_s2_mmu_valid: whether a nested MMU shadows anything."""


@struct
class kvm_arch_arm64:
    mmu: kvm_s2_mmu
    nested_mmus: array[kvm_s2_mmu] = length(lambda: max(1, Arm6.nested))
