"""What properties ask about the one VM of a scenario; nothing of it is the kernel's.

All but `released` and `unpaired_end` go back to zero as soon as the moment is over, so that they tell no
states apart that are alike.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kvm.v6.options import Kvm6
from lastput.lang import ghost, static, struct, upto


@struct
class kvm_witness6:
    aging: ghost[Annotated[int, upto(lambda: Kvm6.tasks)]]
    """How many tasks are inside the handler of a young callback."""
    was_young: ghost[bool]
    """... and one has found a page young."""
    running: ghost[Annotated[int, upto(lambda: max(2, Kvm6.vcpus))]]
    """Vcpus inside KVM_RUN."""
    released: ghost[bool]
    """A release has let go of guest memory."""
    releasing: ghost[Annotated[int, upto(lambda: Kvm6.tasks)]]
    """How many tasks are inside kvm_flush_shadow_all."""
    unmapping: ghost[Annotated[int, upto(lambda: Kvm6.tasks)]]
    """How many tasks are inside the handler of an invalidation."""
    retried: ghost[bool]
    """A fault has found its page invalidated, and is about to let go of it."""
    shared_faults: ghost[Annotated[int, upto(lambda: max(2, Kvm6.vcpus))]]
    """Faults that hold mmu_lock for reading."""
    destroying: ghost[bool]
    """Somebody is inside mmu_notifier_unregister."""
    swap_waits: ghost[bool]
    """An update of the slots waits for an invalidation to end."""
    unfinished: ghost[bool]
    """kvm_destroy_vm is past the notifier, and the count says that an invalidation has not ended."""
    unpaired_end: ghost[bool]
    """An invalidation has ended that never began (the WARN_ON_ONCE of d489ec956583)."""
    on_unlinked: ghost[bool]
    """A walk stands on an entry of a table that was unlinked meanwhile."""
    cache_was_valid: ghost[bool]
    """A gfn_to_pfn_cache was used that was refreshed before."""
    vm_bugged: ghost[bool]
    """KVM_BUG_ON: the VM is marked dead instead of the host."""


witness6 = static(kvm_witness6)
