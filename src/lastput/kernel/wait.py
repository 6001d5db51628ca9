"""Wait queues (Linux 4.12, include/linux/wait.h, kernel/sched/wait.c).

A condition that somebody waits for is tested by the waiter, each time it is woken:

    while busy(dev):                     # wait_event(dev.wait, not busy(dev))
        prepare_to_wait(dev.wait)
        if not busy(dev):
            break
        schedule_wait(dev.wait)
    finish_wait(dev.wait)

A condition that changes without wake_up leaves the waiter asleep, as in the kernel. Where a lost wakeup
is not the question, one `await_` of the condition does. Exclusive waiters are left out: all are woken.
"""

from __future__ import annotations

from lastput.kernel.preempt import might_sleep
from lastput.lang import atomic, await_, holders, ptr, struct, this_thread


@struct
class wait_queue_head_t:
    asleep: holders
    """Tasks on the queue that nobody has woken: about to sleep, or asleep."""


def prepare_to_wait(wq_head: ptr[wait_queue_head_t]) -> None:
    """Get on the queue, before the condition is tested for the last time.

    Source: Linux 4.12, kernel/sched/wait.c.
    """
    with atomic():
        wq_head.asleep |= 1 << this_thread()


def schedule_wait(wq_head: ptr[wait_queue_head_t]) -> None:
    """Sleep until woken; not at all if that has happened since prepare_to_wait.

    Source: Linux 4.12, kernel/sched/core.c: schedule.
    """
    might_sleep()
    await_(lambda: (wq_head.asleep >> this_thread()) & 1 == 0)


def finish_wait(wq_head: ptr[wait_queue_head_t]) -> None:
    """Get off the queue.

    Source: Linux 4.12, kernel/sched/wait.c.
    """
    with atomic():
        wq_head.asleep &= ~(1 << this_thread())


def wake_up(wq_head: ptr[wait_queue_head_t]) -> None:
    """Wake everybody on the queue.

    Source: Linux 4.12, include/linux/wait.h.
    """
    wq_head.asleep = 0


def waitqueue_active(wq_head: ptr[wait_queue_head_t]) -> bool:
    """Whether anybody is on the queue.

    Source: Linux 4.12, include/linux/wait.h.
    """
    return wq_head.asleep != 0
