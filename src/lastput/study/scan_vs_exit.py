"""ksmd or khugepaged stands in an address space whose last user goes.

"Nothing may look up a page once mm_users is 0, registered or not": the scanners hold no mm_users, so
__mmput waits for them (ksm_exit, khugepaged_exit) before exit_mmap. Without that wait they look up pages,
and even call secondary MMUs, in the middle of exit_mmap.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.khugepaged import khugepaged_scan_mm_slot
from lastput.kernel.ksm import Ksm, ksm_scan
from lastput.kernel.mm_slot import Scan, scan_begin, scan_end, slots
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, page
from lastput.kernel.mmu_notifier import mmu_notifier_unregister
from lastput.kernel.mmu_notifier_types import Notifiers
from lastput.kernel.sched import task_struct
from lastput.lang import NULL, Setup, ghost, option, options, ptr, scenario, static, struct
from lastput.study.invariants import listed_pages_are_held, lists_one
from lastput.study.mirror import Mirror, device_access, entries_are_counted, mirror, mirror_fault
from lastput.study.mirrored import populate, start_mirror, start_mm


@options
class Scanner:
    """Who scans."""

    scanner: str = option("ksmd", "who stands in the address space", values=("ksmd", "khugepaged"))
    visits: int = option(1, "how often it comes by", low=1, high=2)


@struct
class scan_witness:
    """What properties ask about the scanner; nothing of it is the kernel's."""

    merged: ghost[bool]
    late: ghost[bool]


scan = static(scan_witness)


def owner(mirror: ptr[mirror], mm: ptr[mm_struct]) -> None:
    """The process: it serves a fault of the device, exits, and closes the device."""
    while not device_access(mirror, 1, True):
        mirror_fault(mirror, 1, True)
    mmput(mm)
    mmu_notifier_unregister(mirror.mmu_notifier, mm)


def sibling(mm: ptr[mm_struct]) -> None:
    """A second task of the process exits."""
    mmput(mm)


def visit(mm: ptr[mm_struct]) -> bool:
    """One look at the address space; says whether it came to something."""
    if Scanner.scanner == "ksmd":
        return ksm_scan(mm)
    return khugepaged_scan_mm_slot(mm)


def scanner() -> None:
    """ksmd or khugepaged: it comes by until the address space is off its list, and tires of looking."""
    visits = 0
    mm = scan_begin()
    while mm:
        if visits < Scanner.visits:
            visits += 1
            if visit(mm):
                scan.merged = True
        scan_end(mm)
        mm = scan_begin()
    if visits == 0:
        scan.late = True


def scanner_merges() -> bool:
    return scan.merged


def scanner_comes_too_late() -> bool:
    return scan.late


def last_user_waits() -> bool:
    """The cursor stands in an address space without users."""
    mm = slots.cursor
    return mm != NULL and mm.mm_users.counter == 0


@scenario(
    name="mm/scan-vs-exit",
    variants={"v4.12": {"scanners": True, "mmap_sem": True, "write_protect": True, "huge": True, "pages": 2}},
    options=(Scanner, Scan, Mm, Mirror, Ksm, Notifiers),
)
def scan_vs_exit(s: Setup) -> None:
    """A scanner of memory is inside an address space when its last user goes."""
    mm = start_mm(s, 2, s.static(anon_vma, "anon_vma"), lives=False)
    mm.mm_count.counter = 3
    slots.hashed = mm
    device = start_mirror(s, mm)
    populate(s, mm, device, NULL, mirrored=1)
    s.pool(page, 3)
    s.thread("owner", owner, device, mm, task=s.static(task_struct, "task_owner", mm=mm))
    s.thread("sibling", sibling, mm, task=s.static(task_struct, "task_sibling", mm=mm))
    s.thread("scanner", scanner, task=s.static(task_struct, "task_scanner"))
    s.invariant(listed_pages_are_held)
    s.invariant(lists_one, mm, device.mmu_notifier.hlist)
    s.invariant(entries_are_counted, device)
    s.reachable(scanner_merges)
    s.reachable(scanner_comes_too_late)
    s.reachable(last_user_waits)
