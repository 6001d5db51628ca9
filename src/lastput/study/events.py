"""What the host does to memory of a process, against a device that mirrors it.

Every way in which Linux 4.12 takes a page away, or the permission to write to it. May a page go back to
the allocator, be copied or be compared while the device still reaches it, or may still write to it? And
while nobody is between start and end of a notification: does the device map nothing but what the process
maps, and write nothing but what the process may write?

By default there are two pages and two tasks that serve faults of the device; one where the host itself
takes three locks for each page (fork, ksm, split). Those were also checked with two (`devices`), and all of
them with a device that reads, too (`reads`).
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.khugepaged import khugepaged_scan_mm_slot
from lastput.kernel.ksm import Ksm, ksm_scan
from lastput.kernel.madvise import madvise_dontneed
from lastput.kernel.memory import copy_page_range
from lastput.kernel.mm_types import Mm, address_space, anon_vma, mm_struct, page
from lastput.kernel.mmap import do_munmap, unmap_vmas
from lastput.kernel.mmu_notifier_types import Notifiers
from lastput.kernel.page import isolate_lru_page, put_page
from lastput.kernel.page_idle import page_idle_bitmap_read
from lastput.kernel.rmap import Rmap, page_referenced
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.sched import task_struct
from lastput.kernel.sched_mm import mmget_not_zero
from lastput.kernel.truncate import clear_page_dirty_for_io, truncate_pagecache
from lastput.kernel.vmscan import pick, shrink_page_list
from lastput.lang import NULL, Setup, atomic, choose, ghost, option, options, ptr, scenario, static, struct
from lastput.lang.options import Value
from lastput.study.invariants import lists_one, mapped_pages_are_held
from lastput.study.mirror import (
    Mirror,
    count_is_open_invalidations,
    device_access,
    entries_are_counted,
    mirror,
    mirror_fault,
)
from lastput.study.mirrored import populate, start_mirror, start_mm


@options
class Events:
    """Who does what in mm/events."""

    event: str = option(
        "reclaim",
        "what the host does",
        values=(
            "reclaim",
            "age",
            "idle",
            "munmap",
            "dontneed",
            "truncate",
            "mkclean",
            "fork",
            "ksm",
            "collapse",
            "split",
        ),
    )
    devices: int = option(2, "tasks of the process that serve the device's faults", low=1, high=2)
    touches: int = option(1, "accesses by the device that each of them serves", low=1, high=2)
    holds_mm: str = option(
        "user",
        "who keeps the address space for a fault: its task is a user; it becomes one for the fault; nobody",
        values=("user", "mmget_not_zero", "nobody"),
    )
    reads: bool = option(False, "the device also reads; else it only writes")


@struct
class host_witness:
    """What properties ask about the host; nothing of it is the kernel's."""

    done: ghost[bool]
    """The event came to something: pages were merged, memory was collapsed, ..."""


host = static(host_witness)


# -- threads ---------------------------------------------------------------------------------


def serve_fault(mirror: ptr[mirror], address: int, write: bool) -> bool:
    """Map a page for the device; false if there is none, or nobody left to have one."""
    if Events.holds_mm == "mmget_not_zero":
        if not mmget_not_zero(mirror.mm):
            return False
        mapped = mirror_fault(mirror, address, write)
        mmput(mirror.mm)
        return mapped
    return mirror_fault(mirror, address, write)


def device_task(mirror: ptr[mirror]) -> None:
    """Serve faults of the device, and exit, if it is a task of the process."""
    for _touch in range(Events.touches):
        address = pick()
        write = not Events.reads or choose(2) == 1
        while not device_access(mirror, address, write):
            if not serve_fault(mirror, address, write):
                break
    if Events.holds_mm == "user":
        mmput(mirror.mm)


def nothing_is_young(mirror: ptr[mirror]) -> bool:
    """No entry of the device has its accessed bit set."""
    old = True
    for address in range(Mm.pages):
        if mirror.entry[address].young:
            old = False
    return old


def age_twice(mirror: ptr[mirror]) -> None:
    """Reclaim ages the same page two times. What it has asked for is old, unless accessed meanwhile."""
    for _pass in range(2):
        accesses = mirror.accesses
        page = isolate_lru_page(0)
        if page:
            page_referenced(page)
            with atomic():
                old = nothing_is_young(mirror)
                assert old or mirror.accesses != accesses, "an accessed bit was left out"
            put_page(page)


def fork_and_wait(mm: ptr[mm_struct], child: ptr[mm_struct]) -> None:
    """The process forks, and its child exits. The child has no notifiers, and runs nothing here."""
    down_write(mm.mmap_sem)  # dup_mmap
    copy_page_range(child, mm)
    up_write(mm.mmap_sem)
    host.done = True
    unmap_vmas(child)


def event_of_process(mm: ptr[mm_struct], child: ptr[mm_struct]) -> None:
    """A task of the process changes its memory, and exits."""
    if Events.event == "munmap":
        do_munmap(mm)
    elif Events.event == "dontneed" or Events.event == "split":
        madvise_dontneed(mm, pick())
    elif Events.event == "fork":
        fork_and_wait(mm, child)
    elif Events.event == "ksm":
        host.done = ksm_scan(mm)
    elif Events.event == "collapse":
        host.done = khugepaged_scan_mm_slot(mm)
    if Events.event != "ksm" and Events.event != "collapse":
        host.done = True
    mmput(mm)


def event_from_outside(mirror: ptr[mirror], mapping: ptr[address_space]) -> None:
    """The host comes by way of the page, or of the file, whether the process lives or not."""
    if Events.event == "reclaim":
        shrink_page_list()
    elif Events.event == "age":
        age_twice(mirror)
    elif Events.event == "idle":
        page_idle_bitmap_read(pick())
    elif Events.event == "truncate":
        truncate_pagecache(mapping, 1)
    elif Events.event == "mkclean":
        clear_page_dirty_for_io(mapping, pick())
    host.done = True


def comes_from_outside() -> bool:
    """The event needs no user of the address space. Scanners are given one: mm/scan-vs-exit takes it away."""
    return (
        Events.event == "reclaim"
        or Events.event == "age"
        or Events.event == "idle"
        or Events.event == "truncate"
        or Events.event == "mkclean"
    )


# -- properties ------------------------------------------------------------------------------


def allows(mm: ptr[mm_struct], mirror: ptr[mirror], address: int) -> bool:
    """The device's entry for a page is what the process has there, or less."""
    entry = mirror.entry[address]
    if not entry.page:
        return True
    pte = mm.pte[address]
    if Mm.huge and mm.pmd.page:
        pte = mm.pmd
    return entry.page == pte.page and (pte.writable or not entry.writable)


def mirror_follows(mm: ptr[mm_struct], mirror: ptr[mirror]) -> bool:
    """Between two changes the device can do nothing that the process could not."""
    follows = True
    if mm.changing == 0:
        for address in range(Mm.pages):
            if not allows(mm, mirror, address):
                follows = False
    return follows


def event_is_done() -> bool:
    return host.done


def fault_is_retried(mirror: ptr[mirror]) -> bool:
    return mirror.retried


# -- set-up ----------------------------------------------------------------------------------


def unmaps() -> bool:
    """The event takes pages or permissions away, so that a fault under way must be retried."""
    return Events.event != "idle" and (Events.event != "age" or not Mirror.accessed_bit)


def start_threads(s: Setup, mm: Any, device: Any, file: Any) -> None:
    for i in range(Events.devices):
        s.thread(f"device{i}", device_task, device, task=s.static(task_struct, f"task_device{i}", mm=mm))
    if comes_from_outside():
        if Events.holds_mm != "user":
            s.thread("vmm", mmput, mm, task=s.static(task_struct, "task_vmm", mm=mm))
        s.thread("host", event_from_outside, device, file, task=s.static(task_struct, "task_host"))
    else:
        child = s.static(mm_struct, "child") if Events.event == "fork" else NULL
        s.thread("host", event_of_process, mm, child, task=s.static(task_struct, "task_host", mm=mm))


def file_keeps() -> int:
    """Pages that stay in the page cache: nobody closes the file."""
    return 2 if Events.event == "mkclean" else 1 if Mm.file else 0


def users() -> int:
    """Who holds the address space: the tasks of the process."""
    devices = Events.devices if Events.holds_mm == "user" else 0
    return max(1, devices + (0 if comes_from_outside() else 1))


def make_room(s: Setup) -> None:
    """Pages: one for each fault that may find nothing, and one for each copy."""
    s.pool(page, Events.devices * Events.touches * (1 if Mm.file else 2) + 1)


def expect(s: Setup, mm: Any, device: Any) -> None:
    """What must hold, and what must be seen to happen."""
    s.invariant(mirror_follows, mm, device)
    s.invariant(mapped_pages_are_held, mm)
    s.invariant(lists_one, mm, device.mmu_notifier.hlist)
    s.invariant(entries_are_counted, device)
    if Mirror.start:
        s.invariant(count_is_open_invalidations, device)
    s.reachable(event_is_done)
    if unmaps():
        s.reachable(fault_is_retried, device)


def setup(s: Setup) -> None:
    """The process, the device, the host, and what must come of it."""
    file = s.static(address_space, "file", i_size=Mm.pages) if Mm.file else NULL
    mapping = file.i_mmap if Mm.file else s.static(anon_vma, "anon_vma")
    mm = start_mm(s, users(), mapping, lives=True)
    device = start_mirror(s, mm)
    populate(
        s,
        mm,
        device,
        file,
        huge=Events.event == "split" or Events.event == "age",
        kept=file_keeps(),
        mirrored=2 if Events.event == "age" else 1,
    )
    make_room(s)
    start_threads(s, mm, device, file)
    expect(s, mm, device)


ANONYMOUS: dict[str, Value] = {"mmap_sem": True, "pages": 2}
AGEING: dict[str, Value] = {"event": "age", "huge": True, "count_accesses": True, "pages": 2}
FILE: dict[str, Value] = {"file": True, "write_protect": True, "mmap_sem": False, "pages": 2}


@scenario(
    name="mm/events",
    variants={
        "reclaim": {"event": "reclaim", "pages": 2},
        "age": AGEING,
        "idle": {"event": "idle", "pages": 2},
        "munmap": {"event": "munmap", **ANONYMOUS},
        "dontneed": {"event": "dontneed", **ANONYMOUS},
        "truncate": {"event": "truncate", **FILE},
        "mkclean": {"event": "mkclean", **FILE},
        "fork": {"event": "fork", "devices": 1, "write_protect": True, **ANONYMOUS},
        "ksm": {"event": "ksm", "devices": 1, "write_protect": True, **ANONYMOUS},
        "collapse": {"event": "collapse", "huge": True, **ANONYMOUS},
        "split": {"event": "split", "devices": 1, "huge": True, **ANONYMOUS},
    },
    default="reclaim",
    options=(Events, Mm, Mirror, Rmap, Ksm, Notifiers),
)
def events(s: Setup) -> None:
    """The host changes memory of a process that a device mirrors; the process exits afterwards."""
    setup(s)


@scenario(
    name="mm/reclaim",
    variants={
        "v4.10": {"notify": "after-ptl", "sleeps": True, "pages": 2},
        "v4.12": {"notify": "under-ptl", "sleeps": True, "pages": 2},
        "aac2fea94f7a": {"notify": "invalidate-range", "sleeps": True, "pages": 2},
        "369ea8242c0f": {"notify": "start-end", "sleeps": True, "pages": 2},
    },
    default="369ea8242c0f",
    options=(Events, Mm, Mirror, Rmap, Ksm, Notifiers),
)
def reclaim(s: Setup) -> None:
    """Reclaim pages guest memory out; the callbacks of the device may sleep."""
    setup(s)


@scenario(
    name="mm/ageing",
    variants={
        "v3.17": {"age_range": False, "age_seq": False, **AGEING},
        "57128468080a": AGEING,
    },
    options=(Events, Mm, Mirror, Rmap, Ksm, Notifiers),
)
def ageing(s: Setup) -> None:
    """Reclaim ages a huge page that the device maps in small ones, with or without accessed bits."""
    setup(s)
