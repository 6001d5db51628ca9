"""What properties ask about the one VM of a scenario; nothing of it is the kernel's."""

from __future__ import annotations

from typing import Annotated

from lastput.lang import ghost, static, struct, upto


@struct
class kvm_witness:
    """Where the VM stands. All but `released` go back to zero as soon as the moment is over, so that
    they tell no states apart that are alike."""

    running: ghost[Annotated[int, upto(2)]]
    """Vcpus inside KVM_RUN."""
    aging: ghost[bool]
    """Somebody is inside kvm_age_hva, under mmu_lock."""
    was_young: ghost[bool]
    """... and has found a page young."""
    unmapping: ghost[Annotated[int, upto(7)]]
    """How many tasks are inside unmap_stage2_range."""
    released: ghost[bool]
    """The release of the notifier has taken the secondary page table away (arm: arch.pgd is NULL)."""
    retried: ghost[bool]
    """user_mem_abort has found its page invalidated, and is about to let go of it."""
    unlocked: ghost[bool]
    """arch.pgd was read without mmu_lock while a release may run: never goes back to zero."""
    unlogged: ghost[Annotated[int, upto(3)]]
    """Pages (bits) that the guest has written since they were last reported, while writes are logged."""
    destroying: ghost[bool]
    """Somebody is inside mmu_notifier_unregister."""
    destroyer: ghost[Annotated[int, upto(15)]]
    """Who that is: a thread's number plus one."""
    exit_inside: ghost[bool]
    """The release that exit_mmap calls is under way ..."""
    destroy_inside: ghost[bool]
    """... the one that mmu_notifier_unregister calls."""
    invalidating: ghost[Annotated[int, upto(3)]]
    """Tasks inside a callback that unmaps."""
    ioctls: ghost[Annotated[int, upto(3)]]
    """Tasks inside an ioctl of the VM or one of its devices that works on stage 2."""


witness = static(kvm_witness)
