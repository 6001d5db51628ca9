"""The end of an address space, and unmapping a part of one (Linux 6.1, mm/mmap.c, mm/memory.c).

Unlike 4.12, unmap_vmas itself tells secondary MMUs; at the end of an address space it finds nobody to tell.
mmap_lock is left out. Areas that map kvm_run come and go; of the others, guest memory alone is modelled.
"""

from __future__ import annotations

from lastput.kernel.file import fput
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, kvm_run_area, mm_struct
from lastput.kernel.mmap import unlink_anon_vmas, zap_pte
from lastput.kernel.mmu_notifier import mmu_notifier_release
from lastput.lang import atomic, kfree, ptr


def unmap_page_range(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Clear the entries of a range, in guest memory and outside of it.

    Source: Linux 6.1, mm/memory.c.
    """
    if mm.mmap:
        for address in range(start, min(end, Mm.pages)):
            zap_pte(mm, address)


def unmap_vmas(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Clear the entries of areas that go.

    Source: Linux 6.1, mm/memory.c.
    """
    change_begin(mm, start, end)
    unmap_page_range(mm, start, end)
    change_end(mm, start, end)


def tlb_finish_mmu() -> None:
    """The end of gathering: the TLB was flushed with the entries, and the pages were freed.

    Source: Linux 6.1, mm/mmu_gather.c.
    """


def free_pgtables(mm: ptr[mm_struct], all_of_it: bool) -> None:
    """Take areas that go out of the reverse map: guest memory, if all goes.

    Source: Linux 6.1, mm/memory.c.
    """
    if all_of_it and mm.mmap:
        unlink_anon_vmas(mm.mmap)


def put_kvm_run(area: ptr[kvm_run_area]) -> None:
    """One mapping of kvm_run goes, and with it a reference to the vcpu's file.

    Source: Linux 6.1, mm/mmap.c: remove_vma.
    """
    area.areas -= 1
    fput(area.vm_file)


def remove_areas(mm: ptr[mm_struct]) -> None:
    """The loop over all areas, with remove_vma.

    Source: Linux 6.1, mm/mmap.c: exit_mmap.
    """
    for i in range(Mm.kvm_run_areas):
        area = mm.kvm_run[i]
        while area.areas != 0:
            put_kvm_run(area)
    if mm.mmap:
        kfree(mm.mmap)


def exit_mmap(mm: ptr[mm_struct]) -> None:
    """The last user is gone. Secondary MMUs let go first, while the pages still exist.

    Source: Linux 6.1, mm/mmap.c.
    """
    mmu_notifier_release(mm)
    unmap_vmas(mm, 0, Mm.pages)
    free_pgtables(mm, True)
    tlb_finish_mmu()
    remove_areas(mm)


# -- a part of it ----------------------------------------------------------------------------


def unmap_region(mm: ptr[mm_struct], start: int, end: int) -> None:
    """munmap of a range. Guest memory stays an area: another one takes its place.

    Source: Linux 6.1, mm/mmap.c; 6.12: vms_clear_ptes.
    """
    unmap_vmas(mm, start, end)
    free_pgtables(mm, False)
    tlb_finish_mmu()


def split_huge_pmd(mm: ptr[mm_struct], first: int, end: int) -> None:
    """Replace a huge entry by small ones: secondary MMUs hear of all of it. The model has small ones anyway.

    Source: Linux 6.1, mm/huge_memory.c: __split_huge_pmd.
    """
    change_begin(mm, first, end)
    change_end(mm, first, end)


def zap_page_range_single(mm: ptr[mm_struct], start: int, end: int, first: int, last: int) -> None:
    """Drop the pages of a range, which stays mapped: MADV_DONTNEED. A huge page first..last is split for it.

    Source: Linux 6.1, mm/memory.c.
    """
    change_begin(mm, start, end)
    if first < last:
        split_huge_pmd(mm, first, last)
    unmap_page_range(mm, start, end)
    change_end(mm, start, end)
    tlb_finish_mmu()


def munmap_kvm_run(mm: ptr[mm_struct], number: int) -> None:
    """munmap of a mapping of kvm_run: its pages are no guest memory.

    Source: Linux 6.1, mm/mmap.c: do_mas_align_munmap.
    """
    unmap_region(mm, Mm.pages, Mm.pages)
    area = mm.kvm_run[number]
    if area.areas != 0:
        put_kvm_run(area)


def dup_kvm_run(mm: ptr[mm_struct], oldmm: ptr[mm_struct]) -> None:
    """A child inherits the mappings of kvm_run.

    Source: Linux 6.1, kernel/fork.c: dup_mmap.
    """
    with atomic():  # mmap_lock
        for i in range(Mm.kvm_run_areas):
            area = oldmm.kvm_run[i]
            if area.areas != 0:
                area.vm_file.f_count.counter += area.areas
                mm.kvm_run[i].vm_file = area.vm_file
                mm.kvm_run[i].areas = area.areas
