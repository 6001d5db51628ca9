"""Descriptors that are copied, shared, passed and left to a worker: released once, by the last holder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.kernel.exec import do_execve
from lastput.kernel.exit import do_exit, exit_notify
from lastput.kernel.file import (
    Files,
    anon_inode_getfile,
    delayed_fput,
    exit_files,
    fd_install,
    fget,
    fput,
    get_file,
    install_unused_fd,
    sys_close,
    sys_dup,
)
from lastput.kernel.fork import CLONE_FILES, CLONE_VM, copy_process, mm_alloc, ret_from_fork
from lastput.kernel.fs_types import file, file_operations, files_struct
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.sched import current, signal_struct, task_struct
from lastput.kernel.scm import unix_dgram_recvmsg, unix_dgram_sendmsg, unix_release_sock, unix_sock
from lastput.kernel.signal import flush_signals, send_sig, signal_pending
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.lang import (
    NULL,
    Setup,
    atomic,
    ghost,
    option,
    options,
    ptr,
    scenario,
    static,
    struct,
    upto,
)
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build
from tests.programs.agreement import by_brute_force, natively, search_natively


@options
class Clone:
    vm: bool = option(False, "the child shares the memory")
    files: bool = option(False, "the child shares the descriptors")


@struct
class world:
    released: ghost[Annotated[int, upto(7)]]
    by_worker: ghost[Annotated[int, upto(7)]]
    sock: unix_sock
    file: ptr[file]
    ops: file_operations
    child: ptr[task_struct]
    mm: ptr[mm_struct]


the = static(world)


def release(filp: ptr[file]) -> None:
    with atomic():
        the.released += 1
        if current().kthread:
            the.by_worker += 1


def leaves() -> None:
    """The end of a task's files, without memory."""
    exit_files()
    exit_task_work()


def closes_then_leaves() -> None:
    sys_close(0)
    task_work_run()
    leaves()


def dups() -> None:
    fd = sys_dup(0)
    assert fd == 1, "the lowest free descriptor"
    assert sys_dup(2) < 0, "no such file"
    sys_close(0)
    task_work_run()
    assert the.released == 0, "a descriptor is left"
    sys_close(fd)
    task_work_run()
    assert the.released == 1, "the last descriptor is gone"
    leaves()


def opens() -> None:
    new = anon_inode_getfile(the.ops, NULL)
    fd = install_unused_fd(new, True)
    assert fd == 1, "the lowest free descriptor"
    get_file(new)
    fd_install(2, new)
    assert install_unused_fd(new, False) < 0, "the table is full"
    leaves()


def sends() -> None:
    unix_dgram_sendmsg(the.sock, 0)
    sys_close(0)
    task_work_run()
    leaves()


def receives() -> None:
    fd = unix_dgram_recvmsg(the.sock)
    assert fd == 0, "the table was empty"
    assert the.released == 0, "released in flight"
    filp = fget(fd)
    fput(filp)
    leaves()


def hangs_up() -> None:
    unix_release_sock(the.sock)
    leaves()


def kernel_thread_puts() -> None:
    fput(the.file)


def puts_too_late() -> None:
    """A task puts a file after its exit_task_work."""
    leaves()
    fput(the.file)


def puts_in_time() -> None:
    exit_files()
    fput(the.file)
    exit_task_work()


def one_released() -> bool:
    return the.released == 1


def two_released() -> bool:
    return the.released == 2


def the_worker_released_it() -> bool:
    return the.by_worker == 1


def run(
    functions: list[Callable[..., None]],
    *,
    with_table: tuple[bool, ...] = (True, True),
    kthread: bool = False,
    room: int = 0,
    settings: dict[str, Any] | None = None,
    extra: int = 0,
    reach: Callable[[], bool] | None = None,
    final: Callable[[], bool] = one_released,
) -> Explored:
    """Threads with a table each, the first of which has the file at 0."""

    @scenario(options=(Files,))
    def threads(s: Setup) -> None:
        the.ops.release = release
        filp = s.new(file, "file", f_op=the.ops)
        filp.f_count.counter = extra
        the.file = filp
        if room:
            s.pool(file, room)
        for i, function in enumerate(functions):
            files: Any = NULL
            if with_table[i]:
                files = s.new(files_struct, f"files{i}", max_fds=3)
                files.count.counter = 1
                if i == 0:
                    files.fd[0] = filp
                    filp.f_count.counter += 1
            task = s.static(task_struct, f"task{i}", files=files, kthread=kthread)
            s.thread(f"t{i}", function, task=task)
        if Files.delayed_fput:
            s.thread("kworker", delayed_fput, task=s.static(task_struct, "worker", kthread=True), daemon=True)
        if reach:
            s.reachable(reach)
        s.final(final)

    oracle = explore(build(threads, None, settings or {}))
    compiled, outcome = search_natively(build(threads, None, settings or {}))
    assert natively(compiled, outcome) == by_brute_force(oracle)
    return oracle


def test_dup_keeps_the_file() -> None:
    assert not run([dups]).kinds


def test_a_new_file_gets_the_lowest_descriptor() -> None:
    assert not run([opens], room=1, final=two_released).kinds


def test_a_descriptor_in_flight_holds_the_file() -> None:
    found = run([sends, receives])
    assert (found.kinds, found.bounds) == (set(), set())


def test_a_message_that_nobody_receives_is_dropped() -> None:
    found = run([sends, hangs_up])
    assert (found.kinds, found.bounds) == (set(), set())


def test_a_kernel_thread_leaves_the_release_to_a_worker() -> None:
    delayed: dict[str, Any] = {"delayed_fput": True}
    found = run(
        [kernel_thread_puts],
        with_table=(False,),
        kthread=True,
        extra=1,
        settings=delayed,
        final=the_worker_released_it,
    )
    assert (found.kinds, found.bounds) == (set(), set())
    found = run([puts_too_late], extra=1, settings=delayed, final=the_worker_released_it)
    assert (found.kinds, found.bounds) == (set(), set())
    found = run([puts_in_time], extra=1, settings=delayed, reach=the_worker_released_it)
    assert found.kinds == {"unreachable"}


def test_without_the_worker_such_a_put_is_a_bound() -> None:
    assert run([puts_too_late], extra=1).bounds == {"range"}


# -- fork and exec -----------------------------------------------------------------------------


def parent() -> None:
    flags = (CLONE_VM if Clone.vm else 0) | (CLONE_FILES if Clone.files else 0)
    copy_process(flags, the.child)
    if Clone.files:
        sys_close(0)
        task_work_run()
        assert fget(0) == NULL, "closed for both"
    do_exit()


def child() -> None:
    ret_from_fork()
    filp = fget(0)
    if filp:
        assert the.released == 0, "released under a reference"
        fput(filp)
        task_work_run()
    else:
        assert Clone.files, "the child's own copy is closed"
    do_exit()


def forker_of_a_sibling() -> None:
    """Shares everything with the child, then execs: the child keeps the old table and memory."""
    copy_process(CLONE_VM | CLONE_FILES, the.child)
    do_execve(mm_alloc())
    assert current().files.count.counter == 1, "exec has a table of its own"
    assert current().mm != the.mm, "exec has memory of its own"
    task_work_run()
    do_exit()


def execs() -> None:
    do_execve(mm_alloc())
    assert current().files.fd[0] == NULL, "closed on exec"
    task_work_run()
    assert the.released == 1, "and released on the way to user space"
    do_exit()


def kills_the_others() -> None:
    do_execve(mm_alloc())
    assert current().signal.nr_threads == 1, "alone"
    task_work_run()
    do_exit()


def is_killed() -> None:
    while not signal_pending(current()):
        pass
    do_exit()


def family(
    first: Callable[..., None],
    second: Callable[..., None] | None,
    *,
    group: bool = False,
    settings: dict[str, Any] | None = None,
) -> Explored:
    """A task with the file, closed on exec, and a child or a sibling thread."""

    @scenario(options=(Clone, Mm))
    def threads(s: Setup) -> None:
        the.ops.release = release
        mm = s.new(mm_struct, "mm")
        mm.mm_users.counter = 2 if group else 1
        mm.mm_count.counter = 1
        the.mm = mm
        files = s.new(files_struct, "files", max_fds=1)
        files.count.counter = 2 if group else 1
        files.fd[0] = s.new(file, "file", f_op=the.ops)
        files.fd[0].f_count.counter = 1
        files.close_on_exec[0] = True
        signal = s.static(signal_struct, "signal", nr_threads=2) if group else NULL
        s.pool(mm_struct, 2)
        s.pool(files_struct, 2)
        task = s.static(task_struct, "task0", mm=mm, active_mm=mm, files=files, signal=signal)
        s.thread("t0", first, task=task)
        if second:
            if group:
                other = s.static(task_struct, "task1", mm=mm, active_mm=mm, files=files, signal=signal)
            else:
                other = s.static(task_struct, "task1")
                the.child = other
            s.thread("t1", second, task=other)
        s.final(one_released)

    oracle = explore(build(threads, None, settings or {}))
    compiled, outcome = search_natively(build(threads, None, settings or {}))
    assert natively(compiled, outcome) == by_brute_force(oracle)
    return oracle


@pytest.mark.parametrize("vm", [False, True])
@pytest.mark.parametrize("files", [False, True])
def test_fork(vm: bool, files: bool) -> None:
    found = family(parent, child, settings={"vm": vm, "files": files})
    assert (found.kinds, found.bounds) == (set(), set())


def test_exec_closes_what_must_not_stay() -> None:
    found = family(execs, None)
    assert (found.kinds, found.bounds) == (set(), set())


def test_exec_leaves_what_another_process_shares() -> None:
    found = family(forker_of_a_sibling, child)
    assert (found.kinds, found.bounds) == (set(), set())


def test_exec_waits_for_the_other_threads() -> None:
    found = family(kills_the_others, is_killed, group=True)
    assert (found.kinds, found.bounds) == (set(), set())


def test_signals() -> None:
    def interrupted() -> None:
        assert not signal_pending(current()), "nobody sent one"
        send_sig(current())
        assert signal_pending(current()), "sent"
        flush_signals(current())
        assert not signal_pending(current()), "seen to"
        exit_notify()

    @scenario()
    def threads(s: Setup) -> None:
        s.thread("t", interrupted, task=s.static(task_struct, "task"))

    assert not explore(build(threads, None, {})).kinds
