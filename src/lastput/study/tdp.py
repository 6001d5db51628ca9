"""Roots of x86's TDP MMU: counted, given up, walked with and without a lock.

x86/tdp-unmap-vs-fast-zap: the VM's process deletes a memory slot, which gives up every root at once and
zaps it afterwards; somebody else truncates the file that guest memory is in, which unmaps it in every
root. Both walks may drop mmu_lock between two entries of a root. Then the process exits. A page that is
freed must be mapped in no root, valid or not; a walk must not stand on a root that is gone; no root may
be left over. Default: one root of two entries, a page under each, both truncated. With vcpus=1 a vcpu has
loaded the root, and does not let go of it before the VM is destroyed. Also checked with vcpus=1.

x86/tdp-age-vs-exit: reclaim ages pages, without mmu_lock as since Linux 6.15, while the process exits or
closes the VM. Default: one root of two entries, a page under each, one pass of reclaim.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import fget, fput, sys_close
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, anon_vma
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.page import lru
from lastput.kernel.rcu import rcu_callbacks, rcu_state
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.task_work import task_work_run
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.v6.kvm_host import vm_list
from lastput.kvm.v6.kvm_main import file_kvm
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.tdp.kvm_host import Tdp, kvm_mmu_page
from lastput.kvm.v6.tdp.mmu import kvm_mmu_zap_all_fast
from lastput.kvm.v6.tdp.roots import root_of
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, Setup, option, options, ptr, scenario
from lastput.lang.options import Value
from lastput.study.v6_invariants import watch
from lastput.study.v6_vmm import VM_FD, boot, kernel_task, task


@options
class Roots:
    """Who does what."""

    teardown: str = option(
        "exit", "how the VM goes: the process exits, or closes it first", values=("exit", "unregister")
    )
    passes: int = option(0, "pages that reclaim ages, one after the other", low=0, high=2)


# -- threads ---------------------------------------------------------------------------------


def delete_slot() -> None:
    """ioctl(KVM_SET_USER_MEMORY_REGION) that deletes a slot of which nothing is mapped."""
    filp = fget(VM_FD)
    kvm = file_kvm(filp)
    mutex_lock(kvm.slots_lock)
    kvm_mmu_zap_all_fast(kvm)
    mutex_unlock(kvm.slots_lock)
    fput(filp)


def slot_thread() -> None:
    """The process: it deletes a slot, and exits."""
    delete_slot()
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


def main_thread() -> None:
    """The process: it closes the VM, or just exits."""
    if Roots.teardown == "unregister":
        sys_close(VM_FD)
        task_work_run()
    do_exit()


def kswapd() -> None:
    """Reclaim."""
    for _pass in range(Roots.passes):
        shrink_active_list()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed, and all of guest memory with it."""
    gone = not vm_list.first
    for i in range(Mm.pages):
        if lru.list[i]:
            gone = False
    return gone


def first_root() -> ptr[kvm_mmu_page]:
    """The first root of the VM that lives; NULL if there is none."""
    missing: ptr[kvm_mmu_page] = NULL
    kvm = vm_list.first
    if not kvm:
        return missing
    head = kvm.arch.tdp.tdp_mmu_roots
    return root_of(head.next) if head.next != head else missing


def unmapping_meets_an_invalid_root() -> bool:
    """An invalidation is in its walk; the root is given up, and still maps the second page."""
    root = first_root()
    if not root or witness6.unmapping == 0:
        return False
    return root.invalid and root.spt[1].child != NULL


def unmapping_outlives_the_root() -> bool:
    """An invalidation is in its walk, and holds the only reference to the root that it is in."""
    root = first_root()
    if not root or witness6.unmapping == 0:
        return False
    return root.invalid and not root.scheduled and root.tdp_mmu_root_count.refs.counter == 1


def ageing_finds_the_page_young() -> bool:
    """Reclaim has learnt something."""
    return witness6.was_young


def ageing_runs_beside_release() -> bool:
    """A release is under way, and ageing with it: no lock keeps them apart."""
    return witness6.aging != 0 and witness6.releasing != 0


def a_table_waits_for_ageing() -> bool:
    """A table is out of its root, and not freed: reclaim is in a read section."""
    waits = False
    for i in range(len(rcu_state.waits_for)):
        if rcu_state.waits_for[i] != 0 and witness6.aging != 0:
            waits = True
    return waits


# -- set-up ----------------------------------------------------------------------------------

V7_3: dict[str, Value] = {
    "arch": "tdp",
    "pages": 2,
    "lockless_aging": True,
    "harden_end": True,
    "range_add": True,
}


@scenario(
    name="x86/tdp-unmap-vs-fast-zap",
    variants={
        "v7.3": V7_3,
        "before-d62007edf01f": {**V7_3, "unmap_invalid": False},
        "before-7533377215b6": {**V7_3, "unmap_holds_root": False},
        "before-a889ea54b3da": {**V7_3, "put_frees": False},
    },
    options=(Roots, Mm, Kvm6, Tdp, Notifiers),
)
def unmap_vs_fast_zap(s: Setup) -> None:
    """The file behind guest memory is truncated while every root is given up."""
    made = boot(s, users=1, sharers=1, mapped=Mm.pages)
    s.thread("vmm", slot_thread, task=task(s, "vmm", made))
    s.thread("truncate", truncate, made.mm.mmap.anon_vma, task=kernel_task(s, "truncate"))
    s.thread("rcu", rcu_callbacks, task=kernel_task(s, "rcu"), daemon=True)
    if Tdp.put_frees:
        watch(s, made, others=1)
    s.final(vm_is_gone)
    s.reachable(unmapping_meets_an_invalid_root)
    if not Kvm6.vcpus:
        s.reachable(unmapping_outlives_the_root)


@scenario(
    name="x86/tdp-age-vs-exit",
    variants={
        "v7.3": {**V7_3, "passes": 1},
        "before-3a0f64de479c": {**V7_3, "passes": 1, "restart_stays": False},
        "no-rcu": {**V7_3, "passes": 1, "age_rcu": False},
        "free-at-once": {**V7_3, "passes": 1, "free_by_rcu": False},
    },
    options=(Roots, Mm, Kvm6, Tdp, Notifiers),
)
def age_vs_exit(s: Setup) -> None:
    """Reclaim ages guest pages, with no lock, while the VM goes away."""
    made = boot(s, users=1, sharers=1, mapped=Mm.pages)
    s.thread("vmm", main_thread, task=task(s, "vmm", made))
    s.thread("kswapd", kswapd, task=kernel_task(s, "kswapd"))
    s.thread("rcu", rcu_callbacks, task=kernel_task(s, "rcu"), daemon=True)
    watch(s, made, others=1)
    s.final(vm_is_gone)
    s.reachable(ageing_finds_the_page_young)
    s.reachable(ageing_runs_beside_release)
    s.reachable(a_table_waits_for_ageing)
