"""What arm adds to a VM (Linux 4.12, arch/arm64/include/asm/kvm_host.h)."""

from __future__ import annotations

from lastput.kvm.arm64.pgtable import pgd_t
from lastput.lang import option, options, ptr, struct


@options
class Arm:
    """What the arm code does; the defaults are Linux 4.12."""

    age_guard: bool = option(False, "kvm_age_hva and kvm_test_age_hva test arch.pgd first (7e5a672289c9)")
    unmap_guard: bool = option(True, "kvm_unmap_hva_range and kvm_set_spte_hva test arch.pgd first")
    unmap_retest: bool = option(True, "unmap_stage2_range tests arch.pgd after a lock break (0c428a6a9256)")
    wp_retest: bool = option(True, "stage2_wp_range does, too (0c428a6a9256)")
    pud_test: bool = option(True, "stage2_get_pmd tests for a missing pud (d6dbdd3c8558)")
    test_age_page: bool = option(False, "kvm_test_age_hva asks for one page, not for none (cf2d23e0bac9)")
    release_frees: bool = option(True, "kvm_arch_flush_shadow_all frees stage 2 (293f29363)")
    root_kept: bool = option(False, "kvm_arch_flush_shadow_all only empties stage 2 (designs D3, D4)")
    destroy_frees: bool = option(False, "kvm_arch_destroy_vm frees stage 2 (design D4)")
    get_pud_guard: bool = option(False, "stage2_get_pud tests arch.pgd (design D5)")
    free_locked: bool = option(True, "kvm_free_stage2_pgd holds mmu_lock for the unmap (8b3405e345b5)")
    free_together: bool = option(True, "... and for the test and the reset of arch.pgd (6c0d706b563a)")
    free_reread: bool = option(True, "... and reads arch.pgd after the unmap (2952a6070e07)")
    init_unwinds: bool = option(False, "kvm_create_vm undoes kvm_arch_init_vm when it fails later")
    logging: bool = option(False, "userspace logs which pages the guest dirties")
    log_protects: bool = option(True, "a page that was reported is write-protected again")


@struct
class kvm_arch:
    pgd: ptr[pgd_t]
