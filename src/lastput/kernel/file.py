"""Open files and descriptor tables (Linux 4.12, fs/file_table.c, fs/file.c, fs/open.c).

`files_struct.file_lock`, and RCU with a second look at the slot on lookup, make each operation on a
slot of the table atomic: it is one step here. A `struct file` is freed at once, not after an RCU
grace period, which is where nothing but the lookup could still see it.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.fs_types import callback_head, file, files_struct
from lastput.kernel.sched import current
from lastput.kernel.task_work import task_work_add
from lastput.lang import NULL, atomic, container_of, kfree, ptr, roles


def get_file(f: ptr[file]) -> None:
    atomic_inc(f.f_count)


def __fput(f: ptr[file]) -> None:
    f.f_op.release(f)
    kfree(f)


def ____fput(work: ptr[callback_head]) -> None:
    __fput(container_of(work, file, lambda f: f.fu_rcuhead))


def fput(f: ptr[file]) -> None:
    """Drop a reference. The last put only queues the release: as task work, of a user task.

    A kernel thread would hand it to a workqueue; no kernel thread of the models puts files.
    """
    if atomic_dec_and_test(f.f_count):
        f.fu_rcuhead.func = ____fput
        task_work_add(f.fu_rcuhead)


def fget(fd: int) -> ptr[file]:
    """The file behind `fd`, with a reference; NULL if there is none."""
    files = current().files
    with atomic():
        found = files.fd[fd]
        if found:
            found.f_count.counter += 1
        return found


def take_fd(files: ptr[files_struct], fd: int) -> ptr[file]:
    """Empty the slot `fd`; the slot's reference goes to the caller."""
    with atomic():
        found = files.fd[fd]
        files.fd[fd] = NULL
        return found


def sys_close(fd: int) -> None:
    """close(2), up to the return to user space: the caller runs task work there."""
    found = take_fd(current().files, fd)
    if found:
        fput(found)


def put_files_struct(files: ptr[files_struct]) -> None:
    """Drop a reference to a descriptor table; the last one closes every descriptor."""
    if atomic_dec_and_test(files.count):
        for fd in range(files.max_fds):
            found = take_fd(files, fd)
            if found:
                fput(found)
        kfree(files)


def exit_files() -> None:
    task = current()
    files = task.files
    if files:
        task.files = NULL
        put_files_struct(files)


roles.reference(get_file, fput)
roles.reference(fget, fput)
