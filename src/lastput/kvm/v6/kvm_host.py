"""What a VM is made of (Linux 6.1, include/linux/kvm_host.h), as far as memory and lifetime go.

One address space of the guest. Buses, devices, interrupt routing and statistics are left out: they are
torn down by kvm_destroy_vm alone, after the last reference.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.atomic import atomic_t
from lastput.kernel.lock_types import mutex, rw_semaphore, rwlock_t, spinlock_t
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.srcu import srcu_struct
from lastput.kernel.wait import wait_queue_head_t
from lastput.kvm.v6.arch_types import kvm_arch
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.pfncache_types import gfn_to_pfn_cache
from lastput.lang import array, const, length, ptr, s8, static, struct, upto


@struct
class kvm_memory_slot:
    """A slot does not change: an update publishes another one. Hence no access to it is a step."""

    base_gfn: const[int]
    npages: const[int]
    userspace_addr: const[int]


@struct
class kvm_memslots:
    """The slots in force, by index instead of by interval tree. `used` says how many there are."""

    used: const[int]
    invalid: const[bool]
    """KVM_MEMSLOT_INVALID: nothing may be mapped any more, invalidations go on."""
    slot: array[kvm_memory_slot] = length(lambda: Kvm6.slots)


@struct
class kvm_vcpu:
    kvm: const[ptr[kvm]]


@struct
class kvm:
    users_count: atomic_t
    mm: const[ptr[mm_struct]]
    mmu_lock: rwlock_t
    lock: mutex
    slots_lock: mutex
    memslots: ptr[kvm_memslots]
    srcu: srcu_struct
    mmu_notifier: mmu_notifier
    mn_invalidate_lock: spinlock_t
    mn_active_invalidate_count: s8
    mn_memslots_update_rcuwait: wait_queue_head_t
    """An rcuwait in the kernel: room for one waiter, which holds slots_lock."""
    mmu_notifier_slots_lock: rw_semaphore
    """Of the first version of 52ac8b358b0c only: held from start to end, by one task twice if an
    invalidation is inside of another one. That it is fair (`Rwsem.fair`) is what makes it deadlock."""
    mmu_invalidate_seq: Annotated[int, upto(lambda: Kvm6.seq_limit)]
    mmu_invalidate_in_progress: s8
    mmu_invalidate_range_start: s8
    mmu_invalidate_range_end: s8
    gpc: gfn_to_pfn_cache
    """`gpc_list`, of one cache."""
    arch: kvm_arch
    vcpus: array[ptr[kvm_vcpu]] = length(lambda: max(1, Kvm6.vcpus))


@struct
class kvm_list:
    """`vm_list`, of one VM at most, and the mutex that protects it."""

    kvm_lock: mutex
    first: ptr[kvm]


vm_list = static(kvm_list)


def kvm_memslots_of(kvm: ptr[kvm]) -> ptr[kvm_memslots]:
    """The slots in force; read inside kvm->srcu.

    Source: Linux 6.1, include/linux/kvm_host.h: kvm_memslots.
    """
    return kvm.memslots


def gfn_to_hva(kvm: ptr[kvm], gfn: int) -> int:
    """Address in the owner's memory of a guest page; -1 outside of every slot.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    slots = kvm_memslots_of(kvm)
    found = -1
    for i in range(Kvm6.slots):
        if i < slots.used and not slots.invalid:
            offset = gfn - slots.slot[i].base_gfn
            if offset >= 0 and offset < slots.slot[i].npages:
                found = slots.slot[i].userspace_addr + offset
    return found


def hva_to_gfn_memslot(hva: int, slot: ptr[kvm_memory_slot]) -> int:
    """Guest page that `slot` has at `hva`.

    Source: Linux 6.1, include/linux/kvm_host.h.
    """
    return slot.base_gfn + hva - slot.userspace_addr
