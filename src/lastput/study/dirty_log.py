"""Userspace asks which pages the guest has written, while the guest writes.

Reporting a page clears its bit, then write-protects it, and userspace copies it after that: a later
write faults, sets the bit again, and makes the page writable. Is a write ever lost, that is, neither
copied nor marked? The walk that write-protects may break mmu_lock, and a fault come between.

In variant `unprotected` a reported page stays writable: what the guest writes next is lost.

Default: two pages under two pgd entries, one vcpu that writes twice, one report.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import current
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.memory_region import kvm_vm_ioctl_get_dirty_log
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.kvm_host import Kvm, kvm
from lastput.kvm.kvm_main import kvm_vcpu_ioctl_run
from lastput.kvm.witness import witness
from lastput.lang import Setup, ptr, scenario
from lastput.lang.options import Value
from lastput.study.age_vs_exit import lru_is_empty
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import boot, task, vcpu_fd


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and goes."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    mmput(current().mm)


def log_thread(kvm: ptr[kvm]) -> None:
    """A thread of the process that migrates the VM: it asks once, and goes."""
    kvm_vm_ioctl_get_dirty_log(kvm)
    mmput(current().mm)


def no_write_is_lost(kvm: ptr[kvm]) -> bool:
    """Every page that was written since it was last reported is marked."""
    lost = False
    for i in range(Mm.pages):
        if (witness.unlogged >> i) & 1 and not kvm.dirty_bitmap[i]:
            lost = True
    return not lost


def a_write_is_unreported() -> bool:
    """The guest has written something that is not reported yet."""
    return witness.unlogged != 0


LOGGED: dict[str, Value] = {
    "logging": True,
    "vcpus": 1,
    "touches": 2,
    "pages": 2,
    "pgd_entries": 3,
    "ram_base": 3,
    "age_guard": True,
}


@scenario(
    name="kvm/dirty-log",
    variants={"v4.12": LOGGED, "unprotected": {**LOGGED, "log_protects": False}},
    options=(Mm, Kvm, Stage2, Arm, Notifiers),
)
def dirty_log(s: Setup) -> None:
    """Userspace asks which pages the guest has written, while the guest writes."""
    vmm = boot(s, users=Kvm.vcpus + 1, sharers=1, map_kvm_run=False, mapped=Mm.pages, in_stage2=0, lives=True)
    for i in range(Kvm.vcpus):
        s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", vmm))
    s.thread("log", log_thread, vmm.kvm, task=task(s, "log", vmm))
    s.pool(pmd_page, 2)
    s.pool(pte_page, 2)
    watch(s, vmm, tasks=0)
    s.final(no_write_is_lost, vmm.kvm)
    s.final(lru_is_empty)
    s.reachable(a_write_is_unreported)
