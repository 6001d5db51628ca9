"""Processes and users of address spaces (Linux 4.12, kernel/fork.c).

`__mmput` also ends asynchronous I/O, which has no part in these models; where ksmd or khugepaged scans
(`Mm.scanners`), it ends that, too. A child is a thread that waits in ret_from_fork, and its task is an
object of the set-up. Memory is not inherited: guest memory is VM_DONTCOPY (QEMU asks for that:
MADV_DONTFORK), other areas are not modelled; a mapping of kvm_run that a child inherits is left out with
them. The copy of page tables is in memory.py, for processes whose memory is inherited.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.file import dup_fd
from lastput.kernel.mm_slot import Scan, mm_slot_exit
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmap import exit_mmap
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import current, task_struct
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.v6.lru_gen import LruGen, lru_gen_del_mm
from lastput.kernel.v6.mmap import exit_mmap as v6_exit_mmap
from lastput.lang import atomic, await_, kzalloc, ptr

CLONE_VM = 0x100
CLONE_FILES = 0x400


def __mmput(mm: ptr[mm_struct]) -> None:
    """The last user is gone: tear the address space down, and drop the users' common mm_count.

    Source: Linux 4.12, kernel/fork.c.
    """
    if Mm.scanners and Scan.exit_first:
        mm_slot_exit(mm)  # ksm_exit, khugepaged_exit
    if Mm.v6_order:
        v6_exit_mmap(mm)
    else:
        exit_mmap(mm)
    if Mm.scanners and not Scan.exit_first:
        mm_slot_exit(mm)
    if LruGen.mm_list:
        lru_gen_del_mm(mm)
    mmdrop(mm)


def mmput(mm: ptr[mm_struct]) -> None:
    """Drop an `mm_users`; the last one tears the address space down. May sleep.

    Source: Linux 4.12, kernel/fork.c.
    """
    might_sleep()
    if atomic_dec_and_test(mm.mm_users):
        __mmput(mm)


def mm_alloc() -> ptr[mm_struct]:
    """A new address space, empty, with one user.

    Source: Linux 4.12, kernel/fork.c.
    """
    with atomic():
        mm = kzalloc(mm_struct)
        mm.mm_users.counter = 1
        mm.mm_count.counter = 1
    return mm


def copy_files(clone_flags: int, tsk: ptr[task_struct]) -> None:
    """The child shares the parent's descriptors (CLONE_FILES), or has a copy of its own.

    Source: Linux 4.12, kernel/fork.c.
    """
    oldf = current().files
    if clone_flags & CLONE_FILES:
        atomic_inc(oldf.count)
        tsk.files = oldf
    else:
        tsk.files = dup_fd(oldf)


def copy_mm(clone_flags: int, tsk: ptr[task_struct]) -> None:
    """The child is one more user of the parent's memory (CLONE_VM), or gets an address space of its own.

    No notifier comes with that: a VM that the child can reach by its descriptors is not the child's.

    Source: Linux 4.12, kernel/fork.c.
    """
    oldmm = current().mm
    if clone_flags & CLONE_VM:
        atomic_inc(oldmm.mm_users)
        tsk.mm = oldmm
    else:
        tsk.mm = mm_alloc()
    tsk.active_mm = tsk.mm


def copy_process(clone_flags: int, tsk: ptr[task_struct]) -> None:
    """Make `tsk` a child of the running task, and let it run.

    Source: Linux 4.12, kernel/fork.c: _do_fork.
    """
    copy_files(clone_flags, tsk)
    copy_mm(clone_flags, tsk)
    tsk.on_rq = True  # wake_up_new_task


def ret_from_fork() -> None:
    """Where a child begins: once its parent has made it.

    Source: Linux 4.12, arch/arm64/kernel/entry.S.
    """
    await_(lambda: current().on_rq)
