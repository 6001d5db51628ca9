"""Reclaim ages a page that the guest has never touched, on a stage 2 of four levels.

The process has written to guest memory, the guest has not yet read it: the page is on the LRU list, and
stage 2 has no table on the way to it. With a folded pud the empty pgd entry counts as a table that is
always there; with a real one there is none, and stage2_get_pud has nothing to return.

Default: two pages, the guest has touched the first, which lies under another pgd entry than the second.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import task_struct
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.witness import witness
from lastput.lang import Setup, scenario
from lastput.study.age_vs_exit import lru_is_empty, vm_is_gone
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import boot, task

FOUR = {"levels": 4, "pages": 2, "pgd_entries": 3, "ram_base": 3, "age_guard": True}
"""Guest memory lies under two pgd entries of a four-level table."""


def exiting_process() -> None:
    """The process that made the VM."""
    do_exit()


def ageing_runs() -> bool:
    return witness.aging


@scenario(
    name="kvm/age-untouched",
    variants={"d6dbdd3c8558~1": {**FOUR, "pud_test": False}, "d6dbdd3c8558": FOUR},
    default="d6dbdd3c8558",
    options=(Mm, Kvm, Stage2, Arm, Notifiers),
)
def age_untouched(s: Setup) -> None:
    """Reclaim ages a page that the guest has never touched, on a stage 2 of four levels."""
    vmm = boot(s, users=1, sharers=1, map_kvm_run=False, mapped=Mm.pages, in_stage2=1)
    s.thread("vmm", exiting_process, task=task(s, "vmm", vmm))
    s.thread("kswapd", shrink_active_list, task=s.static(task_struct, "task_kswapd"))
    watch(s, vmm, tasks=1)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    s.reachable(ageing_runs)
