"""A device that mirrors a range of an address space: the kernel's test driver for it (lib/test_hmm.c).

Linux 5.8. The device has a table of its own, which an interval notifier keeps up to date; entries hold
no reference to their page. An entry is made by the documented pattern (Documentation/mm/hmm.rst): note
the number, look the page up, and under the driver's lock ask whether an invalidation came between.
The test driver has no hardware, and frees its table after it has removed the notifier; a device that
really uses its entries must be stopped first, as RDMA does (ib_umem_odp_release), and so it is here.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.lock_types import mutex
from lastput.kernel.memory import handle_mm_fault
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_interval_notifier import (
    mmu_interval_notifier,
    mmu_interval_notifier_remove,
    mmu_interval_read_begin,
    mmu_interval_read_retry,
    mmu_interval_set_seq,
)
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched_mm import mmget_not_zero
from lastput.lang import (
    NULL,
    array,
    atomic,
    container_of,
    ghost,
    kfree,
    length,
    option,
    options,
    ptr,
    static,
    struct,
)


@options
class Driver:
    """What the driver does; switch a part off to see what it is for."""

    sets_seq: bool = option(True, "the callback calls mmu_interval_set_seq")
    retries: bool = option(True, "the fault asks mmu_interval_read_retry")
    retry_locked: bool = option(True, "... under the lock that the callback takes")
    begin_first: bool = option(True, "the fault calls mmu_interval_read_begin before it looks the page up")
    pins_mm: bool = option(True, "the fault is a user of the address space (mmget_not_zero)")
    unmaps_first: bool = option(True, "closing unmaps before it removes the notifier, not after")


@struct
class dmirror:
    notifier: mmu_interval_notifier
    mutex: mutex
    pt: array[ptr[page]] = length(lambda: Mm.pages)


@struct
class driver_witness:
    """What is to be seen; true for a moment only, so that it distinguishes no states."""

    retrying: ghost[bool]
    """A fault has met an invalidation, and lets go of the lock to begin anew."""
    mapping: ghost[bool]
    """A fault makes an entry."""
    dead: ghost[bool]
    """A fault found the address space without a user. This one stays."""


witness = static(driver_witness)


def dmirror_do_update(mirror: ptr[dmirror], start: int, end: int) -> None:
    """Drop the entries of a range. The driver's lock is held.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    for address in range(Mm.pages):
        if start <= address and address < end:
            with atomic():
                found = mirror.pt[address]
                mirror.pt[address] = NULL
                if found:
                    found.secondary -= 1


def dmirror_interval_invalidate(
    mni: ptr[mmu_interval_notifier], start: int, end: int, event: int, cur_seq: int
) -> bool:
    """Pages are about to go.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    mirror = container_of(mni, dmirror, lambda d: d.notifier)
    mutex_lock(mirror.mutex)
    if Driver.sets_seq:
        mmu_interval_set_seq(mni, cur_seq)
    dmirror_do_update(mirror, start, end)
    mutex_unlock(mirror.mutex)
    return True


def hmm_range_fault(mm: ptr[mm_struct], address: int) -> ptr[page]:
    """The page at `address`, faulted in if need be, without a reference: it may be gone at once.

    The entry is read without the page-table lock. That the kernel gives up early when it notices an
    invalidation (mmu_interval_check_retry) is left out: it saves work, and the caller asks
    again under its lock.

    Source: Linux 5.8, mm/hmm.c.
    """
    found = mm.pte[address].page
    while not found:
        handle_mm_fault(mm, address, True)
        found = mm.pte[address].page
    return found


def dmirror_do_fault(mirror: ptr[dmirror], address: int, found: ptr[page]) -> None:
    """Make the entry. The driver's lock is held; no reference is taken.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    with atomic():
        old = mirror.pt[address]
        if old:
            old.secondary -= 1
        mirror.pt[address] = found
        found.secondary += 1


def dmirror_range_fault(mirror: ptr[dmirror], mm: ptr[mm_struct], address: int) -> None:
    """Look the page up until nothing came between, and map it. The kernel gives up after a second.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    while True:
        if Driver.begin_first:
            seq = mmu_interval_read_begin(mirror.notifier)
            found = hmm_range_fault(mm, address)
        else:
            found = hmm_range_fault(mm, address)
            seq = mmu_interval_read_begin(mirror.notifier)
        if Driver.retries and not Driver.retry_locked:
            again = mmu_interval_read_retry(mirror.notifier, seq)
            mutex_lock(mirror.mutex)
        else:
            mutex_lock(mirror.mutex)
            again = Driver.retries and mmu_interval_read_retry(mirror.notifier, seq)
        if not again:
            break
        witness.retrying = True
        mutex_unlock(mirror.mutex)
        witness.retrying = False
    witness.mapping = True
    dmirror_do_fault(mirror, address, found)
    witness.mapping = False
    mutex_unlock(mirror.mutex)


def dmirror_fault(mirror: ptr[dmirror], address: int) -> bool:
    """Map the page at `address`; false if the process is gone.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    mm = mirror.notifier.mm
    if Driver.pins_mm:
        if not mmget_not_zero(mm):
            witness.dead = True
            return False
        dmirror_range_fault(mirror, mm, address)
        mmput(mm)
    else:
        dmirror_range_fault(mirror, mm, address)
    return True


def dmirror_fops_release(mirror: ptr[dmirror]) -> None:
    """The last reference to the device's file is gone, so that nothing faults any more.

    Source: Linux 5.8, lib/test_hmm.c.
    """
    if Driver.unmaps_first:
        dmirror_unmap(mirror)
    mmu_interval_notifier_remove(mirror.notifier)
    if not Driver.unmaps_first:
        dmirror_unmap(mirror)
    kfree(mirror)


def dmirror_unmap(mirror: ptr[dmirror]) -> None:
    """Drop every entry: the device is stopped."""
    mutex_lock(mirror.mutex)
    dmirror_do_update(mirror, 0, Mm.pages)
    mutex_unlock(mirror.mutex)
