"""MADV_DONTNEED (Linux 4.12, mm/madvise.c, mm/memory.c): a range invalidation by the process itself.

The caller is a task of the process, so the address space has a user.
"""

from __future__ import annotations

from lastput.kernel.huge_memory import split_huge_pmd
from lastput.kernel.memory import change_begin, change_end, find_vma
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmap import zap_pte
from lastput.kernel.rwsem import down_read, up_read
from lastput.lang import ptr


def zap_page_range(mm: ptr[mm_struct], address: int) -> None:
    """Drop the page at `address`, between start and end of the notification.

    Source: Linux 4.12, mm/memory.c.
    """
    change_begin(mm, address, address + 1)
    if Mm.huge:
        split_huge_pmd(mm)
    zap_pte(mm, address)
    change_end(mm, address, address + 1)


def madvise_dontneed(mm: ptr[mm_struct], address: int) -> None:
    """madvise(MADV_DONTNEED) of one page.

    Source: Linux 4.12, mm/madvise.c.
    """
    down_read(mm.mmap_sem)
    if find_vma(mm, address):
        zap_page_range(mm, address)
    up_read(mm.mmap_sem)
