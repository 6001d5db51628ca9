"""Memory slots change while a release, or a fault, looks at them.

kvm/memslot-vs-release: a release that goes through the slots (x86: to the reverse map of every entry
that it clears) must do so inside kvm->srcu. Another process, which was handed the VM's descriptor, asks
for new slots at the same time; the test of the address space is what keeps it out.

kvm/memslot-vs-fault: a thread of the process deletes the slot while a vcpu faults in a page of it. Once
the ioctl is back, stage 2 maps nothing of it.

Defaults: two pages; in the second, one page and two vcpus. Also checked with move=1.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files, get_file
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import files_struct
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import lru
from lastput.kernel.sched import current, task_struct
from lastput.kernel.task_work import exit_task_work
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.kvm_host import Kvm, kvm_memslots
from lastput.kvm.kvm_main import kvm_vcpu_ioctl_run
from lastput.kvm.memslots import (
    KVM_MR_DELETE,
    KVM_MR_FLAGS_ONLY,
    KVM_MR_MOVE,
    kvm_vm_ioctl_set_memory_region,
)
from lastput.kvm.witness import witness
from lastput.kvm.x86.kvm_host import X86
from lastput.lang import Setup, atomic, option, options, scenario
from lastput.lang.options import Value
from lastput.study.age_vs_exit import lru_is_empty, vm_is_gone
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, boot, task, vcpu_fd


@options
class Slots:
    """What becomes of the slot in kvm/memslot-vs-fault."""

    move: bool = option(False, "the slot moves to other guest pages; else it is deleted")


def exiting_process() -> None:
    """The process that made the VM."""
    do_exit()


def foreign_process() -> None:
    """Another process tries to change the VM's slots, and exits. Its memory is not modelled."""
    kvm_vm_ioctl_set_memory_region(VM_FD, KVM_MR_FLAGS_ONLY, 1)
    exit_files()
    exit_task_work()


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and goes."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    mmput(current().mm)


def slot_thread() -> None:
    """A thread of the process that takes the slot away: then no entry may be left of it."""
    if Slots.move:
        kvm_vm_ioctl_set_memory_region(VM_FD, KVM_MR_MOVE, Stage2.ram_base - 2)
    else:
        kvm_vm_ioctl_set_memory_region(VM_FD, KVM_MR_DELETE, Stage2.ram_base)
    with atomic():
        for i in range(Mm.pages):
            if lru.list[i]:
                assert lru.list[i].secondary == 0, "stage 2 maps a page of a slot that is gone"
    mmput(current().mm)


def release_runs() -> bool:
    return witness.exit_inside or witness.destroy_inside


def vcpu_runs_meanwhile() -> bool:
    """The slot is being taken away with a vcpu inside KVM_RUN."""
    return witness.ioctls != 0 and witness.running != 0


SAME: dict[str, Value] = {"arch": "x86", "slots_change": True, "slots_check": True, "pages": 2}


@scenario(
    name="kvm/memslot-vs-release",
    variants={"eda2beda8356~1": {**SAME, "release_srcu": False}, "eda2beda8356": SAME},
    default="eda2beda8356",
    options=(Mm, Kvm, Stage2, Arm, X86, Notifiers),
)
def memslot_vs_release(s: Setup) -> None:
    """The release of the notifier looks at the memory slots, which somebody wants to change."""
    vmm = boot(s, users=1, sharers=1, map_kvm_run=False, mapped=Mm.pages)
    get_file(vmm.vm_file)
    files = s.new(files_struct, "foreign_files", max_fds=1)
    files.count.counter = 1
    files.fd[VM_FD] = vmm.vm_file
    s.pool(kvm_memslots, 1)
    s.thread("vmm", exiting_process, task=task(s, "vmm", vmm))
    s.thread("foreign", foreign_process, task=s.static(task_struct, "task_foreign", files=files))
    watch(s, vmm, tasks=1)
    s.final(vm_is_gone if Kvm.arch == "arm64" else lru_is_empty)
    s.reachable(release_runs)


@scenario(
    name="kvm/memslot-vs-fault",
    variants={
        "v4.12": {"slots_change": True, "slots_check": True, "age_guard": True, "vcpus": 2, "ram_base": 2}
    },
    options=(Slots, Mm, Kvm, Stage2, Arm, Notifiers),
)
def memslot_vs_fault(s: Setup) -> None:
    """The VM's memory slot is taken away while vcpus fault in pages of it."""
    vmm = boot(s, users=Kvm.vcpus + 1, sharers=1, map_kvm_run=False, mapped=Mm.pages, in_stage2=0, lives=True)
    for i in range(Kvm.vcpus):
        s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", vmm))
    s.thread("slots", slot_thread, task=task(s, "slots", vmm))
    s.pool(kvm_memslots, 1)
    s.pool(pmd_page, 2)
    s.pool(pte_page, 2)
    watch(s, vmm, tasks=0)
    s.final(lru_is_empty)
    s.reachable(vcpu_runs_meanwhile)
