"""A GPU shares a range with a process; the range goes while the process goes.

Does whoever needs the address space later have it? The actors: the process, whose only task exits, after
which the driver forgets it; reclaim, which finds the page by the reverse map, has no part in the process,
and holds the lock of the reverse map around the notification; the driver's worker. The end of the address
space unmaps the range, too, when nobody uses it any more.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_interval_notifier import Interval, mmu_interval_notifier_ops
from lastput.kernel.mmu_notifier import (
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.users.amdkfd import (
    Kfd,
    svm_range,
    svm_range_cpu_invalidate_pagetables,
    svm_range_deferred_list_work,
    svm_range_list,
    svm_range_list_fini,
    witness,
)
from lastput.kernel.workqueue import worker, workqueue_struct
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.invariants import hlist_is_whole, listed_pages_are_held
from lastput.study.users_mm import has_intervals, insert, process, task


@options
class Gpu:
    """Who does what in users/amdkfd."""

    reclaims: bool = option(True, "reclaim unmaps the page")


def owner(mm: ptr[mm_struct], svms: ptr[svm_range_list]) -> None:
    """The process exits, and closes the driver's file."""
    mmput(mm)
    svm_range_list_fini(svms)


def reclaim(mapping: ptr[anon_vma]) -> None:
    """Unmap the page from wherever the reverse map finds it (try_to_unmap, since Linux 4.14)."""
    down_read(mapping.rwsem)
    vma = mapping.rb_root
    if vma:
        mmu_notifier_invalidate_range_start(vma.vm_mm, 0, 1)
        zap_pte(vma.vm_mm, 0)
        mmu_notifier_invalidate_range_end(vma.vm_mm, 0, 1)
    up_read(mapping.rwsem)


def a_callback_finds_the_process_gone() -> bool:
    return witness.ignored


def range_is_listed(svms: ptr[svm_range_list], mm: ptr[mm_struct]) -> bool:
    """A range that the driver has is in the tree of its address space, alone. That it holds."""
    if not svms.list or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.itree, 1)


@scenario(
    name="users/amdkfd",
    variants={
        "v5.18": {"notifiers": True, "not_zero": False},
        "fa582c6f3684": {"notifiers": True, "puts_in_callback": True},
        "v6.16": {"notifiers": True},
    },
    options=(Gpu, Mm, Interval, Kfd),
    default="v6.16",
)
def amdkfd(s: Setup) -> None:
    """A GPU shares a range with a process; the range goes while the process goes."""
    mm = process(s, users=1)
    has_intervals(mm)
    svms = s.static(svm_range_list, "svms", wq=s.static(workqueue_struct, "system_freezable_wq"))
    svms.deferred_list_work.func = svm_range_deferred_list_work
    prange = s.new(svm_range, "prange", svms=svms)
    prange.notifier.mm = mm
    prange.notifier.ops = s.static(
        mmu_interval_notifier_ops, "svm_range_mn_ops", invalidate=svm_range_cpu_invalidate_pagetables
    )
    insert(mm, prange.notifier, 0, 1)
    svms.list = prange
    prange.pte = mm.pte[0].page
    prange.pte.secondary += 1
    s.invariant(listed_pages_are_held)
    s.invariant(range_is_listed, svms, mm)
    s.thread("owner", owner, mm, svms, task=task(s, "owner", mm))
    if Gpu.reclaims:
        s.thread("reclaim", reclaim, mm.mmap.anon_vma, task=task(s, "reclaim"))
    s.thread("worker", worker, svms.wq, daemon=True, task=task(s, "worker"))
    if Kfd.not_zero:
        s.reachable(a_callback_finds_the_process_gone)
