"""Work that a task does for itself on its way to user space (Linux 4.12, kernel/task_work.c).

The lock and the `work_exited` marker that settle a race between adding work and the task's exit
are left out: a task adds work to itself only, before its exit_task_work.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.sched import current
from lastput.lang import NULL, atomic, ptr


def task_work_add(work: ptr[callback_head]) -> None:
    """Queue `work` on the running task. Last in, first out, as since Linux 4.3."""
    task = current()
    with atomic():  # cmpxchg
        work.next = task.task_works
        task.task_works = work


def task_work_run() -> None:
    """Run what is queued; called on the way to user space."""
    task = current()
    while True:
        with atomic():  # xchg
            work = task.task_works
            task.task_works = NULL
        if not work:
            return
        while work:
            next = work.next
            work.func(work)
            work = next


def exit_task_work() -> None:
    """The last chance to run queued work; called by do_exit."""
    task_work_run()
