"""What the shared part of KVM calls in the architecture: each name goes to the one of `Kvm.arch`.

A branch that is not chosen is not in the compiled model.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kvm.arm64.arm import kvm_arch_destroy_vm as arm64_destroy_vm
from lastput.kvm.arm64.arm import kvm_arch_init_vm as arm64_init_vm
from lastput.kvm.arm64.fault import kvm_arch_vcpu_ioctl_run as arm64_vcpu_ioctl_run
from lastput.kvm.arm64.memory_region import kvm_arch_flush_shadow_memslot as arm64_flush_shadow_memslot
from lastput.kvm.arm64.notifier import kvm_age_hva as arm64_age_hva
from lastput.kvm.arm64.notifier import kvm_set_spte_hva as arm64_set_spte_hva
from lastput.kvm.arm64.notifier import kvm_test_age_hva as arm64_test_age_hva
from lastput.kvm.arm64.notifier import kvm_unmap_hva as arm64_unmap_hva
from lastput.kvm.arm64.notifier import kvm_unmap_hva_range as arm64_unmap_hva_range
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.arm64.stage2_unmap import kvm_arch_flush_shadow_all as arm64_flush_shadow_all
from lastput.kvm.keeproot.mmu import kvm_age_gfn as loongarch_age_gfn
from lastput.kvm.keeproot.mmu import kvm_arch_destroy_vm as loongarch_destroy_vm
from lastput.kvm.keeproot.mmu import kvm_arch_flush_shadow_all as loongarch_flush_shadow_all
from lastput.kvm.keeproot.mmu import kvm_arch_vcpu_ioctl_run as loongarch_vcpu_ioctl_run
from lastput.kvm.keeproot.mmu import kvm_unmap_gfn_range as loongarch_unmap_gfn_range
from lastput.kvm.kvm_host import Kvm, kvm, kvm_memory_slot, kvm_vcpu
from lastput.kvm.x86.fault import kvm_arch_vcpu_ioctl_run as x86_vcpu_ioctl_run
from lastput.kvm.x86.notifier import kvm_age_hva as x86_age_hva
from lastput.kvm.x86.notifier import kvm_arch_flush_shadow_all as x86_flush_shadow_all
from lastput.kvm.x86.notifier import kvm_set_spte_hva as x86_set_spte_hva
from lastput.kvm.x86.notifier import kvm_unmap_hva_range as x86_unmap_hva_range
from lastput.kvm.x86.zap import kvm_arch_destroy_vm as x86_destroy_vm
from lastput.kvm.x86.zap import kvm_arch_free_memslot as x86_free_memslot
from lastput.lang import ptr


def arch_ram_base() -> int:
    """First guest page of RAM."""
    if Kvm.arch == "arm64":
        return Stage2.ram_base
    return 1


def arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """kvm_arch_flush_shadow_all."""
    if Kvm.arch == "arm64":
        arm64_flush_shadow_all(kvm)
    elif Kvm.arch == "x86":
        x86_flush_shadow_all(kvm)
    else:
        loongarch_flush_shadow_all(kvm)


def arch_flush_shadow_memslot(kvm: ptr[kvm], slot: ptr[kvm_memory_slot]) -> None:
    """kvm_arch_flush_shadow_memslot. x86 zaps everything."""
    if Kvm.arch == "arm64":
        arm64_flush_shadow_memslot(kvm, slot)
    elif Kvm.arch == "x86":
        x86_flush_shadow_all(kvm)


def arch_init_vm(kvm: ptr[kvm]) -> int:
    """kvm_arch_init_vm."""
    if Kvm.arch == "arm64":
        return arm64_init_vm(kvm)
    return 0


def arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """kvm_arch_destroy_vm."""
    if Kvm.arch == "arm64":
        arm64_destroy_vm(kvm)
    elif Kvm.arch == "x86":
        x86_destroy_vm(kvm)
    else:
        loongarch_destroy_vm(kvm)


def arch_free_memslots(kvm: ptr[kvm]) -> None:
    """kvm_arch_free_memslot, of every slot."""
    if Kvm.arch == "x86":
        x86_free_memslot(kvm)


def arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """kvm_arch_vcpu_ioctl_run, and the faults in it."""
    if Kvm.arch == "arm64":
        arm64_vcpu_ioctl_run(vcpu, base_gfn, npages)
    elif Kvm.arch == "x86":
        x86_vcpu_ioctl_run(vcpu, base_gfn, npages)
    else:
        loongarch_vcpu_ioctl_run(vcpu, base_gfn, npages)


def arch_age_hva(kvm: ptr[kvm], start: int, end: int) -> bool:
    """kvm_age_hva."""
    if Kvm.arch == "arm64":
        return arm64_age_hva(kvm, start, end)
    if Kvm.arch == "x86":
        return x86_age_hva(kvm, start, end)
    return loongarch_age_gfn(kvm, start, end)


def arch_test_age_hva(kvm: ptr[kvm], hva: int) -> bool:
    """kvm_test_age_hva. Only arm has it here."""
    if Kvm.arch == "arm64":
        return arm64_test_age_hva(kvm, hva)
    return False


def arch_set_spte_hva(kvm: ptr[kvm], hva: int, new: ptr[page]) -> None:
    """kvm_set_spte_hva. LoongArch unmaps the page."""
    if Kvm.arch == "arm64":
        arm64_set_spte_hva(kvm, hva, new)
    elif Kvm.arch == "x86":
        x86_set_spte_hva(kvm, hva, new)
    else:
        loongarch_unmap_gfn_range(kvm, hva, hva + 1)


def arch_unmap_hva(kvm: ptr[kvm], hva: int) -> None:
    """kvm_unmap_hva."""
    if Kvm.arch == "arm64":
        arm64_unmap_hva(kvm, hva)
    elif Kvm.arch == "x86":
        x86_unmap_hva_range(kvm, hva, hva + 1)
    else:
        loongarch_unmap_gfn_range(kvm, hva, hva + 1)


def arch_unmap_hva_range(kvm: ptr[kvm], start: int, end: int) -> None:
    """kvm_unmap_hva_range."""
    if Kvm.arch == "arm64":
        arm64_unmap_hva_range(kvm, start, end)
    elif Kvm.arch == "x86":
        x86_unmap_hva_range(kvm, start, end)
    else:
        loongarch_unmap_gfn_range(kvm, start, end)
