"""Work that a task does for itself on its way to user space (Linux 4.12, kernel/task_work.c).

A task adds work to itself only: the lock that settles a race with task_work_cancel is left out. From
its exit_task_work on no work can be added: the marker `work_exited` stands where work would.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.sched import current
from lastput.lang import NULL, atomic, ptr, static

work_exited = static(callback_head)


def task_work_add(work: ptr[callback_head]) -> bool:
    """Queue `work` on the running task, unless it is past its exit_task_work; says whether it did.

    Last in, first out, as since Linux 4.3.

    Source: Linux 4.12, kernel/task_work.c.
    """
    task = current()
    with atomic():  # cmpxchg
        if task.task_works == work_exited:
            return False
        work.next = task.task_works
        task.task_works = work
        return True


def run_task_work(exiting: bool) -> None:
    """Run what is queued, until nothing is; an exiting task leaves the marker then."""
    task = current()
    while True:
        with atomic():  # cmpxchg
            work = task.task_works
            task.task_works = work_exited if exiting and not work else NULL
        if not work:
            return
        while work:
            next = work.next
            work.func(work)
            work = next


def task_work_run() -> None:
    """Run what is queued; called on the way to user space.

    Source: Linux 4.12, kernel/task_work.c.
    """
    run_task_work(False)


def exit_task_work() -> None:
    """The last chance to run queued work; called by do_exit.

    Source: Linux 4.12, include/linux/task_work.h.
    """
    run_task_work(True)
