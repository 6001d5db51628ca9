"""What a VM is made of (Linux 4.12, include/linux/kvm_host.h), as far as memory and lifetime go.

One memory slot. Interrupt routing, buses, devices, debugfs and statistics are left out: they are
torn down by kvm_destroy_vm alone, after the last reference.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.atomic import atomic_t
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.srcu import srcu_struct
from lastput.kvm.arm64.kvm_host import kvm_arch
from lastput.lang import array, const, length, option, options, ptr, roles, s8, static, struct, upto


@options
class Kvm:
    """Sizes of a VM, and what its generic code does."""

    arch: str = option("arm64", "the architecture under KVM", values=("arm64", "x86", "keeproot"))
    vcpus: int = option(0, "vcpu threads that run the guest", low=0, high=2)
    touches: int = option(1, "guest accesses of each vcpu", low=1, high=3)
    retry_count: bool = option(True, "mmu_notifier_retry tests mmu_notifier_count")
    retry_seq: bool = option(True, "mmu_notifier_retry tests mmu_notifier_seq")


@struct
class kvm_memory_slot:
    base_gfn: const[int]
    npages: const[int]
    userspace_addr: const[int]


@struct
class kvm_memslots:
    memslots: array[kvm_memory_slot] = length(1)


@struct
class kvm_vcpu:
    kvm: const[ptr[kvm]]


@struct
class kvm:
    users_count: atomic_t
    mm: const[ptr[mm_struct]]
    mmu_lock: spinlock_t
    memslots: ptr[kvm_memslots]
    srcu: srcu_struct
    mmu_notifier: mmu_notifier
    mmu_notifier_seq: Annotated[int, upto(7)]
    mmu_notifier_count: s8
    arch: kvm_arch
    vcpus: array[ptr[kvm_vcpu]] = length(lambda: max(1, Kvm.vcpus))


@struct
class kvm_list:
    """`vm_list`, of one VM at most, and the lock that protects it."""

    lock: spinlock_t
    first: ptr[kvm]


vm_list = static(kvm_list)


def kvm_memslots_of(kvm: ptr[kvm]) -> ptr[kvm_memslots]:
    """The slots in force; read inside kvm->srcu (kvm_memslots)."""
    return kvm.memslots


def gfn_to_hva(kvm: ptr[kvm], gfn: int) -> int:
    """Address in the owner's memory of a guest page; -1 outside of the slot."""
    slot = kvm_memslots_of(kvm).memslots[0]
    offset = gfn - slot.base_gfn
    if offset < 0 or offset >= slot.npages:
        return -1
    return slot.userspace_addr + offset


def hva_to_gfn(slot: ptr[kvm_memory_slot], hva: int) -> int:
    """Guest page that the slot has at `hva`."""
    return slot.base_gfn + hva - slot.userspace_addr


def mmu_notifier_retry(kvm: ptr[kvm], mmu_seq: int) -> bool:
    """Whether a page that was looked up after `mmu_seq` was read may be gone. Holds mmu_lock."""
    if Kvm.retry_count and kvm.mmu_notifier_count != 0:
        return True
    return Kvm.retry_seq and kvm.mmu_notifier_seq != mmu_seq


roles.recheck(mmu_notifier_retry)
