"""What differs between Linux 6.1 and 7.3 in the shared part of KVM, and sizes of a VM."""

from __future__ import annotations

from lastput.lang import option, options


@options
class Kvm6:
    """The shared part of KVM; the defaults are Linux 6.1."""

    arch: str = option("arm64", "the architecture", values=("arm64", "tdp"))
    vcpus: int = option(0, "vcpu threads that run the guest", low=0, high=2)
    touches: int = option(1, "guest accesses of each vcpu", low=1, high=3)
    tasks: int = option(3, "tasks that may be inside one kind of callback at a time", low=3, high=63)
    seq_limit: int = option(15, "the highest that mmu_invalidate_seq may become", low=15, high=10**12)
    slots: int = option(1, "memory slots that a VM may have", low=1, high=2)
    elide_lock: bool = option(True, "an invalidation that hits no slot takes no mmu_lock (071064f14d87)")
    memslot_update: str = option(
        "count",
        "what keeps changes of the slots out between start and end: the count of 52ac8b358b0c, the rwsem of "
        "its first version, or nothing",
        values=("count", "rwsem", "nothing"),
    )
    reset_active: bool = option(True, "kvm_destroy_vm sets mn_active_invalidate_count to 0")
    warn_in_progress: bool = option(False, "kvm_destroy_vm warns of an invalidation that never ended (7.3)")
    internal_slots: bool = option(False, "kvm_arch_destroy_vm deletes slots of its own, as x86's does")
    harden_end: bool = option(False, "an end without a start does not lower the count (d489ec956583)")
    invalidate_lock: str = option(
        "write",
        "how an invalidation takes mmu_lock; mistakes: for reading, or that where it begins and ends",
        values=("write", "read", "begin-read"),
    )
    lockless_aging: bool = option(False, "CONFIG_KVM_MMU_LOCKLESS_AGING: ageing takes no mmu_lock (7.3, x86)")
    track_range: bool = option(False, "keep the range of invalidations under way, for retry tests by page")
    range_add: bool = option(False, "the range of an invalidation is that of the slots that it hits (6.9)")
    retry_in_progress: bool = option(True, "mmu_invalidate_retry tests mmu_invalidate_in_progress")
    retry_seq: bool = option(True, "mmu_invalidate_retry tests mmu_invalidate_seq")
    gpc_active_count: bool = option(
        True, "refreshing a gfn_to_pfn_cache tests mn_active_invalidate_count, under its lock (58cd407ca4c6)"
    )
