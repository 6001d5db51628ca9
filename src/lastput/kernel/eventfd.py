"""eventfd (Linux 4.12, fs/eventfd.c): a counter behind a file, and what hangs on it.

The file holds one reference to the context, and so does every kernel user. The last put of the file tells
those on the wait queue that it goes (POLLHUP), and lets go of the file's reference; the others keep the
context, but not the file. read(2) and write(2), and who sleeps in them, are left out: a device signals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from lastput.kernel.file import fget, fput
from lastput.kernel.fs_types import file
from lastput.kernel.list import INIT_LIST_HEAD
from lastput.kernel.refcount import refcount_dec_and_test, refcount_inc, refcount_t
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.wait_func import (
    POLLHUP,
    POLLIN,
    __remove_wait_queue,
    func_waitqueue_active,
    wait_queue_func_head,
    wait_queue_t,
    wake_up_locked_poll,
    wake_up_poll,
)
from lastput.lang import NULL, kfree, ptr, reinterpret, roles, struct, upto


@struct
class eventfd_ctx:
    kref: refcount_t
    wqh: wait_queue_func_head
    count: Annotated[int, upto(3)]
    """Under wqh.lock."""


@struct
class poll_table:
    """What a poll does with the wait queue that it is shown."""

    _qproc: Callable[[ptr[file], ptr[wait_queue_func_head], ptr[poll_table]], None]


def eventfd_init(ctx: ptr[eventfd_ctx], references: int) -> None:
    """What eventfd_file_create leaves; `references` are the file's and those of the set-up's others."""
    ctx.kref.refs.counter = references
    INIT_LIST_HEAD(ctx.wqh.task_list)


def file_eventfd(filp: ptr[file]) -> ptr[eventfd_ctx]:
    """The context behind an eventfd."""
    return reinterpret(eventfd_ctx, filp.private_data)


def eventfd_ctx_get(ctx: ptr[eventfd_ctx]) -> None:
    """One more reference.

    Source: Linux 4.12, fs/eventfd.c.
    """
    refcount_inc(ctx.kref)


def eventfd_ctx_put(ctx: ptr[eventfd_ctx]) -> None:
    """Drop a reference; the last one frees the context, whoever is on its queue.

    Source: Linux 4.12, fs/eventfd.c.
    """
    if refcount_dec_and_test(ctx.kref):
        kfree(ctx)


def eventfd_release(filp: ptr[file]) -> None:
    """The last put of the file.

    Source: Linux 4.12, fs/eventfd.c.
    """
    ctx = file_eventfd(filp)
    wake_up_poll(ctx.wqh, POLLHUP)
    eventfd_ctx_put(ctx)


def eventfd_ctx_fileget(filp: ptr[file]) -> ptr[eventfd_ctx]:
    """The context of a file that the caller holds, with a reference. Every file here is an eventfd.

    Source: Linux 4.12, fs/eventfd.c.
    """
    ctx = file_eventfd(filp)
    eventfd_ctx_get(ctx)
    return ctx


def eventfd_ctx_fdget(fd: int) -> ptr[eventfd_ctx]:
    """The context behind a descriptor, with a reference; NULL (-EBADF) if there is none.

    Source: Linux 4.12, fs/eventfd.c.
    """
    filp = fget(fd)
    if not filp:
        missing: ptr[eventfd_ctx] = NULL
        return missing
    ctx = eventfd_ctx_fileget(filp)
    fput(filp)
    return ctx


def eventfd_poll(filp: ptr[file], pt: ptr[poll_table]) -> int:
    """Show `pt` the queue, then look at the counter: an event in between is seen twice, never missed.

    Source: Linux 4.12, fs/eventfd.c.
    """
    ctx = file_eventfd(filp)
    pt._qproc(filp, ctx.wqh, pt)
    return POLLIN if ctx.count > 0 else 0


def eventfd_signal(ctx: ptr[eventfd_ctx], n: int) -> None:
    """Add to the counter, and call who waits; any context. The caller holds a reference.

    Source: Linux 4.12, fs/eventfd.c.
    """
    spin_lock(ctx.wqh.lock)
    ctx.count += n
    if func_waitqueue_active(ctx.wqh):
        wake_up_locked_poll(ctx.wqh, POLLIN)
    spin_unlock(ctx.wqh.lock)


def eventfd_ctx_remove_wait_queue(ctx: ptr[eventfd_ctx], wait: ptr[wait_queue_t]) -> int:
    """Take an entry off the queue, and the counter with it: no event is lost between the two.

    Source: Linux 4.12, fs/eventfd.c.
    """
    spin_lock(ctx.wqh.lock)
    cnt = ctx.count
    ctx.count = 0
    __remove_wait_queue(ctx.wqh, wait)
    spin_unlock(ctx.wqh.lock)
    return cnt


roles.reference(eventfd_ctx_get, eventfd_ctx_put)
