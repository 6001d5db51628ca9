"""The end of a task (Linux 4.12, kernel/exit.c): in the order that matters here.

Semaphores, shared memory, namespaces and the notification of the parent are left out; none of them
touches memory or files. mmap_sem, which exit_mm takes for a pending core dump, too.
"""

from __future__ import annotations

from lastput.kernel.file import exit_files
from lastput.kernel.fork import mmput
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop, mmgrab
from lastput.kernel.task_work import exit_task_work
from lastput.lang import NULL, atomic


def exit_mm() -> None:
    """Stop using the address space; the CPU keeps the structure until the final switch.

    Source: Linux 4.12, kernel/exit.c.
    """
    task = current()
    mm = task.mm
    if mm:
        mmgrab(mm)
        task.mm = NULL
        mmput(mm)


def finish_task_switch() -> None:
    """The next task runs; the dead one's lazy reference goes.

    Source: Linux 4.12, kernel/sched/core.c.
    """
    mm = current().active_mm
    if mm:
        mmdrop(mm)


def exit_notify() -> None:
    """The thread is none of its process any more: exec in another thread waits for that.

    Source: Linux 4.12, kernel/exit.c.
    """
    signal = current().signal
    if signal:
        with atomic():
            signal.nr_threads -= 1


def sched_process_exit() -> None:
    """The tracepoint of a task that has given its memory back, and has its files still.

    Source: Linux 4.12, kernel/exit.c: do_exit.
    """


def do_exit() -> None:
    """The end of the running task: memory, then files, then the release of files that it put last.

    Source: Linux 4.12, kernel/exit.c.
    """
    exit_mm()
    sched_process_exit()
    exit_files()
    exit_task_work()
    exit_notify()
    finish_task_switch()
