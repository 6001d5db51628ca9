"""Atomic context (Linux 4.12, include/linux/preempt.h, kernel.h).

Interrupts are not modelled, so context is the number of spinlocks held.
"""

from __future__ import annotations

from lastput.kernel.sched import current
from lastput.lang import violation


def preempt_disable() -> None:
    """Enter an atomic context; contexts nest.

    Source: Linux 4.12, include/linux/preempt.h.
    """
    current().preempt_count += 1


def preempt_enable() -> None:
    """Leave the innermost atomic context. No switch to another task is due here: any step may be one.

    Source: Linux 4.12, include/linux/preempt.h.
    """
    current().preempt_count -= 1


def might_sleep() -> None:
    """Marks a function that may sleep; a violation when a spinlock is held, or inside of rcu_read_lock.

    Source: Linux 4.12, include/linux/kernel.h, kernel/sched/core.c: ___might_sleep.
    """
    task = current()
    if task.rcu_read_lock_nesting != 0:
        violation("rcu-misuse", "Illegal context switch in RCU read-side critical section")
    if task.preempt_count != 0 or task.non_block_count != 0:
        violation("sleep-in-atomic", "sleeping function called from invalid context")
