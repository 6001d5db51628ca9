"""A network adapter that keeps pages of a process pinned (drivers/infiniband/hw/hfi1/mmu_rb.c).

Linux 5.9 to 5.18. What a send request pins stays pinned in a tree, for the next request to the same
address, until the pages change: the tree has a notifier. It belongs to an open file, and a file can be
handed to another process. A tree of one node here; an invalidation unpins at once, where the kernel has
a work do it (flush_work in the removal waits for that work).
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier, mmu_notifier_unregister
from lastput.kernel.page import put_page
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop, mmgrab
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, atomic, const, container_of, kfree, option, options, ptr, struct


@options
class Hfi1:
    """Which fixes are in."""

    owner_only: bool = option(True, "only the process whose memory it is may pin (3d2a9d642512)")
    holds_mm: bool = option(True, "the removal of the notifier holds the mm to its end (2bbac98d0930)")


@struct
class mmu_rb_handler:
    mn: mmu_notifier
    mm: const[ptr[mm_struct]]
    """handler->mm, later mn.mm: whose memory the notifier is about."""
    lock: spinlock_t
    root: ptr[page]
    """The tree: the page that is pinned for the address, if one is."""


def unpin(mm: ptr[mm_struct], found: ptr[page]) -> None:
    """Give a page back, and take it off the account.

    Source: Linux 5.17, drivers/infiniband/hw/hfi1/user_pages.c: hfi1_release_user_pages.
    """
    put_page(found)
    with atomic():  # atomic64_sub
        mm.pinned_vm -= 1


def take(handler: ptr[mmu_rb_handler]) -> ptr[page]:
    """Empty the tree."""
    spin_lock(handler.lock)
    found = handler.root
    handler.root = NULL
    spin_unlock(handler.lock)
    return found


def mmu_notifier_range_start(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """Pages change: what is pinned is no longer theirs.

    Source: Linux 5.17, drivers/infiniband/hw/hfi1/mmu_rb.c.
    """
    handler = container_of(mn, mmu_rb_handler, lambda h: h.mn)
    found = take(handler)
    if found:
        unpin(handler.mm, found)


def hfi1_mmu_rb_insert(handler: ptr[mmu_rb_handler], found: ptr[page]) -> bool:
    """Remember a pinned page; false if one is remembered, or if the caller is another process.

    Source: Linux 5.17, drivers/infiniband/hw/hfi1/mmu_rb.c.
    """
    if Hfi1.owner_only and current().mm != handler.mm:
        return False
    spin_lock(handler.lock)
    free = not handler.root
    if free:
        handler.root = found
    spin_unlock(handler.lock)
    return free


def pin_vector_pages(handler: ptr[mmu_rb_handler], address: int) -> None:
    """A send request of the running process: the adapter reads the page at `address`.

    Before 3d2a9d642512 the tree was asked first, and pages pinned, whoever the caller was. Where the
    kernel fails (EPERM) nothing is sent here.

    Source: Linux 5.17, drivers/infiniband/hw/hfi1/user_sdma.c.
    """
    mm = current().mm
    if Hfi1.owner_only and mm != handler.mm:
        return
    spin_lock(handler.lock)
    cached = handler.root
    if cached:
        assert cached.mapping == mm.mmap.anon_vma, "the adapter sends a page of another process"
    spin_unlock(handler.lock)
    if not cached:
        found = get_user_pages(mm, address)
        with atomic():  # atomic64_add
            mm.pinned_vm += 1
        if not hfi1_mmu_rb_insert(handler, found):
            unpin(mm, found)


def hfi1_mmu_rb_unregister(handler: ptr[mmu_rb_handler]) -> None:
    """The file is closed: no more invalidations, then unpin what is left.

    mmu_notifier_unregister drops the notifier's reference to the mm, which may be the last one.

    Source: Linux 5.17 and 5.18, drivers/infiniband/hw/hfi1/mmu_rb.c.
    """
    mm = handler.mm
    if Hfi1.holds_mm:
        mmgrab(mm)
    mmu_notifier_unregister(handler.mn, mm)
    found = take(handler)
    if found:
        unpin(mm, found)
    if Hfi1.holds_mm:
        mmdrop(mm)
    kfree(handler)
