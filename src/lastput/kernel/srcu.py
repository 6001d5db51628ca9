"""Sleepable RCU (Linux 4.12, include/linux/srcu.h, kernel/rcu/srcutree.c), by its contract.

A read section is a bit of the reading thread. A grace period begins with a note of who is inside,
and ends when each of them has left once; a reader that enters later is not waited for. The kernel
sometimes waits longer (it counts readers per bank, and joins grace periods); it never may rely on
that, so the shortest grace period that the contract allows is the one to check against.

`srcu_read_lock` returns no index: the index names a bank of counters, which are abstracted away.
"""

from __future__ import annotations

from lastput.kernel.preempt import might_sleep
from lastput.lang import array, atomic, await_, holder, holders, length, ptr, struct, this_thread, violation

GRACE_PERIODS = 2
"""How many tasks may wait in one domain at a time; one more ends the path as incomplete."""


@struct
class srcu_struct:
    readers: holders
    nested: holders
    """Readers that are inside twice."""
    waiter: array[holder] = length(GRACE_PERIODS)
    waits_for: array[holders] = length(GRACE_PERIODS)
    """Of the readers that were inside when `waiter` began to wait: those that have not left since."""


def srcu_read_lock(ssp: ptr[srcu_struct]) -> None:
    """Enter a read section of `ssp`; sections nest, twice at most in the model."""
    me = 1 << this_thread()
    with atomic():
        if ssp.readers & me:
            if ssp.nested & me:
                violation("range", "srcu_read_lock nested three deep")
            ssp.nested |= me
        ssp.readers |= me


def srcu_read_unlock(ssp: ptr[srcu_struct]) -> None:
    """Leave the innermost read section; leaving the outermost counts for every grace period under way."""
    me = 1 << this_thread()
    with atomic():
        if ssp.readers & me == 0:
            violation("rcu-misuse", "srcu_read_unlock outside of a read section")
        if ssp.nested & me:
            ssp.nested &= ~me
        else:
            ssp.readers &= ~me
            for i in range(GRACE_PERIODS):
                ssp.waits_for[i] &= ~me


def synchronize_srcu(ssp: ptr[srcu_struct]) -> None:
    """Wait for every read section that is open now. May sleep."""
    might_sleep()
    slot = -1
    with atomic():
        inside = ssp.readers
        if inside & (1 << this_thread()):
            violation("rcu-misuse", "synchronize_srcu inside a read section of the same domain")
        if inside:
            for i in range(GRACE_PERIODS):
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


def cleanup_srcu_struct(ssp: ptr[srcu_struct]) -> None:
    """The domain goes away: a reader or a grace period left in it is a violation."""
    with atomic():
        busy = ssp.readers != 0
        for i in range(GRACE_PERIODS):
            if ssp.waiter[i] != 0:
                busy = True
        if busy:
            violation("rcu-misuse", "cleanup_srcu_struct: the domain is in use")
