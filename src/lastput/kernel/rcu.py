"""RCU (Linux 4.12, include/linux/rcupdate.h, kernel/rcu/tree.c, tree_plugin.h), by its contract.

A read section is a bit of the reading thread, and does not switch preemption off (PREEMPT_RCU): a
function that may sleep is a violation inside of it all the same. A grace period waits for the sections
that were open when it began, as in `srcu`, and for no later one. Sections of spinlocks and of disabled
interrupts are not read sections: that is so in 4.12, and code that relies on them says
rcu_read_lock_sched there, which is not modelled.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.fs_types import callback_head
from lastput.kernel.preempt import might_sleep, preempt_disable, preempt_enable
from lastput.kernel.rcu_segcblist import barrier, enqueue, invoke, take
from lastput.kernel.sched import current
from lastput.kernel.srcu import srcu_struct, wait_for_readers
from lastput.lang import atomic, ptr, roles, static, this_thread, violation

rcu_state = static(srcu_struct)
"""The one domain. `nested` is not used: how deep a task is inside is known to the task alone."""


def rcu_read_lock() -> None:
    """Enter a read section; only entering the outermost is a step.

    Source: Linux 4.12, kernel/rcu/tree_plugin.h: __rcu_read_lock.
    """
    task = current()
    if task.rcu_read_lock_nesting == 0:
        with atomic():
            rcu_state.readers |= 1 << this_thread()
    task.rcu_read_lock_nesting += 1


def rcu_read_unlock() -> None:
    """Leave the innermost read section; leaving the outermost counts for every grace period under way.

    Source: Linux 4.12, kernel/rcu/tree_plugin.h: __rcu_read_unlock.
    """
    task = current()
    if task.rcu_read_lock_nesting == 0:
        violation("rcu-misuse", "rcu_read_unlock outside of a read section")
    if task.rcu_read_lock_nesting == 1:
        with atomic():
            me = ~(1 << this_thread())
            rcu_state.readers &= me
            for i in range(len(rcu_state.waits_for)):
                rcu_state.waits_for[i] &= me
    task.rcu_read_lock_nesting -= 1


def rcu_read_lock_held() -> bool:
    """Whether the running task is inside a read section.

    Source: Linux 4.12, kernel/rcu/update.c.
    """
    return current().rcu_read_lock_nesting != 0


def synchronize_rcu() -> None:
    """Wait for every read section that is open now. May sleep.

    Source: Linux 4.12, kernel/rcu/tree_plugin.h.
    """
    might_sleep()
    wait_for_readers(rcu_state)


def call_rcu(head: ptr[callback_head], func: Callable[[ptr[callback_head]], None]) -> None:
    """Have `func` called, some time after every read section that is open now.

    Source: Linux 4.12, kernel/rcu/tree_plugin.h.
    """
    head.func = func
    enqueue(rcu_state.callbacks, head)


def rcu_callbacks() -> None:
    """Body of a daemon thread that runs callbacks when they are due, in a context that may not sleep.

    Source: Linux 4.12, kernel/rcu/tree.c: rcu_process_callbacks.
    """
    while True:
        slot = take(rcu_state.callbacks)
        wait_for_readers(rcu_state)
        preempt_disable()
        invoke(rcu_state.callbacks, slot)
        preempt_enable()


def rcu_barrier() -> None:
    """Wait until every callback that was queued before is done. May sleep.

    Source: Linux 4.12, kernel/rcu/tree_plugin.h.
    """
    might_sleep()
    barrier(rcu_state.callbacks)


roles.read_section(rcu_read_lock, rcu_read_unlock)
roles.grace_period(synchronize_rcu)
roles.deferral(call_rcu)
roles.wait(rcu_barrier)
