"""Is mmu_notifier_retry right without mmu_lock?

A vcpu faults on a page while somebody truncates the file behind it; the fault tests count and sequence
under the lock of a reverse map only. "KVM: Add barriers to allow mmu_notifier_retry to be used
locklessly" (a355aa54f1d2, Linux 3.3) says in which order the two are read and stored. The models know no
weak memory: `reads` and `stores` swap the accesses, which is what a missing barrier permits.

The vcpu's process exits at the end. Default: two pages, of which one is faulted on and both are
truncated. Also checked with faults=2.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import change_begin, change_end, set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import task_struct
from lastput.kvm.ppc.book3s_hv import (
    Hv,
    hv_seen,
    kvm_hv,
    kvm_mmu_notifier_invalidate_range_end,
    kvm_mmu_notifier_invalidate_range_start,
    kvm_mmu_notifier_release,
    kvmppc_book3s_hv_page_fault,
)
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.invariants import is_hashed, lists_one, mapped_pages_are_held


@options
class Faults:
    """Who does what."""

    faults: int = option(1, "pages that the vcpu faults on, one after the other", low=1, high=2)


def vcpu(kvm: ptr[kvm_hv]) -> None:
    """The guest touches pages until they are mapped; then its process exits."""
    for gfn in range(Faults.faults):
        while not kvmppc_book3s_hv_page_fault(kvm, gfn):
            pass
    do_exit()


def truncate(mapping: ptr[anon_vma]) -> None:
    """Somebody truncates the file behind guest memory: unmap_mapping_range. Its lock keeps the area."""
    down_read(mapping.rwsem)
    vma = mapping.rb_root
    if vma:
        mm = vma.vm_mm
        change_begin(mm, 0, Mm.pages)
        for address in range(Mm.pages):
            zap_pte(mm, address)
        change_end(mm, 0, Mm.pages)
    up_read(mapping.rwsem)


def fault_is_retried() -> bool:
    """The window is real: a fault has found its page invalidated."""
    return hv_seen.retried


def invalidation_ends_between_the_reads(kvm: ptr[kvm_hv]) -> bool:
    """A fault is between its two reads, with an invalidation half-way through its end."""
    return hv_seen.testing and kvm.mmu_notifier_seq != 0 and kvm.mmu_notifier_count != 0


def count_is_open_invalidations(kvm: ptr[kvm_hv], mm: ptr[mm_struct]) -> bool:
    """mmu_notifier_count is never negative, and no more than the invalidations between start and end."""
    count = kvm.mmu_notifier_count
    removed = mm.mmu_notifier_mm.lock.owner != 0 or not is_hashed(kvm.mmu_notifier.hlist)
    return count >= 0 and (count <= mm.changing or removed)


def lru_is_empty() -> bool:
    """Every page was given back."""
    empty = True
    for i in range(Mm.pages):
        if lru.list[i]:
            empty = False
    return empty


@scenario(
    name="ppc/lockless-retry",
    variants={
        "a355aa54f1d2": {"pages": 2},
        "reads-unordered": {"pages": 2, "reads": "seq-first"},
        "stores-unordered": {"pages": 2, "stores": "count-first"},
        "mmu-lock": {"pages": 2, "reads": "seq-first", "stores": "count-first", "holds_mmu_lock": True},
    },
    options=(Faults, Mm, Hv, Notifiers),
)
def lockless_retry(s: Setup) -> None:
    """A vcpu's fault tests for an invalidation without mmu_lock."""
    mm = s.static(mm_struct, "mm", mmu_notifier_mm=s.static(mmu_notifier_mm, "mmu_notifier_mm"))
    mm.mm_users.counter = 1
    mm.mm_count.counter = 3
    mapping = s.static(anon_vma, "anon_vma")
    mapping.rb_root = mm.mmap = mm.mm_rb = s.new(vm_area_struct, "vma_ram", vm_mm=mm, anon_vma=mapping)
    for i in range(Mm.pages):
        ram = s.new(page, f"page{i}", index=i, mapping=mapping)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
    s.pool(page, 2 * Faults.faults)
    vm = s.static(kvm_hv, "kvm")
    vm.mmu_notifier.ops = s.static(
        mmu_notifier_ops,
        "kvm_mmu_notifier_ops",
        release=kvm_mmu_notifier_release,
        invalidate_range_start=kvm_mmu_notifier_invalidate_range_start,
        invalidate_range_end=kvm_mmu_notifier_invalidate_range_end,
    )
    hlist_add_head_rcu(vm.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    s.thread("vcpu", vcpu, vm, task=s.static(task_struct, "task_vcpu", mm=mm, active_mm=mm))
    s.thread("truncate", truncate, mapping, task=s.static(task_struct, "task_truncate"))
    s.invariant(mapped_pages_are_held, mm)
    s.invariant(lists_one, mm, vm.mmu_notifier.hlist)
    s.invariant(count_is_open_invalidations, vm, mm)
    s.final(lru_is_empty)
    s.reachable(fault_is_retried)
    if not Hv.holds_mmu_lock:
        s.reachable(invalidation_ends_between_the_reads, vm)
