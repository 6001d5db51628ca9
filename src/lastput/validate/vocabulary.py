"""Which functions of the kernel the model enters where the kernel does: what may be looked for in a trace.

A function is left out if the compiler has inlined some of its calls and not others (kvm_get_kvm,
kvm_get_kvm_safe, kvm_put_kvm), or if the model cannot say when it comes: `__mmdrop` (which CPU still runs on
an address space of the dead, lazily, is not modelled), what only flushes TLBs (invalidate_range and its
like), and what decides things before anything of the VM is touched (do_madvise, folio_referenced,
copy_page_range).

One is a tracepoint, sched_process_exit: it says that a task which ends has given its memory back, and has its
files still.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARED = frozenset(
    {
        # a VM comes to be
        *("kvm_dev_ioctl", "kvm_init_stage2_mmu", "mmu_notifier_register", "__mmu_notifier_register"),
        *("kvm_vm_ioctl", "kvm_vcpu_ioctl", "kvm_set_memslot"),
        *("kvm_arch_prepare_memory_region", "kvm_arch_commit_memory_region", "kvm_arch_flush_shadow_memslot"),
        # the guest
        *("kvm_arch_vcpu_ioctl_run", "kvm_handle_guest_abort", "io_mem_abort"),
        *("__gfn_to_pfn_memslot", "hva_to_pfn"),
        *("kvm_pgtable_stage2_map", "kvm_pgtable_stage2_mkyoung", "kvm_pgtable_stage2_relax_perms"),
        # callbacks
        *("__mmu_notifier_invalidate_range_start", "__mmu_notifier_invalidate_range_end"),
        *("kvm_mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_end"),
        *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
        *("__mmu_notifier_clear_flush_young", "__mmu_notifier_clear_young", "__mmu_notifier_test_young"),
        *("kvm_mmu_notifier_clear_flush_young", "kvm_mmu_notifier_clear_young"),
        *("kvm_mmu_notifier_test_young", "kvm_age_gfn", "kvm_test_age_gfn"),
        # the end of an address space
        *("do_exit", "mmput", "exit_mmap", "unmap_vmas", "free_pgtables", "tlb_finish_mmu"),
        "sched_process_exit",
        *("__mmu_notifier_release", "kvm_mmu_notifier_release", "kvm_arch_flush_shadow_all"),
        *("kvm_free_stage2_pgd", "kvm_pgtable_stage2_destroy"),
        *("synchronize_srcu", "synchronize_srcu_expedited", "__synchronize_srcu"),
        *("begin_new_exec", "do_close_on_exec", "zap_page_range_single"),
        # the end of files, and of the VM
        *("exit_files", "put_files_struct", "task_work_run", "____fput", "__fput", "delayed_fput"),
        *("kvm_vm_release", "kvm_vcpu_release", "kvm_vm_stats_release", "kvm_vcpu_stats_release"),
        *("kvm_destroy_vm", "kvm_destroy_vm_debugfs", "kvm_arch_pre_destroy_vm", "kvm_free_irq_routing"),
        *("mmu_notifier_unregister", "kvm_arch_destroy_vm", "kvm_vgic_destroy", "kvm_destroy_vcpus"),
        *("kvm_arch_vcpu_destroy", "kvm_free_memslots"),
    }
)

VOCABULARY: Mapping[str, frozenset[str]] = {
    "6.1": SHARED
    | {
        *("__kvm_set_memory_region", "kvm_pgtable_stage2_mkold", "kvm_pgtable_stage2_is_young"),
        *("__mmu_notifier_change_pte", "kvm_mmu_notifier_change_pte", "kvm_set_spte_gfn", "wp_page_copy"),
    },
    "6.12": SHARED
    | {
        *("kvm_set_memory_region", "kvm_pgtable_stage2_test_clear_young", "kvm_uninit_stage2_mmu"),
        *("kvm_nested_s2_unmap", "__fput_sync", "kvm_disable_virtualization"),
        *("kvm_mmu_invalidate_range_add", "kvm_mmu_invalidate_end"),
    },
}
"""By version: names of functions whose entries a stage's threads tell as the kernel's tasks do."""
