"""Page frames (Linux 4.12, mm/swap.c, mm/page_alloc.c, mm/vmscan.c).

A frame is an object: its last put frees it, and any later access through an entry that still maps
it is a use after free. The LRU list is one slot per page of memory. What happens under its lock, and
the page's way on and off it, is one step together with the change of the count: nothing in these
models looks at a page between the two.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, address_space, anon_vma, hugetlbfs_inode, page
from lastput.kernel.preempt import might_sleep
from lastput.lang import (
    NULL,
    array,
    atomic,
    await_,
    container_of,
    kfree,
    kzalloc,
    length,
    ptr,
    roles,
    static,
    struct,
    this_thread,
    violation,
)


@struct
class lruvec:
    list: array[ptr[page]] = length(lambda: Mm.pages)


lru = static(lruvec)


def get_page(page: ptr[page]) -> None:
    """Take one more reference.

    Source: Linux 4.12, include/linux/mm.h.
    """
    with atomic():
        if page._refcount.counter == 0:
            violation("bug", "get_page: page has no reference")
        page._refcount.counter += 1


def put_page(page: ptr[page]) -> None:
    """Drop a reference; the last one gives the frame back.

    Source: Linux 4.12, include/linux/mm.h.
    """
    with atomic():
        page._refcount.counter -= 1
        if page._refcount.counter == 0:
            if lru.list[page.index] == page:
                lru.list[page.index] = NULL
            if Mm.hugetlb:
                free_huge_page(page)
            free_page_frame(page)


def free_huge_page(page: ptr[page]) -> None:
    """Give the block back to the quota, which is found by way of the file that the page was in.

    Source: Linux 2.6.26, mm/hugetlb.c: free_huge_page, hugetlb_put_quota.
    """
    mapping = container_of(page.mapping, address_space, lambda m: m.i_mmap)
    inode = container_of(mapping, hugetlbfs_inode, lambda i: i.mapping)
    inode.quota += 1


def lock_page(page: ptr[page]) -> None:
    """Wait for PG_locked, and take it. The caller has a reference. May sleep.

    Source: Linux 4.12, include/linux/pagemap.h.
    """
    might_sleep()
    me = this_thread() + 1
    with atomic():
        await_(lambda: page.PG_locked == 0, holders=lambda: (1 << page.PG_locked) >> 1)
        page.PG_locked = me


def trylock_page(page: ptr[page]) -> bool:
    """Take PG_locked if it is free; says whether it was.

    Source: Linux 4.12, include/linux/pagemap.h.
    """
    with atomic():
        if page.PG_locked != 0:
            return False
        page.PG_locked = this_thread() + 1
        return True


def unlock_page(page: ptr[page]) -> None:
    """Give PG_locked back.

    Source: Linux 4.12, mm/filemap.c.
    """
    with atomic():
        if page.PG_locked != this_thread() + 1:
            violation("bug", "unlock_page: the page is not locked by this task")
        page.PG_locked = 0


def free_page_frame(page: ptr[page]) -> None:
    """Back to the allocator: from now on the frame is somebody else's.

    Source: Linux 4.12, mm/page_alloc.c: free_hot_cold_page.
    """
    assert page.secondary == 0, "a freed page is still mapped by a secondary MMU"
    kfree(page)


def alloc_page_vma(index: int, mapping: ptr[anon_vma]) -> ptr[page]:
    """A fresh page for position `index`, with one reference.

    Source: Linux 4.12, mm/mempolicy.c.
    """
    with atomic():
        new = kzalloc(page)
        new.index = index
        new.mapping = mapping
        new._refcount.counter = 1
    return new


def isolate_lru_page(index: int) -> ptr[page]:
    """The page at `index` of the list, with a reference; NULL if there is none.

    Source: Linux 4.12, mm/vmscan.c.
    """
    with atomic():
        found = lru.list[index]
        if found:
            found._refcount.counter += 1
        return found


roles.reference(get_page, put_page)
roles.reference(isolate_lru_page, put_page)


roles.lock(lock_page, unlock_page)
roles.lock(trylock_page, unlock_page)
