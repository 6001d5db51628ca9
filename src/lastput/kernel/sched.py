"""Tasks (Linux 4.12, include/linux/sched.h): as much of `task_struct` as this code looks at."""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.fs_types import callback_head, files_struct
from lastput.kernel.mm_types import mm_struct
from lastput.lang import const, ghost, option, options, ptr, struct, this_task, upto


@options
class Sched:
    """Sizes of processes."""

    threads: int = option(3, "threads that a process may have", low=3, high=63)


@struct
class signal_struct:
    """The threads of one process, as far as exec and group exit look at them."""

    nr_threads: Annotated[int, upto(lambda: Sched.threads)]
    """Threads that have not passed exit_notify."""
    group_exit_task: ptr[task_struct]
    """Who has killed the others, to be alone in exec."""


@struct
class task_struct:
    mm: ptr[mm_struct]
    active_mm: ghost[ptr[mm_struct]]
    """What `mm` was; after exit_mm the CPU still runs on it (lazy TLB). No step: the task's own."""
    files: ptr[files_struct]
    task_works: ptr[callback_head]
    on_rq: bool
    """It runs, or can: of a child that is forked."""
    kthread: const[bool]
    """PF_KTHREAD: it never returns to user space."""
    signal: const[ptr[signal_struct]]
    """Shared by the threads of a process; NULL where nobody sends signals."""
    sigpending: bool
    """TIF_SIGPENDING: a signal that is not blocked waits for the task."""
    preempt_count: ghost[Annotated[int, upto(7)]]
    """Spinlocks held. A ghost: only the task itself reads or writes it."""
    rcu_read_lock_nesting: ghost[Annotated[int, upto(3)]]
    """RCU read sections around the task. A ghost for the same reason."""
    gup_writable: ghost[bool]
    """What its last look-up of a page said besides (kernel/v6/memory.py): whether it may be written."""
    non_block_count: ghost[Annotated[int, upto(1)]]
    """Inside of a notifier that must not block (Linux 5.5 and later). A ghost for the same reason."""


def current() -> ptr[task_struct]:
    """The running task.

    Source: Linux 4.12, arch/arm64/include/asm/current.h.
    """
    return this_task(task_struct)
