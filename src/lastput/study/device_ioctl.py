"""kvm/device-ioctl: a process that is not the VM's uses a device of the VM, which its owner leaves behind.

The question is whether device code may take for granted what VM and vcpu ioctls test: that the task's
memory is the VM's. Actors: `vmm`, the owner, which uses its device and exits; `foreign`, which inherited
or was sent the device's descriptor, uses it and exits. The owner's write shows that the test lets through
what it should, and that writes are looked at where foreign ones never come that far. Reclaim is not
needed: no page is mapped. Checked with two uses and with two pages, too.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files
from lastput.kernel.fs_types import NR_OPEN, file, files_struct, void
from lastput.kernel.list import list_add
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import exit_task_work
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.arm64.vgic_device import kvm_arm_vgic_v3_ops, writes
from lastput.kvm.device import kvm_device
from lastput.kvm.device_ioctl import kvm_device_fops, kvm_device_ioctl
from lastput.kvm.kvm_host import Kvm, vm_list
from lastput.kvm.witness import witness
from lastput.lang import Setup, UsageError, option, options, reinterpret, scenario
from lastput.study.device_create import give_devices
from lastput.study.kvm_invariants import devices_are_listed, watch
from lastput.study.vmm import Vmm, boot, task, vcpu_fd

FOREIGN_FD = 0
"""The device, in the table of the other process."""


@options
class Foreign:
    """What kvm/device-ioctl asks."""

    uses: int = option(1, "ioctls of the other process", low=1, high=2)
    rule: str = option(
        "both",
        "writes go to an address space with users, to that of the writer, or both",
        values=("both", "users", "own"),
    )


def own_fd() -> int:
    """The device, in the owner's table: behind the vcpus, of which there may be one."""
    return vcpu_fd(Kvm.vcpus)


def main_thread() -> None:
    """The owner uses its device, and exits."""
    kvm_device_ioctl(own_fd(), 0)
    do_exit()


def foreign_thread() -> None:
    """Another process uses the device, and exits. Its own memory is only an address here."""
    for _use in range(Foreign.uses):
        kvm_device_ioctl(FOREIGN_FD, 0)
    exit_files()
    exit_task_work()


def writes_stay_at_home() -> bool:
    """No device writes to the memory of a process that is not the VM's."""
    return not writes.elsewhere


def the_owner_writes() -> bool:
    """The device does its work for the process of the VM."""
    return writes.at_home


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def the_vm_outlives_its_memory() -> bool:
    """The window: stage 2 is gone with the address space, the VM is not."""
    vm = vm_list.first
    if not vm:
        return False
    return witness.released and vm.mm.mm_users.counter == 0


def pass_device(s: Setup, vmm: Vmm) -> None:
    """A device of which the owner and another process have a descriptor."""
    if own_fd() >= NR_OPEN:
        raise UsageError("kvm/device-ioctl has room for one vcpu: the owner's table has the device, too")
    give_devices(s, vmm, 0, 0)
    dev = s.new(kvm_device, "device", ops=kvm_arm_vgic_v3_ops, kvm=vmm.kvm)
    list_add(dev.vm_node, vmm.kvm.devices)
    vmm.kvm.users_count.counter += 1
    device_file = s.new(file, "device_file", f_op=kvm_device_fops, private_data=reinterpret(void, dev))
    device_file.f_count.counter = 2
    vmm.files.max_fds = own_fd() + 1
    vmm.files.fd[own_fd()] = device_file
    files = s.new(files_struct, "foreign_files", max_fds=1)
    files.count.counter = 1
    files.fd[FOREIGN_FD] = device_file
    other = s.static(mm_struct, "foreign_mm")
    other.mm_users.counter = 1
    s.thread("foreign", foreign_thread, task=s.static(task_struct, "task_foreign", mm=other, files=files))


@scenario(
    name="kvm/device-ioctl",
    variants={
        "v4.12": {"devices": True},
        "ddba91801aeb": {"devices": True, "device_mm_test": True},
    },
    options=(Foreign, Mm, Kvm, Stage2, Arm),
)
def device_ioctl(s: Setup) -> None:
    """A device is used by a process that is not the VM's, after that one's memory is gone."""
    vmm = boot(s, users=1, sharers=1, map_kvm_run=False, mapped=0)
    s.thread("vmm", main_thread, task=task(s, "vmm", vmm))
    pass_device(s, vmm)
    if Foreign.rule != "users":
        s.invariant(writes_stay_at_home)
    s.reachable(the_owner_writes)
    s.reachable(the_vm_outlives_its_memory)
    watch(s, vmm, tasks=1, files=1)
    s.invariant(devices_are_listed, vmm.kvm)
    s.final(vm_is_gone)
