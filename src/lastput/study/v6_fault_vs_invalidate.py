"""A guest's fault maps a page while the page goes away: Linux 6.1, 6.12, 7.3.

From 6.2 on the fault holds mmu_lock for reading. That is enough because an invalidation changes what the
fault tests (mmu_invalidate_in_progress, mmu_invalidate_seq) under the lock for writing. Variant `read` is
an invalidation that takes the lock for reading, too; `begin-read` one that does so only where it begins
and ends, and unmaps under the lock for writing: that one holds, because the write lock that it takes
next waits for every fault that has passed its test.

A vcpu touches a page that the host has mapped and stage 2 has not; another thread of the process gives
the page back; both exit. Also checked with 2 pages, with 2 vcpus, and with 2 touches.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import current
from lastput.kernel.vmscan import pick
from lastput.kvm.v6.arm64.kvm_host import Arm6, table_page
from lastput.kvm.v6.kvm_host import vm_list
from lastput.kvm.v6.kvm_main import kvm_vcpu_ioctl_run
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, scenario
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V6_12, V7_3, with_
from lastput.study.v6_vmm import boot, task, vcpu_fd


@options
class Fault6:
    """What is mapped in kvm/v7.3-fault-vs-invalidate."""

    neighbour: bool = option(False, "page 1 is mapped and stays (pages=2 ram_base=0), so that its table does")


# -- threads ---------------------------------------------------------------------------------


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and exits."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    do_exit()


def balloon() -> None:
    """A thread of the process that gives a page of guest memory back, and exits."""
    zap_page_range(current().mm, 0 if Fault6.neighbour else pick())
    do_exit()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def vcpus_have_stage2() -> bool:
    """No vcpu is inside KVM_RUN when a release has run: why faults need no test of mmu.pgt."""
    return witness6.running == 0 or not witness6.released


def fault_is_retried() -> bool:
    """A fault has met an invalidation, and has not mapped the page."""
    return witness6.retried


def faults_share_the_lock() -> bool:
    """Two faults hold mmu_lock at a time."""
    return witness6.shared_faults == 2


# -- set-up ----------------------------------------------------------------------------------


@scenario(
    name="kvm/v7.3-fault-vs-invalidate",
    variants={
        "v6.1": with_(V6_1, vcpus=1),
        "v6.12": with_(V6_12, vcpus=1),
        "v7.3": with_(V7_3, vcpus=1),
        "read": with_(V7_3, vcpus=1, invalidate_lock="read"),
        "read-neighbour": with_(V7_3, vcpus=1, invalidate_lock="read", neighbour=True, pages=2, ram_base=0),
        "begin-read": with_(V7_3, vcpus=1, invalidate_lock="begin-read"),
        "no-seq": with_(V7_3, vcpus=1, retry_seq=False),
        "no-count": with_(V7_3, vcpus=1, retry_in_progress=False),
    },
    options=(Fault6, Mm, Kvm6, Arm6, Notifiers),
)
def fault_vs_invalidate(s: Setup) -> None:
    """A guest touches a page that the process gives back."""
    threads = Kvm6.vcpus + 1
    made = boot(s, users=threads, sharers=threads, mapped=Mm.pages, touched=(1,) if Fault6.neighbour else ())
    for i in range(Kvm6.vcpus):
        s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", made))
    s.thread("balloon", balloon, task=task(s, "balloon", made))
    s.pool(page, 2 * Kvm6.vcpus)
    s.pool(table_page, 2 * Kvm6.touches * Kvm6.vcpus)
    s.invariant(vcpus_have_stage2)
    watch(s, made, others=threads)
    s.final(vm_is_gone)
    s.reachable(fault_is_retried)
    if Kvm6.vcpus == 2 and Arm6.shared_faults:
        s.reachable(faults_share_the_lock)
