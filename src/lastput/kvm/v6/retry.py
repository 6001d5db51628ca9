"""Whether a page that was looked up without mmu_lock may be gone (Linux 6.1, include/linux/kvm_host.h)."""

from __future__ import annotations

from lastput.kernel.rwlock import lockdep_assert_held_rw
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.options import Kvm6
from lastput.lang import ptr, roles


def mmu_invalidate_retry(kvm: ptr[kvm], mmu_seq: int) -> bool:
    """True if an invalidation is under way, or has ended since `mmu_seq` was read. Holds mmu_lock.

    Source: Linux 6.1, include/linux/kvm_host.h.
    """
    lockdep_assert_held_rw(kvm.mmu_lock)
    if Kvm6.retry_in_progress and kvm.mmu_invalidate_in_progress != 0:
        return True
    return Kvm6.retry_seq and kvm.mmu_invalidate_seq != mmu_seq


def mmu_invalidate_retry_gfn(kvm: ptr[kvm], mmu_seq: int, gfn: int) -> bool:
    """The same for one page: an invalidation under way elsewhere does not matter. Holds mmu_lock.

    The page is a guest page from 6.9 on, an address of the owner before.

    Source: Linux 6.1, include/linux/kvm_host.h: mmu_invalidate_retry_hva, which takes an address of the
    owner; 6.9 and later: mmu_invalidate_retry_gfn.
    """
    lockdep_assert_held_rw(kvm.mmu_lock)
    under_way = Kvm6.retry_in_progress and kvm.mmu_invalidate_in_progress != 0
    if under_way and gfn >= kvm.mmu_invalidate_range_start and gfn < kvm.mmu_invalidate_range_end:
        return True
    return Kvm6.retry_seq and kvm.mmu_invalidate_seq != mmu_seq


roles.recheck(mmu_invalidate_retry, mmu_invalidate_retry_gfn)
