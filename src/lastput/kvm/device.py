"""Devices of a VM (Linux 4.12, include/linux/kvm_host.h, virt/kvm/kvm_main.c): what they are, and their end.

A device is in the list of its VM from its creation to the end of the VM; its file holds a reference to
the VM. Making and using one is in device_ioctl.py.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.fs_types import void
from lastput.kernel.list import list_del, list_head
from lastput.kvm.kvm_host import kvm
from lastput.lang import const, container_of, ghost, ptr, struct


@struct
class kvm_device_ops:
    create: const[Callable[[ptr[kvm_device]], int]]
    destroy: const[Callable[[ptr[kvm_device]], None]]
    """At the end of the VM: frees the device."""
    release: const[Callable[[ptr[kvm_device]], None]]
    """At the last put of the device's file instead, if set (Linux 5.2)."""
    set_attr: const[Callable[[ptr[kvm_device], int], int]]


@struct
class kvm_device:
    ops: ghost[ptr[kvm_device_ops]]
    """No step: set before the device is visible to others, and never changed. So are the next two."""
    kvm: ghost[ptr[kvm]]
    private: ghost[ptr[void]]
    vm_node: list_head


def kvm_destroy_devices(kvm: ptr[kvm]) -> None:
    """The VM ends: destroy what is still in its list. Nobody else has a reference, so no lock is taken.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    node = kvm.devices.next
    while node != kvm.devices:
        next = node.next
        dev = container_of(node, kvm_device, lambda d: d.vm_node)
        list_del(node)
        dev.ops.destroy(dev)
        node = next
