"""Page frames (Linux 4.12, mm/swap.c, mm/page_alloc.c, mm/vmscan.c).

A frame is an object: its last put frees it, and any later access through an entry that still maps
it is a use after free. The LRU list is one slot per page of memory. What happens under its lock, and
the page's way on and off it, is one step together with the change of the count: nothing in these
models looks at a page between the two.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, anon_vma, page
from lastput.lang import NULL, array, atomic, kfree, kzalloc, length, ptr, roles, static, struct, violation


@struct
class lruvec:
    list: array[ptr[page]] = length(lambda: Mm.pages)


lru = static(lruvec)


def get_page(page: ptr[page]) -> None:
    with atomic():
        if page._refcount.counter == 0:
            violation("bug", "get_page: page has no reference")
        page._refcount.counter += 1


def put_page(page: ptr[page]) -> None:
    """Drop a reference; the last one gives the frame back."""
    with atomic():
        page._refcount.counter -= 1
        if page._refcount.counter == 0:
            if lru.list[page.index] == page:
                lru.list[page.index] = NULL
            free_page_frame(page)


def free_page_frame(page: ptr[page]) -> None:
    """Back to the allocator: from now on the frame is somebody else's."""
    assert page.secondary == 0, "a freed page is still mapped by a secondary MMU"
    kfree(page)


def alloc_page_vma(index: int, mapping: ptr[anon_vma]) -> ptr[page]:
    """A fresh page for position `index`, with one reference."""
    with atomic():
        new = kzalloc(page)
        new.index = index
        new.mapping = mapping
        new._refcount.counter = 1
    return new


def isolate_lru_page(index: int) -> ptr[page]:
    """The page at `index` of the list, with a reference; NULL if there is none (mm/vmscan.c)."""
    with atomic():
        found = lru.list[index]
        if found:
            found._refcount.counter += 1
        return found


roles.reference(get_page, put_page)
roles.reference(isolate_lru_page, put_page)
