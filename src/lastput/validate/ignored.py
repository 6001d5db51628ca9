"""Events that the model does not explain, and why not. Each reason is a decision that can be questioned."""

from __future__ import annotations

from collections.abc import Mapping

SRCU = "the machinery of SRCU: the model's synchronize_srcu waits for the readers themselves"
FILES = "runs for files of every kind; that of KVM's files shows in their release"
MAPPING = "changes the owner's memory where the model has one step for a range"
WALK = "an entry of a walk over stage 2, which the model's function has inside"
FLUSH = "flushes TLBs, which the model has not"
TASK = "the end of a task, in parts that touch neither memory nor files of KVM"
FINDING = "how the caller of a notifier came to the page; the model begins at the reverse map or the walk"

REASONS: Mapping[str, str] = {
    "__synchronize_srcu": SRCU,
    "srcu_invoke_callbacks": SRCU,
    "call_srcu": SRCU,
    "synchronize_rcu": "a grace period of RCU that nothing of the model waits in",
    "task_work_run": FILES,
    "____fput": FILES,
    "__fput": FILES,
    "__fput_sync": FILES,
    "fput": FILES,
    "delayed_fput": FILES,
    "do_group_exit": TASK,
    "exit_signals": TASK,
    "exit_mm_release": TASK,
    "exec_mm_release": TASK,
    "mm_update_next_owner": TASK,
    "exit_aio": TASK,
    "__khugepaged_exit": TASK,
    "__ksm_exit": TASK,
    "__mmdrop": "whoever runs next frees a dead address space; no argument says which",
    "__mmu_notifier_subscriptions_destroy": "belongs to __mmdrop, see there",
    "tlb_finish_mmu": FLUSH,
    "kvm_flush_remote_tlbs": FLUSH,
    "kvm_arch_flush_remote_tlbs": FLUSH,
    "kvm_tlb_flush_vmid_range": FLUSH,
    "kvm_arch_flush_remote_tlbs_memslot": FLUSH,
    "__mmu_notifier_invalidate_range": FLUSH,
    "kvm_mmu_notifier_invalidate_range": FLUSH,
    "__mmu_notifier_arch_invalidate_secondary_tlbs": FLUSH,
    "kvm_nested_s2_unmap": "no guest hypervisor is modelled here: nothing is unmapped twice",
    "kvm_nested_s2_wp": "no guest hypervisor is modelled here",
    "kvm_pgtable_walk": WALK,
    "stage2_map_walker": WALK,
    "stage2_map_walker_try_leaf": WALK,
    "stage2_map_walk_leaf": WALK,
    "stage2_free_walker": WALK,
    "stage2_unmap_walker": WALK,
    "stage2_attr_walker": WALK,
    "kvm_pgtable_get_leaf": WALK,
    "stage2_apply_range": WALK,
    "kvm_pgtable_stage2_pte_prot": WALK,
    "__kvm_flush_cpu_context": FLUSH,
    "do_madvise": FINDING,
    "unmap_page_range": MAPPING,
    "unmap_mapping_pages": FINDING,
    "unmap_mapping_range": FINDING,
    "unmap_mapping_folio": FINDING,
    "shmem_fallocate": FINDING,
    "do_wp_page": FINDING,
    "change_protection": FINDING,
    "mprotect_fixup": FINDING,
    "split_huge_pmd_address": FINDING,
    "__split_huge_pmd": FINDING,
    "folio_referenced": FINDING,
    "folio_referenced_one": FINDING,
    "lru_gen_look_around": FINDING,
    "try_to_unmap_one": FINDING,
    "try_to_migrate_one": FINDING,
    "try_to_merge_one_page": FINDING,
    "break_ksm": FINDING,
    "break_cow": FINDING,
    "shrink_lruvec": FINDING,
    "try_to_shrink_lruvec": FINDING,
    "reclaim_folio_list": FINDING,
    "madvise_cold_or_pageout_pte_range": FINDING,
    "hpage_collapse_scan_pmd": FINDING,
    "collapse_huge_page": FINDING,
    "clear_refs_write": FINDING,
    "damon_mkold_pmd_entry": FINDING,
    "damon_young_pmd_entry": FINDING,
    "damon_va_check_accesses": FINDING,
    "damon_va_prepare_access_checks": FINDING,
    "damon_va_target_valid": FINDING,
    "dup_mmap": "the child's memory: none of the VM's is inherited here",
    "copy_page_range": "the child's memory: none of the VM's is inherited here",
}
"""Functions that are traced, and that the model leaves out on purpose."""

BEFORE = "before the VM was made, or its owner"
AFTER = "after the VM was destroyed"
OTHER_VM = "about another VM"
ELSEWHERE = "another address space, or a task that has to do with no VM"
OTHER_IOCTL = "an ioctl of /dev/kvm that makes no VM"
RETURN = "the return from an entry that is ignored"
NOT_MODELLED = "the model has no such function"
TRACEPOINT = "a tracepoint or marker: used to find out what the tasks called"
INSIDE = "a probe inside of a function"
PARTIAL = "only a part of the function could be traced, and not each entry comes to it"

WHOLE_IN_MODEL = ("kvm_free_memslots",)
"""Functions whose part is entered just when the model's function is. KVM frees two sets of memory slots and
returns at once for the first of them (6.1, 6.12); the model has one set, and enters the function once."""


Counts = dict[str, dict[str, int]]
"""How many events were ignored, by reason and name."""


def count(counts: Counts, reason: str, name: str, number: int) -> None:
    """Count events that the model need not explain."""
    names = counts.setdefault(reason, {})
    names[name] = names.get(name, 0) + number
