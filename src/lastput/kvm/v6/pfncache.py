"""A page of the guest that the kernel itself keeps mapped (Linux 6.1, virt/kvm/pfncache.c).

Whoever uses the cache checks it under its lock and uses it in the same hold. It has no reference to the
page: an invalidation marks it invalid. That happens before mmu_invalidate_in_progress is raised, so a
refresh must not take that count for "nothing is under way" (58cd407ca4c6).
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import page
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.page import put_page
from lastput.kernel.rwlock import read_lock, read_unlock, write_lock, write_unlock
from lastput.kernel.sched import current
from lastput.kvm.v6.kvm_host import kvm
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.pfncache_types import gfn_to_pfn_cache
from lastput.kvm.v6.retry import mmu_invalidate_retry_gfn
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, ptr, roles


def gfn_to_pfn_cache_invalidate_start(kvm: ptr[kvm], start: int, end: int) -> None:
    """A range of the owner's memory is about to go: what of it is cached is not valid any more.

    Source: Linux 6.1, virt/kvm/pfncache.c.
    """
    if kvm.gpc.active:
        write_lock(kvm.gpc.lock)
        if kvm.gpc.valid and kvm.gpc.uhva >= start and kvm.gpc.uhva < end:
            kvm.gpc.valid = False
        write_unlock(kvm.gpc.lock)


def mmu_notifier_retry_cache(kvm: ptr[kvm], mmu_seq: int) -> bool:
    """Whether an invalidation is under way, or has ended since `mmu_seq` was read. Holds the cache's lock.

    mn_active_invalidate_count goes up before the invalidation takes that lock, and goes down after
    mmu_invalidate_seq has changed.

    Source: Linux 6.1, virt/kvm/pfncache.c.
    """
    if kvm.mn_active_invalidate_count != 0:
        return True
    return kvm.mmu_invalidate_seq != mmu_seq


def hva_to_pfn_retry(kvm: ptr[kvm], gpc: ptr[gfn_to_pfn_cache]) -> ptr[page]:
    """The page behind the cache, with a reference. Holds the cache's lock, and drops it to fault.

    Mapping the page into the kernel may sleep, too, and is one with finding it here. A livelock is not
    looked for: while an invalidation is under way the loop goes round.

    Source: Linux 6.1, virt/kvm/pfncache.c.
    """
    gpc.valid = False
    found: ptr[page] = NULL
    retry = True
    while retry:
        mmu_seq = kvm.mmu_invalidate_seq
        write_unlock(gpc.lock)
        if found:
            witness6.retried = True
            put_page(found)
            witness6.retried = False
        found = get_user_pages(current().mm, gpc.uhva)
        write_lock(gpc.lock)
        retry = mmu_notifier_retry_cache(kvm, mmu_seq)
    gpc.valid = True
    return found


def hva_to_pfn_retry_old(kvm: ptr[kvm], gpc: ptr[gfn_to_pfn_cache]) -> ptr[page]:
    """The same before 58cd407ca4c6: the cache says it is valid while the page is still looked up.

    An invalidation that starts meanwhile marks it invalid. One that has done so before the mark, and has
    not raised mmu_invalidate_in_progress yet, is missed.

    Source: Linux 5.18, virt/kvm/pfncache.c: hva_to_pfn_retry, and its caller.
    """
    gpc.pfn = NULL
    gpc.valid = True
    write_unlock(gpc.lock)
    found: ptr[page] = NULL
    retry = True
    while retry:
        if found:
            witness6.retried = True
            put_page(found)
            witness6.retried = False
        mmu_seq = kvm.mmu_invalidate_seq
        found = get_user_pages(current().mm, gpc.uhva)
        read_lock(kvm.mmu_lock)
        retry = mmu_invalidate_retry_gfn(kvm, mmu_seq, gpc.uhva)
        read_unlock(kvm.mmu_lock)
    write_lock(gpc.lock)
    return found


def kvm_gpc_refresh(kvm: ptr[kvm], gpc: ptr[gfn_to_pfn_cache]) -> None:
    """Make the cache valid, unless it is. May sleep. One refresh at a time, under refresh_lock.

    Source: Linux 6.1, virt/kvm/pfncache.c: kvm_gfn_to_pfn_cache_refresh.
    """
    mutex_lock(gpc.refresh_lock)
    write_lock(gpc.lock)
    if not gpc.valid:
        found = hva_to_pfn_retry(kvm, gpc) if Kvm6.gpc_active_count else hva_to_pfn_retry_old(kvm, gpc)
        gpc.pfn = found
        write_unlock(gpc.lock)
        put_page(found)
    else:
        write_unlock(gpc.lock)
    mutex_unlock(gpc.refresh_lock)


def kvm_gpc_use(gpc: ptr[gfn_to_pfn_cache]) -> bool:
    """Check the cache and touch the page, as every user does; says whether the cache was valid."""
    read_lock(gpc.lock)
    valid = gpc.valid
    if valid and gpc.pfn:
        assert gpc.pfn._refcount.counter != 0
    read_unlock(gpc.lock)
    return valid


roles.recheck(mmu_notifier_retry_cache)
