"""The part of KVM that every architecture shares (Linux 4.12, virt/kvm/kvm_main.c).

The architecture is that of `Kvm.arch`. What kvm_destroy_vm does for itself alone, with the last
reference gone (buses, hardware_disable), is left out.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.file import fget, fput
from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import Mm, mm_struct, page
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
    arch_set_spte_hva,
    arch_test_age_hva,
    arch_unmap_hva,
    arch_unmap_hva_range,
    arch_vcpu_ioctl_run,
)
from lastput.kvm.device import kvm_destroy_devices
from lastput.kvm.eventfd import Irqfd, kvm_irqfd_release
from lastput.kvm.irqchip import kvm_free_irq_routing
from lastput.kvm.kvm_host import Kvm, kvm, kvm_vcpu, vm_list
from lastput.kvm.witness import witness
from lastput.lang import BUG_ON, NULL, container_of, kfree, ptr, reinterpret, roles, this_thread

EIO = 5
EBADF = 9


# -- references ------------------------------------------------------------------------------


def kvm_get_kvm(kvm: ptr[kvm]) -> None:
    """Take one more reference.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    atomic_inc(kvm.users_count)


def kvm_put_kvm(kvm: ptr[kvm]) -> None:
    """Drop a reference; the last one destroys the VM, in the caller's context. May sleep.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    if atomic_dec_and_test(kvm.users_count):
        kvm_destroy_vm(kvm)


def kvm_free_memslots(kvm: ptr[kvm]) -> None:
    """The slots in force go; nobody can look at them any more.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    arch_free_memslots(kvm)
    kfree(kvm.memslots)


def kvm_destroy_vm(kvm: ptr[kvm]) -> None:
    """The last reference is gone: the notifier first, then what its callbacks use.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    mm = kvm.mm
    spin_lock(vm_list.lock)
    vm_list.first = NULL
    spin_unlock(vm_list.lock)
    if Kvm.irqfds:
        kvm_free_irq_routing(kvm)
    witness.destroying = True
    witness.destroyer = this_thread() + 1
    mmu_notifier_unregister(kvm.mmu_notifier, kvm.mm)
    witness.destroying = False
    witness.destroyer = 0
    arch_destroy_vm(kvm)
    if Kvm.devices:
        kvm_destroy_devices(kvm)
    kvm_free_memslots(kvm)
    if Kvm.irqfds:
        cleanup_srcu_struct(kvm.irq_srcu)
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
    """The last put of the VM's file: its irqfds first, which hold no reference to the VM.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = file_kvm(filp)
    if Kvm.irqfds and Irqfd.release_first:
        kvm_irqfd_release(kvm)
    kvm_put_kvm(kvm)
    if Kvm.irqfds and not Irqfd.release_first:
        kvm_irqfd_release(kvm)


def kvm_vcpu_release(filp: ptr[file]) -> None:
    """The last put of a vcpu's file.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm_put_kvm(file_vcpu(filp).kvm)


def fdget(fd: int) -> ptr[file]:
    """The file of an ioctl, with a reference for as long as it runs. `Kvm.fdget` takes that away.

    The kernel does without the reference where nobody shares the table: nobody can close it then.
    Source: Linux 4.12, include/linux/file.h.
    """
    if Kvm.fdget:
        return fget(fd)
    return current().files.fd[fd]


def fdput(filp: ptr[file]) -> None:
    """The ioctl is over.

    Source: Linux 4.12, include/linux/file.h.
    """
    if Kvm.fdget:
        fput(filp)


def kvm_vcpu_ioctl_run(fd: int) -> int:
    """ioctl(fd, KVM_RUN). The file is held for the call; the address space must be the VM's own.

    Source: Linux 4.12, virt/kvm/kvm_main.c: kvm_vcpu_ioctl.
    """
    filp = fdget(fd)
    if not filp:
        return -EBADF
    vcpu = file_vcpu(filp)
    result = -EIO
    if not Kvm.mm_test or current().mm == vcpu.kvm.mm:
        arch_vcpu_ioctl_run(vcpu, arch_ram_base(), Mm.pages)
        result = 0
    fdput(filp)
    return result


# -- mmu notifier callbacks ------------------------------------------------------------------


def mmu_notifier_to_kvm(mn: ptr[mmu_notifier]) -> ptr[kvm]:
    """The VM that embeds a notifier.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    return container_of(mn, kvm, lambda k: k.mmu_notifier)


def note_release(inside: bool) -> None:
    """Tell the witness whether the release of exit_mmap or that of the VM's destruction is under way."""
    if witness.destroyer == this_thread() + 1:
        witness.destroy_inside = inside
    else:
        witness.exit_inside = inside


def kvm_mmu_notifier_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """The address space goes, or the VM: everything is unmapped. The architecture takes mmu_lock.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    if Kvm.release_srcu:
        srcu_read_lock(kvm.srcu)
    note_release(True)
    arch_flush_shadow_all(kvm)
    note_release(False)
    if Kvm.release_srcu:
        srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_clear_flush_young(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> bool:
    """Test and clear. The flush of remote TLBs that follows is left out: the guest's walk has no TLB here.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
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


def kvm_mmu_notifier_clear_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> bool:
    """The same without a flush, for idle-page tracking.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    return kvm_mmu_notifier_clear_flush_young(mn, mm, start, end)


def kvm_mmu_notifier_test_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> bool:
    """Test only.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    young = arch_test_age_hva(kvm, address)
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)
    return young


def kvm_mmu_notifier_change_pte(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int, new: ptr[page], writable: bool
) -> None:
    """The host is about to map another page there; `writable` finds no use, arm maps it read-only.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    kvm.mmu_notifier_seq += 1
    arch_set_spte_hva(kvm, address, new)
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_invalidate_page(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> None:
    """The host has unmapped a page, and holds a reference to it until this returns.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    if Kvm.page_seq == "before":
        kvm.mmu_notifier_seq += 1
    spin_lock(kvm.mmu_lock)
    witness.invalidating += 1
    if Kvm.page_seq == "locked":
        kvm.mmu_notifier_seq += 1
    arch_unmap_hva(kvm, address)
    witness.invalidating -= 1
    spin_unlock(kvm.mmu_lock)
    if Kvm.page_seq == "after":
        kvm.mmu_notifier_seq += 1
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_invalidate_range_start(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """The host is about to unmap a range: until the end no fault may map any of it.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    srcu_read_lock(kvm.srcu)
    spin_lock(kvm.mmu_lock)
    witness.invalidating += 1
    kvm.mmu_notifier_count += 1
    arch_unmap_hva_range(kvm, start, end)
    witness.invalidating -= 1
    spin_unlock(kvm.mmu_lock)
    srcu_read_unlock(kvm.srcu)


def kvm_mmu_notifier_invalidate_range_end(
    mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int
) -> None:
    """The host has unmapped the range.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    kvm = mmu_notifier_to_kvm(mn)
    spin_lock(kvm.mmu_lock)
    if Kvm.end_seq == "locked":
        kvm.mmu_notifier_seq += 1
    kvm.mmu_notifier_count -= 1
    spin_unlock(kvm.mmu_lock)
    if Kvm.end_seq == "after":
        kvm.mmu_notifier_seq += 1
    BUG_ON(kvm.mmu_notifier_count < 0)


roles.reference(kvm_get_kvm, kvm_put_kvm)
