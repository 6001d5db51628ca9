"""A writer waits for readers who never stop coming: until there is none, or until those inside have left.

To wait for a moment without any reader (`broken`) may take for ever: there may be none, where two readers
take turns. A grace period (`fixed`) waits for the readers that were inside when it began, and for no others:
each of them leaves at some time, and the wait ends.

    lastput check examples/srcu_writer.py
"""

from __future__ import annotations

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from lastput.lang import Setup, await_, option, options, scenario, static, struct


@options
class Wait:
    grace_period: bool = option(
        False, "the writer waits for a grace period, not for a moment without readers"
    )
    readers: int = option(2, "tasks that read again and again", low=1, high=2)


@struct
class shared:
    lock: spinlock_t
    """Taken to change `readers`."""
    readers: int
    srcu: srcu_struct


data = static(shared)


def count(change: int) -> None:
    spin_lock(data.lock)
    data.readers += change
    spin_unlock(data.lock)


def read_again_and_again() -> None:
    while True:
        if Wait.grace_period:
            srcu_read_lock(data.srcu)
            srcu_read_unlock(data.srcu)
        else:
            count(1)
            count(-1)


def write() -> None:
    if Wait.grace_period:
        synchronize_srcu(data.srcu)
    else:
        await_(lambda: data.readers == 0)


@scenario(options=(Wait,), variants={"broken": {}, "fixed": {"grace_period": True}})
def write_beside_readers(s: Setup) -> None:
    """A writer waits for readers who come again and again."""
    for i in range(Wait.readers):
        s.thread(f"reader{i}", read_again_and_again, task=s.static(task_struct), daemon=True)
    s.thread("writer", write, task=s.static(task_struct))
    s.finishes("writer")
