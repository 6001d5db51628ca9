"""References to a VM, the files that hold them, and the end (Linux 6.1, virt/kvm/kvm_main.c)."""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.file import fget, fput
from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier import mmu_notifier_unregister
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.srcu import cleanup_srcu_struct
from lastput.kvm.v6.arch import arch_destroy_vm, arch_ram_base, arch_vcpu_ioctl_run
from lastput.kvm.v6.kvm_host import kvm, kvm_vcpu, vm_list
from lastput.kvm.v6.memslots import delete_internal_slots, forget_invalidations
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, kfree, ptr, reinterpret

EIO = 5
EBADF = 9


def kvm_get_kvm(kvm: ptr[kvm]) -> None:
    """Take a reference; the caller has one.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    atomic_inc(kvm.users_count)


def kvm_put_kvm(kvm: ptr[kvm]) -> None:
    """Drop a reference; the last one destroys the VM, in the caller's context. May sleep.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    if atomic_dec_and_test(kvm.users_count):
        kvm_destroy_vm(kvm)


def kvm_free_memslots(kvm: ptr[kvm]) -> None:
    """Free the slots in force.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kfree(kvm.memslots)


def kvm_destroy_vm_debugfs(kvm: ptr[kvm]) -> None:
    """Remove the VM's files of debugfs: who has one open holds a reference, so nobody has.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """


def kvm_arch_pre_destroy_vm(kvm: ptr[kvm]) -> None:
    """Nothing in arm64.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """


def kvm_free_irq_routing(kvm: ptr[kvm]) -> None:
    """Free the interrupt routing: none of what is modelled.

    Source: Linux 6.1, virt/kvm/irqchip.c.
    """


def kvm_disable_virtualization() -> None:
    """One VM less that needs it: none of what is modelled.

    Source: Linux 6.12, virt/kvm/kvm_main.c; 6.1: hardware_disable_all.
    """


def kvm_destroy_vm(kvm: ptr[kvm]) -> None:
    """The last reference is gone. No callback runs once the notifier is unregistered.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    mm = kvm.mm
    kvm_destroy_vm_debugfs(kvm)
    mutex_lock(vm_list.kvm_lock)
    vm_list.first = NULL
    mutex_unlock(vm_list.kvm_lock)
    kvm_arch_pre_destroy_vm(kvm)
    kvm_free_irq_routing(kvm)
    witness6.destroying = True
    mmu_notifier_unregister(kvm.mmu_notifier, kvm.mm)
    witness6.destroying = False
    forget_invalidations(kvm)
    if Kvm6.internal_slots:
        delete_internal_slots(kvm)
    arch_destroy_vm(kvm)
    kvm_free_memslots(kvm)
    cleanup_srcu_struct(kvm.srcu)
    kfree(kvm)
    kvm_disable_virtualization()
    mmdrop(mm)


# -- files -----------------------------------------------------------------------------------


def file_kvm(filp: ptr[file]) -> ptr[kvm]:
    """The VM behind a VM file."""
    return reinterpret(kvm, filp.private_data)


def file_vcpu(filp: ptr[file]) -> ptr[kvm_vcpu]:
    """The vcpu behind a vcpu file."""
    return reinterpret(kvm_vcpu, filp.private_data)


def kvm_vm_release(filp: ptr[file]) -> None:
    """The last reference to the VM file is gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_kvm(filp))


def kvm_vcpu_release(filp: ptr[file]) -> None:
    """The last reference to a vcpu file is gone.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_vcpu(filp).kvm)


def kvm_vcpu_ioctl_run(fd: int) -> int:
    """ioctl(fd, KVM_RUN). The file is held for the call; the address space must be the VM's own.

    The guest touches pages of slot 0 only.

    Source: Linux 6.1, virt/kvm/kvm_main.c: kvm_vcpu_ioctl.
    """
    filp = fget(fd)
    if not filp:
        return -EBADF
    vcpu = file_vcpu(filp)
    result = -EIO
    if current().mm == vcpu.kvm.mm:
        arch_vcpu_ioctl_run(vcpu, arch_ram_base(), Mm.pages)
        result = 0
    fput(filp)
    return result
