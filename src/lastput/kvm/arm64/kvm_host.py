"""What arm adds to a VM (Linux 4.12, arch/arm64/include/asm/kvm_host.h)."""

from __future__ import annotations

from typing import Annotated

from lastput.kvm.arm64.pgtable import pgd_t
from lastput.lang import ghost, option, options, ptr, static, struct, upto


@options
class Arm:
    """What the arm code does; the defaults are Linux 4.12."""

    age_guard: bool = option(False, "kvm_age_hva tests arch.pgd first (7e5a672289c9)")
    unmap_retest: bool = option(True, "unmap_stage2_range tests arch.pgd after a lock break (0c428a6a9256)")
    release_frees: bool = option(True, "kvm_arch_flush_shadow_all frees stage 2 (293f29363)")
    free_locked: bool = option(True, "kvm_free_stage2_pgd holds mmu_lock (8b3405e345b5)")
    free_reread: bool = option(True, "kvm_free_stage2_pgd reads arch.pgd after the unmap (2952a6070e07)")


@struct
class kvm_arch:
    pgd: ptr[pgd_t]


@struct
class kvm_witness:
    """What properties ask about the one VM of a scenario; nothing of it is the kernel's.

    All but `released` go back to zero as soon as the moment is over, so that they tell no states
    apart that are alike.
    """

    running: ghost[Annotated[int, upto(2)]]
    """Vcpus inside KVM_RUN."""
    aging: ghost[bool]
    """Somebody is inside kvm_age_hva, under mmu_lock."""
    was_young: ghost[bool]
    """... and has found a page young."""
    unmapping: ghost[Annotated[int, upto(7)]]
    """How many tasks are inside unmap_stage2_range."""
    released: ghost[bool]
    """arch.pgd is NULL."""
    retried: ghost[bool]
    """user_mem_abort has found its page invalidated, and is about to let go of it."""
    destroying: ghost[bool]
    """Somebody is inside mmu_notifier_unregister."""


witness = static(kvm_witness)
