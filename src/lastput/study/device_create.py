"""kvm/device-create: a VM gets a device while another thread closes descriptors that it guesses.

The question is who keeps the VM and the device alive between the moment that the device can be reached,
by its descriptor or in the VM's list, and the return of the ioctl. Actors: the thread that creates the
device, `closer` (a thread of the same process that closes the next descriptor, whatever it is), and with
`creators=2` a second creation that meets the first one's list entry. Checked with both, and with failing
creations. The process's memory outlives the scenario.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.atomic import Counts
from lastput.kernel.file import exit_files, sys_close
from lastput.kernel.fs_types import file
from lastput.kernel.list import INIT_LIST_HEAD
from lastput.kernel.mm_types import Mm
from lastput.kernel.task_work import exit_task_work
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.arm64.vgic_device import (
    kvm_arm_vgic_v3_ops,
    vgic_create,
    vgic_destroy,
    vgic_set_common_attr,
)
from lastput.kvm.device import kvm_device
from lastput.kvm.device_ioctl import (
    Device,
    device_witness_of,
    kvm_device_fops,
    kvm_device_release,
    kvm_vm_ioctl_create_device,
)
from lastput.kvm.kvm_host import Kvm, vm_list
from lastput.lang import Setup, option, options, scenario
from lastput.study.kvm_invariants import devices_are_listed, watch
from lastput.study.vmm import VM_FD, Vmm, boot_files, task

DEVICE_FD = VM_FD + 1


@options
class Creation:
    """Who does what in kvm/device-create."""

    creators: int = option(1, "threads that create a device", low=1, high=2)
    closer: bool = option(True, "one more thread closes the descriptor that the first device will get")


def creator() -> None:
    """A thread of the process makes a device, and exits."""
    kvm_vm_ioctl_create_device(VM_FD, kvm_arm_vgic_v3_ops)
    exit_files()
    exit_task_work()


def closer() -> None:
    """A thread of the process closes what it did not open, and exits."""
    sys_close(DEVICE_FD)
    exit_files()
    exit_task_work()


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def the_device_is_closed_before_its_creation_returns() -> bool:
    return device_witness_of.creating and device_witness_of.released


def a_creation_fails() -> bool:
    return device_witness_of.failed


def give_devices(s: Setup, vmm: Vmm, devices: int, files: int) -> None:
    """An empty list of devices, and room for more."""
    INIT_LIST_HEAD(vmm.kvm.devices)
    kvm_device_fops.release = kvm_device_release
    ops: Any = kvm_arm_vgic_v3_ops
    ops.create = vgic_create
    ops.destroy = vgic_destroy
    ops.set_attr = vgic_set_common_attr
    if devices:
        s.pool(kvm_device, devices)
        s.pool(file, files)


@scenario(
    name="kvm/device-create",
    variants={
        "a28ebea2adc4": {"devices": True, "unlink_first": False, "get_first": False},
        "a0f1d21c1ccb": {"devices": True, "get_first": False},
        "cfa39381173d": {"devices": True},
    },
    options=(Creation, Device, Counts, Mm, Kvm, Stage2, Arm),
)
def device_create(s: Setup) -> None:
    """A device is created, and its descriptor closed before the ioctl has returned."""
    tasks = Creation.creators + Creation.closer
    vmm = boot_files(s, sharers=tasks, max_fds=1 + Creation.creators)
    give_devices(s, vmm, Creation.creators, Creation.creators)
    for i in range(Creation.creators):
        s.thread(f"creator{i}", creator, task=task(s, f"creator{i}", vmm))
    if Creation.closer:
        s.thread("closer", closer, task=task(s, "closer", vmm))
        s.reachable(the_device_is_closed_before_its_creation_returns)
    if Device.getfd_fails:
        s.reachable(a_creation_fails)
    if Device.unlink_first:
        s.invariant(devices_are_listed, vmm.kvm)
        if Device.get_first or not Creation.closer:
            watch(s, vmm, tasks=0, files=Creation.creators)
    s.final(vm_is_gone)
