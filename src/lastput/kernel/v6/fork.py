"""A new task (Linux 6.1, kernel/fork.c).

What dup_mmap tells secondary MMUs of the parent's memory, area by area, is the caller's. Of the memory that
a child inherits only mappings of kvm_run are modelled.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_inc
from lastput.kernel.fork import CLONE_VM, copy_files, mm_alloc
from lastput.kernel.sched import current, task_struct
from lastput.kernel.v6.mmap import dup_kvm_run
from lastput.lang import atomic, ptr


def copy_mm(clone_flags: int, tsk: ptr[task_struct]) -> None:
    """The child is one more user of the parent's memory (CLONE_VM), or gets an address space of its own.

    Source: Linux 6.1, kernel/fork.c.
    """
    oldmm = current().mm
    if clone_flags & CLONE_VM:
        atomic_inc(oldmm.mm_users)
        tsk.mm = oldmm
    else:
        mm = mm_alloc()
        dup_kvm_run(mm, oldmm)
        tsk.mm = mm
    tsk.active_mm = tsk.mm


def copy_process(clone_flags: int, tsk: ptr[task_struct]) -> None:
    """Make `tsk` a child of the running task, or a thread beside it, and let it run.

    Source: Linux 6.1, kernel/fork.c: kernel_clone.
    """
    copy_files(clone_flags, tsk)
    copy_mm(clone_flags, tsk)
    if tsk.signal and tsk.signal == current().signal:
        with atomic():
            tsk.signal.nr_threads += 1
    tsk.on_rq = True  # wake_up_new_task
