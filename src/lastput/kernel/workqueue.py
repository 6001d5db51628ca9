"""Workqueues (Linux 4.12, include/linux/workqueue.h, kernel/workqueue.c).

A worker is a daemon thread: one of them makes an ordered queue, two run two works at a time. A work is
queued once at most; it may be queued again while it runs, but never runs twice at a time. The worker
does not touch a work once its function has begun, so the function may free it.

Delayed works, drain and destroy are left out: no model uses them. Which worker is next is left open.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.preempt import might_sleep
from lastput.lang import (
    NULL,
    array,
    atomic,
    await_,
    const,
    holder,
    holders,
    length,
    ptr,
    roles,
    struct,
    this_thread,
    violation,
)

WORKS = 3
"""Works of one queue that may be pending at a time; one more ends the path as incomplete."""
WORKERS = 2
"""Workers of one queue."""


@struct
class work_struct:
    func: const[Callable[[ptr[work_struct]], None]]
    pending: bool
    """WORK_STRUCT_PENDING: queued, or about to be cancelled."""
    wq: ptr[workqueue_struct]
    """Where it was queued last."""


@struct
class workqueue_struct:
    worklist: array[ptr[work_struct]] = length(WORKS)
    """In order; NULL from the end on."""
    flushers: array[holders] = length(WORKS)
    """Tasks that wait for the pending work, until it has run."""
    worker: array[holder] = length(WORKERS)
    """Who runs `current_work`; 0 for nobody."""
    current_work: array[ptr[work_struct]] = length(WORKERS)
    current_flushers: array[holders] = length(WORKERS)


def queue_work(wq: ptr[workqueue_struct], work: ptr[work_struct]) -> bool:
    """Queue `work` unless it is pending; says whether it did.

    Source: Linux 4.12, kernel/workqueue.c: queue_work_on.
    """
    with atomic():
        if work.pending:
            return False
        work.pending = True
        work.wq = wq
        slot = 0
        while slot < WORKS and wq.worklist[slot] != NULL:
            slot += 1
        if slot == WORKS:
            violation("range", "more pending works than the model has room for")
        wq.worklist[slot] = work
        return True


def running(wq: ptr[workqueue_struct], work: ptr[work_struct]) -> int:
    """The worker that runs `work`, by its number; -1 if none does."""
    for i in range(WORKERS):
        if wq.worker[i] != 0 and wq.current_work[i] == work:
            return i
    return -1


def pending(wq: ptr[workqueue_struct], work: ptr[work_struct]) -> int:
    """The place of `work` in the list; -1 if it is not there."""
    for i in range(WORKS):
        if wq.worklist[i] == work:
            return i
    return -1


def runnable(wq: ptr[workqueue_struct]) -> int:
    """The place of the first work that no worker runs already; -1 if there is none."""
    for i in range(WORKS):
        if wq.worklist[i] != NULL and running(wq, wq.worklist[i]) < 0:
            return i
    return -1


def dequeue(wq: ptr[workqueue_struct], place: int) -> None:
    """Close the gap that the work at `place` leaves."""
    for i in range(WORKS - 1):
        if i >= place:
            wq.worklist[i] = wq.worklist[i + 1]
            wq.flushers[i] = wq.flushers[i + 1]
    wq.worklist[WORKS - 1] = NULL
    wq.flushers[WORKS - 1] = 0


def workqueue_idle(wq: ptr[workqueue_struct]) -> bool:
    """Nothing is pending, nothing runs."""
    idle = not wq.worklist[0]
    for i in range(WORKERS):
        if wq.worker[i] != 0:
            idle = False
    return idle


def idle_worker(wq: ptr[workqueue_struct]) -> int:
    """The number of a worker that runs nothing; there must be one."""
    me = 0
    while me < WORKERS and wq.worker[me] != 0:
        me += 1
    if me == WORKERS:
        violation("range", "more workers than the model has room for")
    return me


def worker(wq: ptr[workqueue_struct]) -> None:
    """Body of a worker, a daemon thread.

    Source: Linux 4.12, kernel/workqueue.c: worker_thread.
    """
    while True:
        process_one_work(wq)


def process_one_work(wq: ptr[workqueue_struct]) -> None:
    """Take the first work that may run, and run it.

    Source: Linux 4.12, kernel/workqueue.c.
    """
    with atomic():
        await_(lambda: runnable(wq) >= 0)
        place = runnable(wq)
        me = idle_worker(wq)
        work = wq.worklist[place]
        wq.worker[me] = this_thread() + 1
        wq.current_work[me] = work
        wq.current_flushers[me] = wq.flushers[place]
        dequeue(wq, place)
        work.pending = False
    work.func(work)
    with atomic():
        wq.worker[me] = 0
        wq.current_work[me] = NULL
        wq.current_flushers[me] = 0


def waits(wq: ptr[workqueue_struct]) -> bool:
    """Whether the running task waits for a work of `wq`."""
    who = 0
    for i in range(WORKS):
        who |= wq.flushers[i]
    for i in range(WORKERS):
        who |= wq.current_flushers[i]
    return (who >> this_thread()) & 1 == 1


def workers(wq: ptr[workqueue_struct]) -> int:
    """The tasks that run a work, as a mask."""
    who = 0
    for i in range(WORKERS):
        who |= (1 << wq.worker[i]) >> 1
    return who


def wait_for_running(wq: ptr[workqueue_struct], work: ptr[work_struct]) -> None:
    """Register with the worker that runs `work`, if one does; a worker cannot wait for itself."""
    me = running(wq, work)
    if me >= 0:
        if wq.worker[me] == this_thread() + 1:
            violation("lock-recursion", "a work waits for itself")
        wq.current_flushers[me] |= 1 << this_thread()


def flush_work(work: ptr[work_struct]) -> bool:
    """Wait until `work` has run as often as it was queued so far; false if it was idle. May sleep.

    Not for being queued again after this began.

    Source: Linux 4.12, kernel/workqueue.c.
    """
    might_sleep()
    wq = work.wq
    if not wq:
        return False
    with atomic():
        place = pending(wq, work)
        if place >= 0:
            wq.flushers[place] |= 1 << this_thread()
        else:
            wait_for_running(wq, work)
        busy = waits(wq)
    if busy:
        await_(lambda: not waits(wq), holders=lambda: workers(wq))
    return busy


def flush_workqueue(wq: ptr[workqueue_struct]) -> None:
    """Wait for everything that is pending or running now. May sleep.

    Source: Linux 4.12, kernel/workqueue.c.
    """
    might_sleep()
    with atomic():
        for i in range(WORKS):
            if wq.worklist[i] != NULL:
                wq.flushers[i] |= 1 << this_thread()
        for i in range(WORKERS):
            if wq.worker[i] == this_thread() + 1:
                violation("lock-recursion", "a work waits for its own queue")
            if wq.worker[i] != 0:
                wq.current_flushers[i] |= 1 << this_thread()
    await_(lambda: not waits(wq), holders=lambda: workers(wq))


def cancel_work_sync(work: ptr[work_struct]) -> bool:
    """Take `work` off its queue, and wait until it does not run; says whether it was pending. May sleep.

    It cannot be queued again, by its own function say, before this returns.

    Source: Linux 4.12, kernel/workqueue.c.
    """
    might_sleep()
    with atomic():  # grabs WORK_STRUCT_PENDING; another cancellation that has it comes first
        await_(lambda: not work.pending or pending(work.wq, work) >= 0)
        wq = work.wq
        was_pending = work.pending
        if was_pending:
            dequeue(wq, pending(wq, work))
        work.pending = True
        if wq:
            wait_for_running(wq, work)
    if wq:
        await_(lambda: not waits(wq), holders=lambda: workers(wq))
    work.pending = False
    return was_pending


roles.wait(flush_work, flush_workqueue, cancel_work_sync)
roles.primitive(queue_work, runnable, idle_worker, dequeue)
