"""Memory slots change while the guest runs (Linux 4.12, virt/kvm/kvm_main.c).

A change publishes another array of slots and waits for the readers of the old one. A slot that goes, or
moves, is first published as invalid: once that grace period is over no fault can map any of it, and
what is mapped is taken out of stage 2.
"""

from __future__ import annotations

from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched import current
from lastput.kernel.srcu import synchronize_srcu
from lastput.kvm.arch import arch_flush_shadow_memslot
from lastput.kvm.kvm_host import Kvm, kvm, kvm_memslots
from lastput.kvm.kvm_main import EBADF, EIO, fdget, fdput, file_kvm
from lastput.kvm.witness import witness
from lastput.lang import atomic, kfree, kzalloc, ptr

KVM_MR_DELETE = 0
KVM_MR_MOVE = 1
KVM_MR_FLAGS_ONLY = 2

EINVAL = 22


def kvm_dup_memslots(old: ptr[kvm_memslots]) -> ptr[kvm_memslots]:
    """A copy of the array, which nobody sees yet.

    Source: Linux 4.12, virt/kvm/kvm_main.c: __kvm_set_memory_region.
    """
    with atomic():
        new = kzalloc(kvm_memslots)
        new.used_slots = old.used_slots
        new.memslots[0].base_gfn = old.memslots[0].base_gfn
        new.memslots[0].npages = old.memslots[0].npages
        new.memslots[0].userspace_addr = old.memslots[0].userspace_addr
        new.memslots[0].invalid = old.memslots[0].invalid
        new.memslots[0].rmap = old.memslots[0].rmap
    return new


def install_new_memslots(kvm: ptr[kvm], slots: ptr[kvm_memslots]) -> ptr[kvm_memslots]:
    """Publish `slots`, and wait until nobody looks at the old array, which is returned.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    old = kvm.memslots
    kvm.memslots = slots
    if Kvm.slots_wait:
        synchronize_srcu(kvm.srcu)
    return old


def update_memslots(slots: ptr[kvm_memslots], change: int, base_gfn: int) -> None:
    """Write what the slot becomes. The array is nobody else's: the grace period is over.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    with atomic():
        slots.memslots[0].invalid = False
        slots.memslots[0].base_gfn = base_gfn
        if change == KVM_MR_DELETE:
            slots.memslots[0].npages = 0
            slots.used_slots = 0


def __kvm_set_memory_region(kvm: ptr[kvm], change: int, base_gfn: int) -> int:
    """Delete the slot, move it to `base_gfn`, or change its flags. Holds slots_lock.

    After a slot was marked invalid, the array from before serves as the new one.
    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    if kvm.memslots.used_slots == 0:
        return -EINVAL
    slots = kvm_dup_memslots(kvm.memslots)
    if change != KVM_MR_FLAGS_ONLY:
        if Kvm.slots_invalid:
            slots.memslots[0].invalid = True
            slots = install_new_memslots(kvm, slots)
        arch_flush_shadow_memslot(kvm, kvm.memslots.memslots[0])
    update_memslots(slots, change, base_gfn)
    kfree(install_new_memslots(kvm, slots))
    return 0


def kvm_set_memory_region(kvm: ptr[kvm], change: int, base_gfn: int) -> int:
    """The same under slots_lock.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    mutex_lock(kvm.slots_lock)
    result = __kvm_set_memory_region(kvm, change, base_gfn)
    mutex_unlock(kvm.slots_lock)
    return result


def kvm_vm_ioctl_set_memory_region(fd: int, change: int, base_gfn: int) -> int:
    """ioctl(fd, KVM_SET_USER_MEMORY_REGION): the file is held, the address space must be the VM's own.

    Source: Linux 4.12, virt/kvm/kvm_main.c.
    """
    filp = fdget(fd)
    if not filp:
        return -EBADF
    kvm = file_kvm(filp)
    result = -EIO
    if not Kvm.mm_test or current().mm == kvm.mm:
        witness.ioctls += 1
        result = kvm_set_memory_region(kvm, change, base_gfn)
        witness.ioctls -= 1
    fdput(filp)
    return result
