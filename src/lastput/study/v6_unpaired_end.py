"""A VM is created while an invalidation is between its start and its end: Linux 6.7 and 6.8.

PAGEMAP_SCAN called both without the lock of the address space; KVM_CREATE_VM registers a notifier under
it. The new notifier hears of the end only: mn_active_invalidate_count falls below 0, and the next change
of the VM's memory slots waits for ever. Linux 6.8 does not lower the count then (d489ec956583), and calls
the pair under the lock (CVE-2024-26617).

Two threads of a process: one scans page 1, of which the VM has nothing; the other one creates a VM and
gives it a slot for page 0. Then both exit. `scan=0` is a scan of the page that the slot has.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, mm_struct, mmu_notifier_mm
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.mmu_notifier_register import Register, mmu_notifier_register
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import current
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.kvm_host import kvm_memslots, vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.v6_invariants import watch_registered
from lastput.study.v6_memslots import kvm_vm_ioctl_set_memory_region
from lastput.study.v6_versions import V6_1, with_
from lastput.study.v6_vmm import VM_FD, boot, memslots, task


@options
class Pair6:
    """What happens in kvm/v6.7-unpaired-end."""

    scan: int = option(1, "the page that is scanned; the VM gets a slot for page 0", low=0, high=1)
    scan_locked: bool = option(False, "PAGEMAP_SCAN calls start and end under mmap_lock (CVE-2024-26617)")


# -- threads ---------------------------------------------------------------------------------


def do_pagemap_scan(mm: ptr[mm_struct], start: int, end: int) -> None:
    """Look at a range, and write-protect it on the way: what it finds is left out.

    Source: Linux 6.7, fs/proc/task_mmu.c.
    """
    if Pair6.scan_locked:
        down_read(mm.mmap_sem)
    change_begin(mm, start, end)
    if not Pair6.scan_locked:
        down_read(mm.mmap_sem)
        up_read(mm.mmap_sem)
    change_end(mm, start, end)
    if Pair6.scan_locked:
        up_read(mm.mmap_sem)


def scanner() -> None:
    """A thread of the process that scans its own memory, and exits."""
    do_pagemap_scan(current().mm, Pair6.scan, Pair6.scan + 1)
    do_exit()


def creator(slots: ptr[kvm_memslots]) -> None:
    """A thread of the process that creates a VM (what comes before the notifier is done), and exits."""
    mmu_notifier_register(vm_list.first.mmu_notifier, current().mm)
    kvm_vm_ioctl_set_memory_region(VM_FD, slots)
    do_exit()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def pairs_are_whole() -> bool:
    """No notifier hears of an end without having heard of the start."""
    return not witness6.unpaired_end


def end_without_start() -> bool:
    """The WARN_ON_ONCE of d489ec956583 has fired."""
    return witness6.unpaired_end


# -- set-up ----------------------------------------------------------------------------------


@scenario(
    name="kvm/v6.7-unpaired-end",
    variants={
        "v6.7": with_(V6_1, pages=2, slots=2, mmap_sem=True),
        "v6.7-slot": with_(V6_1, pages=2, slots=2, mmap_sem=True, scan=0),
        "d489ec956583": with_(V6_1, pages=2, slots=2, mmap_sem=True, harden_end=True),
        "d489ec956583-slot": with_(V6_1, pages=2, slots=2, mmap_sem=True, harden_end=True, scan=0),
        "v6.8": with_(V6_1, pages=2, slots=2, mmap_sem=True, harden_end=True, scan_locked=True),
        "v6.8-slot": with_(V6_1, pages=2, slots=2, mmap_sem=True, harden_end=True, scan_locked=True, scan=0),
    },
    options=(Pair6, Mm, Kvm6, Arm6, Notifiers, Register),
)
def register_vs_invalidate(s: Setup) -> None:
    """A VM is created while an invalidation is under way."""
    made = boot(s, users=2, sharers=2, mapped=2, touched=(), registered=False, slots=0)
    s.pool(mmu_notifier_mm, 1)
    new = memslots(s, "new_memslots", used=1)
    s.thread("scanner", scanner, task=task(s, "scanner", made))
    s.thread("creator", creator, new, task=task(s, "creator", made))
    watch_registered(s, made, counts=Pair6.scan_locked)
    s.final(vm_is_gone)
    if Pair6.scan_locked:
        s.invariant(pairs_are_whole)
    elif Kvm6.harden_end:
        s.reachable(end_without_start)
