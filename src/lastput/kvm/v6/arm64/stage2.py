"""Free stage 2, and unmap a part of it (Linux 6.1, 6.12, 7.3: arch/arm64/kvm/mmu.c).

A release takes `mmu.pgt` away under mmu_lock, and frees the tables after it has dropped the lock. What
keeps a callback from walking freed tables is that it tests `mmu.pgt`, and does all its work in one hold of
mmu_lock or tests again.
"""

from __future__ import annotations

from lastput.kernel.rwlock import (
    cond_resched_rwlock_write,
    lockdep_assert_held_rw,
    lockdep_assert_held_write,
    write_lock,
    write_unlock,
)
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_s2_mmu
from lastput.kvm.v6.arm64.pgtable import unlink_stage2
from lastput.kvm.v6.arm64.unmap import kvm_pgtable_stage2_destroy, kvm_pgtable_stage2_unmap
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.options import Kvm6
from lastput.lang import NULL, WARN_ON, atomic, kfree, ptr

EINVAL = 22


def stage2_range_addr_end(addr: int, end: int) -> int:
    """Where the part ends that begins at `addr`: behind `batch` top-level entries, or at `end`.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    size = Arm6.batch * Arm6.ptrs_per_pte
    return min((addr // size + 1) * size, end)


def stage2_apply_range(kvm: ptr[kvm], mmu: ptr[kvm_s2_mmu], addr: int, end: int, resched: bool) -> int:
    """Unmap addr..end in parts. Between two of them mmu_lock may be dropped and taken again.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    ret = 0
    lock_dropped = False
    while addr < end and ret == 0:
        pgt = mmu.pgt
        if not pgt:
            return 0 if Arm6.remember_break and lock_dropped else -EINVAL
        next = stage2_range_addr_end(addr, end)
        ret = kvm_pgtable_stage2_unmap(pgt, addr, next)
        if resched and next != end and cond_resched_rwlock_write(kvm.mmu_lock):
            lock_dropped = True
        addr = next
    return ret


def __unmap_stage2_range(kvm: ptr[kvm], mmu: ptr[kvm_s2_mmu], start: int, end: int, may_block: bool) -> None:
    """Unmap a range of guest pages.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c; later kvm_stage2_unmap_range.
    """
    if Kvm6.invalidate_lock == "read":
        lockdep_assert_held_rw(kvm.mmu_lock)
    else:
        lockdep_assert_held_write(kvm.mmu_lock)
    resched = may_block or not Arm6.honour_may_block
    WARN_ON(stage2_apply_range(kvm, mmu, start, end, resched) != 0)


def kvm_free_stage2_pgd(kvm: ptr[kvm], mmu: ptr[kvm_s2_mmu]) -> None:
    """Take stage 2 away from `mmu`, then free it. May be called twice, also by two tasks at a time.

    Its entries still point at pages when the lock is dropped, and an invalidation that finds no stage 2 lets
    them be freed: they are nobody's from then on, and nothing of what follows looks at them.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    write_lock(kvm.mmu_lock)
    pgt = mmu.pgt
    if pgt:
        with atomic():
            mmu.pgd_phys = NULL
            unlink_stage2(pgt)
        mmu.pgt = NULL
    if Arm6.nested and Arm6.free_invalidates:
        mmu.valid = False  # kvm_init_nested_s2_mmu; the canonical MMU never is a nested one
    write_unlock(kvm.mmu_lock)
    if pgt:
        kvm_pgtable_stage2_destroy(pgt)
        kfree(pgt)
