"""What the shared part of KVM calls in arm64 (Linux 6.1, 6.12, 7.3: arch/arm64/kvm/mmu.c, arm.c)."""

from __future__ import annotations

from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.arm64.nested import free_nested_mmus, kvm_nested_s2_unmap
from lastput.kvm.v6.arm64.stage2 import __unmap_stage2_range, kvm_free_stage2_pgd
from lastput.kvm.v6.arm64.unmap import (
    kvm_pgtable_stage2_is_young,
    kvm_pgtable_stage2_mkold,
    kvm_pgtable_stage2_test_clear_young,
)
from lastput.kvm.v6.kvm_host import kvm, kvm_memory_slot, kvm_vcpu
from lastput.kvm.v6.options import Kvm6
from lastput.lang import NULL, kfree, ptr


def kvm_uninit_stage2_mmu(kvm: ptr[kvm]) -> None:
    """Free stage 2 of the VM; nothing to do if that has happened.

    Source: Linux 7.3, arch/arm64/kvm/mmu.c; 6.1: kvm_free_stage2_pgd.
    """
    kvm_free_stage2_pgd(kvm, kvm.arch.arm64.mmu)


def kvm_arch_flush_shadow_all(kvm: ptr[kvm]) -> None:
    """Let go of all of guest memory, and of stage 2 itself.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c; 7.3: nested.c.
    """
    free_nested_mmus(kvm)
    kvm_uninit_stage2_mmu(kvm)


def kvm_vgic_destroy(kvm: ptr[kvm]) -> None:
    """Take the interrupt controller down: none of what is modelled.

    Source: Linux 6.1, arch/arm64/kvm/vgic/vgic-init.c.
    """


def kvm_arch_vcpu_destroy(vcpu: ptr[kvm_vcpu]) -> None:
    """Undo what arm64 did for a vcpu: none of what is modelled.

    Source: Linux 6.1, arch/arm64/kvm/arm.c.
    """


def kvm_destroy_vcpus(kvm: ptr[kvm]) -> None:
    """Free the vcpus that there are.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    for i in range(Kvm6.vcpus):
        vcpu = kvm.vcpus[i]
        if vcpu:
            kvm_arch_vcpu_destroy(vcpu)
        kfree(vcpu)
        kvm.vcpus[i] = NULL


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """Free the vcpus; in 7.3 stage 2, too, for a VM whose creation failed half-way.

    Source: Linux 6.1, arch/arm64/kvm/arm.c.
    """
    kvm_vgic_destroy(kvm)
    kvm_destroy_vcpus(kvm)
    if Arm6.uninit_twice:
        kvm_uninit_stage2_mmu(kvm)


def kvm_unmap_gfn_range(
    kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int, may_block: bool
) -> bool:
    """Unmap guest pages, and with them every shadow of a guest hypervisor.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    if Arm6.unmap_guard and not kvm.arch.arm64.mmu.pgt:
        return False
    __unmap_stage2_range(kvm, kvm.arch.arm64.mmu, start, end, may_block)
    if Arm6.nested or Arm6.nested_hooks:
        kvm_nested_s2_unmap(kvm, may_block)
    return False


def kvm_age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int) -> bool:
    """Test and clear the access flags of guest pages. Under mmu_lock it does not matter who joins the reads.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    pgt = kvm.arch.arm64.mmu.pgt
    if Arm6.age_guard and not pgt:
        return False
    if not Arm6.age_pgt_once:
        pgt = kvm.arch.arm64.mmu.pgt
    if Arm6.test_clear_young:
        return kvm_pgtable_stage2_test_clear_young(pgt, start, end, True)
    return kvm_pgtable_stage2_mkold(pgt, start)


def kvm_test_age_gfn(kvm: ptr[kvm], slot: ptr[kvm_memory_slot], start: int, end: int) -> bool:
    """Test the access flags of guest pages.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    if Arm6.age_guard and not kvm.arch.arm64.mmu.pgt:
        return False
    pgt = kvm.arch.arm64.mmu.pgt
    if Arm6.test_clear_young:
        return kvm_pgtable_stage2_test_clear_young(pgt, start, end, False)
    return kvm_pgtable_stage2_is_young(pgt, start)
