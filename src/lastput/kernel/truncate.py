"""A file is made shorter, or written to disk (Linux 4.12, mm/truncate.c, mm/memory.c, mm/page-writeback.c).

None of it looks at the processes that map the file: it comes from the file's pages through i_mmap, and
meets address spaces whether they have users or not.
"""

from __future__ import annotations

from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, address_space
from lastput.kernel.mmap import zap_pte
from lastput.kernel.page import lock_page, put_page, unlock_page
from lastput.kernel.rmap import page_mkclean
from lastput.kernel.rwsem import down_write, up_write
from lastput.lang import NULL, atomic, ptr


def unmap_mapping_range(mapping: ptr[address_space], start: int, end: int) -> None:
    """Clear the entries of every area that maps a range of the file; one area in these models.

    Source: Linux 4.12, mm/memory.c.
    """
    down_write(mapping.i_mmap.rwsem)
    vma = mapping.i_mmap.rb_root
    if vma:
        change_begin(vma.vm_mm, start, end)
        for address in range(start, end):
            zap_pte(vma.vm_mm, address)
        change_end(vma.vm_mm, start, end)
    up_write(mapping.i_mmap.rwsem)


def truncate_inode_page(mapping: ptr[address_space], index: int) -> None:
    """Take a page out of the page cache. Its lock keeps faults away; the cache's reference goes.

    A fault may have mapped the page again before the lock was taken, so it is unmapped once more.

    Source: Linux 4.12, mm/truncate.c.
    """
    with atomic():  # find_get_page
        page = mapping.page_tree[index]
        if page:
            page._refcount.counter += 1
    if page:
        lock_page(page)
        if page._mapcount != 0:
            unmap_mapping_range(mapping, index, index + 1)
        mapping.page_tree[index] = NULL  # delete_from_page_cache
        put_page(page)
        unlock_page(page)
        put_page(page)


def truncate_pagecache(mapping: ptr[address_space], newsize: int) -> None:
    """The file ends at `newsize` from now on: unmap what is behind it, and give the pages back.

    The kernel's second unmap_mapping_range, for private copies of file pages, is left out: guest memory
    is a shared mapping.

    Source: Linux 4.12, mm/truncate.c: truncate_setsize.
    """
    mapping.i_size = newsize
    unmap_mapping_range(mapping, newsize, Mm.pages)
    for index in range(newsize, Mm.pages):
        truncate_inode_page(mapping, index)


def clear_page_dirty_for_io(mapping: ptr[address_space], index: int) -> None:
    """Write a page of the file to disk: from here on it may not change unnoticed.

    Source: Linux 4.12, mm/page-writeback.c.
    """
    with atomic():  # pagevec_lookup_tag
        page = mapping.page_tree[index]
        if page:
            page._refcount.counter += 1
    if page:
        lock_page(page)
        page_mkclean(page)
        unlock_page(page)
        put_page(page)
