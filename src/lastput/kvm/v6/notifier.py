"""The callbacks of the host's mmu notifiers (Linux 6.1, virt/kvm/kvm_main.c).

One walk over the slots serves them all. It takes mmu_lock at the first slot that it hits; a range of which
the guest has nothing costs no lock.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.rwlock import read_lock, read_unlock, write_lock, write_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kvm.v6.arch import (
    arch_age_gfn,
    arch_flush_shadow_all,
    arch_test_age_gfn,
    arch_unmap_gfn_range,
)
from lastput.kvm.v6.blockable import mmu_notifier_range_blockable
from lastput.kvm.v6.kvm_host import hva_to_gfn_memslot, kvm, kvm_memory_slot, kvm_memslots_of
from lastput.kvm.v6.memslots import invalidation_begins, invalidation_ends
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.pfncache import gfn_to_pfn_cache_invalidate_start
from lastput.kvm.v6.witness import witness6
from lastput.lang import BUG_ON, container_of, ptr, roles

INVALID_GPA = -1


def mmu_notifier_to_kvm(mn: ptr[mmu_notifier]) -> ptr[kvm]:
    """The VM that embeds a notifier.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    return container_of(mn, kvm, lambda k: k.mmu_notifier)


# -- the walk over the slots -----------------------------------------------------------------


def lock_mmu(kvm: ptr[kvm], shared: bool) -> None:
    """KVM_MMU_LOCK: always the write lock in the kernel.

    Source: Linux 6.1, virt/kvm/kvm_mm.h: KVM_MMU_LOCK.
    """
    if shared:
        read_lock(kvm.mmu_lock)
    else:
        write_lock(kvm.mmu_lock)


def unlock_mmu(kvm: ptr[kvm], shared: bool) -> None:
    """KVM_MMU_UNLOCK.

    Source: Linux 6.1, virt/kvm/kvm_mm.h: KVM_MMU_UNLOCK.
    """
    if shared:
        read_unlock(kvm.mmu_lock)
    else:
        write_unlock(kvm.mmu_lock)


def kvm_handle_hva_range(
    kvm: ptr[kvm],
    start: int,
    end: int,
    handler: Callable[[ptr[kvm], ptr[kvm_memory_slot], int, int, bool], bool],
    on_lock: Callable[[ptr[kvm], int, int], None],
    may_block: bool,
    lockless: bool,
    shared: bool,
) -> bool:
    """Call `handler` for the part of start..end in each slot, under mmu_lock unless `lockless`.

    `on_lock` runs when the lock has been taken: at the first slot hit. The interval tree of the slots is
    a loop over them; the TLB flush afterwards is one with the stores that call for it. The rcu walk of
    the slots is inside of kvm->srcu, and the same.

    Source: Linux 6.1, virt/kvm/kvm_main.c: __kvm_handle_hva_range; 6.12: `lockless`.
    """
    ret = False
    locked = False
    srcu_read_lock(kvm.srcu)
    slots = kvm_memslots_of(kvm)
    if not Kvm6.elide_lock and not lockless:
        lock_mmu(kvm, shared)
        on_lock(kvm, start, end)
        locked = True
    for i in range(Kvm6.slots):
        if i < slots.used:
            slot = slots.slot[i]
            first = max(start, slot.userspace_addr)
            last = min(end, slot.userspace_addr + slot.npages)
            if first < last:
                if not locked and not lockless:
                    lock_mmu(kvm, shared)
                    on_lock(kvm, start, end)
                    locked = True
                gfn = hva_to_gfn_memslot(first, slot)
                if handler(kvm, slot, gfn, gfn + last - first, may_block):
                    ret = True
    if locked:
        unlock_mmu(kvm, shared)
    srcu_read_unlock(kvm.srcu)
    return ret


def kvm_null_fn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool) -> bool:
    """No handler.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    return False


def no_on_lock(kvm: ptr[kvm], start: int, end: int) -> None:
    """No `on_lock`: kvm_null_fn in the kernel."""


# -- invalidation ----------------------------------------------------------------------------


def widen(kvm: ptr[kvm], start: int, end: int) -> None:
    """The range of all invalidations under way: from the first page of any to the last of any."""
    kvm.mmu_invalidate_range_start = min(kvm.mmu_invalidate_range_start, start)
    kvm.mmu_invalidate_range_end = max(kvm.mmu_invalidate_range_end, end)


def kvm_mmu_invalidate_begin(kvm: ptr[kvm], start: int, end: int) -> None:
    """From here on no fault maps a page of the range. Holds mmu_lock for writing.

    The range is kept for retry tests by page only. In 6.1 it is one of addresses; from 6.9 on one of guest
    pages, which the handler adds (`range_add`).

    Source: Linux 6.1, virt/kvm/kvm_main.c; 7.3: kvm_mmu_invalidate_start.
    """
    kvm.mmu_invalidate_in_progress += 1
    if Kvm6.track_range:
        alone = kvm.mmu_invalidate_in_progress == 1
        if Kvm6.range_add:
            if alone:
                kvm.mmu_invalidate_range_start = INVALID_GPA
                kvm.mmu_invalidate_range_end = INVALID_GPA
        elif alone:
            kvm.mmu_invalidate_range_start = start
            kvm.mmu_invalidate_range_end = end
        else:
            widen(kvm, start, end)


def kvm_mmu_invalidate_range_add(kvm: ptr[kvm], start: int, end: int) -> None:
    """Guest pages that an invalidation under way is about.

    Source: Linux 6.9, virt/kvm/kvm_main.c.
    """
    if Kvm6.track_range:
        if kvm.mmu_invalidate_range_start == INVALID_GPA:
            kvm.mmu_invalidate_range_start = start
            kvm.mmu_invalidate_range_end = end
        else:
            widen(kvm, start, end)


def kvm_mmu_unmap_gfn_range(
    kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool
) -> bool:
    """The handler of a start: unmap.

    Source: Linux 6.9, virt/kvm/kvm_main.c; 6.1: kvm_unmap_gfn_range itself is the handler.
    """
    if Kvm6.range_add:
        kvm_mmu_invalidate_range_add(kvm, start, end)
    witness6.unmapping += 1
    flush = arch_unmap_gfn_range(kvm, slot, start, end, may_block)
    witness6.unmapping -= 1
    return flush


def kvm_mmu_invalidate_end(kvm: ptr[kvm], start: int, end: int) -> None:
    """Faults that began before this must start again; others need not wait any more.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm.mmu_invalidate_seq += 1
    kvm.mmu_invalidate_in_progress -= 1


def kvm_mmu_notifier_invalidate_range_start(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """Primary entries of a range are about to go: unmap it, and keep faults out until the end.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    may_block = mmu_notifier_range_blockable()
    invalidation_begins(kvm)
    gfn_to_pfn_cache_invalidate_start(kvm, start, end)
    if Kvm6.invalidate_lock == "begin-read":
        kvm_handle_hva_range(kvm, start, end, kvm_null_fn, kvm_mmu_invalidate_begin, may_block, False, True)
        kvm_handle_hva_range(kvm, start, end, kvm_mmu_unmap_gfn_range, no_on_lock, may_block, False, False)
    else:
        shared = Kvm6.invalidate_lock == "read"
        kvm_handle_hva_range(
            kvm, start, end, kvm_mmu_unmap_gfn_range, kvm_mmu_invalidate_begin, may_block, False, shared
        )


def kvm_mmu_notifier_invalidate_range_end(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """Primary entries of the range are gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    may_block = mmu_notifier_range_blockable()
    shared = Kvm6.invalidate_lock != "write"
    kvm_handle_hva_range(kvm, start, end, kvm_null_fn, kvm_mmu_invalidate_end, may_block, False, shared)
    invalidation_ends(kvm)
    negative = kvm.mmu_invalidate_in_progress < 0
    if Kvm6.harden_end:
        witness6.vm_bugged = negative  # KVM_BUG_ON: the VM is dead, the host goes on
    else:
        BUG_ON(negative)


# -- ageing ----------------------------------------------------------------------------------


def age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool) -> bool:
    """The handler of the young callbacks that clear: test and clear the accessed bits.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    witness6.aging += 1
    young = arch_age_gfn(kvm, slot, start, end)
    if young:
        witness6.was_young = True
    witness6.aging -= 1
    return young


def kvm_mmu_notifier_clear_flush_young(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> bool:
    """Test and clear the accessed bits of a range. clear_young is the same without the flush.

    Source: Linux 6.1, virt/kvm/kvm_main.c; 7.3: by way of kvm_age_hva_range.
    """
    kvm = mmu_notifier_to_kvm(mn)
    lockless = Kvm6.lockless_aging
    young = kvm_handle_hva_range(kvm, start, end, age_gfn, no_on_lock, False, lockless, False)
    witness6.was_young = False
    return young


def kvm_mmu_notifier_clear_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> bool:
    """Test and clear the accessed bits of a range without a flush: for idle pages, LRU_GEN, DAMON.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    young = kvm_handle_hva_range(kvm, start, end, age_gfn, no_on_lock, False, Kvm6.lockless_aging, False)
    witness6.was_young = False
    return young


def test_age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool) -> bool:
    """The handler of the young callback that only tests."""
    return arch_test_age_gfn(kvm, slot, start, end)


def kvm_mmu_notifier_test_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> bool:
    """Test the accessed bit of a page.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    lockless = Kvm6.lockless_aging
    return kvm_handle_hva_range(kvm, address, address + 1, test_age_gfn, no_on_lock, False, lockless, False)


# -- the end ---------------------------------------------------------------------------------


def kvm_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """Let go of all of guest memory. kvm_arch_guest_memory_reclaimed writes caches back only.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    arch_flush_shadow_all(kvm)


def kvm_mmu_notifier_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space dies, or the VM does.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    witness6.releasing += 1
    kvm_flush_shadow_all(kvm)
    witness6.releasing -= 1
    witness6.released = True
    srcu_read_unlock(kvm.srcu)


roles.lock(lock_mmu, unlock_mmu)
