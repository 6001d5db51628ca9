"""Files of statistics: each keeps the VM (Linux 6.1, virt/kvm/kvm_main.c, binary_stats.c).

What is read from them is left out. They may outlive the owner's address space, and every other file.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_inc_not_zero
from lastput.kernel.file import anon_inode_getfile, fd_install_cloexec
from lastput.kernel.fs_types import file, file_operations, void
from lastput.kvm.v6.kvm_host import kvm, kvm_vcpu
from lastput.kvm.v6.kvm_main import file_kvm, file_vcpu, kvm_get_kvm, kvm_put_kvm
from lastput.lang import ptr, reinterpret, static

kvm_vm_stats_fops = static(file_operations)
kvm_vcpu_stats_fops = static(file_operations)
stat_fops_per_vm = static(file_operations)


def kvm_vm_stats_release(filp: ptr[file]) -> None:
    """The last reference to a VM's statistics is gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_kvm(filp))


def kvm_vcpu_stats_release(filp: ptr[file]) -> None:
    """The last reference to a vcpu's statistics is gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_vcpu(filp).kvm)


def kvm_debugfs_release(filp: ptr[file]) -> None:
    """The last reference to a VM's file of debugfs is gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_kvm(filp))


def kvm_vm_ioctl_get_stats_fd(kvm: ptr[kvm], fd: int) -> None:
    """KVM_GET_STATS_FD of a VM's file, which is to become `fd`.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    made = anon_inode_getfile(kvm_vm_stats_fops, reinterpret(void, kvm))
    kvm_get_kvm(kvm)
    fd_install_cloexec(fd, made)


def kvm_vcpu_ioctl_get_stats_fd(vcpu: ptr[kvm_vcpu], fd: int) -> None:
    """KVM_GET_STATS_FD of a vcpu's file, which is to become `fd`.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    made = anon_inode_getfile(kvm_vcpu_stats_fops, reinterpret(void, vcpu))
    kvm_get_kvm(vcpu.kvm)
    fd_install_cloexec(fd, made)


def kvm_get_kvm_safe(kvm: ptr[kvm]) -> bool:
    """Take a reference unless the last one is gone; says whether it was taken.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    return atomic_inc_not_zero(kvm.users_count)


def kvm_debugfs_open(kvm: ptr[kvm], fd: int) -> bool:
    """Open a VM's file of debugfs as `fd`. Its removal waits for an open that is under way: the VM is there.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    opened = kvm_get_kvm_safe(kvm)
    if opened:
        fd_install_cloexec(fd, anon_inode_getfile(stat_fops_per_vm, reinterpret(void, kvm)))
    return opened
