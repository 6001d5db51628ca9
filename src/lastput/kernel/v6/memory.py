"""A page takes the place of another one (Linux 6.1, mm/memory.c, mm/ksm.c).

Unlike in 4.12 nothing is looked at that decides whether a page is copied: who calls this knows.
"""

from __future__ import annotations

from lastput.kernel.memory import change_begin, change_end, ptep_get_and_clear, set_pte_at
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier_change_pte
from lastput.kernel.page import alloc_page_vma, lru, put_page
from lastput.lang import NULL, option, options, ptr


@options
class Change:
    """How secondary MMUs hear of another page in the place of one."""

    change_pte: bool = option(True, "by change_pte, inside of start and end (before 6.10)")


def replace(mm: ptr[mm_struct], address: int, writable: bool) -> None:
    """Map a new page at an address of guest memory; tell secondary MMUs, which may map it at once.

    Outside of guest memory they are told, and nothing else.
    """
    new: ptr[page] = NULL
    old: ptr[page] = NULL
    if address < Mm.pages and mm.mmap:
        new = alloc_page_vma(address, mm.mmap.anon_vma)
        old = ptep_get_and_clear(mm.pte[address])
    if Change.change_pte:
        mmu_notifier_change_pte(mm, address, new, writable)
    if new:
        lru.list[address] = new
        set_pte_at(mm.pte[address], new, writable)
    if old:
        put_page(old)


def wp_page_copy(mm: ptr[mm_struct], address: int) -> None:
    """Copy on write.

    Source: Linux 6.1, mm/memory.c.
    """
    change_begin(mm, address, address + 1)
    replace(mm, address, True)
    change_end(mm, address, address + 1)


def change_page(mm: ptr[mm_struct], address: int) -> None:
    """ksmd makes a page read-only, or puts an equal one in its place.

    Source: Linux 6.1, mm/ksm.c: write_protect_page, replace_page.
    """
    change_begin(mm, address, address + 1)
    replace(mm, address, False)
    change_end(mm, address, address + 1)
