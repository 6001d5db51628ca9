"""What kind of area guest memory is: how large a page a fault may map (Linux 5.16 and later).

An area of hugetlbfs is mapped in stage 2 by blocks. If it is unmapped, and a plain one is mapped in its
place, pages must be mapped one by one. Which of the two it is changes under mmap_lock.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.lang import ghost, ptr, static, struct


@struct
class guest_area:
    hugetlb: bool
    huge_page: ghost[ptr[page]]
    """Book-keeping: the one page that a block may map."""


area = static(guest_area)


def get_vma_page_shift() -> bool:
    """Whether the area may be mapped by a block. Holds mmap_lock.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    return area.hugetlb
