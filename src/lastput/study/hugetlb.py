"""A process with a device on a file of hugetlbfs exits, before and after secondary MMUs heard of it.

"KVM: mmu_notifiers release method" (85db06e51442, Linux 2.6.27). A shadow page table of 2008 held a
reference to each page. Without a release callback it kept them until the VM was destroyed; by then
exit_mmap had put the file, and the inode was gone. The last put of a huge page gives its block back to
the quota of that inode.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test
from lastput.kernel.hugetlb import iput
from lastput.kernel.mm_types import Mm, hugetlbfs_inode, mm_struct
from lastput.kernel.mmap import exit_mmap
from lastput.kernel.mmu_notifier import mmu_notifier_unregister
from lastput.kernel.mmu_notifier_types import Notifiers
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, Setup, ghost, ptr, scenario, static, struct
from lastput.study.invariants import lists_one, mapped_pages_are_held
from lastput.study.mirror import (
    Mirror,
    device_access,
    drop_range,
    entries_are_counted,
    mirror,
    mirror_fault,
)
from lastput.study.mirrored import populate, start_mirror, start_mm


@struct
class exit_witness:
    """How the device lost its entries; nothing of it is the kernel's."""

    at_exit: ghost[bool]


seen = static(exit_witness)


def exit_process(mirror: ptr[mirror], mm: ptr[mm_struct], inode: ptr[hugetlbfs_inode]) -> None:
    """The last task: the memory goes, with the area the file, and last what the descriptors held.

    In 2008 the last put of a file released it there and then.
    """
    if atomic_dec_and_test(mm.mm_users):
        exit_mmap(mm)
        iput(inode)  # remove_vma: fput, __fput, dput
        seen.at_exit = mirror.entry[0].page == NULL
        spin_lock(mirror.lock)  # kvm_destroy_vm: the shadow page table goes, if it is still there
        drop_range(mirror, 0, Mm.pages)
        spin_unlock(mirror.lock)
        mmu_notifier_unregister(mirror.mmu_notifier, mm)


def device_task(mirror: ptr[mirror], mm: ptr[mm_struct], inode: ptr[hugetlbfs_inode], address: int) -> None:
    """A task of the process: it serves a fault of the device, and exits."""
    while not device_access(mirror, address, True):
        mirror_fault(mirror, address, True)
    exit_process(mirror, mm, inode)


def device_lost_all_at_exit() -> bool:
    return seen.at_exit


@scenario(
    name="mm/release-vs-hugetlb",
    variants={
        "v2.6.26": {"release": False, "pins": True, "file": True, "hugetlb": True, "pages": 2},
        "85db06e51442": {"release": True, "pins": True, "file": True, "hugetlb": True, "pages": 2},
    },
    options=(Mm, Mirror, Notifiers),
)
def release_vs_hugetlb(s: Setup) -> None:
    """A process exits that has a device map pages of hugetlbfs; two tasks, two pages."""
    inode = s.new(hugetlbfs_inode, "inode", i_count=1)
    inode.mapping.i_size = Mm.pages
    mm = start_mm(s, 2, inode.mapping.i_mmap, lives=True)
    device = start_mirror(s, mm)
    populate(s, mm, device, inode.mapping, mirrored=1)
    for i in range(2):
        task = s.static(task_struct, f"task_device{i}", mm=mm)
        s.thread(f"device{i}", device_task, device, mm, inode, i, task=task)
    s.invariant(mapped_pages_are_held, mm)
    s.invariant(lists_one, mm, device.mmu_notifier.hlist)
    s.invariant(entries_are_counted, device)
    s.reachable(device_lost_all_at_exit)
