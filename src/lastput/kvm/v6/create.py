"""A VM and its vcpus come to be (Linux 6.1, virt/kvm/kvm_main.c).

What the allocations return the set-up has made, because some of it never changes: the owner's address space,
the callbacks, the top level of stage 2. No step fails here.
"""

from __future__ import annotations

from lastput.kernel.file import anon_inode_getfile, fd_install_cloexec
from lastput.kernel.fs_types import file_operations, void
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmgrab
from lastput.kernel.v6.mmu_notifier import mmu_notifier_register
from lastput.kvm.v6.arm64.kvm_host import kvm_pgtable, kvm_s2_mmu
from lastput.kvm.v6.kvm_host import kvm, kvm_memslots, kvm_vcpu, vm_list
from lastput.kvm.v6.kvm_main import kvm_get_kvm
from lastput.lang import ptr, reinterpret, static

kvm_vm_fops = static(file_operations)
kvm_vcpu_fops = static(file_operations)


def kvm_init_stage2_mmu(mmu: ptr[kvm_s2_mmu], pgt: ptr[kvm_pgtable]) -> None:
    """An empty stage 2.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    mmu.pgt = pgt
    mmu.pgd_phys = pgt.pgd


def kvm_create_vm(kvm: ptr[kvm], pgt: ptr[kvm_pgtable], slots: ptr[kvm_memslots]) -> None:
    """A VM with one reference, which is its file's.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    mmgrab(current().mm)
    kvm.users_count.counter = 1
    kvm.memslots = slots
    kvm_init_stage2_mmu(kvm.arch.arm64.mmu, pgt)
    mmu_notifier_register(kvm.mmu_notifier, current().mm)
    mutex_lock(vm_list.kvm_lock)
    vm_list.first = kvm
    mutex_unlock(vm_list.kvm_lock)


def kvm_dev_ioctl(kvm: ptr[kvm], pgt: ptr[kvm_pgtable], slots: ptr[kvm_memslots], fd: int) -> None:
    """KVM_CREATE_VM: the VM's file is to become `fd`.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_dev_ioctl, kvm_dev_ioctl_create_vm.
    """
    kvm_create_vm(kvm, pgt, slots)
    fd_install_cloexec(fd, anon_inode_getfile(kvm_vm_fops, reinterpret(void, kvm)))


def kvm_vm_ioctl_create_vcpu(kvm: ptr[kvm], vcpu: ptr[kvm_vcpu], number: int, fd: int) -> None:
    """KVM_CREATE_VCPU: the vcpu's file is to become `fd`.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    mutex_lock(kvm.lock)
    kvm_get_kvm(kvm)
    kvm.vcpus[number] = vcpu
    fd_install_cloexec(fd, anon_inode_getfile(kvm_vcpu_fops, reinterpret(void, vcpu)))
    mutex_unlock(kvm.lock)
