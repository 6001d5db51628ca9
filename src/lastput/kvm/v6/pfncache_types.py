"""Memory of a gfn_to_pfn_cache (Linux 6.1, include/linux/kvm_types.h)."""

from __future__ import annotations

from lastput.kernel.lock_types import mutex, rwlock_t
from lastput.kernel.mm_types import page
from lastput.lang import const, ptr, struct


@struct
class gfn_to_pfn_cache:
    """A page of the guest that the kernel itself keeps mapped. It holds no reference to the page."""

    active: const[bool]
    uhva: const[int]
    lock: rwlock_t
    refresh_lock: mutex
    pfn: ptr[page]
    """NULL where the kernel has KVM_PFN_ERR_FAULT. `khva` is one with it."""
    valid: bool
