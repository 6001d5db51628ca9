"""Address spaces that ksmd or khugepaged scans, and the end of one (Linux 4.12, mm/ksm.c, mm/khugepaged.c).

A scanner holds the structure (mm_count), not the memory: it takes no part in mm_users. So the last mmput
has to wait for a scanner that stands in the address space, and a scanner has to ask for users whenever it
takes mmap_sem. Both scanners do this alike; the list has room for one address space here.
"""

from __future__ import annotations

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, option, options, ptr, static, struct


@options
class Scan:
    """What the end of an address space does about scanners."""

    exit_waits: bool = option(
        True, "ksm_exit and khugepaged_exit wait for a scanner inside the address space"
    )
    exit_first: bool = option(True, "they come before exit_mmap")
    strict: bool = option(False, "report every look-up of a page without a user, also before exit_mmap")


@struct
class mm_slots:
    lock: spinlock_t
    hashed: ptr[mm_struct]
    """The address space on the list; the list holds an mm_count."""
    cursor: ptr[mm_struct]
    """Where the scanner stands."""


slots = static(mm_slots)


def scan_begin() -> ptr[mm_struct]:
    """Move the cursor to the next address space; NULL if there is none.

    Source: Linux 4.12, mm/ksm.c: scan_get_next_rmap_item.
    """
    spin_lock(slots.lock)
    mm = slots.hashed
    slots.cursor = mm
    spin_unlock(slots.lock)
    return mm


def scan_end(mm: ptr[mm_struct]) -> None:
    """Move the cursor on; take the address space off the list if it has no user any more.

    mmap_sem is given back before the lock of the list: after that the structure may go.

    Source: Linux 4.12, mm/ksm.c: scan_get_next_rmap_item.
    """
    down_read(mm.mmap_sem)
    exiting = mm.mm_users.counter == 0
    spin_lock(slots.lock)
    slots.cursor = NULL
    if exiting:
        slots.hashed = NULL
    up_read(mm.mmap_sem)
    spin_unlock(slots.lock)
    if exiting:
        mmdrop(mm)


def mm_slot_exit(mm: ptr[mm_struct]) -> None:
    """The last user is gone: take the address space off the list, or wait until the scanner has seen it.

    Source: Linux 4.12, mm/ksm.c: __ksm_exit.
    """
    free = False
    spin_lock(slots.lock)
    inside = slots.cursor == mm
    if slots.hashed == mm and not inside:
        slots.hashed = NULL
        free = True
    spin_unlock(slots.lock)
    if free:
        mmdrop(mm)
    elif inside and Scan.exit_waits:
        down_write(mm.mmap_sem)
        up_write(mm.mmap_sem)
