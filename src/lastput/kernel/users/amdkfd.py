"""Ranges that a GPU shares with a process (drivers/gpu/drm/amd/amdkfd/kfd_svm.c).

Linux 5.18 and 5.19. An interval notifier tells of a range that the process unmaps; the GPU lets go at
once, and the rest, which takes mmap_lock and may sleep for long, is left to a work that needs the address
space. Ranges are not split here, nor restored or migrated; one process, one range. The driver's own
record of the process is freed elsewhere.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test
from lastput.kernel.fork import mmput
from lastput.kernel.lock_types import mutex
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.mmu_interval_notifier import (
    MMU_NOTIFY_RELEASE,
    mmu_interval_notifier,
    mmu_interval_notifier_remove,
    mmu_interval_set_seq,
)
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwsem import down_write
from lastput.kernel.sched_mm import mmget_not_zero
from lastput.kernel.workqueue import flush_work, queue_work, work_struct, workqueue_struct
from lastput.lang import (
    NULL,
    atomic,
    await_,
    const,
    container_of,
    ghost,
    kfree,
    option,
    options,
    ptr,
    static,
    struct,
)


@options
class Kfd:
    """Which fixes are in."""

    not_zero: bool = option(True, "the callback does nothing for a dying process (fa582c6f3684)")
    puts_in_callback: bool = option(False, "... and holds it while it runs, until Linux 6.16")


@struct
class svm_range:
    notifier: mmu_interval_notifier
    lock: mutex
    pte: ptr[page]
    """What the GPU's table has for it, without a reference."""
    svms: const[ptr[svm_range_list]]
    work_item_mm: ptr[mm_struct]
    """work_item.mm: not NULL while the range is on the deferred list."""


@struct
class svm_range_list:
    """The ranges of a process: one, or none."""

    list: ptr[svm_range]
    deferred_range_list: ptr[svm_range]
    deferred_list_work: work_struct
    wq: const[ptr[workqueue_struct]]
    released: bool
    """The driver's notifier was told that the address space dies, and has stopped the GPU."""


@struct
class kfd_witness:
    """What is to be seen; true for a moment only."""

    ignored: ghost[bool]
    """A callback came for a process that is gone."""


witness = static(kfd_witness)


def svm_range_unmap_from_gpus(prange: ptr[svm_range]) -> None:
    """The GPU lets go.

    Source: Linux 5.18, drivers/gpu/drm/amd/amdkfd/kfd_svm.c.
    """
    with atomic():
        found = prange.pte
        prange.pte = NULL
        if found:
            found.secondary -= 1


def mmget(mm: ptr[mm_struct]) -> None:
    """One more user, of an address space that has one: nothing checks that it does.

    Source: Linux 5.18, include/linux/sched/mm.h.
    """
    with atomic():
        mm.mm_users.counter += 1


def svm_range_add_list_work(prange: ptr[svm_range], mm: ptr[mm_struct]) -> bool:
    """Put the range on the deferred list, with a reference to its process; false if it is on it.

    Since Linux 6.16 the reference is taken by mmget_not_zero, here.

    Source: Linux 5.18, drivers/gpu/drm/amd/amdkfd/kfd_svm.c.
    """
    if prange.work_item_mm:
        return False
    if Kfd.not_zero and not Kfd.puts_in_callback:
        if not mmget_not_zero(mm):
            witness.ignored = True
            return False
    else:
        mmget(mm)
    prange.work_item_mm = mm
    prange.svms.deferred_range_list = prange
    return True


def svm_range_cpu_invalidate_pagetables(
    mni: ptr[mmu_interval_notifier], start: int, end: int, event: int, cur_seq: int
) -> bool:
    """The process unmaps the range.

    The end of the address space is left to the driver's other notifier, which stops the GPU
    (kfd_process_notifier_release); here that is done in its place.

    Source: Linux 5.18, drivers/gpu/drm/amd/amdkfd/kfd_svm.c.
    """
    prange = container_of(mni, svm_range, lambda r: r.notifier)
    if event == MMU_NOTIFY_RELEASE:
        svm_range_unmap_from_gpus(prange)
        prange.svms.released = True
        return True
    mm = mni.mm
    if Kfd.not_zero and Kfd.puts_in_callback and not mmget_not_zero(mm):
        witness.ignored = True
        return True
    svms = prange.svms
    mutex_lock(prange.lock)
    mmu_interval_set_seq(mni, cur_seq)
    svm_range_unmap_from_gpus(prange)
    queued = svm_range_add_list_work(prange, mm)
    mutex_unlock(prange.lock)
    if queued:
        queue_work(svms.wq, svms.deferred_list_work)
    if Kfd.not_zero and Kfd.puts_in_callback:
        mmput_in_callback(mm)
    return True


def mmput_in_callback(mm: ptr[mm_struct]) -> None:
    """mmput, of which the model has no more than what matters if it is the last one.

    Then exit_mmap would call the callback again, which the language does not have; and it takes the lock
    of the reverse map, which reclaim, the only caller that can get here last, holds for reading.

    Source: Linux 5.19, kernel/fork.c: mmput.
    """
    if atomic_dec_and_test(mm.mm_users):
        down_write(mm.mmap.anon_vma.rwsem)


def svm_range_deferred_list_work(work: ptr[work_struct]) -> None:
    """The range is no more: remove its notifier, free it, let go of the process.

    Source: Linux 5.18, drivers/gpu/drm/amd/amdkfd/kfd_svm.c.
    """
    svms = container_of(work, svm_range_list, lambda r: r.deferred_list_work)
    prange = svms.deferred_range_list
    svms.deferred_range_list = NULL
    mm = prange.work_item_mm
    svms.list = NULL
    mmu_interval_notifier_remove(prange.notifier)
    kfree(prange)
    mmput(mm)


def svm_range_list_fini(svms: ptr[svm_range_list]) -> None:
    """The driver forgets the process. That happens when the address space is gone, or no range is left.

    Source: Linux 5.18, drivers/gpu/drm/amd/amdkfd/kfd_svm.c.
    """
    await_(lambda: svms.released or svms.list == NULL)
    flush_work(svms.deferred_list_work)
    prange = svms.list
    if prange:
        svms.list = NULL
        mmu_interval_notifier_remove(prange.notifier)
        kfree(prange)
