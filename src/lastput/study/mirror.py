"""A small secondary MMU: a device that mirrors an address space with the retry protocol.

One entry for each page, a lock, a sequence number and a count of invalidations under way: what KVM's
generic code has, without page tables. It stands for any user of mmu notifiers where the host's side of
the protocol is the question.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.gup import get_user_pages_fast
from lastput.kernel.hlist import hlist_unhashed
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier_types import mmu_notifier
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    NULL,
    array,
    atomic,
    const,
    container_of,
    ghost,
    length,
    option,
    options,
    ptr,
    s8,
    struct,
    upto,
)


@options
class Mirror:
    """What the device and its driver do; switch one off to see what it is for."""

    release: bool = option(True, "the driver hears of the end of the address space")
    start: bool = option(True, "the driver hears of invalidate_range_start")
    change_pte: bool = option(True, "the driver hears of change_pte")
    retry_count: bool = option(True, "a fault is retried while an invalidation is under way")
    retry_seq: bool = option(True, "a fault is retried if an invalidation has ended since it began")
    sleeps: bool = option(False, "callbacks that may sleep do, as arm's cond_resched_lock or RDMA's mutex")
    accessed_bit: bool = option(True, "entries have an accessed bit; else ageing removes them")
    age_seq: bool = option(True, "ageing that removes entries counts as an invalidation (57128468080a)")
    count_accesses: bool = option(False, "properties ask how often the device accessed memory")
    pins: bool = option(False, "an entry holds a reference to its page, as KVM's did in 2008")


@struct
class mirror_entry:
    """An entry of the device's table; absent when `page` is NULL."""

    page: ptr[page]
    writable: bool
    young: bool


@struct
class mirror:
    mm: const[ptr[mm_struct]]
    mmu_notifier: mmu_notifier
    lock: spinlock_t
    seq: Annotated[int, upto(15)]
    count: s8
    entry: array[mirror_entry] = length(lambda: Mm.pages)
    removals: array[ghost[Annotated[int, upto(7)]]] = length(lambda: Mm.pages)
    """How often the entry of each page was removed: what a fault under way must notice."""
    accesses: ghost[Annotated[int, upto(15)]]
    """How often the device has accessed memory, or mapped it for an access."""
    retried: ghost[bool]
    """A fault has found its page invalidated, and is about to let go of it."""


# -- entries, under the lock -----------------------------------------------------------------


def drop_entry(entry: ptr[mirror_entry]) -> None:
    """Remove an entry that is present, and flush the device's TLB."""
    with atomic():
        page = entry.page
        page.secondary -= 1
        if entry.writable:
            page.secondary_writable -= 1
        entry.page = NULL
        entry.writable = False
        entry.young = False
    if Mirror.pins:
        put_page(page)


def make_entry(entry: ptr[mirror_entry], page: ptr[page], writable: bool) -> None:
    """Store an entry where there is none. It holds no reference to the page, unless `pins` says so."""
    with atomic():
        entry.page = page
        entry.writable = writable
        entry.young = True
        page.secondary += 1
        if writable:
            page.secondary_writable += 1
        if Mirror.pins:
            page._refcount.counter += 1


def lock_for_removal(mirror: ptr[mirror], start: int, end: int) -> None:
    """Take the lock, and note which entries of a range will go."""
    with atomic():
        spin_lock(mirror.lock)
        for address in range(Mm.pages):
            if start <= address and address < end and mirror.entry[address].page:
                mirror.removals[address] += 1


def drop_range(mirror: ptr[mirror], start: int, end: int) -> bool:
    """Remove the entries of a range; says whether there was one."""
    dropped = False
    for address in range(Mm.pages):
        if start <= address and address < end and mirror.entry[address].page:
            drop_entry(mirror.entry[address])
            dropped = True
    return dropped


# -- callbacks -------------------------------------------------------------------------------


def mirror_of(mn: ptr[mmu_notifier]) -> ptr[mirror]:
    """The device behind a notifier."""
    return container_of(mn, mirror, lambda m: m.mmu_notifier)


def mirror_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space dies: forget all of it."""
    mirror = mirror_of(mn)
    lock_for_removal(mirror, 0, Mm.pages)
    drop_range(mirror, 0, Mm.pages)
    spin_unlock(mirror.lock)


def mirror_invalidate_page(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> None:
    """One page went."""
    mirror = mirror_of(mn)
    if Mirror.sleeps:
        might_sleep()
    lock_for_removal(mirror, address, address + 1)
    mirror.seq += 1
    drop_range(mirror, address, address + 1)
    spin_unlock(mirror.lock)


def mirror_invalidate_range_start(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """A range is about to go: forget it, and map nothing until the end."""
    mirror = mirror_of(mn)
    if Mirror.sleeps:
        might_sleep()
    lock_for_removal(mirror, start, end)
    mirror.count += 1
    drop_range(mirror, start, end)
    spin_unlock(mirror.lock)


def mirror_invalidate_range_end(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """The range went."""
    mirror = mirror_of(mn)
    spin_lock(mirror.lock)
    mirror.seq += 1
    if Mirror.start:
        mirror.count -= 1
    spin_unlock(mirror.lock)


def mirror_change_pte(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int, page: ptr[page], writable: bool
) -> None:
    """The page at `address` becomes another one: map that, read-only, if the old one is mapped."""
    mirror = mirror_of(mn)
    lock_for_removal(mirror, address, address + 1)
    mirror.seq += 1
    entry = mirror.entry[address]
    if entry.page:
        drop_entry(entry)
        make_entry(entry, page, False)
    spin_unlock(mirror.lock)


def mirror_age(mirror: ptr[mirror], start: int, end: int) -> bool:
    """Test and clear accessed bits; hardware without them has its entries removed instead."""
    young = False
    if Mirror.accessed_bit:
        spin_lock(mirror.lock)
        for address in range(Mm.pages):
            if start <= address and address < end and mirror.entry[address].young:
                mirror.entry[address].young = False
                young = True
    else:
        lock_for_removal(mirror, start, end)
        if Mirror.age_seq:
            mirror.seq += 1
        young = drop_range(mirror, start, end)
    spin_unlock(mirror.lock)
    return young


def mirror_clear_flush_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> bool:
    """Whether the device has accessed a range since it was last asked."""
    return mirror_age(mirror_of(mn), start, end)


def mirror_test_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> bool:
    """Whether the device has accessed a page; nothing is cleared."""
    mirror = mirror_of(mn)
    spin_lock(mirror.lock)
    young = mirror.entry[address].young
    spin_unlock(mirror.lock)
    return young


# -- the device ------------------------------------------------------------------------------


def device_access(mirror: ptr[mirror], address: int, write: bool) -> bool:
    """The device reads or writes a page; says whether its table allowed it. One step, as its own walk."""
    with atomic():
        entry = mirror.entry[address]
        if not entry.page or (write and not entry.writable):
            return False
        assert entry.page.secondary != 0, "the device reaches a page that its table does not count"
        entry.young = True
        if Mirror.count_accesses:
            mirror.accesses += 1
        return True


def must_retry(mirror: ptr[mirror], seq: int) -> bool:
    """Whether a page that was looked up after `seq` was read may be gone. Holds the lock."""
    if Mirror.retry_count and mirror.count != 0:
        return True
    return Mirror.retry_seq and mirror.seq != seq


def mirror_fault(mirror: ptr[mirror], address: int, write: bool) -> bool:
    """Map a page for the device, unless it is being invalidated; false if there is no memory there.

    The task that serves the fault is one of the process, so the address space has a user.
    """
    seq = mirror.seq
    removals = mirror.removals[address]
    page = get_user_pages_fast(mirror.mm, address, write)
    if not page:
        return False
    spin_lock(mirror.lock)
    if must_retry(mirror, seq):
        mirror.retried = True
    else:
        assert mirror.removals[address] == removals, "a fault maps a page that was removed since it began"
        entry = mirror.entry[address]
        if entry.page != page or (write and not entry.writable):  # else somebody was faster
            if entry.page:
                drop_entry(entry)
            make_entry(entry, page, write)
            if Mirror.count_accesses:
                mirror.accesses += 1
    spin_unlock(mirror.lock)
    put_page(page)
    mirror.retried = False
    return True


# -- what is true in every state -------------------------------------------------------------


def count_is_open_invalidations(mirror: ptr[mirror]) -> bool:
    """The count is never negative, and no more than there are invalidations between start and end.

    The address space must be there for ever.
    """
    count = mirror.count
    mm = mirror.mm
    removed = mm.mmu_notifier_mm.lock.owner != 0 or hlist_unhashed(mirror.mmu_notifier.hlist)
    return count >= 0 and (count <= mm.changing or removed)


def entries_are_counted(mirror: ptr[mirror]) -> bool:
    """Every page that an entry of the device maps counts it, and its permission to write."""
    counted = True
    for address in range(Mm.pages):
        entry = mirror.entry[address]
        if entry.page and (
            entry.page.secondary == 0 or (entry.writable and entry.page.secondary_writable == 0)
        ):
            counted = False
    return counted
