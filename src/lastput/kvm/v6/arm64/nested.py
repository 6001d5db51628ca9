"""Shadow stage 2 of guest hypervisors (Linux 7.3, arch/arm64/kvm/nested.c).

As many MMUs as `Arm6.nested`, and what a shadow maps is filled by the set-up of a scenario. How vcpus get
and put an MMU is left out, and so is the array's life: it is part of the VM here. Both are bounds: no
scenario can show a race with them.
"""

from __future__ import annotations

from lastput.kernel.rwlock import lockdep_assert_held_write
from lastput.kvm.v6.arm64.kvm_host import Arm6, ipa_pages
from lastput.kvm.v6.arm64.stage2 import __unmap_stage2_range, kvm_free_stage2_pgd
from lastput.kvm.v6.kvm_host import kvm
from lastput.lang import ptr


def kvm_nested_s2_unmap(kvm: ptr[kvm], may_block: bool) -> None:
    """Unmap all of every valid shadow: which part of it depends on the range is not known.

    Source: Linux 7.3, arch/arm64/kvm/nested.c.
    """
    lockdep_assert_held_write(kvm.mmu_lock)
    for i in range(Arm6.nested):
        mmu = kvm.arch.arm64.nested_mmus[i]
        if mmu.valid:
            __unmap_stage2_range(kvm, mmu, 0, ipa_pages(), may_block)


def free_nested_mmus(kvm: ptr[kvm]) -> None:
    """The first part of kvm_arch_flush_shadow_all: no vcpu runs, so that none of them is in use.

    Source: Linux 7.3, arch/arm64/kvm/nested.c: kvm_arch_flush_shadow_all.
    """
    for i in range(Arm6.nested):
        kvm_free_stage2_pgd(kvm, kvm.arch.arm64.nested_mmus[i])
