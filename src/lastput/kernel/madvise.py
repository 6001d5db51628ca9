"""MADV_DONTNEED (Linux 4.12, mm/madvise.c, mm/memory.c): a range invalidation by the process itself.

The caller is a task of the process, so the address space has a user; mmap_sem is held for reading
in the kernel and left out here.
"""

from __future__ import annotations

from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import (
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.lang import ptr


def zap_page_range(mm: ptr[mm_struct], address: int) -> None:
    """Drop the page at `address`, between start and end of the notification."""
    mmu_notifier_invalidate_range_start(mm, address, address + 1)
    zap_pte(mm, address)
    mmu_notifier_invalidate_range_end(mm, address, address + 1)
