"""Files of hugetlbfs (Linux 2.6.26, fs/hugetlbfs/inode.c): as far as the end of one goes.

A page of theirs counts against a quota of the file system, which is found by way of the inode; see
free_huge_page in page.py.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, hugetlbfs_inode
from lastput.kernel.page import put_page
from lastput.lang import NULL, atomic, kfree, ptr


def truncate_hugepages(inode: ptr[hugetlbfs_inode]) -> None:
    """The page cache lets go of every page.

    Source: Linux 2.6.26, fs/hugetlbfs/inode.c.
    """
    for index in range(Mm.pages):
        page = inode.mapping.page_tree[index]
        if page:
            inode.mapping.page_tree[index] = NULL
            put_page(page)


def iput(inode: ptr[hugetlbfs_inode]) -> None:
    """Drop a reference; with the last one the file, which has no name, is deleted.

    Source: Linux 2.6.26, fs/inode.c.
    """
    with atomic():  # atomic_dec_and_lock
        inode.i_count -= 1
        last = inode.i_count == 0
    if last:
        truncate_hugepages(inode)
        kfree(inode)
