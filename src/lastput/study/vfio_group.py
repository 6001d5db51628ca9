"""kvm/vfio-group and kvm/vfio-close: who holds what between KVM, its VFIO device and VFIO.

kvm/vfio-group asks whether the entry of a group lives as long as KVM_DEV_VFIO_GROUP_ADD looks at it.
Actors: a thread that adds a group, and one that removes it; both then close the device, and the last one
lets go of what is left. The VM itself is only an address here. Checked with two removers, too.

kvm/vfio-close asks whether the last reference to a VM may be VFIO's. Actors: `vmm` closes the VM and its
VFIO device, in this order or the other; `driver` has a VFIO device of the group open, and closes it. With
`opens` it opens the device first, while the VM may be on its way out. The process's memory outlives the
scenario. Checked with every combination of its options.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.file import exit_files, fput, sys_close
from lastput.kernel.fs_types import file, file_operations, files_struct, void
from lastput.kernel.list import INIT_LIST_HEAD, list_add_tail
from lastput.kernel.mm_types import Mm
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.device import kvm_device
from lastput.kvm.device_ioctl import file_device, kvm_device_release
from lastput.kvm.kvm_host import Kvm, kvm, vm_list
from lastput.kvm.vfio import (
    KvmVfio,
    kvm_vfio,
    kvm_vfio_group,
    kvm_vfio_group_add,
    kvm_vfio_group_del,
    kvm_vfio_ops,
    kvm_vfio_release,
)
from lastput.kvm.vfio_group import (
    Vfio,
    vfio_device,
    vfio_device_group_close,
    vfio_device_group_open,
    vfio_group,
)
from lastput.lang import NULL, Setup, option, options, ptr, reinterpret, scenario
from lastput.study.invariants import list_is_whole
from lastput.study.kvm_invariants import devices_are_listed, watch
from lastput.study.vmm import VM_FD, Vmm, boot_files, task

GROUP_FD = 0
"""Of kvm/vfio-group, whose threads have no VM file."""
DEVICE_FD = VM_FD + 1


@options
class Groups:
    """Who does what in kvm/vfio-group."""

    removers: int = option(1, "threads that remove the group", low=1, high=2)


@options
class Close:
    """Who does what in kvm/vfio-close."""

    opens: bool = option(False, "the VFIO device is not open yet")
    vm_first: bool = option(True, "the process closes the VM before its VFIO device")


# -- kvm/vfio-group ----------------------------------------------------------------------------


def adder(filp: ptr[file]) -> None:
    """Adds the group, and closes the device."""
    kvm_vfio_group_add(file_device(filp), GROUP_FD)
    leave(filp)


def remover(filp: ptr[file]) -> None:
    """Removes the group, and closes the device."""
    kvm_vfio_group_del(file_device(filp), GROUP_FD)
    leave(filp)


def leave(filp: ptr[file]) -> None:
    """The thread's descriptors go, and its share of the device's file."""
    fput(filp)
    exit_files()
    exit_task_work()


def close_device(filp: ptr[file]) -> None:
    """kvm_device_release without the VM."""
    kvm_vfio_release(file_device(filp))


def close_group(filp: ptr[file]) -> None:
    """The group's file is put for the last time: no VM uses it any more."""
    assert not reinterpret(vfio_group, filp.private_data).kvm, "a closed group has a VM"


def open_file(s: Setup, name: str, release: Any, private_data: Any, references: int) -> Any:
    """A file that somebody has open."""
    ops = s.static(file_operations, f"{name}_fops", release=release)
    made = s.new(file, name, f_op=ops, private_data=reinterpret(void, private_data))
    made.f_count.counter = references
    return made


def vfio_of(s: Setup, vm: Any) -> Any:
    """The VFIO device of `vm`, with no group."""
    dev = s.new(kvm_device, "kvm_vfio_device", ops=kvm_vfio_ops, kvm=vm)
    kv = s.new(kvm_vfio, "kvm_vfio")
    INIT_LIST_HEAD(kv.group_list)
    dev.private = reinterpret(void, kv)
    return dev


def the_group_has_a_vm(group: ptr[vfio_group]) -> bool:
    """The group was added, and told of its VM."""
    told: bool = group.kvm != NULL
    return told


def groups_are_listed(group: ptr[vfio_group], kv: ptr[kvm_vfio]) -> bool:
    """While the group has a VM, and nobody the device's lock, the device's list of groups is whole.

    The device lets go of its groups before it is freed.
    """
    return not group.kvm or kv.lock.owner != 0 or list_is_whole(kv.group_list)


@scenario(
    name="kvm/vfio-group",
    variants={
        "v6.4": {"add_locked": False},
        "9e0f4f2918c2": {"add_locked": True},
    },
    options=(Groups, KvmVfio, Vfio),
)
def vfio_groups(s: Setup) -> None:
    """A group is added to a VM's VFIO device and removed at the same time."""
    threads = 1 + Groups.removers
    group = s.static(vfio_group, "vfio_group")
    dev = vfio_of(s, s.static(kvm, "kvm"))
    device_file = open_file(s, "device_file", close_device, dev, threads)
    files = s.new(files_struct, "files", max_fds=1)
    files.count.counter = threads
    files.fd[GROUP_FD] = open_file(s, "group_file", close_group, group, 1)
    s.pool(kvm_vfio_group, 1)
    for i in range(threads):
        name = "adder" if i == 0 else f"remover{i}"
        run = adder if i == 0 else remover
        s.thread(name, run, device_file, task=s.static(task_struct, f"task_{name}", files=files))
    if KvmVfio.add_locked:
        s.invariant(groups_are_listed, group, reinterpret(kvm_vfio, dev.private))
    s.reachable(the_group_has_a_vm, group)


# -- kvm/vfio-close ----------------------------------------------------------------------------


def vmm_thread() -> None:
    """Closes the VM and its device, or the other way round, and exits."""
    sys_close(VM_FD if Close.vm_first else DEVICE_FD)
    task_work_run()
    exit_files()
    exit_task_work()


def driver_thread(device: ptr[vfio_device]) -> None:
    """Has the VFIO device open for a while."""
    if Close.opens:
        vfio_device_group_open(device)
    vfio_device_group_close(device)


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def the_driver_holds_the_last_reference(vfio: ptr[vfio_device]) -> bool:
    """Everybody else has let go of the VM."""
    vm = vm_list.first
    if not vm:
        return False
    return vfio.kvm == vm and vm.users_count.counter == 1


def vfio_device_of(s: Setup, vmm: Vmm) -> Any:
    """The VM uses a group, by way of its VFIO device; the group's device is open unless `opens`."""
    group = s.static(vfio_group, "vfio_group", kvm=vmm.kvm)
    dev = vfio_of(s, vmm.kvm)
    kvg = s.new(kvm_vfio_group, "kvm_vfio_group")
    kvg.file = open_file(s, "group_file", close_group, group, 1)
    list_add_tail(kvg.node, reinterpret(kvm_vfio, dev.private).group_list)
    INIT_LIST_HEAD(vmm.kvm.devices)
    list_add_tail(dev.vm_node, vmm.kvm.devices)
    vmm.files.fd[DEVICE_FD] = open_file(s, "device_file", kvm_device_release, dev, 1)
    vmm.kvm.users_count.counter = 2 if Close.opens else 3
    return s.static(vfio_device, "vfio_device", group=group, kvm=NULL if Close.opens else vmm.kvm)


@scenario(
    name="kvm/vfio-close",
    variants={
        "v6.2-rc1": {"devices": True, "release_op": False, "kvm_ref_lock": False},
        "51cdc8bc120e": {"devices": True, "kvm_ref_lock": False},
        "2b48f52f2bff": {"devices": True},
    },
    options=(Close, KvmVfio, Vfio, Mm, Kvm, Stage2, Arm),
)
def vfio_close(s: Setup) -> None:
    """The last reference to a VM is dropped by VFIO, as a device of its is closed."""
    vmm = boot_files(s, sharers=1, max_fds=2)
    if KvmVfio.release_op:
        kvm_vfio_ops.release = kvm_vfio_release
    else:
        kvm_vfio_ops.destroy = kvm_vfio_release
    device = vfio_device_of(s, vmm)
    s.thread("vmm", vmm_thread, task=task(s, "vmm", vmm))
    s.thread("driver", driver_thread, device, task=s.static(task_struct, "task_driver"))
    s.reachable(the_driver_holds_the_last_reference, device)
    if KvmVfio.release_op:
        watch(s, vmm, tasks=0, files=2)
    s.invariant(devices_are_listed, vmm.kvm)
    s.final(vm_is_gone)
