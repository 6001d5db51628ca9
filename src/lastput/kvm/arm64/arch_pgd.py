"""Reading arch.pgd."""

from __future__ import annotations

from lastput.kvm.arm64.pgtable import pgd_t
from lastput.kvm.kvm_host import kvm
from lastput.kvm.witness import witness
from lastput.lang import atomic, ptr, this_thread


def arch_pgd(kvm: ptr[kvm]) -> ptr[pgd_t]:
    """kvm->arch.pgd: one load.

    Notes in `witness.unlocked` a read without mmu_lock when a release may be under way: the address
    space has no user any more, or the VM has none.
    """
    with atomic():
        dying = kvm.mm.mm_users.counter == 0 or kvm.users_count.counter == 0
        if dying and kvm.mmu_lock.owner != this_thread() + 1:
            witness.unlocked = True
        return kvm.arch.pgd
