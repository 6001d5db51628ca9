"""khugepaged asks KVM whether a guest page was accessed, while the process goes away.

kvm_test_age_hva handed an empty range to the walk over the slots until cf2d23e0bac9 (Linux 5.6): the
answer was always no, and khugepaged never saw what a guest on arm had accessed. It is also why the second
half of 7e5a672289c9 guarded a path that could not crash: with the range of one page and without the guard
it can.

The answer must be yes as long as stage 2 is there: its entry is young, and nobody clears it.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.fork import mmput
from lastput.kernel.khugepaged import khugepaged_scan_pmd
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier_types import Notifiers
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import task_struct
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.witness import witness
from lastput.lang import Setup, ghost, ptr, scenario, static, struct
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import boot, task


@struct
class scan_witness:
    """What khugepaged was told; nothing of it is the kernel's."""

    young: ghost[bool]
    gone: ghost[bool]


scan = static(scan_witness)


def vmm_task() -> None:
    """The process exits; its VM goes with its files, while khugepaged still holds the memory."""
    do_exit()


def khugepaged(mm: ptr[mm_struct]) -> None:
    """One look at guest memory. The host has not accessed it."""
    down_read(mm.mmap_sem)
    young = khugepaged_scan_pmd(mm)
    up_read(mm.mmap_sem)
    assert young or witness.released, "the guest's accesses are lost"
    if young:
        scan.young = True
    else:
        scan.gone = True
    mmput(mm)


def guest_access_is_seen() -> bool:
    return scan.young


def scan_comes_too_late() -> bool:
    """Stage 2 is gone, with the process still there: the window of the guard."""
    return scan.gone


@scenario(
    name="kvm/test-young",
    variants={
        "v4.13": {"age_guard": True, "test_age_page": False, "mmap_sem": True},
        "cf2d23e0bac9": {"age_guard": True, "test_age_page": True, "mmap_sem": True},
    },
    options=(Mm, Kvm, Stage2, Arm, Notifiers),
)
def test_young(s: Setup) -> None:
    """khugepaged looks for young guest pages while the process that owns the VM exits."""
    vmm = boot(s, users=2, sharers=1, map_kvm_run=False, mapped=Mm.pages)
    for i in range(Mm.pages):
        vmm.mm.pte[i].young = False
    s.thread("vmm", vmm_task, task=task(s, "vmm", vmm))
    s.thread("khugepaged", khugepaged, vmm.mm, task=s.static(task_struct, "task_khugepaged"))
    watch(s, vmm, tasks=1)
    s.reachable(guest_access_is_seen)
    s.reachable(scan_comes_too_late)
