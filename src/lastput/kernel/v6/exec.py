"""A new program in the place of the old one (Linux 6.1, fs/exec.c).

Close-on-exec comes before the old address space goes, but the files that it puts are released on the way to
user space, after it. The new program is not modelled, nor is what can fail.
"""

from __future__ import annotations

from lastput.kernel.exec import de_thread, exec_mmap
from lastput.kernel.file import do_close_on_exec, dup_fd, put_files_struct
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.sched import current
from lastput.lang import ptr


def unshare_files() -> None:
    """A descriptor table of the task's own; the one that it shared is put.

    Source: Linux 6.1, kernel/fork.c.
    """
    task = current()
    old = task.files
    if old.count.counter > 1:
        task.files = dup_fd(old)
        put_files_struct(old)


def begin_new_exec(mm: ptr[mm_struct]) -> None:
    """The point of no return: alone, without the files that must not stay, with the memory `mm`.

    Source: Linux 6.1, fs/exec.c.
    """
    de_thread()
    unshare_files()
    do_close_on_exec(current().files)
    exec_mmap(mm)
