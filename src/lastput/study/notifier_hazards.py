"""Users of mmu notifiers that get into the way of a design: three deadlocks and a use after free.

    h2  an invalidation of one address space drops the last reference to a user of another, which exits
    h3  a release removes another notifier of the same address space
    h4  a release takes a driver's lock, and somebody removes another notifier while holding it
    h6  unregister holds the last reference to the address space

With `deferred`, h2 and h3 remove the notifier without waiting, and free its user after a grace period
(mmu_notifier_unregister_no_release and mmu_notifier_call_srcu); h4 drops the lock first.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import callback_head
from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.lock_types import mutex
from lastput.kernel.mm_types import Mm, mm_struct, mmu_notifier_mm
from lastput.kernel.mmu_notifier import (
    Notifiers,
    mmu_notifier,
    mmu_notifier_call_srcu,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_ops,
    mmu_notifier_unregister,
    mmu_notifier_unregister_no_release,
    srcu,
)
from lastput.kernel.mmu_notifier_designs import unhash
from lastput.kernel.mmu_notifier_types import wait_for_walks
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched import task_struct
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.srcu import srcu_callbacks
from lastput.lang import (
    Setup,
    const,
    container_of,
    ghost,
    kfree,
    option,
    options,
    ptr,
    scenario,
    static,
    struct,
)
from lastput.study.invariants import hlist_is_whole


@options
class Hazard:
    """Which of them, and whether the driver avoids it."""

    hazard: str = option("h2", "what the users do, see above", values=("h2", "h3", "h4", "h6"))
    deferred: bool = option(False, "the driver removes the notifier in the way that does not wait")


@struct
class driver:
    mmu_notifier: mmu_notifier
    rcu: callback_head
    mm: const[ptr[mm_struct]]
    other: const[ptr[driver]]
    """Whom its callback removes (h2, h3)."""


@struct
class moments:
    removing: ghost[bool]
    """A driver's notifier is being removed from inside a callback, or under the driver's lock."""
    exiting: ghost[bool]
    """exit_mmap is being run."""
    both: ghost[bool]


driver_lock = static(mutex)
moment = static(moments)


def note() -> None:
    """Remember that both were seen at a time."""
    if moment.removing and moment.exiting:
        moment.both = True


def to_driver(mn: ptr[mmu_notifier]) -> ptr[driver]:
    """The driver's object that embeds a notifier."""
    return container_of(mn, driver, lambda d: d.mmu_notifier)


def free_driver(head: ptr[callback_head]) -> None:
    """The grace period is over."""
    kfree(container_of(head, driver, lambda d: d.rcu))


def unregister_other(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """mmu_notifier_unregister of a notifier that has no `release`, without the call of one.

    Calls are inlined, so that `release` of h3 cannot call the whole of it: it would call `release`.
    """
    if Notifiers.design == "D2b":
        mutex_lock(mm.mmu_notifier_mm.mutex)
        if unhash(mn, mm):
            wait_for_walks()
        mutex_unlock(mm.mmu_notifier_mm.mutex)
    else:
        unhash(mn, mm)
        wait_for_walks()
    mmdrop(mm)


def remove(d: ptr[driver]) -> None:
    """The last reference to `d` is gone: its notifier goes, then it."""
    moment.removing = True
    note()
    if Hazard.deferred and Hazard.hazard != "h4":
        mmu_notifier_unregister_no_release(d.mmu_notifier, d.mm)
        mmu_notifier_call_srcu(d.rcu, free_driver)
    elif Hazard.hazard == "h3":
        unregister_other(d.mmu_notifier, d.mm)
        kfree(d)
    else:
        mmu_notifier_unregister(d.mmu_notifier, d.mm)
        kfree(d)
    moment.removing = False


# -- callbacks -------------------------------------------------------------------------------


def put_other(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """h2: an invalidation ends what kept another object."""
    remove(to_driver(mn).other)


def release_removes_other(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """h3: with its address space goes what kept another object."""
    remove(to_driver(mn).other)


def release_takes_lock(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """h4: tearing down needs the driver's lock."""
    mutex_lock(driver_lock)
    mutex_unlock(driver_lock)


# -- threads ---------------------------------------------------------------------------------


def exit_task(mm: ptr[mm_struct]) -> None:
    """The last user of the address space goes."""
    moment.exiting = True
    note()
    mmput(mm)
    moment.exiting = False


def exit_then_remove(mm: ptr[mm_struct], d: ptr[driver]) -> None:
    """The same, and then the process closes its descriptor."""
    exit_task(mm)
    mmu_notifier_unregister(d.mmu_notifier, d.mm)
    kfree(d)


def invalidate(mm: ptr[mm_struct]) -> None:
    """Somebody invalidates a range of an address space that stays."""
    mmu_notifier_invalidate_range_start(mm, 0, 1)


def remove_under_lock(d: ptr[driver]) -> None:
    """h4: the driver looks `d` up, and removes it."""
    mutex_lock(driver_lock)
    if Hazard.deferred:
        mutex_unlock(driver_lock)
    remove(d)
    if not Hazard.deferred:
        mutex_unlock(driver_lock)


# -- set-up ----------------------------------------------------------------------------------


def make_mm(s: Setup, name: str) -> Any:
    """An address space with one user and no memory."""
    mm = s.new(mm_struct, name, mmu_notifier_mm=s.new(mmu_notifier_mm, f"{name}_notifiers"))
    mm.mm_users.counter = 1
    mm.mm_count.counter = 1
    return mm


def make_driver(s: Setup, name: str, mm: Any, *, other: Any = 0, **ops: Any) -> Any:
    """An object that is registered with `mm`; only the registration holds an mm_count."""
    made = s.new(driver, name, mm=mm, other=other)
    made.mmu_notifier.ops = s.static(mmu_notifier_ops, f"{name}_ops", **ops)
    mm.mm_count.counter += 1
    hlist_add_head_rcu(made.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    return made


def run(s: Setup, name: str, body: Any, *args: Any) -> None:
    """A thread with a task of its own."""
    s.thread(name, body, *args, task=s.static(task_struct, f"task_{name}"))


def both() -> bool:
    """A notifier is removed while the address space exits."""
    return moment.both


def start_h2(s: Setup) -> None:
    """Address space a exits; b, which is somebody else's and stays, is invalidated."""
    a = make_mm(s, "mm_a")
    b = s.static(mm_struct, "mm_b", mmu_notifier_mm=s.static(mmu_notifier_mm, "mm_b_notifiers"))
    first = make_driver(s, "driver_a", a)
    second = s.static(driver, "driver_b", mm=b, other=first)
    second.mmu_notifier.ops = s.static(mmu_notifier_ops, "driver_b_ops", invalidate_range_start=put_other)
    hlist_add_head_rcu(second.mmu_notifier.hlist, b.mmu_notifier_mm.list)
    run(s, "exit", exit_task, a)
    run(s, "invalidate", invalidate, b)
    s.invariant(others_notifier_stays, b)


def others_notifier_stays(mm: ptr[mm_struct]) -> bool:
    """The address space that nobody leaves keeps its notifier in its list."""
    return mm.mmu_notifier_mm.lock.owner != 0 or hlist_is_whole(mm.mmu_notifier_mm.list, 1)


@scenario(
    name="notifier/hazards",
    variants={"D0": {"design": "D0"}, "D2b": {"design": "D2b"}},
    options=(Hazard, Notifiers, Mm),
)
def hazards(s: Setup) -> None:
    """What drivers do that a way of removing notifiers has to bear."""
    if Hazard.hazard == "h2":
        start_h2(s)
    elif Hazard.hazard == "h3":
        mm = make_mm(s, "mm")
        other = make_driver(s, "other", mm)
        main = make_driver(s, "main", mm, other=other, release=release_removes_other)
        run(s, "exit", exit_then_remove, mm, main)
    elif Hazard.hazard == "h4":
        mm = make_mm(s, "mm")
        other = make_driver(s, "other", mm)
        main = make_driver(s, "main", mm, release=release_takes_lock)
        run(s, "exit", exit_then_remove, mm, main)
        run(s, "remove", remove_under_lock, other)
    else:
        mm = make_mm(s, "mm")
        run(s, "exit", exit_task, mm)
        run(s, "remove", remove, make_driver(s, "driver", mm))
    if Hazard.deferred and Hazard.hazard != "h4":
        s.thread("srcu", srcu_callbacks, srcu, task=s.static(task_struct, "task_srcu"), daemon=True)
    s.reachable(both)
