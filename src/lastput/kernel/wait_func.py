"""Wait queues whose entries are functions (Linux 4.12, include/linux/wait.h, kernel/sched/wait.c).

Who waits is no task here but a callback, which the waker runs itself: under the queue's lock, with
interrupts off. Interrupts are not modelled; the lock makes the context atomic. Tasks that sleep on a queue
are in wait.py; a queue of both kinds is left out, and so are exclusive entries: every entry is called.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.list import list_add, list_del, list_empty, list_head
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.spinlock import lockdep_assert_held, spin_lock, spin_unlock
from lastput.lang import const, container_of, ptr, struct

POLLIN = 0x01
POLLHUP = 0x10


@struct
class wait_queue_t:
    """An entry. The set-up writes its function, and so does init_waitqueue_func_entry in the kernel."""

    func: const[Callable[[ptr[wait_queue_t], int], None]]
    task_list: list_head


@struct
class wait_queue_func_head:
    """wait_queue_head_t."""

    lock: spinlock_t
    task_list: list_head


def wait_entry(node: ptr[list_head]) -> ptr[wait_queue_t]:
    """The entry that embeds a list node."""
    return container_of(node, wait_queue_t, lambda w: w.task_list)


def add_wait_queue(q: ptr[wait_queue_func_head], wait: ptr[wait_queue_t]) -> None:
    """Have `wait` called on every wake-up from now on.

    Source: Linux 4.12, kernel/sched/wait.c.
    """
    spin_lock(q.lock)
    list_add(wait.task_list, q.task_list)
    spin_unlock(q.lock)


def __remove_wait_queue(q: ptr[wait_queue_func_head], wait: ptr[wait_queue_t]) -> None:
    """The entry is called no more. Holds the lock.

    Source: Linux 4.12, include/linux/wait.h.
    """
    lockdep_assert_held(q.lock)
    list_del(wait.task_list)


def __wake_up_common(q: ptr[wait_queue_func_head], key: int) -> None:
    """Call every entry. Holds the lock.

    Source: Linux 4.12, kernel/sched/wait.c.
    """
    node = q.task_list.next
    while node != q.task_list:
        next = node.next
        curr = wait_entry(node)
        curr.func(curr, key)
        node = next


def wake_up_poll(q: ptr[wait_queue_func_head], key: int) -> None:
    """The file has become ready as `key` says, or goes away (POLLHUP).

    Source: Linux 4.12, include/linux/wait.h.
    """
    spin_lock(q.lock)
    __wake_up_common(q, key)
    spin_unlock(q.lock)


def wake_up_locked_poll(q: ptr[wait_queue_func_head], key: int) -> None:
    """The same for a caller that holds the lock.

    Source: Linux 4.12, include/linux/wait.h.
    """
    lockdep_assert_held(q.lock)
    __wake_up_common(q, key)


def func_waitqueue_active(q: ptr[wait_queue_func_head]) -> bool:
    """Whether there is any entry.

    Source: Linux 4.12, include/linux/wait.h: waitqueue_active.
    """
    return not list_empty(q.task_list)
