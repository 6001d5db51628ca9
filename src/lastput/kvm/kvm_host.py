"""What a VM is made of (Linux 4.12, include/linux/kvm_host.h), as far as memory and lifetime go.

One memory slot. What a slot says never changes while readers can see it (a change publishes another
array of slots), so its fields are no steps; where slots change, looking at an array is one. Buses,
debugfs and statistics are left out: they are torn down by kvm_destroy_vm alone, after the last reference.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.atomic import atomic_t
from lastput.kernel.list import list_head
from lastput.kernel.lock_types import mutex, spinlock_t
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.kernel.srcu import srcu_struct
from lastput.kvm.arm64.kvm_host import kvm_arch
from lastput.kvm.keeproot.kvm_host import loongarch_pgd
from lastput.kvm.x86.kvm_host import kvm_rmap, x86_arch, x86_vcpu
from lastput.lang import (
    array,
    atomic,
    const,
    ghost,
    length,
    option,
    options,
    ptr,
    roles,
    s8,
    static,
    struct,
    this_thread,
    upto,
    violation,
)


@options
class Kvm:
    """Sizes of a VM, and what its generic code does."""

    arch: str = option("arm64", "the architecture under KVM", values=("arm64", "x86", "keeproot"))
    vcpus: int = option(0, "vcpu threads that run the guest", low=0, high=2)
    touches: int = option(1, "guest accesses of each vcpu", low=1, high=3)
    retry_count: bool = option(True, "mmu_notifier_retry tests mmu_notifier_count")
    retry_seq: bool = option(True, "mmu_notifier_retry tests mmu_notifier_seq")
    retry_locked: bool = option(True, "a fault calls mmu_notifier_retry under mmu_lock")
    seq_first: bool = option(True, "a fault reads mmu_notifier_seq before it looks the page up")
    page_seq: str = option(
        "locked",
        "where invalidate_page raises mmu_notifier_seq: under mmu_lock, or in front of or behind the section",
        values=("locked", "before", "after"),
    )
    end_seq: str = option(
        "locked",
        "where invalidate_range_end raises it: under mmu_lock, or behind, with the count lowered already",
        values=("locked", "after"),
    )
    mm_test: bool = option(True, "VM and vcpu ioctls refuse another address space than the VM's")
    device_mm_test: bool = option(False, "device ioctls do, too (ddba91801aeb)")
    fdget: bool = option(True, "an ioctl holds a reference to its file")
    devices: bool = option(False, "the VM may have devices (KVM_CREATE_DEVICE)")
    irqfds: bool = option(False, "the VM may have irqfds (KVM_IRQFD), and has a table of routes")
    slots_change: bool = option(False, "memory slots are changed while others look at them")
    slots_invalid: bool = option(True, "a slot is marked invalid before it goes (KVM_MEMSLOT_INVALID)")
    slots_wait: bool = option(True, "install_new_memslots ends with a grace period")
    release_srcu: bool = option(True, "the release callback holds kvm->srcu (eda2beda8356)")
    slots_check: bool = option(False, "kvm_memslots reports a reader without kvm->srcu, as lockdep does")


@struct
class kvm_memory_slot:
    base_gfn: ghost[Annotated[int, upto(15)]]
    npages: ghost[Annotated[int, upto(3)]]
    userspace_addr: ghost[Annotated[int, upto(3)]]
    invalid: ghost[bool]
    """KVM_MEMSLOT_INVALID: the slot is about to go, or to move."""
    rmap: ghost[ptr[kvm_rmap]]
    """kvm_arch_memory_slot of x86; NULL elsewhere."""


@struct
class kvm_memslots:
    used_slots: Annotated[int, upto(1)]
    """Slots in use; the others have no pages."""
    memslots: array[kvm_memory_slot] = length(1)


@struct
class kvm_vcpu:
    kvm: const[ptr[kvm]]
    x86: x86_vcpu


@struct
class kvm_irq_routing_table:
    nr_rt_entries: bool
    """Whether there is any: the one read of a lookup."""


@struct
class kvm_irqfds:
    """kvm->irqfds, without resamplers."""

    lock: spinlock_t
    items: list_head


@struct
class kvm:
    users_count: atomic_t
    mm: const[ptr[mm_struct]]
    mmu_lock: spinlock_t
    slots_lock: mutex
    lock: mutex
    devices: list_head
    """Changed under `lock`. Made by the set-up where `Kvm.devices` says so."""
    irqfds: kvm_irqfds
    """Made by the set-up where `Kvm.irqfds` says so, as are the next two."""
    irq_routing: ptr[kvm_irq_routing_table]
    """Published under `irq_lock`, looked at inside of `irq_srcu`."""
    irq_srcu: srcu_struct
    irq_lock: mutex
    memslots: ptr[kvm_memslots]
    srcu: srcu_struct
    mmu_notifier: mmu_notifier
    mmu_notifier_seq: Annotated[int, upto(7)]
    mmu_notifier_count: s8
    arch: kvm_arch
    x86: x86_arch
    pgd: ptr[loongarch_pgd]
    """kvm_arch.pgd of LoongArch."""
    dirty_bitmap: array[bool] = length(lambda: Mm.pages)
    """kvm_memory_slot.dirty_bitmap of the one slot."""
    vcpus: array[ptr[kvm_vcpu]] = length(lambda: max(1, Kvm.vcpus))


@struct
class kvm_list:
    """`vm_list`, of one VM at most, and the lock that protects it."""

    lock: spinlock_t
    first: ptr[kvm]


vm_list = static(kvm_list)


def kvm_memslots_of(kvm: ptr[kvm]) -> ptr[kvm_memslots]:
    """The slots in force; read inside kvm->srcu, or with slots_lock, or when the VM has no user left.

    Source: Linux 4.14, include/linux/kvm_host.h: kvm_memslots.
    """
    with atomic():
        if Kvm.slots_check:
            inside = (kvm.srcu.readers >> this_thread()) & 1 == 1 or kvm.slots_lock.owner == this_thread() + 1
            if not inside and kvm.users_count.counter != 0:
                violation("rcu-misuse", "kvm_memslots: suspicious rcu_dereference_check() usage")
        return kvm.memslots


def first_memslot(kvm: ptr[kvm]) -> ptr[kvm_memory_slot]:
    """The slot that kvm_for_each_memslot begins, and here ends, with."""
    slots = kvm_memslots_of(kvm)
    if Kvm.slots_change:
        _used = slots.used_slots
    return slots.memslots[0]


def gfn_to_hva(kvm: ptr[kvm], gfn: int) -> int:
    """Address in the owner's memory of a guest page; -1 outside of the slot, or if it is on its way out.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    slot = first_memslot(kvm)
    offset = gfn - slot.base_gfn
    if offset < 0 or offset >= slot.npages or slot.invalid:
        return -1
    return slot.userspace_addr + offset


def first_page(slot: ptr[kvm_memory_slot], start: int) -> int:
    """Where the part of `start..end` that lies in the slot begins."""
    return max(start, slot.userspace_addr)


def last_page(slot: ptr[kvm_memory_slot], end: int) -> int:
    """Where the part of `start..end` that lies in the slot ends."""
    return min(end, slot.userspace_addr + slot.npages)


def hva_to_gfn(slot: ptr[kvm_memory_slot], hva: int) -> int:
    """Guest page that the slot has at `hva`.

    Source: Linux 4.12, virt/kvm/arm/mmu.c: handle_hva_to_gpa.
    """
    return slot.base_gfn + hva - slot.userspace_addr


def mmu_notifier_retry(kvm: ptr[kvm], mmu_seq: int) -> bool:
    """Whether a page that was looked up after `mmu_seq` was read may be gone. Holds mmu_lock.

    Barriers are left out: memory is sequentially consistent here.
    Source: Linux 4.12, include/linux/kvm_host.h.
    """
    if Kvm.retry_count and kvm.mmu_notifier_count != 0:
        return True
    return Kvm.retry_seq and kvm.mmu_notifier_seq != mmu_seq


roles.recheck(mmu_notifier_retry)
