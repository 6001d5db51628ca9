"""Open files and descriptor tables (Linux 4.12, fs/file_table.c, fs/file.c, fs/open.c).

`files_struct.file_lock`, and RCU with a second look at the slot on lookup, make each operation on a
slot of the table atomic: it is one step here. A `struct file` is freed at once, not after an RCU
grace period, which is where nothing but the lookup could still see it. A descriptor is reserved and
installed in one step (`get_unused_fd_flags` only keeps the number from others).
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.fs_types import Fd, callback_head, file, file_operations, files_struct, void
from lastput.kernel.sched import current
from lastput.kernel.task_work import task_work_add
from lastput.lang import (
    NULL,
    atomic,
    await_,
    container_of,
    kfree,
    kzalloc,
    option,
    options,
    ptr,
    roles,
    static,
    struct,
    violation,
)

EBADF = 9
EMFILE = 24


@options
class Files:
    """What becomes of a file."""

    delayed_fput: bool = option(False, "kernel threads and dead tasks may put the last reference to a file")
    close_sync: bool = option(False, "close releases a file itself if its reference is the last (6.6)")


@struct
class delayed_list:
    first: ptr[callback_head]


delayed_fput_list = static(delayed_list)


def get_file(f: ptr[file]) -> None:
    """Take one more reference to a file; the caller has one.

    Source: Linux 4.12, include/linux/fs.h.
    """
    atomic_inc(f.f_count)


def __fput(f: ptr[file]) -> None:
    """The last reference is gone: call `release`, and free the file. Nothing else that is undone here
    concerns these models.

    Source: Linux 4.12, fs/file_table.c.
    """
    f.f_op.release(f)
    kfree(f)


def ____fput(work: ptr[callback_head]) -> None:
    """Task work that does what __fput does.

    Source: Linux 4.12, fs/file_table.c.
    """
    __fput(container_of(work, file, lambda f: f.fu_rcuhead))


def fput(f: ptr[file]) -> None:
    """Drop a reference. The last put only queues the release: as task work of a user task.

    A kernel thread, and a task that has run its task work for the last time, leave it to a worker:
    `delayed_fput`. That is compiled in where `Files.delayed_fput` asks for it.

    Source: Linux 4.12, fs/file_table.c.
    """
    if atomic_dec_and_test(f.f_count):
        task = current()
        if not task.kthread:
            f.fu_rcuhead.func = ____fput
            if task_work_add(f.fu_rcuhead):
                return
        queue_delayed_fput(f.fu_rcuhead)


def queue_delayed_fput(work: ptr[callback_head]) -> None:
    """llist_add to the list of delayed puts; the worker is woken a jiffy later."""
    if Files.delayed_fput:
        with atomic():
            work.next = delayed_fput_list.first
            delayed_fput_list.first = work
    else:
        violation("range", "a put after exit_task_work or by a kernel thread: set delayed_fput")


def delayed_fput() -> None:
    """Body of the daemon thread that releases what nobody else could; a worker in the kernel.

    Source: Linux 4.12, fs/file_table.c.
    """
    while True:
        with atomic():  # llist_del_all
            await_(lambda: delayed_fput_list.first != NULL)
            work = delayed_fput_list.first
            delayed_fput_list.first = NULL
        while work:
            next = work.next
            ____fput(work)
            work = next


def fget(fd: int) -> ptr[file]:
    """The file behind `fd`, with a reference; NULL if there is none.

    Source: Linux 4.12, fs/file.c.
    """
    files = current().files
    with atomic():
        found = files.fd[fd]
        if found:
            found.f_count.counter += 1
        return found


def fd_install(fd: int, f: ptr[file]) -> None:
    """Make `f` known as `fd`; the caller's reference becomes the slot's. Others see it from now on.

    Source: Linux 4.12, fs/file.c.
    """
    current().files.fd[fd] = f


def fd_install_cloexec(fd: int, f: ptr[file]) -> None:
    """fd_install of a descriptor that get_unused_fd_flags(O_CLOEXEC) has reserved.

    Source: Linux 6.1, fs/file.c: get_unused_fd_flags, fd_install.
    """
    files = current().files
    with atomic():
        files.close_on_exec[fd] = True
        files.fd[fd] = f


def install_unused_fd(f: ptr[file], close_on_exec: bool) -> int:
    """get_unused_fd_flags and fd_install: the lowest free descriptor; -EMFILE if there is none."""
    files = current().files
    with atomic():
        for fd in range(files.max_fds):
            if files.fd[fd] == NULL:
                files.fd[fd] = f
                files.close_on_exec[fd] = close_on_exec
                return fd
        return -EMFILE


def sys_dup(fd: int) -> int:
    """One more descriptor for the same file; -EBADF if there is none.

    Source: Linux 4.12, fs/file.c.
    """
    found = fget(fd)
    if not found:
        return -EBADF
    new = install_unused_fd(found, False)
    if new < 0:
        fput(found)
    return new


def anon_inode_getfile(f_op: ptr[file_operations], private_data: ptr[void]) -> ptr[file]:
    """A new file, with one reference that is the caller's.

    Source: Linux 4.12, fs/anon_inodes.c.
    """
    with atomic():
        new = kzalloc(file)
        new.f_op = f_op
        new.private_data = private_data
        new.f_count.counter = 1
    return new


def dup_fd(oldf: ptr[files_struct]) -> ptr[files_struct]:
    """A copy of a descriptor table, with references of its own; under file_lock: one step.

    Source: Linux 4.12, fs/file.c.
    """
    with atomic():
        newf = kzalloc(files_struct)
        newf.count.counter = 1
        newf.max_fds = oldf.max_fds
        for fd in range(Fd.nr_open):
            found = oldf.fd[fd]
            if found:
                found.f_count.counter += 1
                newf.fd[fd] = found
                newf.close_on_exec[fd] = oldf.close_on_exec[fd]
    return newf


def take_fd(files: ptr[files_struct], fd: int) -> ptr[file]:
    """Empty the slot `fd`; the slot's reference goes to the caller."""
    with atomic():
        found = files.fd[fd]
        files.fd[fd] = NULL
        return found


def __fput_sync(f: ptr[file]) -> None:
    """Drop a reference; the last put releases the file here and now.

    Source: Linux 6.6, fs/file_table.c.
    """
    if atomic_dec_and_test(f.f_count):
        __fput(f)


def sys_close(fd: int) -> None:
    """close(2), up to the return to user space: the caller runs task work there.

    Source: Linux 4.12, fs/open.c; 6.6 (`close_sync`).
    """
    found = take_fd(current().files, fd)
    if found:
        if Files.close_sync:
            __fput_sync(found)
        else:
            fput(found)


def do_close_on_exec(files: ptr[files_struct]) -> None:
    """Close what must not live through exec.

    Source: Linux 4.12, fs/file.c.
    """
    for fd in range(files.max_fds):
        if files.close_on_exec[fd]:
            found = take_fd(files, fd)
            if found:
                fput(found)


def put_files_struct(files: ptr[files_struct]) -> None:
    """Drop a reference to a descriptor table; the last one closes every descriptor.

    Source: Linux 4.12, fs/file.c.
    """
    if atomic_dec_and_test(files.count):
        for fd in range(files.max_fds):
            found = take_fd(files, fd)
            if found:
                fput(found)
        kfree(files)


def exit_files() -> None:
    """The task lets go of its descriptor table.

    Source: Linux 4.12, fs/file.c.
    """
    task = current()
    files = task.files
    if files:
        task.files = NULL
        put_files_struct(files)


roles.reference(get_file, fput)
roles.reference(fget, fput)
