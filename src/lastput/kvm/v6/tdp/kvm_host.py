"""What the TDP MMU adds to a VM (Linux 7.3, arch/x86/include/asm/kvm_host.h, mmu/mmu_internal.h).

Two levels: a root of ROOT_ENTRIES entries, and tables of one entry, which maps a page. Huge pages,
dirty logging, the second address space (SMM) and shadow pages beside the TDP MMU are left out.
They are bounds: what roots and tables of one size do is what is checked.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.list import list_head
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import page
from lastput.kernel.refcount import refcount_t
from lastput.kvm.v6.options import Kvm6
from lastput.lang import array, length, option, options, ptr, struct

ROOT_ENTRIES = 2


@options
class Tdp:
    """What the TDP MMU does; the defaults are Linux 7.3."""

    unmap_invalid: bool = option(True, "unmapping a range visits invalid roots, too (d62007edf01f)")
    unmap_holds_root: bool = option(
        True, "unmapping a range holds a reference to the root it is in (7533377215b6)"
    )
    put_frees: bool = option(True, "a walk that puts the last reference to a root frees it (a889ea54b3da)")
    restart_stays: bool = option(
        True,
        "a walk that has dropped mmu_lock goes on with the entry it had not visited (3a0f64de479c)",
    )
    age_rcu: bool = option(True, "ageing without mmu_lock is a read section of RCU")
    free_by_rcu: bool = option(True, "tables are freed after a grace period of RCU")


@struct
class tdp_spte:
    """One entry, a word: absent, a table, a page, or frozen by somebody who is about to free its table."""

    child: ptr[kvm_mmu_page]
    page: ptr[page]
    accessed: bool
    removed: bool
    """REMOVED_SPTE (FROZEN_SPTE since 6.11): absent, and nobody may make it present."""


@struct
class kvm_mmu_page:
    """A root, or a table. `kfree` frees the header and the page of entries."""

    spt: array[tdp_spte] = length(ROOT_ENTRIES)
    """A table below the root uses the first entry only."""
    rcu_head: callback_head
    link: list_head
    """Of a root: in the list of roots."""
    tdp_mmu_root_count: refcount_t
    """Of a root: one of the TDP MMU until the root is invalid and zapped, one of each vcpu and walk."""
    invalid: bool
    """role.invalid: no vcpu may enter the guest with it any more. Written under mmu_lock."""
    scheduled: bool
    """tdp_mmu_scheduled_root_to_zap."""


@struct
class kvm_arch_tdp:
    """kvm_arch of x86, with the roots that its vcpus have loaded (kvm_vcpu_arch.mmu->root)."""

    tdp_mmu_roots: list_head
    tdp_mmu_pages_lock: spinlock_t
    vcpu_root: array[ptr[kvm_mmu_page]] = length(lambda: max(1, Kvm6.vcpus))
