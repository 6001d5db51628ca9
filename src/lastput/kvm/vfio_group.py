"""VFIO's groups and devices, as far as they hold a VM (drivers/vfio/group.c, drivers/vfio/vfio_main.c).

Containers and IOMMUs are left out, and so is everything that a driver does but for its look at the VM.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_inc_not_zero
from lastput.kernel.fs_types import file
from lastput.kernel.lock_types import mutex, spinlock_t
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kvm.kvm_host import kvm
from lastput.kvm.kvm_main import kvm_get_kvm, kvm_put_kvm
from lastput.lang import NULL, const, option, options, ptr, reinterpret, struct


@options
class Vfio:
    """How VFIO holds a VM; the defaults are Linux 6.3."""

    kvm_ref_lock: bool = option(True, "the group's VM has a spinlock of its own (2b48f52f2bff)")
    driver_locks: bool = option(False, "the driver takes kvm->lock as its device is opened (vfio-ap)")


@struct
class vfio_group:
    group_lock: mutex
    kvm_ref_lock: spinlock_t
    kvm: ptr[kvm]
    """Who uses the group; no reference."""


@struct
class vfio_device:
    group: const[ptr[vfio_group]]
    kvm: ptr[kvm]
    """With a reference, from open to close: the driver's own, or since 2b48f52f2bff VFIO's."""


def file_group(filp: ptr[file]) -> ptr[vfio_group]:
    """The group behind a group file."""
    return reinterpret(vfio_group, filp.private_data)


def vfio_file_set_kvm(filp: ptr[file], kvm: ptr[kvm]) -> None:
    """A VM begins to use a group; NULL: it does not any more.

    Source: Linux 6.3, drivers/vfio/vfio_main.c.
    """
    group = file_group(filp)
    if Vfio.kvm_ref_lock:
        spin_lock(group.kvm_ref_lock)
        group.kvm = kvm
        spin_unlock(group.kvm_ref_lock)
    else:
        mutex_lock(group.group_lock)
        group.kvm = kvm
        mutex_unlock(group.group_lock)


def kvm_get_kvm_safe(kvm: ptr[kvm]) -> bool:
    """Take a reference unless the VM is being destroyed; says whether it did.

    Source: Linux 6.3, virt/kvm/kvm_main.c.
    """
    return atomic_inc_not_zero(kvm.users_count)


def vfio_device_get_kvm(device: ptr[vfio_device]) -> None:
    """The reference that lasts until the device is closed. Holds group_lock.

    Source: Linux 6.3, drivers/vfio/group.c: vfio_device_group_get_kvm_safe.
    """
    group = device.group
    if Vfio.kvm_ref_lock:
        spin_lock(group.kvm_ref_lock)
        kvm = group.kvm
        if kvm and kvm_get_kvm_safe(kvm):
            device.kvm = kvm
        spin_unlock(group.kvm_ref_lock)
    else:
        kvm = group.kvm
        if kvm:
            kvm_get_kvm(kvm)
            device.kvm = kvm


def open_device(device: ptr[vfio_device]) -> None:
    """What a driver does with the VM as its device is opened: vfio-ap looks at it under kvm->lock.

    Source: Linux 6.3, drivers/s390/crypto/vfio_ap_ops.c: vfio_ap_mdev_open_device.
    """
    kvm = device.kvm
    if Vfio.driver_locks and kvm:
        mutex_lock(kvm.lock)
        mutex_unlock(kvm.lock)


def vfio_device_group_open(device: ptr[vfio_device]) -> None:
    """VFIO_GROUP_GET_DEVICE_FD: open the device for the VM that uses its group, if one does.

    Source: Linux 6.3, drivers/vfio/group.c.
    """
    group = device.group
    mutex_lock(group.group_lock)
    vfio_device_get_kvm(device)
    open_device(device)
    mutex_unlock(group.group_lock)


def vfio_device_group_close(device: ptr[vfio_device]) -> None:
    """The device's file is put for the last time: the VM's last reference may go here.

    Source: Linux 6.3, drivers/vfio/group.c.
    """
    group = device.group
    mutex_lock(group.group_lock)
    kvm = device.kvm
    device.kvm = NULL
    if kvm:
        kvm_put_kvm(kvm)
    mutex_unlock(group.group_lock)
