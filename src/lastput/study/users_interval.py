"""Interval notifiers: a device maps what it looked up, while pages go and the process goes.

Does no freed page stay mapped, and does nothing touch a notifier that was removed? The actors: a task of
the process that has opened the device, and that exits; another one that gives a page back
(MADV_DONTNEED) and exits; a second process that was handed the device's descriptor and faults a page in.
Whoever puts the file last closes the device, and whoever is the last user tears the address space
down, in any order and at the same time.

`--set opens=1` lets the first task open the device while pages go already; the second task has a device
of its own then, and nobody else faults. Also checked with `pages=2`, and with two tasks that give pages
back.

Without mn_itree_release (`--set release_invalidates=0`) it holds as well: release leaves the intervals
registered, and unmap_vmas tells them of every page once more.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.atomic import atomic_dec_and_test, atomic_t
from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_interval_notifier import (
    Interval,
    mmu_interval_notifier_insert,
    mmu_interval_notifier_ops,
)
from lastput.kernel.mmu_interval_notifier import witness as interval_witness
from lastput.kernel.users.driver import (
    Driver,
    dmirror,
    dmirror_fault,
    dmirror_fops_release,
    dmirror_interval_invalidate,
    witness,
)
from lastput.kernel.vmscan import pick
from lastput.lang import Setup, option, options, ptr, scenario, static, struct
from lastput.study.invariants import hlist_is_whole, listed_pages_are_held
from lastput.study.users_mm import has_intervals, insert, process, task


@options
class Mirror:
    """Who does what in users/interval."""

    opens: bool = option(False, "the device is opened while the others run; nobody else faults then")
    zaps: int = option(1, "tasks that give a page back", low=1, high=2)
    span: int = option(1, "pages that the device mirrors", low=1, high=2)


@struct
class open_file:
    """The device's file: who holds it."""

    f_count: atomic_t


opened = static(open_file)


def put_file(mirror: ptr[dmirror]) -> None:
    """fput: the last one closes the device."""
    if atomic_dec_and_test(opened.f_count):
        dmirror_fops_release(mirror)


def owner(mirror: ptr[dmirror], mm: ptr[mm_struct]) -> None:
    """A task of the process: exit_mm, then exit_files. If it opens the device, it uses it, too."""
    if Mirror.opens:
        mmu_interval_notifier_insert(mirror.notifier, 0, Mirror.span)
        dmirror_fault(mirror, 0)
    mmput(mm)
    put_file(mirror)


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the process that gives a page back, and exits."""
    zap_page_range(mm, pick())
    mmput(mm)


def balloon_with_device(mm: ptr[mm_struct], mirror: ptr[dmirror]) -> None:
    """A task of the process that gives a page back, exits, and closes a device of its own."""
    balloon(mm)
    dmirror_fops_release(mirror)


def foreign(mirror: ptr[dmirror]) -> None:
    """Another process has the device's descriptor."""
    dmirror_fault(mirror, 0)
    put_file(mirror)


def fault_is_retried() -> bool:
    return witness.retrying


def fault_maps() -> bool:
    return witness.mapping


def fault_waits() -> bool:
    return interval_witness.fault_waits


def fault_finds_no_user() -> bool:
    return witness.dead


def removal_waits() -> bool:
    return interval_witness.removal_waits


def insertion_is_put_off() -> bool:
    """An invalidation that met the other device is under way."""
    return interval_witness.insertion_put_off


def interval_is_listed(mm: ptr[mm_struct]) -> bool:
    """While the device is open its interval is in the tree, alone, and invalidations under way are counted.

    A registered interval holds an mm_count. exit_mmap invalidates once more, and is no change of entries.
    """
    if opened.f_count.counter == 0 or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    under_way = mm.mmu_notifier_mm.active_invalidate_ranges
    return under_way <= mm.changing + 1 and hlist_is_whole(mm.mmu_notifier_mm.itree, 1)


def expect(s: Setup, mm: Any) -> None:
    """What must hold, and what must be seen to happen, if every part is in place."""
    s.invariant(listed_pages_are_held)
    if not Mirror.opens:
        s.invariant(interval_is_listed, mm)
    s.reachable(fault_maps)
    s.reachable(fault_is_retried)
    s.reachable(fault_waits)
    s.reachable(removal_waits)
    s.reachable(insertion_is_put_off if Mirror.opens else fault_finds_no_user)


def make_mirror(s: Setup, name: str, mm: Any) -> Any:
    """A device that is not yet told of anything."""
    mirror = s.new(dmirror, name)
    mirror.notifier.mm = mm
    mirror.notifier.ops = s.static(
        mmu_interval_notifier_ops, f"{name}_ops", invalidate=dmirror_interval_invalidate
    )
    return mirror


@scenario(
    name="users/interval",
    variants={
        "v7.3": {"notifiers": True},
        "v5.5": {"notifiers": True, "released_locked": False},
    },
    options=(Mirror, Mm, Interval, Driver),
    default="v7.3",
)
def interval(s: Setup) -> None:
    """A device maps what it looked up, while pages go and the process goes."""
    mm = process(s, users=1 + Mirror.zaps)
    has_intervals(mm)
    mirror = make_mirror(s, "mirror", mm)
    opened.f_count.counter = 1
    if not Mirror.opens:
        insert(mm, mirror.notifier, 0, Mirror.span)
        opened.f_count.counter = 2
        s.thread("foreign", foreign, mirror, task=task(s, "foreign"))
    s.thread("owner", owner, mirror, mm, task=task(s, "owner", mm))
    for i in range(Mirror.zaps):
        if Mirror.opens and i == 0:
            other = make_mirror(s, "other", mm)
            insert(mm, other.notifier, 0, Mirror.span)
            s.thread("balloon0", balloon_with_device, mm, other, task=task(s, "balloon0", mm))
        else:
            s.thread(f"balloon{i}", balloon, mm, task=task(s, f"balloon{i}", mm))
    s.pool(page, 1 + Mirror.zaps)
    expect(s, mm)
