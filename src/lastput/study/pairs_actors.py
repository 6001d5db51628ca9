"""Who is there in kvm/pairs, and what each of them does: threads only."""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files, fput, sys_close
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import Mm, address_space, mm_struct
from lastput.kernel.sched import current, task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.kernel.truncate import unmap_mapping_range
from lastput.kernel.vhost import vhost_dev_release
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.kvm_main import fdget, fdput, file_kvm, kvm_vcpu_ioctl_run, kvm_vcpu_release, kvm_vm_release
from lastput.kvm.witness import witness
from lastput.lang import const, ghost, option, options, ptr, static, struct
from lastput.study.vmm import VM_FD, vcpu_fd


@options
class Pairs:
    """Who there is in kvm/pairs, and which question is asked."""

    pair: str = option(
        "E+A",
        "who is to meet: E exit's release, U unregister, A ageing, I invalidation, V vcpu, M VM ioctl, D "
        "device ioctl; or which order is to be seen",
        values=(
            "E+A",
            "E+I",
            "E+U",
            "U+A",
            "U+I",
            "V+E",
            "V+U",
            "M+E",
            "M+U",
            "D+E",
            "D+U",
            "A+V",
            "I+V",
            "I+M",
            "E<U",
            "U<E",
            "window",
            "window-alive",
            "stranger",
            "stranger-ends",
        ),
    )
    show: bool = option(False, "report the meeting as a violation, which has a witness; else ask for it")
    fd: str = option(
        "kept",
        "the VM's descriptor: in the process, handed to a second one too, moved there, moved to a thread of "
        "the process that has a table of its own, or into a message that a kernel thread frees",
        values=("kept", "handed", "moved", "thread", "message"),
    )
    closes: bool = option(False, "the process closes its descriptors before it exits")
    mapped_run: bool = option(False, "the process has kvm_run mapped")
    holder: str = option(
        "none",
        "who else holds the address space: a reader of /proc/PID/smaps, DAMON, a walk of LRU_GEN, whose last "
        "put is left to a worker, an asynchronous page fault, which holds the VM, too, or the file of a "
        "vhost device, which is in the process and in a message that a kernel thread frees",
        values=("none", "reader", "damon", "lru-gen", "async_pf", "vhost"),
    )


@struct
class actors_witness:
    """Where an actor is; nothing of it is the kernel's."""

    holder: ghost[bool]
    """The holder of the address space, who is none of the process, is inside its mmput."""
    stranger: const[ptr[task_struct]]
    """That holder, where it is a user task."""
    ending: ghost[bool]
    """A task that is none of the process releases a file of KVM."""


actors = static(actors_witness)


def needs(actor: str) -> bool:
    """The pair has this actor. For set-ups."""
    return actor in str(Pairs.pair)


def process() -> None:
    """The process that made the VM."""
    if Pairs.closes:
        sys_close(VM_FD)
        for i in range(Kvm.vcpus):
            sys_close(vcpu_fd(i))
        task_work_run()
    do_exit()


def foreign_process() -> None:
    """Another process, which was handed the VM's descriptor, exits. Its memory is not modelled."""
    exit_files()
    exit_task_work()


def own_table_thread() -> None:
    """A thread of the process with a descriptor table of its own: it exits like any other."""
    do_exit()


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and exits."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    do_exit()


def locked_ioctl(fd: int, mm_test: bool) -> None:
    """Any ioctl that works on stage 2 for a moment."""
    filp = fdget(fd)
    if filp:
        kvm = file_kvm(filp)
        if not mm_test or current().mm == kvm.mm:
            witness.ioctls += 1
            spin_lock(kvm.mmu_lock)
            spin_unlock(kvm.mmu_lock)
            witness.ioctls -= 1
        fdput(filp)


def vm_ioctl_thread() -> None:
    """A thread of the process: an ioctl of the VM, and exit."""
    locked_ioctl(VM_FD, Kvm.mm_test)
    do_exit()


def foreign_vm_ioctl() -> None:
    """Another process, which was handed the VM's descriptor, tries the same."""
    locked_ioctl(VM_FD, Kvm.mm_test)
    foreign_process()


def foreign_device_ioctl() -> None:
    """Another process, which was handed the descriptor of a device: an ioctl of it, and exit."""
    locked_ioctl(VM_FD, Kvm.device_mm_test)
    foreign_process()


def memory_holder(mm: ptr[mm_struct]) -> None:
    """A task that has looked at the address space, and lets go of it: whatever follows, follows here."""
    actors.holder = True
    mmput(mm)
    actors.holder = False
    task_work_run()


def is_stranger() -> bool:
    """The caller is none of the process: a kernel thread, or the reader."""
    return current().kthread or current() == actors.stranger


def vm_release_seen(filp: ptr[file]) -> None:
    """The last put of the VM's file; the witness sees whether a task of the process does it."""
    actors.ending = is_stranger()
    kvm_vm_release(filp)
    actors.ending = False


def vcpu_release_seen(filp: ptr[file]) -> None:
    """The last put of a vcpu's file, seen likewise."""
    actors.ending = is_stranger()
    kvm_vcpu_release(filp)
    actors.ending = False


def free_message(filp: ptr[file]) -> None:
    """A kernel thread frees a message that nobody received, with the descriptor in it."""
    fput(filp)


def vhost_release(filp: ptr[file]) -> None:
    """The last put of a vhost device's file; the witness sees whether a task of the process does it."""
    actors.holder = current().kthread
    vhost_dev_release(filp)
    actors.holder = False


def punch_hole(mapping: ptr[address_space]) -> None:
    """fallocate(FALLOC_FL_PUNCH_HOLE) of all of guest memory, by somebody else."""
    unmap_mapping_range(mapping, 0, Mm.pages)
