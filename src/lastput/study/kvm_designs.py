"""KVM/arm of Linux 4.12 on other designs of the notifier core: which of them need the tests of arch.pgd.

Actors and options are those of kvm/age-vs-exit: a process with a VM exits or closes it, reclaim ages a
page. In D2b, D3 and D4 no callback tests arch.pgd, neither first nor after a break of mmu_lock: release
cannot run beside a callback (D2b), or does not free what the callback walks (D3, D4). D5 tests it in
stage2_get_pud and, as Linux 4.12, where a range is unmapped.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.arm64.stage2_unmap import kvm_free_stage2_pgd
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.kvm_main import mmu_notifier_to_kvm
from lastput.kvm.witness import witness
from lastput.lang import Setup, ptr, scenario
from lastput.study.age_vs_exit import (
    Age,
    ageing_finds_the_page_young,
    ageing_runs_after_release,
    ageing_runs_in_a_lock_break,
    grace_period_waits,
    lru_is_empty,
    make_room,
    release_may_run_twice,
    release_runs_twice,
    start_others,
    start_process,
    tasks_that_exit,
    vcpus_have_stage2,
    vm_is_gone,
)
from lastput.study.kvm_invariants import watch

NO_TESTS = {"age_guard": False, "unmap_guard": False, "unmap_retest": False}


def kvm_free_root(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """D3's second callback: free the pgd."""
    kvm_free_stage2_pgd(mmu_notifier_to_kvm(mn))


def ageing_meets_exit_or_close() -> bool:
    """A page is being aged while a grace period waits for that."""
    return witness.aging and grace_period_waits()


def expect(s: Setup) -> None:
    """What must hold, and what must be seen to happen."""
    s.invariant(vcpus_have_stage2)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    if Age.passes:
        s.reachable(ageing_finds_the_page_young)
        s.reachable(ageing_meets_exit_or_close)
        if Notifiers.design != "D2b" and Stage2.pgd_entries > 1:
            s.reachable(ageing_runs_in_a_lock_break)
        if Notifiers.design == "D5":
            s.reachable(ageing_runs_after_release)
    if release_may_run_twice() and Notifiers.design != "D2b" and Stage2.pgd_entries > 1:
        s.reachable(release_runs_twice)


@scenario(
    name="kvm/designs",
    variants={
        "D0": {},
        "D0-tested": {"age_guard": True},
        "D1": {"design": "D1"},
        "D2b": {"design": "D2b", **NO_TESTS},
        "D3": {"design": "D3", "root_kept": True, **NO_TESTS},
        "D4": {"design": "D4", "root_kept": True, "destroy_frees": True, **NO_TESTS},
        "D5": {"design": "D5", "get_pud_guard": True},
    },
    options=(Age, Mm, Kvm, Stage2, Arm, Notifiers),
)
def designs(s: Setup) -> None:
    """Reclaim ages a guest page while the VM goes away, on other designs of the notifier core."""
    vmm = start_process(s)
    if Notifiers.design == "D3":
        vmm.kvm.mmu_notifier.ops.free_root = kvm_free_root
    make_room(s)
    start_others(s, vmm)
    watch(s, vmm, tasks=tasks_that_exit())
    expect(s)
