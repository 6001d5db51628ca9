"""A vcpu faults a page in while the host takes it away: the retry protocol.

The vcpu reads mmu_notifier_seq, looks the page up, takes mmu_lock, and maps the page unless
mmu_notifier_retry says that the look-up may be stale. The host unmaps the page from stage 2 under
mmu_lock and then frees it. No page may be freed while stage 2 maps it.

The host either pages out (one invalidate_page, after the primary entry has gone) or discards the page
(a range, start before and end after). Nobody closes anything; each task lets go of the address space
when it is done, and the last one tears it down.

With two tasks that reclaim (reclaimers=2) one of them takes its page twice: were mmu_notifier_seq raised
without the lock, an update of it could be lost.

Default: two vcpus, one page that the guest has not touched yet, one event. Also checked with one vcpu and
two pages, or two accesses.
"""

from __future__ import annotations

from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import isolate_lru_page, put_page
from lastput.kernel.rmap import try_to_unmap
from lastput.kernel.sched import current, task_struct
from lastput.kernel.vmscan import pick
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.kvm_host import Kvm, kvm
from lastput.kvm.kvm_main import kvm_vcpu_ioctl_run
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.age_vs_exit import fault_is_retried, lru_is_empty
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import boot, task, vcpu_fd


@options
class Host:
    """Who does what in kvm/fault-vs-invalidate."""

    event: str = option("reclaim", "how the host takes the page away", values=("reclaim", "dontneed"))
    reclaimers: int = option(
        1,
        "tasks that reclaim (event=reclaim): one any page, or two one page each, twice and once",
        low=1,
        high=2,
    )


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and goes."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    mmput(current().mm)


def page_out(index: int) -> None:
    """Page out a page that nobody has used for long."""
    page = isolate_lru_page(index)
    if page:
        try_to_unmap(page)
        put_page(page)


def kswapd() -> None:
    """Reclaim; beside another task that reclaims, of the last page only, and once more."""
    if Host.reclaimers == 1:
        page_out(pick())
    else:
        page_out(Mm.pages - 1)
        page_out(Mm.pages - 1)


def direct_reclaim() -> None:
    """A task that is short of memory reclaims the first page."""
    page_out(0)


def balloon_thread() -> None:
    """A thread of the process that gives a page of guest memory back, and goes."""
    zap_page_range(current().mm, pick())
    mmput(current().mm)


def count_is_zero(kvm: ptr[kvm]) -> bool:
    """Every start of an invalidation has met its end."""
    return kvm.mmu_notifier_count == 0


@scenario(
    name="kvm/fault-vs-invalidate",
    variants={"e930bffe95e1": {"vcpus": 2, "age_guard": True}},
    options=(Host, Mm, Kvm, Stage2, Arm, Notifiers),
)
def fault_vs_invalidate(s: Setup) -> None:
    """A vcpu faults a page in while the host takes it away."""
    zaps = Host.event == "dontneed"
    vmm = boot(
        s,
        users=Kvm.vcpus + (1 if zaps else 0),
        sharers=1,
        map_kvm_run=False,
        mapped=Mm.pages,
        in_stage2=0,
        lives=True,
    )
    for i in range(Kvm.vcpus):
        s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", vmm))
    if zaps:
        s.thread("balloon", balloon_thread, task=task(s, "balloon", vmm))
    else:
        s.thread("kswapd", kswapd, task=s.static(task_struct, "task_kswapd"))
        if Host.reclaimers == 2:
            s.thread("direct", direct_reclaim, task=s.static(task_struct, "task_direct"))
    events = 1 if Host.reclaimers == 1 else 3
    s.pool(page, Kvm.vcpus * (1 + events))
    s.pool(pmd_page, 1 + events)
    s.pool(pte_page, 1 + events)
    watch(s, vmm, tasks=0)
    s.final(lru_is_empty)
    s.final(count_is_zero, vmm.kvm)
    if Kvm.retry_locked:
        s.reachable(fault_is_retried)
