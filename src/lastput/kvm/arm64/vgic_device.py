"""The device of arm's interrupt controller, as far as lifetime goes (Linux 4.12, virt/kvm/arm/vgic).

The device has no memory of its own: the controller is part of the VM. What its ioctls do is one
thing here: they write tables to guest memory (KVM_DEV_ARM_ITS_SAVE_TABLES), as an example of code that
takes for granted that the address space is the VM's.
"""

from __future__ import annotations

from lastput.kernel.sched import current
from lastput.kvm.device import kvm_device, kvm_device_ops
from lastput.kvm.kvm_host import kvm
from lastput.lang import ghost, kfree, ptr, static, struct


@struct
class guest_writes:
    """What properties ask; nothing of it is the kernel's."""

    elsewhere: ghost[bool]
    """A device writes to guest memory, from a task with another address space than the VM's."""
    at_home: ghost[bool]
    """... from a task of the VM's own process."""


kvm_arm_vgic_v3_ops = static(kvm_device_ops)
writes = static(guest_writes)


def vgic_create(dev: ptr[kvm_device]) -> int:
    """Nothing to allocate.

    Source: Linux 4.12, virt/kvm/arm/vgic/vgic-kvm-device.c.
    """
    return 0


def vgic_destroy(dev: ptr[kvm_device]) -> None:
    """Free the device.

    Source: Linux 4.12, virt/kvm/arm/vgic/vgic-kvm-device.c.
    """
    kfree(dev)


def kvm_write_guest(kvm: ptr[kvm]) -> None:
    """Store to guest memory: at an address of the VM's process, but in whatever memory the task has.

    The store itself is left out: a look at the VM's own address space stands for it.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    mm = kvm.mm
    writes.elsewhere = current().mm != mm
    writes.at_home = current().mm == mm
    assert mm.mm_users.counter != 0, "guest memory is written after its address space has died"
    writes.elsewhere = False
    writes.at_home = False


def vgic_set_common_attr(dev: ptr[kvm_device], attr: int) -> int:
    """An ioctl that writes to guest memory.

    Source: Linux 4.12, virt/kvm/arm/vgic/vgic-kvm-device.c.
    """
    kvm_write_guest(dev.kvm)
    return 0
