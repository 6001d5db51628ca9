"""A model with one of each thing that can be removed, each for a reason that a test can state."""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_t
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import cond_resched_lock, lockdep_assert_held, spin_lock, spin_unlock
from lastput.lang import (
    NULL,
    Setup,
    array,
    kfree,
    length,
    option,
    options,
    ptr,
    roles,
    scenario,
    static,
    struct,
)


@options
class Box:
    locked: bool = option(True, "users take the lock")
    broken: bool = option(False, "nothing protects anything")
    slots: int = option(2, "slots of the shelf", low=1, high=3)


@struct
class box:
    refs: atomic_t
    data: int


@struct
class shelf_t:
    lock: spinlock_t
    spare: spinlock_t
    box: ptr[box]
    slot: array[int] = length(lambda: Box.slots)


shelf = static(shelf_t)


def box_get(b: ptr[box]) -> None:
    """One more reference."""
    atomic_inc(b.refs)


def box_put(b: ptr[box]) -> None:
    """Drop one; the last frees the box."""
    if atomic_dec_and_test(b.refs):
        kfree(b)


def use() -> None:
    """Uses the box, with a reference that it takes under the lock."""
    if Box.locked:
        spin_lock(shelf.lock)
    found = shelf.box
    if not found:
        if Box.locked:
            spin_unlock(shelf.lock)
        return
    box_get(found)
    if Box.locked:
        spin_unlock(shelf.lock)
    found.data += 1
    box_put(found)


def fill() -> None:
    """Counts slots while the box is there; between two of them the lock may be dropped."""
    spin_lock(shelf.lock)
    assert_locked()
    i = 0
    while i < Box.slots and not Box.broken:
        if not shelf.box:
            break
        shelf.slot[i] = shelf.box.data
        cond_resched_lock(shelf.lock)
        i += 1
    spin_unlock(shelf.lock)


def assert_locked() -> None:
    """The lock is the caller's."""
    lockdep_assert_held(shelf.lock)


def peek() -> None:
    """Nothing here needs the spare lock, nor the reference: the caller has one."""
    mine = shelf.box
    box_get(mine)
    spin_lock(shelf.spare)
    mine.data = 1
    spin_unlock(shelf.spare)
    box_put(mine)


def empty() -> None:
    """Takes the box away. Has looked at it before, with the shelf's own reference."""
    might_sleep()
    peek()
    spin_lock(shelf.lock)
    gone = shelf.box
    shelf.box = NULL
    spin_unlock(shelf.lock)
    if gone:
        box_put(gone)


roles.reference(box_get, box_put)


@scenario(options=(Box,), variants={"unlocked": {"locked": False}, "fixed": {}})
def use_vs_empty(s: Setup) -> None:
    """A box is used and counted while it is taken away."""
    shelf.box = s.new(box, "box", data=7)
    shelf.box.refs.counter = 1
    for name, function in (("user", use), ("filler", fill), ("emptier", empty)):
        s.thread(name, function, task=s.static(task_struct, f"task_{name}"))
