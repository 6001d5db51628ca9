"""An arm VM from beginning to end (Linux 4.12, virt/kvm/arm/arm.c).

Vgic, timers and per-cpu state are left out: nothing that runs concurrently with their end looks at them.
"""

from __future__ import annotations

from lastput.kvm.arm64.arch_pgd import arch_pgd
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import pgd_pages
from lastput.kvm.arm64.stage2_unmap import kvm_free_stage2_pgd
from lastput.kvm.kvm_host import Kvm, kvm
from lastput.lang import NULL, kfree, kzalloc, ptr

EINVAL = 22


def kvm_alloc_stage2_pgd(kvm: ptr[kvm]) -> int:
    """An empty table. Once for each VM, before anybody else knows it: no lock.

    Source: Linux 4.12, virt/kvm/arm/mmu.c.
    """
    if arch_pgd(kvm):
        return -EINVAL
    kvm.arch.pgd = kzalloc(pgd_pages).pgd[0]
    return 0


def kvm_arch_init_vm(kvm: ptr[kvm]) -> int:
    """The part of kvm_create_vm that is arm's.

    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    return kvm_alloc_stage2_pgd(kvm)


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """Free the vcpus. Stage 2 is not touched: it went with the release of the notifier.

    Before 293f29363 it was freed here.
    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    if not Arm.release_frees or Arm.init_unwinds or Arm.destroy_frees:
        kvm_free_stage2_pgd(kvm)
    for i in range(Kvm.vcpus):
        kfree(kvm.vcpus[i])
        kvm.vcpus[i] = NULL
