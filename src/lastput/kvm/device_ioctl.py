"""KVM_CREATE_DEVICE, and the file of a device (Linux 4.12, virt/kvm/kvm_main.c)."""

from __future__ import annotations

from lastput.kernel.file import EBADF, EMFILE, anon_inode_getfile, install_unused_fd
from lastput.kernel.fs_types import file, file_operations, void
from lastput.kernel.list import list_add, list_del
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched import current
from lastput.kvm.device import kvm_device, kvm_device_ops
from lastput.kvm.kvm_host import Kvm, kvm
from lastput.kvm.kvm_main import EIO, fdget, fdput, file_kvm, kvm_get_kvm, kvm_put_kvm
from lastput.lang import (
    NULL,
    choose,
    ghost,
    kfree,
    kzalloc,
    option,
    options,
    ptr,
    reinterpret,
    static,
    struct,
)


@options
class Device:
    """How KVM_CREATE_DEVICE goes about it; the defaults are Linux 5.0."""

    get_first: bool = option(True, "the file takes its reference to the VM before it is seen (cfa39381173d)")
    unlink_first: bool = option(
        True, "a device without a file leaves the list before it is freed (a0f1d21c1ccb)"
    )
    getfd_fails: bool = option(False, "making the file may fail, for want of memory or descriptors")


@struct
class device_witness:
    """What properties ask; nothing of it is the kernel's."""

    creating: ghost[bool]
    """Somebody is inside KVM_CREATE_DEVICE, and the file is there for others to use."""
    released: ghost[bool]
    """... and its last reference is gone."""
    failed: ghost[bool]
    """Making the file has failed, and the device is about to go."""


device_witness_of = static(device_witness)
kvm_device_fops = static(file_operations)


def file_device(filp: ptr[file]) -> ptr[kvm_device]:
    """The device behind a device file."""
    return reinterpret(kvm_device, filp.private_data)


def anon_inode_getfd(fops: ptr[file_operations], priv: ptr[void]) -> int:
    """A descriptor, closed on exec, for a new file: the whole process sees it before this returns.

    Source: Linux 4.12, fs/anon_inodes.c.
    """
    if Device.getfd_fails and choose(2) == 1:
        return -EMFILE
    return install_unused_fd(anon_inode_getfile(fops, priv), True)


def undo_create(dev: ptr[kvm_device]) -> None:
    """The device got no file: it was visible in the VM's list."""
    kvm = dev.kvm
    device_witness_of.failed = True
    if not Device.unlink_first:
        dev.ops.destroy(dev)
    mutex_lock(kvm.lock)
    list_del(dev.vm_node)
    mutex_unlock(kvm.lock)
    if Device.unlink_first:
        dev.ops.destroy(dev)
    device_witness_of.failed = False


def kvm_ioctl_create_device(kvm: ptr[kvm], ops: ptr[kvm_device_ops]) -> int:
    """Make a device, put it in the VM's list, and give it a file; the descriptor, or -errno.

    Since a28ebea2adc4 (4.8) the device is in the list before it has a file.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    dev = kzalloc(kvm_device)
    dev.ops = ops
    dev.kvm = kvm
    mutex_lock(kvm.lock)
    ret = ops.create(dev)
    if ret < 0:
        mutex_unlock(kvm.lock)
        kfree(dev)
        return ret
    list_add(dev.vm_node, kvm.devices)
    mutex_unlock(kvm.lock)
    if Device.get_first:
        kvm_get_kvm(kvm)
    device_witness_of.creating = True
    fd = anon_inode_getfd(kvm_device_fops, reinterpret(void, dev))
    if fd < 0:
        if Device.get_first:
            kvm_put_kvm(kvm)
        undo_create(dev)
        return fd
    if not Device.get_first:
        kvm_get_kvm(kvm)
    return fd


def kvm_vm_ioctl_create_device(fd: int, ops: ptr[kvm_device_ops]) -> int:
    """ioctl(fd, KVM_CREATE_DEVICE) by a task of the VM's own process.

    Source: Linux 4.12, virt/kvm/kvm_main.c: kvm_vm_ioctl.
    """
    filp = fdget(fd)
    if not filp:
        return -EBADF
    kvm = file_kvm(filp)
    result = -EIO
    if current().mm == kvm.mm:
        result = kvm_ioctl_create_device(kvm, ops)
    fdput(filp)
    device_witness_of.creating = False
    device_witness_of.released = False
    return result


def kvm_device_ioctl(fd: int, attr: int) -> int:
    """ioctl(fd, KVM_SET_DEVICE_ATTR). `Kvm.device_mm_test` is what VM ioctls test all the time.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    filp = fdget(fd)
    if not filp:
        return -EBADF
    dev = file_device(filp)
    result = -EIO
    if not Kvm.device_mm_test or current().mm == dev.kvm.mm:
        result = dev.ops.set_attr(dev, attr)
    fdput(filp)
    return result


def kvm_device_release(filp: ptr[file]) -> None:
    """The last put of a device's file: with it goes a reference to the VM.

    Source: Linux 6.2, virt/kvm/kvm_main.c.
    """
    dev = file_device(filp)
    kvm = dev.kvm
    if device_witness_of.creating:
        device_witness_of.released = True
    if dev.ops.release != NULL:
        mutex_lock(kvm.lock)
        list_del(dev.vm_node)
        dev.ops.release(dev)
        mutex_unlock(kvm.lock)
    kvm_put_kvm(kvm)
