"""struct hmm of Linux 5.2: devices stop mirroring while pages go and the process goes.

Does every callback find the struct and the mirrors alive? The actors: drivers that stop mirroring, each
on its own, and free their mirror; a task of the process that gives a page back and exits; the process's
last task that exits at the same time. The last mirror to go frees the struct.

One driver by default; also checked with two, and with `pages=2`.
"""

from __future__ import annotations

from typing import Annotated, Any

from lastput.kernel.fork import mmput
from lastput.kernel.list import INIT_LIST_HEAD, list_add
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier_ops, srcu
from lastput.kernel.srcu import srcu_callbacks
from lastput.kernel.users.hmm import (
    Hmm,
    hmm,
    hmm_invalidate_range_start,
    hmm_mirror,
    hmm_mirror_ops,
    hmm_mirror_unregister,
    hmm_release,
    witness,
)
from lastput.kernel.vmscan import pick
from lastput.lang import (
    NULL,
    Setup,
    array,
    atomic,
    container_of,
    ghost,
    kfree,
    length,
    option,
    options,
    ptr,
    scenario,
    static,
    struct,
    upto,
)
from lastput.study.invariants import list_is_whole, listed_pages_are_held
from lastput.study.users_mm import process, register, task


@options
class Mirrors:
    """Who mirrors in users/hmm."""

    drivers: int = option(1, "devices that mirror the process", low=1, high=2)
    releases: bool = option(True, "mirrors have a release operation")


@struct
class device:
    """A device that maps every page."""

    mirror: hmm_mirror
    pt: array[ptr[page]] = length(lambda: Mm.pages)


@struct
class device_witness:
    """What is to be seen; true for a moment only."""

    releasing: ghost[bool]
    """The release operation of a mirror runs."""
    syncing: ghost[bool]
    """A mirror is told of an invalidation."""
    mirroring: ghost[Annotated[int, upto(2)]]
    """Drivers that have not begun to unregister."""


seen = static(device_witness)


def unmap(dev: ptr[device], start: int, end: int) -> None:
    """The device lets go of a range: an exchange for each entry."""
    for address in range(Mm.pages):
        if start <= address and address < end:
            with atomic():
                found = dev.pt[address]
                dev.pt[address] = NULL
                if found:
                    found.secondary -= 1


def device_sync(mirror: ptr[hmm_mirror], start: int, end: int) -> None:
    """hmm_mirror_ops.sync_cpu_device_pagetables."""
    seen.syncing = True
    unmap(container_of(mirror, device, lambda d: d.mirror), start, end)
    seen.syncing = False


def device_release(mirror: ptr[hmm_mirror]) -> None:
    """hmm_mirror_ops.release: the process is gone."""
    seen.releasing = True
    unmap(container_of(mirror, device, lambda d: d.mirror), 0, Mm.pages)
    seen.releasing = False


def driver(dev: ptr[device]) -> None:
    """A driver is done with the process: it stops the device, and then the mirroring."""
    unmap(dev, 0, Mm.pages)
    seen.mirroring -= 1
    hmm_mirror_unregister(dev.mirror)
    kfree(dev)


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the process that gives a page back, and exits."""
    zap_page_range(mm, pick())
    mmput(mm)


def a_callback_bails_out() -> bool:
    return witness.bails_out


def a_mirror_is_released() -> bool:
    return seen.releasing


def a_mirror_is_synced() -> bool:
    return seen.syncing


def mirrors_hold_hmm(hmm: ptr[hmm]) -> bool:
    """struct hmm has a reference for each mirror, and one for each callback at most; its list is whole.

    It may be freed once the last driver has begun to unregister.
    """
    if seen.mirroring == 0:
        return True
    references = hmm.kref.refs.counter
    if references < seen.mirroring or references > Mirrors.drivers + 2:
        return False
    return hmm.mirrors_sem.writer != 0 or list_is_whole(hmm.mirrors)


def make_hmm(s: Setup, mm: Any) -> Any:
    """The struct hmm of a process: each mirror holds a reference, it and its notifier an mm_count each."""
    made = s.new(hmm, "hmm", mm=mm)
    made.kref.refs.counter = Mirrors.drivers
    INIT_LIST_HEAD(made.mirrors)
    mm.mm_count.counter += 1
    ops = s.static(
        mmu_notifier_ops,
        "hmm_mmu_notifier_ops",
        release=hmm_release,
        invalidate_range_start=hmm_invalidate_range_start,
    )
    register(mm, made.mmu_notifier, ops)
    return made


def make_device(s: Setup, name: str, mm: Any, found: Any, ops: Any) -> Any:
    """A device that mirrors the process, and maps every page."""
    dev = s.new(device, name)
    dev.mirror.hmm = found
    dev.mirror.ops = ops
    list_add(dev.mirror.list, found.mirrors)
    for i in range(Mm.pages):
        dev.pt[i] = mm.pte[i].page
        dev.pt[i].secondary += 1
    return dev


@scenario(
    name="users/hmm",
    variants={
        "v5.2": {"free_by_srcu": False, "release_locked": False},
        "6d7c3cde93c1": {"release_locked": False},
        "14331726a3c4": {},
    },
    options=(Mirrors, Mm, Hmm, Notifiers),
    default="14331726a3c4",
)
def mirrors(s: Setup) -> None:
    """Devices stop mirroring a process while pages go and the process goes."""
    mm = process(s, users=2)
    found = make_hmm(s, mm)
    ops = s.static(
        hmm_mirror_ops,
        "hmm_mirror_ops",
        release=device_release if Mirrors.releases else NULL,
        sync_cpu_device_pagetables=device_sync,
    )
    for i in range(Mirrors.drivers):
        dev = make_device(s, f"device{i}", mm, found, ops)
        s.thread(f"driver{i}", driver, dev, task=task(s, f"driver{i}"))
    s.thread("balloon", balloon, mm, task=task(s, "balloon", mm))
    s.thread("exit", mmput, mm, task=task(s, "exit", mm))
    if Hmm.free_by_srcu:
        s.thread("srcu", srcu_callbacks, srcu, daemon=True, task=task(s, "srcu"))
    seen.mirroring = Mirrors.drivers
    s.invariant(listed_pages_are_held)
    s.invariant(mirrors_hold_hmm, found)
    s.reachable(a_callback_bails_out)
    s.reachable(a_mirror_is_synced)
    if Mirrors.releases:
        s.reachable(a_mirror_is_released)
