"""Reclaim ages a guest page while the VM goes away, on architectures that have no test for it.

The scenario is that of kvm/age-vs-exit, with another secondary MMU below. Does the release of the
notifier leave anything that a callback could trip over, when no callback looks for it?

x86/age-vs-exit: callbacks go from the memory slot's reverse maps to entries. The release frees every
shadow page; what it leaves are empty heads. Two top-level entries when there are two pages (the first
page is under the first, the second under the second), and a lock break between shadow pages.

Its variants `touch` ask what the zap writes to when reclaim pages out the page in the meantime: a stale
entry is no violation there, but a zap that marks the struct page of a page that is free. `touch` is the
notifier core as it is, `touch-D1` and `touch-D2b` are two that unhash first (mmu_notifier_designs).

loongarch/age-vs-exit: callbacks walk from a root that lives as long as the VM. The release frees the
tables below it.

Default: one page, one pass of reclaim, process exit. Also checked with pages=2 passes=2, with the VM
closed first (teardown=unregister), with both at once (fd=handed pins=1: 502,044 states on x86), and with
a vcpu.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kvm.keeproot.kvm_host import LoongArch, loongarch_ptes
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.witness import witness
from lastput.kvm.x86.kvm_host import X86, kvm_mmu_page
from lastput.lang import Setup, scenario
from lastput.lang.options import Value
from lastput.study.age_vs_exit import (
    Age,
    ageing_finds_the_page_young,
    ageing_runs_after_release,
    ageing_runs_in_a_lock_break,
    fault_is_retried,
    invalidations,
    lru_is_empty,
    release_may_run_twice,
    release_runs_twice,
    start_others,
    start_process,
    tasks_that_exit,
    vm_is_gone,
)
from lastput.study.kvm_invariants import watch
from lastput.study.release_vs_unregister import both_release

TOUCH: dict[str, Value] = {"arch": "x86", "passes": 2, "reclaim": "unmap", "count_mappings": False}


def ageing_finds_nothing_after_release() -> bool:
    """What a callback finds once the release is over: nothing, that is, 0."""
    return not (witness.was_young and witness.released)


def make_room(s: Setup) -> None:
    """Pools: a first touch of the last page by each vcpu, and one more mapping for each page taken away."""
    if Kvm.vcpus:
        s.pool(page, (1 + invalidations()) * Kvm.vcpus)
        if Kvm.arch == "x86":
            s.pool(kvm_mmu_page, 1)
        else:
            s.pool(loongarch_ptes, 1)


def expect(s: Setup) -> None:
    """What must hold, and what must be seen to happen."""
    s.invariant(ageing_finds_nothing_after_release)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    if Age.passes:
        s.reachable(ageing_finds_the_page_young)
        if Notifiers.design == "D0":  # the others unhash before they release
            s.reachable(ageing_runs_after_release)
    if Kvm.vcpus and invalidations():
        s.reachable(fault_is_retried)
    if release_may_run_twice():
        s.reachable(both_release)


@scenario(
    name="x86/age-vs-exit",
    variants={
        "v4.14": {"arch": "x86"},
        "touch": TOUCH,
        "touch-D1": {**TOUCH, "design": "D1"},
        "touch-D2b": {**TOUCH, "design": "D2b"},
    },
    options=(Age, Mm, Kvm, X86, Notifiers),
)
def x86_age_vs_exit(s: Setup) -> None:
    """Reclaim ages a guest page while an x86 VM goes away; no callback tests for anything."""
    vmm = start_process(s)
    make_room(s)
    start_others(s, vmm)
    watch(s, vmm, tasks=tasks_that_exit())
    expect(s)
    if (
        Age.passes and not Kvm.vcpus and Notifiers.design == "D0"
    ):  # a root that a vcpu uses does not count towards a lock break
        s.reachable(ageing_runs_in_a_lock_break)
    if release_may_run_twice():
        s.reachable(release_runs_twice)


@scenario(
    name="loongarch/age-vs-exit",
    variants={
        "v7.1": {"arch": "keeproot", "flush_locked": False},
        "flush-locked": {"arch": "keeproot", "flush_locked": True},
        "frees-root": {"arch": "keeproot", "keeps_root": False},
    },
    default="flush-locked",
    options=(Age, Mm, Kvm, LoongArch, Notifiers),
)
def loongarch_age_vs_exit(s: Setup) -> None:
    """Reclaim ages a guest page while a LoongArch VM goes away, root and all."""
    vmm = start_process(s)
    make_room(s)
    start_others(s, vmm)
    watch(s, vmm, tasks=tasks_that_exit())
    expect(s)
