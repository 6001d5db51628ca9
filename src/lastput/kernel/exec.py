"""exec (Linux 4.12, fs/exec.c): the old address space goes first, then the files that must not stay.

The new program is not modelled, nor is what can fail: exec has passed the point of no return.
"""

from __future__ import annotations

from lastput.kernel.file import do_close_on_exec, dup_fd, put_files_struct
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import files_struct
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.sched import current
from lastput.lang import NULL, await_, option, options, ptr


@options
class Exec:
    """In which order exec lets go."""

    mm_first: bool = option(True, "exec_mmap comes before close-on-exec, as in every Linux")


def unshare_files() -> ptr[files_struct]:
    """A descriptor table of the task's own; returns the one that it shared, NULL if it shared none.

    Source: Linux 4.12, kernel/fork.c.
    """
    displaced: ptr[files_struct] = NULL
    task = current()
    old = task.files
    if old.count.counter > 1:
        task.files = dup_fd(old)
        displaced = old
    return displaced


def de_thread() -> None:
    """Kill the other threads, and wait until each has passed exit_notify.

    Source: Linux 4.12, fs/exec.c.
    """
    signal = current().signal
    if signal:
        signal.group_exit_task = current()  # zap_other_threads
        await_(lambda: signal.nr_threads == 1)
        signal.group_exit_task = NULL


def exec_mmap(mm: ptr[mm_struct]) -> None:
    """Go over to `mm`, then let go of the old address space: perhaps as its last user.

    mmap_sem of the old one, taken for a pending core dump, is left out: nobody dumps core here.

    Source: Linux 4.12, fs/exec.c.
    """
    task = current()
    old_mm = task.mm
    task.mm = mm
    task.active_mm = mm
    if old_mm:
        mmput(old_mm)


def flush_old_exec(mm: ptr[mm_struct]) -> None:
    """The point of no return: alone, with new memory, without the files that must not stay.

    Source: Linux 4.12, fs/exec.c.
    """
    de_thread()
    if not Exec.mm_first:
        do_close_on_exec(current().files)
    exec_mmap(mm)
    if Exec.mm_first:
        do_close_on_exec(current().files)


def do_execve(mm: ptr[mm_struct]) -> None:
    """exec into `mm`, which mm_alloc made, up to the return to user space: the caller runs task work there.

    Source: Linux 4.12, fs/exec.c: do_execveat_common.
    """
    displaced = unshare_files()
    flush_old_exec(mm)
    if displaced:
        put_files_struct(displaced)
