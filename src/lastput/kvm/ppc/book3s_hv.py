"""A hashed guest page table (Linux 3.3, arch/powerpc/kvm/book3s_64_mmu_hv.c, virt/kvm/kvm_main.c).

Each page of the slot has a reverse map with a lock bit of its own. A fault installs an entry under that
lock, and calls mmu_notifier_retry with no other: an invalidation may go through all of its phases beside
the two reads. The hashed table is left out but for the entry that a reverse map leads to.

Memory is sequentially consistent here. What a processor without barriers may do to the two reads, and to
the two stores of an invalidation's end, is in the options: the same accesses in the other order.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.gup import get_user_pages
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.page import put_page
from lastput.kernel.sched import current
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    NULL,
    array,
    atomic,
    container_of,
    ghost,
    length,
    option,
    options,
    ptr,
    s8,
    static,
    struct,
    upto,
)


@options
class Hv:
    """The order of what barriers order; the defaults are those of a355aa54f1d2."""

    reads: str = option(
        "count-first",
        "mmu_notifier_retry reads the count, then the sequence; or the other way round",
        values=("count-first", "seq-first"),
    )
    stores: str = option(
        "seq-first",
        "invalidate_range_end raises the sequence, then lowers the count; or the other way round",
        values=("seq-first", "count-first"),
    )
    holds_mmu_lock: bool = option(False, "faults take mmu_lock around the test, as on other architectures")


@struct
class kvm_rmap_hv:
    """The reverse map of one guest page, with the one entry that it may lead to."""

    lock: spinlock_t
    """KVMPPC_RMAP_LOCK_BIT."""
    hpte: ptr[page]
    """The page that the entry maps; NULL if it is absent. It holds no reference."""


@struct
class kvm_hv:
    """As much of a VM as faults and invalidations meet in."""

    mmu_lock: spinlock_t
    mmu_notifier: mmu_notifier
    mmu_notifier_seq: Annotated[int, upto(3)]
    mmu_notifier_count: s8
    rmap: array[kvm_rmap_hv] = length(lambda: Mm.pages)


@struct
class hv_witness:
    """What properties ask about; nothing of it is the kernel's."""

    testing: ghost[bool]
    """A fault is between its two reads."""
    retried: ghost[bool]
    """A fault has found its page invalidated."""


hv_seen = static(hv_witness)


def mmu_notifier_to_kvm(mn: ptr[mmu_notifier]) -> ptr[kvm_hv]:
    """The VM that embeds a notifier.

    Source: Linux 3.3, virt/kvm/kvm_main.c.
    """
    return container_of(mn, kvm_hv, lambda k: k.mmu_notifier)


# -- invalidation ----------------------------------------------------------------------------


def kvm_unmap_rmapp(rmap: ptr[kvm_rmap_hv]) -> None:
    """Clear the entry of one guest page, under the lock of its reverse map.

    Source: Linux 3.3, arch/powerpc/kvm/book3s_64_mmu_hv.c.
    """
    spin_lock(rmap.lock)
    with atomic():
        if rmap.hpte:
            rmap.hpte.secondary -= 1
        rmap.hpte = NULL
    spin_unlock(rmap.lock)


def kvm_mmu_notifier_invalidate_range_start(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """Keep faults from mapping, and unmap.

    Source: Linux 3.3, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    spin_lock(kvm.mmu_lock)
    kvm.mmu_notifier_count += 1
    for i in range(start, end):
        kvm_unmap_rmapp(kvm.rmap[i])
    spin_unlock(kvm.mmu_lock)


def kvm_mmu_notifier_invalidate_range_end(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """Let faults map again, but those that began before.

    Source: Linux 3.3, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    spin_lock(kvm.mmu_lock)
    if Hv.stores == "seq-first":
        kvm.mmu_notifier_seq += 1
        kvm.mmu_notifier_count -= 1
    else:
        kvm.mmu_notifier_count -= 1
        kvm.mmu_notifier_seq += 1
    spin_unlock(kvm.mmu_lock)


def kvm_mmu_notifier_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space goes: unmap everything.

    Source: Linux 3.3, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    for i in range(Mm.pages):
        kvm_unmap_rmapp(kvm.rmap[i])


# -- faults ----------------------------------------------------------------------------------


def mmu_notifier_retry(kvm: ptr[kvm_hv], mmu_seq: int) -> bool:
    """Whether a page that was looked up after `mmu_seq` was read may be gone. May hold no lock.

    Source: Linux 3.3, include/linux/kvm_host.h.
    """
    if Hv.reads == "count-first":
        count = kvm.mmu_notifier_count
        hv_seen.testing = True
        seq = kvm.mmu_notifier_seq
    else:
        seq = kvm.mmu_notifier_seq
        hv_seen.testing = True
        count = kvm.mmu_notifier_count
    hv_seen.testing = False
    return count != 0 or seq != mmu_seq


def kvmppc_book3s_hv_page_fault(kvm: ptr[kvm_hv], gfn: int) -> bool:
    """Map the page behind `gfn`, unless it is being invalidated; says whether it was mapped.

    Source: Linux 3.3, arch/powerpc/kvm/book3s_64_mmu_hv.c.
    """
    mmu_seq = kvm.mmu_notifier_seq
    page = get_user_pages(current().mm, gfn)
    if Hv.holds_mmu_lock:
        spin_lock(kvm.mmu_lock)
    rmap = kvm.rmap[gfn]
    spin_lock(rmap.lock)
    retry = mmu_notifier_retry(kvm, mmu_seq)
    if retry:
        hv_seen.retried = True
    else:
        with atomic():
            rmap.hpte = page
            page.secondary += 1
    spin_unlock(rmap.lock)
    hv_seen.retried = False
    if Hv.holds_mmu_lock:
        spin_unlock(kvm.mmu_lock)
    put_page(page)
    return not retry
