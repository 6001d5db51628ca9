"""One notifier of a process for all devices, got and put while pages go and the process goes.

Is the notifier there for every callback, and freed once? The actors: a device that has it, and puts it; a
task of the process that opens a second device, which gets it, and puts it; one that gives a page back. Each
task of the process exits.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier, mmu_notifier_ops, srcu
from lastput.kernel.mmu_notifier_get import GetPut, find_get_mmu_notifier, mmu_notifier_put
from lastput.kernel.srcu import srcu_callbacks
from lastput.lang import Setup, container_of, ghost, kfree, ptr, scenario, static, struct
from lastput.study.invariants import hlist_is_whole, listed_pages_are_held
from lastput.study.users_mm import process, register, task


@struct
class device:
    """What the devices share."""

    mn: mmu_notifier
    told: bool


@struct
class device_witness:
    """What is to be seen; true for a moment only."""

    shared: ghost[bool]
    """The second device has got the notifier of the first."""


seen = static(device_witness)


def invalidate_range_start(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """The device notes it."""
    container_of(mn, device, lambda d: d.mn).told = True


def release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The device notes this, too."""
    container_of(mn, device, lambda d: d.mn).told = True


def free_notifier(mn: ptr[mmu_notifier]) -> None:
    """Nobody can be in a callback."""
    kfree(container_of(mn, device, lambda d: d.mn))


def holder(mn: ptr[mmu_notifier]) -> None:
    """A device that has the notifier puts it."""
    mmu_notifier_put(mn)


def opener(mm: ptr[mm_struct], ops: ptr[mmu_notifier_ops]) -> None:
    """A task of the process gets the notifier for a second device, if it is there, and exits."""
    found = find_get_mmu_notifier(mm, ops)
    if found:
        seen.shared = True
        mmu_notifier_put(found)
        seen.shared = False
    mmput(mm)


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the process that gives the page back, and exits."""
    zap_page_range(mm, 0)
    mmput(mm)


def the_notifier_is_shared() -> bool:
    return seen.shared


def list_is_whole(mm: ptr[mm_struct]) -> bool:
    """While a task of the process has the notifier, the list has it alone, or, once it is put, nothing."""
    if not seen.shared or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.list, 1 if mm.mmu_notifier_mm.list.first else 0)


@scenario(
    name="users/get-put",
    variants={"v7.3": {}},
    options=(Mm, GetPut, Notifiers),
)
def get_put(s: Setup) -> None:
    """One notifier of a process for all devices, got and put while pages go and the process goes."""
    mm = process(s, users=2)
    ops = s.static(
        mmu_notifier_ops,
        "device_ops",
        release=release,
        invalidate_range_start=invalidate_range_start,
        free_notifier=free_notifier,
    )
    dev = s.new(device, "device")
    dev.mn.mm = mm
    dev.mn.users = 1
    register(mm, dev.mn, ops)
    s.thread("holder", holder, dev.mn, task=task(s, "holder"))
    s.thread("opener", opener, mm, ops, task=task(s, "opener", mm))
    s.thread("balloon", balloon, mm, task=task(s, "balloon", mm))
    s.thread("srcu", srcu_callbacks, srcu, daemon=True, task=task(s, "srcu"))
    s.invariant(listed_pages_are_held)
    s.invariant(list_is_whole, mm)
    s.reachable(the_notifier_is_shared)
