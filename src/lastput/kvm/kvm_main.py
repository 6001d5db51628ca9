"""The part of KVM that every architecture shares (Linux 4.12, virt/kvm/kvm_main.c).

The architecture is that of `Kvm.arch`. What kvm_destroy_vm does for itself alone, with the last
reference gone (devices, buses, routing, hardware_disable), is left out.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.file import fget, fput
from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier, mmu_notifier_unregister
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import cleanup_srcu_struct, srcu_read_lock, srcu_read_unlock
from lastput.kvm.arch import (
    arch_age_hva,
    arch_destroy_vm,
    arch_flush_shadow_all,
    arch_free_memslots,
    arch_ram_base,
    arch_unmap_hva,
    arch_unmap_hva_range,
    arch_vcpu_ioctl_run,
)
from lastput.kvm.kvm_host import kvm, kvm_vcpu, vm_list
from lastput.kvm.witness import witness
from lastput.lang import BUG_ON, NULL, container_of, kfree, ptr, reinterpret, roles

EIO = 5
EBADF = 9


# -- references ------------------------------------------------------------------------------


def kvm_get_kvm(kvm: ptr[kvm]) -> None:
    atomic_inc(kvm.users_count)


def kvm_put_kvm(kvm: ptr[kvm]) -> None:
    """Drop a reference; the last one destroys the VM, in the caller's context. May sleep."""
    if atomic_dec_and_test(kvm.users_count):
        kvm_destroy_vm(kvm)


def kvm_free_memslots(kvm: ptr[kvm]) -> None:
    arch_free_memslots(kvm)
    kfree(kvm.memslots)


def kvm_destroy_vm(kvm: ptr[kvm]) -> None:
    mm = kvm.mm
    spin_lock(vm_list.lock)
    vm_list.first = NULL
    spin_unlock(vm_list.lock)
    witness.destroying = True
    mmu_notifier_unregister(kvm.mmu_notifier, kvm.mm)
    witness.destroying = False
    arch_destroy_vm(kvm)
    kvm_free_memslots(kvm)
    cleanup_srcu_struct(kvm.srcu)
    kfree(kvm)
    mmdrop(mm)


# -- files -----------------------------------------------------------------------------------


def file_kvm(filp: ptr[file]) -> ptr[kvm]:
    """The VM behind a VM file."""
    return reinterpret(kvm, filp.private_data)


def file_vcpu(filp: ptr[file]) -> ptr[kvm_vcpu]:
    """The vcpu behind a vcpu file."""
    return reinterpret(kvm_vcpu, filp.private_data)


def kvm_vm_release(filp: ptr[file]) -> None:
    kvm_put_kvm(file_kvm(filp))


def kvm_vcpu_release(filp: ptr[file]) -> None:
    kvm_put_kvm(file_vcpu(filp).kvm)


def kvm_vcpu_ioctl_run(fd: int) -> int:
    """ioctl(fd, KVM_RUN). The file is held for the call; the address space must be the VM's own."""
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


# -- mmu notifier callbacks ------------------------------------------------------------------


def mmu_notifier_to_kvm(mn: ptr[mmu_notifier]) -> ptr[kvm]:
    return container_of(mn, kvm, lambda k: k.mmu_notifier)


def kvm_mmu_notifier_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    arch_flush_shadow_all(kvm)
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_clear_flush_young(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> bool:
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    witness.aging = True
    young = arch_age_hva(kvm, start, end)
    witness.aging = False
    spin_unlock(kvm.mmu_lock)
    witness.was_young = False
    srcu_read_unlock(kvm.srcu)
    return young


def kvm_mmu_notifier_invalidate_page(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> None:
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    kvm.mmu_notifier_seq += 1
    arch_unmap_hva(kvm, address)
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_invalidate_range_start(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    kvm.mmu_notifier_count += 1
    arch_unmap_hva_range(kvm, start, end)
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_invalidate_range_end(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    kvm = mmu_notifier_to_kvm(mn)
    spin_lock(kvm.mmu_lock)
    kvm.mmu_notifier_seq += 1
    kvm.mmu_notifier_count -= 1
    spin_unlock(kvm.mmu_lock)
    BUG_ON(kvm.mmu_notifier_count < 0)


roles.reference(kvm_get_kvm, kvm_put_kvm)
