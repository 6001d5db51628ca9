"""The VFIO device of a VM: it tells VFIO which VM uses a group (virt/kvm/vfio.c).

What a group is for, and the coherency of its DMA, are left out; so are Linux before 6.1, which held
groups instead of their files, and SPAPR.
"""

from __future__ import annotations

from lastput.kernel.file import EBADF, fget, fput
from lastput.kernel.fs_types import file, void
from lastput.kernel.list import INIT_LIST_HEAD, list_add_tail, list_del, list_head
from lastput.kernel.lock_types import mutex
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kvm.device import kvm_device, kvm_device_ops
from lastput.kvm.kvm_host import kvm
from lastput.kvm.vfio_group import vfio_file_set_kvm
from lastput.lang import NULL, container_of, kfree, kzalloc, option, options, ptr, reinterpret, static, struct

EEXIST = 17
ENOENT = 2

GROUP_ADD = 1
GROUP_DEL = 2


@options
class KvmVfio:
    """How the VFIO device works; the defaults are Linux 6.6."""

    add_locked: bool = option(True, "a group is told of its VM under the device's lock (9e0f4f2918c2)")
    release_op: bool = option(True, "the groups are let go when the device is closed (51cdc8bc120e)")


@struct
class kvm_vfio_group:
    node: list_head
    file: ptr[file]


@struct
class kvm_vfio:
    group_list: list_head
    lock: mutex


kvm_vfio_ops = static(kvm_device_ops)


def device_vfio(dev: ptr[kvm_device]) -> ptr[kvm_vfio]:
    """What the device is for VFIO."""
    return reinterpret(kvm_vfio, dev.private)


def group_at(node: ptr[list_head]) -> ptr[kvm_vfio_group]:
    """The group that embeds a list node."""
    return container_of(node, kvm_vfio_group, lambda g: g.node)


def find_group(kv: ptr[kvm_vfio], filp: ptr[file]) -> ptr[kvm_vfio_group]:
    """The entry of a group's file; NULL if there is none. Holds the device's lock."""
    found: ptr[kvm_vfio_group] = NULL
    node = kv.group_list.next
    while node != kv.group_list and not found:
        kvg = group_at(node)
        if kvg.file == filp:
            found = kvg
        node = node.next
    return found


def kvm_vfio_group_add(dev: ptr[kvm_device], fd: int) -> int:
    """KVM_DEV_VFIO_GROUP_ADD: hold the group's file, and tell the group of the VM.

    Source: Linux 6.6, virt/kvm/vfio.c: kvm_vfio_file_add.
    """
    kv = device_vfio(dev)
    filp = fget(fd)
    if not filp:
        return -EBADF
    mutex_lock(kv.lock)
    if find_group(kv, filp):
        mutex_unlock(kv.lock)
        fput(filp)
        return -EEXIST
    kvg = kzalloc(kvm_vfio_group)
    kvg.file = filp
    list_add_tail(kvg.node, kv.group_list)
    if KvmVfio.add_locked:
        vfio_file_set_kvm(kvg.file, dev.kvm)
    mutex_unlock(kv.lock)
    if not KvmVfio.add_locked:
        vfio_file_set_kvm(kvg.file, dev.kvm)
    return 0


def kvm_vfio_group_del(dev: ptr[kvm_device], fd: int) -> int:
    """KVM_DEV_VFIO_GROUP_DEL: the VM does not use the group any more.

    Source: Linux 6.6, virt/kvm/vfio.c: kvm_vfio_file_del.
    """
    kv = device_vfio(dev)
    filp = fget(fd)
    if not filp:
        return -EBADF
    result = -ENOENT
    mutex_lock(kv.lock)
    kvg = find_group(kv, filp)
    if kvg:
        list_del(kvg.node)
        no_vm: ptr[kvm] = NULL
        vfio_file_set_kvm(kvg.file, no_vm)
        fput(kvg.file)
        kfree(kvg)
        result = 0
    mutex_unlock(kv.lock)
    fput(filp)
    return result


def kvm_vfio_set_attr(dev: ptr[kvm_device], attr: int) -> int:
    """Add or remove the group whose file is descriptor `attr // 4`.

    Source: Linux 6.6, virt/kvm/vfio.c.
    """
    if attr % 4 == GROUP_ADD:
        return kvm_vfio_group_add(dev, attr // 4)
    return kvm_vfio_group_del(dev, attr // 4)


def kvm_vfio_create(dev: ptr[kvm_device]) -> int:
    """No group yet. That a VM has one such device at most is left out: scenarios make one.

    Source: Linux 6.6, virt/kvm/vfio.c.
    """
    kv = kzalloc(kvm_vfio)
    INIT_LIST_HEAD(kv.group_list)
    dev.private = reinterpret(void, kv)
    return 0


def kvm_vfio_release(dev: ptr[kvm_device]) -> None:
    """Let go of every group, and free the device. It was `destroy` before 51cdc8bc120e.

    Source: Linux 6.6, virt/kvm/vfio.c.
    """
    kv = device_vfio(dev)
    no_vm: ptr[kvm] = NULL
    node = kv.group_list.next
    while node != kv.group_list:
        next = node.next
        kvg = group_at(node)
        vfio_file_set_kvm(kvg.file, no_vm)
        fput(kvg.file)
        list_del(node)
        kfree(kvg)
        node = next
    kfree(kv)
    kfree(dev)
