"""What arm adds to a VM (Linux 4.12, arch/arm64/include/asm/kvm_host.h)."""

from __future__ import annotations

from lastput.kvm.arm64.pgtable import pgd_t
from lastput.lang import option, options, ptr, struct


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
