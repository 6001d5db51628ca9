"""A small model in which all happens that a page shows, and the schedule that shows it.

A writer publishes an item, a reader finds it inside a read section, the writer frees it without waiting,
the reader looks at it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lastput.evidence.scene import pictured
from lastput.evidence.trace import violation_of
from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_t
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct
from lastput.lang import NULL, Setup, kfree, kzalloc, ptr, scenario, static, struct, u8
from lastput.lang.world import World
from lastput.result import Counts, Result, Seconds, Thread, Violation
from lastput.simulate.setup import build


@struct
class item:
    refs: atomic_t
    data: u8


@struct
class shelf_t:
    lock: spinlock_t
    first: ptr[item]
    srcu: srcu_struct


shelf = static(shelf_t)


def publish(new: ptr[item]) -> None:
    spin_lock(shelf.lock)
    shelf.first = new
    spin_unlock(shelf.lock)


def writer() -> None:
    new = kzalloc(item)
    new.data = 7
    atomic_inc_first(new)
    publish(new)
    shelf.first = NULL
    if atomic_dec_and_test(new.refs):
        kfree(new)


def atomic_inc_first(new: ptr[item]) -> None:
    new.refs.counter = 1


def reader() -> None:
    srcu_read_lock(shelf.srcu)
    found = shelf.first
    if found:
        atomic_inc(found.refs)
    srcu_read_unlock(shelf.srcu)


@scenario()
def publish_and_free(s: Setup) -> None:
    """An item is freed while somebody looks at it."""
    s.pool(item, 1)
    s.thread("writer", writer, task=s.static(task_struct, "task0"))
    s.thread("reader", reader, task=s.static(task_struct, "task1"))


SCHEDULE = ((0, 0),) * 6 + ((1, 0),) * 2 + ((0, 0),) * 3 + ((1, 0),)
"""Six steps of the writer, two of the reader, the writer's last three, and the reader's last one."""


def world() -> World:
    return build(publish_and_free, None, {})


def violation() -> Violation:
    """The use after free, with its scene."""
    made = world()
    found = violation_of(made, SCHEDULE, "use-after-free")
    assert found is not None
    return pictured(made, found)


def result(found: Violation | None, **changes: Any) -> Result:
    return replace(
        Result(
            scenario="publish_and_free",
            title="An item is freed while somebody looks at it.",
            variant="default",
            verdict="violated",
            threads=(Thread("writer"), Thread("reader")),
            counts=Counts(40, 60, 12),
            seconds=Seconds(1, 1, 2),
            violation=found,
        ),
        **changes,
    )
