"""A guest's fault maps a page while the page goes away: Linux 6.1, 6.12, 7.3.

From 6.2 on the fault holds mmu_lock for reading. That is enough because an invalidation changes what the
fault tests (mmu_invalidate_in_progress, mmu_invalidate_seq) under the lock for writing. Variant `read` is
an invalidation that takes the lock for reading, too; `begin-read` one that does so only where it begins
and ends, and unmaps under the lock for writing: that one holds, because the write lock that it takes
next waits for every fault that has passed its test.

A vcpu touches a page that the host has mapped and stage 2 has not; another thread of the process gives
the page back; both exit. Also checked with 2 pages, with 2 vcpus, and with 2 touches.

Or the other thread writes to the page, which is copied for it (`v6.1-copy`, `v6.12-copy`). Before 6.10 KVM
hears of the copy by change_pte, between start and end of the invalidation, and maps it at once where stage 2
has a table for it. Later versions have no change_pte: the guest has to fault again.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.gup import follow_page_mask
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.memory import wp_page_copy
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import put_page
from lastput.kernel.sched import current
from lastput.kernel.v6.memory import Change
from lastput.kernel.vmscan import pick
from lastput.kvm.v6.arch import arch_ram_base
from lastput.kvm.v6.arm64.kvm_host import Arm6, table_page
from lastput.kvm.v6.arm64.pgtable import top_index
from lastput.kvm.v6.kvm_host import kvm, vm_list
from lastput.kvm.v6.kvm_main import kvm_vcpu_ioctl_run
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, Setup, option, options, ptr, scenario
from lastput.lang.options import Value
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V6_12, V7_3, with_
from lastput.study.v6_vmm import boot, task, vcpu_fd


@options
class Fault6:
    """What is mapped in kvm/v7.3-fault-vs-invalidate."""

    event: str = option(
        "dontneed",
        "what the process does to its page: it gives it back, or writes to it, so that it is copied",
        values=("dontneed", "copy"),
    )
    neighbour: bool = option(False, "page 1 is mapped and stays (pages=2 ram_base=0), so that its table does")


COPY: dict[str, Value] = {"event": "copy", "vcpus": 1, "neighbour": True, "pages": 2, "ram_base": 0}
"""A page is copied; another stays, and so does the table that both are in."""


# -- threads ---------------------------------------------------------------------------------


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu, and exits."""
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    do_exit()


def balloon() -> None:
    """A thread of the process that gives a page of guest memory back, and exits."""
    zap_page_range(current().mm, 0 if Fault6.neighbour else pick())
    do_exit()


def writer() -> None:
    """A thread of the process that writes to a page which it shares with a child, and exits."""
    mm = current().mm
    address = 0 if Fault6.neighbour else pick()
    old = follow_page_mask(mm, address, False)
    wp_page_copy(mm, address, old)
    put_page(old)
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


def can_be_asked(vm: ptr[kvm]) -> bool:
    """There is a stage 2, and nobody is about to change it."""
    if not vm_list.first or not vm.arch.arm64.mmu.pgt:
        return False
    return vm.mmu_lock.writer == 0 and vm.mmu_lock.readers == 0


def in_stage2(vm: ptr[kvm], number: int) -> ptr[page]:
    """What stage 2 maps where the guest has page `number`; NULL if nothing."""
    nothing: ptr[page] = NULL
    gfn = arch_ram_base() + number
    table = vm.arch.arm64.mmu.pgt.pgd.pte[top_index(gfn)].table
    return table.pte[gfn % Arm6.ptrs_per_pte].page if table else nothing


def stage2_maps_what_the_process_maps(vm: ptr[kvm], mm: ptr[mm_struct]) -> bool:
    """While no invalidation is under way, stage 2 maps the page that the process maps there, or nothing."""
    if not can_be_asked(vm) or mm.mm_users.counter == 0 or mm.changing != 0:
        return True
    same = True
    for i in range(Mm.pages):
        found = in_stage2(vm, i)
        if found and found != mm.pte[i].page:
            same = False
    return same


def copy_is_mapped_at_once(vm: ptr[kvm]) -> bool:
    """Stage 2 maps a page that an invalidation is about: change_pte has put the copy there."""
    found = False
    if can_be_asked(vm) and vm.mmu_invalidate_in_progress != 0:
        for i in range(1 if Fault6.neighbour else Mm.pages):
            if in_stage2(vm, i):
                found = True
    return found


def nothing_is_mapped_meanwhile(vm: ptr[kvm]) -> bool:
    """Without change_pte, stage 2 maps nothing that an invalidation is about until that has ended."""
    return not copy_is_mapped_at_once(vm)


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
        "v6.1-copy": with_(V6_1, **COPY),
        "v6.12-copy": with_(V6_12, **COPY, change_pte=False),
        "no-seq": with_(V7_3, vcpus=1, retry_seq=False),
        "no-count": with_(V7_3, vcpus=1, retry_in_progress=False),
    },
    options=(Fault6, Mm, Change, Kvm6, Arm6, Notifiers),
)
def fault_vs_invalidate(s: Setup) -> None:
    """A guest touches a page that the process gives back."""
    threads = Kvm6.vcpus + 1
    made = boot(s, users=threads, sharers=threads, mapped=Mm.pages, touched=(1,) if Fault6.neighbour else ())
    for i in range(Kvm6.vcpus):
        s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", made))
    if Fault6.event == "copy":
        s.thread("writer", writer, task=task(s, "writer", made))
        s.invariant(stage2_maps_what_the_process_maps, made.kvm, made.mm)
        if Change.change_pte:
            s.reachable(copy_is_mapped_at_once, made.kvm)
        else:
            s.invariant(nothing_is_mapped_meanwhile, made.kvm)
    else:
        s.thread("balloon", balloon, task=task(s, "balloon", made))
    s.pool(page, 2 * Kvm6.vcpus)
    s.pool(table_page, 2 * Kvm6.touches * Kvm6.vcpus)
    s.invariant(vcpus_have_stage2)
    watch(s, made, others=threads)
    s.final(vm_is_gone)
    s.reachable(fault_is_retried)
    if Kvm6.vcpus == 2 and Arm6.shared_faults:
        s.reachable(faults_share_the_lock)
