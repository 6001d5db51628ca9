"""KVM_SET_USER_MEMORY_REGION (Linux 6.1, virt/kvm/kvm_main.c, arch/arm64/kvm/mmu.c).

The slots that are to be in force the set-up has made. A slot that is deleted is first made invalid, so that
no fault maps any more of it, and unmapped.
"""

from __future__ import annotations

from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwlock import write_lock, write_unlock
from lastput.kvm.v6.arm64.stage2 import __unmap_stage2_range
from lastput.kvm.v6.arm64.unmap import kvm_pgtable_stage2_wrprotect
from lastput.kvm.v6.kvm_host import kvm, kvm_memory_slot, kvm_memslots
from lastput.kvm.v6.memslots import kvm_swap_active_memslots
from lastput.lang import kfree, ptr


def kvm_arch_prepare_memory_region() -> None:
    """Look whether the owner's areas may be guest memory: not modelled.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """


def kvm_mmu_wp_memory_region(kvm: ptr[kvm]) -> None:
    """Have every write to the slot be noticed from now on.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    write_lock(kvm.mmu_lock)
    slot = kvm.memslots.slot[0]
    pgt = kvm.arch.arm64.mmu.pgt
    if pgt:
        kvm_pgtable_stage2_wrprotect(pgt, slot.base_gfn, slot.base_gfn + slot.npages)
    write_unlock(kvm.mmu_lock)


def kvm_arch_commit_memory_region(kvm: ptr[kvm], logs: bool) -> None:
    """Write-protect a slot whose dirty pages are logged from now on.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    if logs:
        kvm_mmu_wp_memory_region(kvm)


def kvm_arch_flush_shadow_memslot(kvm: ptr[kvm], slot: ptr[kvm_memory_slot]) -> None:
    """Unmap a slot that goes.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    write_lock(kvm.mmu_lock)
    start = slot.base_gfn
    __unmap_stage2_range(kvm, kvm.arch.arm64.mmu, start, start + slot.npages, True)
    write_unlock(kvm.mmu_lock)


def kvm_invalidate_memslot(kvm: ptr[kvm], invalid: ptr[kvm_memslots]) -> None:
    """Put slots into force of which no page may be mapped any more, and unmap what was.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    old = kvm.memslots
    kvm_swap_active_memslots(kvm, invalid)
    kvm_arch_flush_shadow_memslot(kvm, old.slot[0])
    kfree(old)


def kvm_set_memslot(kvm: ptr[kvm], slots: ptr[kvm_memslots], invalid: ptr[kvm_memslots], logs: bool) -> None:
    """Put `slots` into force; by way of `invalid`, if a slot is deleted.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    if invalid:
        kvm_invalidate_memslot(kvm, invalid)
    kvm_arch_prepare_memory_region()
    old = kvm.memslots
    kvm_swap_active_memslots(kvm, slots)
    kvm_arch_commit_memory_region(kvm, logs)
    kfree(old)


def __kvm_set_memory_region(
    kvm: ptr[kvm], slots: ptr[kvm_memslots], invalid: ptr[kvm_memslots], logs: bool
) -> None:
    """Change the slots. Holds slots_lock. What user space may ask for is not looked at.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_set_memslot(kvm, slots, invalid, logs)


def kvm_set_memory_region(
    kvm: ptr[kvm], slots: ptr[kvm_memslots], invalid: ptr[kvm_memslots], logs: bool
) -> None:
    """Change the slots. `logs`: dirty pages are logged from now on.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    mutex_lock(kvm.slots_lock)
    __kvm_set_memory_region(kvm, slots, invalid, logs)
    mutex_unlock(kvm.slots_lock)
