"""Sleepable RCU (Linux 4.12, include/linux/srcu.h, kernel/rcu/srcutree.c), by its contract.

A read section is a bit of the reading thread. A grace period begins with a note of who is inside,
and ends when each of them has left once; a reader that enters later is not waited for. The kernel
sometimes waits longer (it counts readers per bank, and joins grace periods); it never may rely on
that, so the shortest grace period that the contract allows is the one to check against.

`srcu_read_lock` returns no index: the index names a bank of counters, which are abstracted away.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.fs_types import callback_head
from lastput.kernel.preempt import might_sleep, preempt_disable, preempt_enable
from lastput.kernel.rcu_segcblist import barrier, busy, enqueue, invoke, rcu_segcblist, take
from lastput.lang import (
    array,
    atomic,
    await_,
    holder,
    holders,
    length,
    option,
    options,
    ptr,
    roles,
    struct,
    this_thread,
    violation,
)


@options
class Srcu:
    """Sizes of an SRCU domain."""

    grace_periods: int = option(
        2, "tasks that may wait in one domain at a time; one more ends the path as incomplete", low=2, high=64
    )


@struct
class srcu_struct:
    readers: holders
    nested: holders
    """Readers that are inside twice."""
    waiter: array[holder] = length(lambda: Srcu.grace_periods)
    waits_for: array[holders] = length(lambda: Srcu.grace_periods)
    """Of the readers that were inside when `waiter` began to wait: those that have not left since."""
    callbacks: rcu_segcblist


def srcu_read_lock(ssp: ptr[srcu_struct]) -> None:
    """Enter a read section of `ssp`; sections nest, twice at most in the model.

    Source: Linux 4.12, include/linux/srcu.h.
    """
    me = 1 << this_thread()
    with atomic():
        if ssp.readers & me:
            if ssp.nested & me:
                violation("range", "srcu_read_lock nested three deep")
            ssp.nested |= me
        ssp.readers |= me


def srcu_read_unlock(ssp: ptr[srcu_struct]) -> None:
    """Leave the innermost read section; leaving the outermost counts for every grace period under way.

    Source: Linux 4.12, include/linux/srcu.h.
    """
    me = 1 << this_thread()
    with atomic():
        if ssp.readers & me == 0:
            violation("rcu-misuse", "srcu_read_unlock outside of a read section")
        if ssp.nested & me:
            ssp.nested &= ~me
        else:
            ssp.readers &= ~me
            for i in range(Srcu.grace_periods):
                ssp.waits_for[i] &= ~me


def wait_for_readers(ssp: ptr[srcu_struct]) -> None:
    """A grace period, of SRCU or RCU."""
    slot = -1
    with atomic():
        inside = ssp.readers
        if inside & (1 << this_thread()):
            violation("rcu-misuse", "waiting for a grace period inside a read section of the same domain")
        if inside:
            for i in range(Srcu.grace_periods):
                if slot < 0 and ssp.waiter[i] == 0:
                    slot = i
            if slot < 0:
                violation("range", "more grace periods at a time than the model has room for")
            ssp.waiter[slot] = this_thread() + 1
            ssp.waits_for[slot] = inside
    if slot >= 0:
        with atomic():
            await_(lambda: ssp.waits_for[slot] == 0, holders=lambda: ssp.waits_for[slot])
            ssp.waiter[slot] = 0


def synchronize_srcu(ssp: ptr[srcu_struct]) -> None:
    """Wait for every read section that is open now. May sleep.

    Source: Linux 4.12, kernel/rcu/srcutree.c.
    """
    might_sleep()
    wait_for_readers(ssp)


def synchronize_srcu_expedited(ssp: ptr[srcu_struct]) -> None:
    """The same in a hurry.

    Source: Linux 4.12, kernel/rcu/srcutree.c.
    """
    might_sleep()
    wait_for_readers(ssp)


def call_srcu(
    ssp: ptr[srcu_struct], head: ptr[callback_head], func: Callable[[ptr[callback_head]], None]
) -> None:
    """Have `func` called, some time after every read section of `ssp` that is open now.

    Source: Linux 4.12, kernel/rcu/srcutree.c.
    """
    head.func = func
    enqueue(ssp.callbacks, head)


def srcu_callbacks(ssp: ptr[srcu_struct]) -> None:
    """Body of a daemon thread that runs callbacks when they are due; bottom halves are off for each.

    Source: Linux 4.12, kernel/rcu/srcutree.c: srcu_invoke_callbacks.
    """
    while True:
        slot = take(ssp.callbacks)
        wait_for_readers(ssp)
        preempt_disable()
        invoke(ssp.callbacks, slot)
        preempt_enable()


def srcu_barrier(ssp: ptr[srcu_struct]) -> None:
    """Wait until every callback that was queued before is done. May sleep.

    Source: Linux 4.12, kernel/rcu/srcutree.c.
    """
    might_sleep()
    barrier(ssp.callbacks)


def cleanup_srcu_struct(ssp: ptr[srcu_struct]) -> None:
    """The domain goes away: a reader, a grace period or a callback left in it is a violation.

    Source: Linux 4.12, kernel/rcu/srcutree.c.
    """
    with atomic():
        in_use = ssp.readers != 0 or busy(ssp.callbacks)
        for i in range(Srcu.grace_periods):
            if ssp.waiter[i] != 0:
                in_use = True
        if in_use:
            violation("rcu-misuse", "cleanup_srcu_struct: the domain is in use")


roles.read_section(srcu_read_lock, srcu_read_unlock)
roles.grace_period(synchronize_srcu)
roles.grace_period(synchronize_srcu_expedited)
roles.deferral(call_srcu)
roles.wait(srcu_barrier)
roles.primitive(cleanup_srcu_struct)
