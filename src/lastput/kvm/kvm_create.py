"""KVM_CREATE_VM (Linux 4.12, virt/kvm/kvm_main.c): the VM's references, and what is undone on failure.

Buses, routing and hardware_enable_all are left out; so is the failure of any allocation. What can fail
here is the registration of the notifier, which comes last: a signal interrupts mm_take_all_locks.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier_register import mmu_notifier_register
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop, mmgrab
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import cleanup_srcu_struct
from lastput.kvm.arch import arch_destroy_vm, arch_init_vm, arch_ram_base
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.kvm_host import kvm, kvm_memslots, vm_list
from lastput.lang import NULL, kfree, kzalloc, ptr


def kvm_alloc_memslots() -> ptr[kvm_memslots]:
    """The VM's slots, which userspace has filled by the time anybody looks: one, of all of its memory.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    slots = kzalloc(kvm_memslots)
    slots.used_slots = 1
    slots.memslots[0].base_gfn = arch_ram_base()
    slots.memslots[0].npages = Mm.pages
    return slots


def kvm_init_mmu_notifier(kvm: ptr[kvm]) -> int:
    """Register the VM's notifier with the caller's address space.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    return mmu_notifier_register(kvm.mmu_notifier, current().mm)


def undo_create(kvm: ptr[kvm]) -> None:
    """The error path. kvm_arch_destroy_vm has no part in it: what kvm_arch_init_vm made is lost.

    Later kernels call it there (`Arm.init_unwinds`).
    """
    if Arm.init_unwinds:
        arch_destroy_vm(kvm)
    cleanup_srcu_struct(kvm.srcu)
    kfree(kvm.memslots)
    mmdrop(kvm.mm)
    kfree(kvm)


def kvm_create_vm(new: ptr[kvm]) -> ptr[kvm]:
    """A new VM with one reference, which the caller gives to its file; NULL on failure.

    `new` stands for what the allocation returns. The set-up has written the two fields that never
    change: the caller's address space, and the callbacks.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    failed: ptr[kvm] = NULL
    mmgrab(current().mm)
    new.users_count.counter = 1
    arch_init_vm(new)
    new.memslots = kvm_alloc_memslots()
    if kvm_init_mmu_notifier(new) != 0:
        undo_create(new)
        return failed
    spin_lock(vm_list.lock)
    vm_list.first = new
    spin_unlock(vm_list.lock)
    return new
