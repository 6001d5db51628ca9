"""What the shared part of KVM calls in the architecture: each name goes to the one of `Kvm6.arch`.

A branch that is not chosen is not in the compiled model.
"""

from __future__ import annotations

from lastput.kvm.v6.arm64.fault import kvm_arch_vcpu_ioctl_run as arm64_vcpu_ioctl_run
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.arm64.mmu import kvm_age_gfn as arm64_age_gfn
from lastput.kvm.v6.arm64.mmu import kvm_arch_destroy_vm as arm64_destroy_vm
from lastput.kvm.v6.arm64.mmu import kvm_arch_flush_shadow_all as arm64_flush_shadow_all
from lastput.kvm.v6.arm64.mmu import kvm_test_age_gfn as arm64_test_age_gfn
from lastput.kvm.v6.arm64.mmu import kvm_unmap_gfn_range as arm64_unmap_gfn_range
from lastput.kvm.v6.kvm_host import kvm, kvm_memory_slot, kvm_vcpu
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.tdp.fault import kvm_arch_vcpu_ioctl_run as tdp_vcpu_ioctl_run
from lastput.kvm.v6.tdp.mmu import kvm_age_gfn as tdp_age_gfn
from lastput.kvm.v6.tdp.mmu import kvm_arch_destroy_vm as tdp_destroy_vm
from lastput.kvm.v6.tdp.mmu import kvm_arch_flush_shadow_all as tdp_flush_shadow_all
from lastput.kvm.v6.tdp.mmu import kvm_unmap_gfn_range as tdp_unmap_gfn_range
from lastput.lang import ptr


def arch_ram_base() -> int:
    """First guest page of RAM."""
    if Kvm6.arch == "arm64":
        return Arm6.ram_base
    return 0


def arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """kvm_arch_flush_shadow_all."""
    if Kvm6.arch == "arm64":
        arm64_flush_shadow_all(kvm)
    if Kvm6.arch == "tdp":
        tdp_flush_shadow_all(kvm)


def arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """kvm_arch_destroy_vm."""
    if Kvm6.arch == "arm64":
        arm64_destroy_vm(kvm)
    if Kvm6.arch == "tdp":
        tdp_destroy_vm(kvm)


def arch_unmap_gfn_range(
    kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool
) -> bool:
    """kvm_unmap_gfn_range; says whether the TLB must be flushed."""
    if Kvm6.arch == "arm64":
        return arm64_unmap_gfn_range(kvm, slot, start, end, may_block)
    if Kvm6.arch == "tdp":
        return tdp_unmap_gfn_range(kvm, start, end, may_block)
    return False


def arch_age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int) -> bool:
    """kvm_age_gfn; says whether a page was young."""
    if Kvm6.arch == "arm64":
        return arm64_age_gfn(kvm, slot, start, end)
    if Kvm6.arch == "tdp":
        return tdp_age_gfn(kvm, start, end)
    return False


def arch_test_age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int) -> bool:
    """kvm_test_age_gfn of arm64; nobody asks for that of another architecture."""
    return arm64_test_age_gfn(kvm, slot, start, end)


def arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """kvm_arch_vcpu_ioctl_run, and the faults in it."""
    if Kvm6.arch == "arm64":
        arm64_vcpu_ioctl_run(vcpu, base_gfn, npages)
    if Kvm6.arch == "tdp":
        tdp_vcpu_ioctl_run(vcpu, base_gfn, npages)
