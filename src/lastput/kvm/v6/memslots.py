"""Changing the slots of a VM (Linux 6.1, virt/kvm/kvm_main.c).

An invalidation looks the slots up twice, at its start and at its end, and raises and lowers
mmu_invalidate_in_progress only if it finds one. Both must see the same slots: a change waits until no
invalidation is between the two.
"""

from __future__ import annotations

from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import synchronize_srcu_expedited
from lastput.kernel.wait import finish_wait, prepare_to_wait, schedule_wait, waitqueue_active, wake_up
from lastput.kvm.v6.kvm_host import kvm, kvm_memslots
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import WARN_ON, kfree, kzalloc, ptr


def wait_for_invalidations(kvm: ptr[kvm]) -> None:
    """Sleep until mn_active_invalidate_count is 0. Holds mn_invalidate_lock, and drops it to sleep.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_swap_active_memslots.
    """
    prepare_to_wait(kvm.mn_memslots_update_rcuwait)
    while kvm.mn_active_invalidate_count != 0:
        witness6.swap_waits = True
        spin_unlock(kvm.mn_invalidate_lock)
        schedule_wait(kvm.mn_memslots_update_rcuwait)
        spin_lock(kvm.mn_invalidate_lock)
        witness6.swap_waits = False
        prepare_to_wait(kvm.mn_memslots_update_rcuwait)
    finish_wait(kvm.mn_memslots_update_rcuwait)


def kvm_swap_active_memslots(kvm: ptr[kvm], slots: ptr[kvm_memslots]) -> None:
    """Publish `slots` once no invalidation is under way; wait until nobody reads the old ones.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    if Kvm6.memslot_update == "rwsem":
        down_write(kvm.mmu_notifier_slots_lock)
        kvm.memslots = slots
        up_write(kvm.mmu_notifier_slots_lock)
    else:
        spin_lock(kvm.mn_invalidate_lock)
        if Kvm6.memslot_update == "count":
            wait_for_invalidations(kvm)
        kvm.memslots = slots
        spin_unlock(kvm.mn_invalidate_lock)
    synchronize_srcu_expedited(kvm.srcu)


def kvm_set_memslot(kvm: ptr[kvm], slots: ptr[kvm_memslots]) -> None:
    """Put `slots`, which the caller has made, into force, and free the old ones.

    A slot that goes away is first replaced by an INVALID one and unmapped; the models delete only slots
    of which nothing is mapped. `slots_arch_lock` is left out: slots_lock is held as well.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    mutex_lock(kvm.slots_lock)
    old = kvm.memslots
    kvm_swap_active_memslots(kvm, slots)
    kfree(old)
    mutex_unlock(kvm.slots_lock)


def invalidation_begins(kvm: ptr[kvm]) -> None:
    """The first part of kvm_mmu_notifier_invalidate_range_start: slots do not change from here on.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start.
    """
    if Kvm6.memslot_update == "rwsem":
        down_read(kvm.mmu_notifier_slots_lock)
    else:
        spin_lock(kvm.mn_invalidate_lock)
        kvm.mn_active_invalidate_count += 1
        spin_unlock(kvm.mn_invalidate_lock)


def invalidation_ends(kvm: ptr[kvm]) -> None:
    """The last part of kvm_mmu_notifier_invalidate_range_end: slots may change, wake who wants to.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_end.
    """
    if Kvm6.memslot_update == "rwsem":
        up_read(kvm.mmu_notifier_slots_lock)
    else:
        spin_lock(kvm.mn_invalidate_lock)
        if Kvm6.harden_end and kvm.mn_active_invalidate_count == 0:
            witness6.unpaired_end = True  # WARN_ON_ONCE: what comes after it is the question
        else:
            kvm.mn_active_invalidate_count -= 1
        wake = kvm.mn_active_invalidate_count == 0
        spin_unlock(kvm.mn_invalidate_lock)
        if wake:
            wake_up(kvm.mn_memslots_update_rcuwait)


def forget_invalidations(kvm: ptr[kvm]) -> None:
    """Part of kvm_destroy_vm, after the notifier is gone: the end of an invalidation may never have come.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_destroy_vm.
    """
    WARN_ON(waitqueue_active(kvm.mn_memslots_update_rcuwait))
    if Kvm6.warn_in_progress and kvm.mn_active_invalidate_count == 0:
        WARN_ON(kvm.mmu_invalidate_in_progress != 0)
    witness6.unfinished = kvm.mn_active_invalidate_count != 0
    if Kvm6.reset_active:
        kvm.mn_active_invalidate_count = 0
    witness6.unfinished = False


def delete_internal_slots(kvm: ptr[kvm]) -> None:
    """Part of kvm_arch_destroy_vm of x86: the slots that KVM has made for itself go as any other.

    Source: Linux 6.1, arch/x86/kvm/x86.c: kvm_arch_destroy_vm, __x86_set_memory_region.
    """
    kvm_set_memslot(kvm, kzalloc(kvm_memslots))
