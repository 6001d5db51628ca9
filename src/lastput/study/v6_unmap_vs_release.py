"""A range is unmapped in parts while stage 2 goes away: Linux 6.1, 6.12, 7.3.

Between two parts mmu_lock may be dropped. Who comes back to a stage 2 that is gone must stop, and not
complain: 6.1 does (`v6.1`); later versions remember the lock break (`v6.12`). With a guest hypervisor
there are more stage 2s, and a release frees them one by one: one that is gone must not look valid
(`nested`, `34b8f4adedd5`).

Two threads of a process: one unmaps both pages of guest memory, under 2 top-level entries, the other
closes the VM; then both exit. `who=reaper`: the process exits, and the OOM reaper, which must not block,
unmaps its memory. Also checked with a third thread, kswapd (`passes=1`). `v6.12-lru-gen`: a process that
unmaps and exits, while LRU_GEN asks for both pages, with clear_young; in between the unmap drops mmu_lock.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import sys_close
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmap import unmap_vmas
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import lru
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.task_work import task_work_run
from lastput.kernel.v6.lru_gen import LruGen, evict_folios
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.blockable import non_block_end, non_block_start
from lastput.kvm.v6.kvm_host import vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V6_12, V7_3, with_
from lastput.study.v6_vmm import VM_FD, boot, kernel_task, task


@options
class Unmap6:
    """Who does what in kvm/v6-unmap-vs-release."""

    who: str = option(
        "munmap",
        "one thread unmaps while another closes the VM; or the OOM reaper does while the process exits; or "
        "one thread unmaps, and exits",
        values=("munmap", "reaper", "alone"),
    )
    passes: int = option(0, "pages that reclaim looks at, one after the other", low=0, high=1)


# -- threads ---------------------------------------------------------------------------------


def unmapper() -> None:
    """A thread of the process that gives back all of guest memory, and exits."""
    mm = current().mm
    change_begin(mm, 0, Mm.pages)
    unmap_vmas(mm)
    change_end(mm, 0, Mm.pages)
    do_exit()


def closer() -> None:
    """A thread of the process that closes the VM, and exits."""
    sys_close(VM_FD)
    task_work_run()
    do_exit()


def exiting() -> None:
    """The process: it exits."""
    do_exit()


def __oom_reap_task_mm(mm: ptr[mm_struct]) -> None:
    """Unmap what is easy to unmap, and wait for nobody. MMF_OOM_SKIP and mmap_lock are left out.

    The kernel forbids blocking around each callback; here around the walk of the list.

    Source: Linux 6.1, mm/oom_kill.c.
    """
    non_block_start()
    change_begin(mm, 0, Mm.pages)
    non_block_end()
    unmap_vmas(mm)
    change_end(mm, 0, Mm.pages)


def oom_reaper(mm: ptr[mm_struct]) -> None:
    """The kernel thread, with a victim that it holds an mm_count of."""
    __oom_reap_task_mm(mm)
    mmdrop(mm)


def kswapd() -> None:
    """Reclaim."""
    if LruGen.lru_gen:
        evict_folios()
    else:
        shrink_active_list()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed, and all of guest memory with it."""
    gone = not vm_list.first
    for i in range(Mm.pages):
        if lru.list[i]:
            gone = False
    return gone


def unmap_meets_release() -> bool:
    """The window: an unmap is under way, or has its lock broken, and a release has begun."""
    return witness6.unmapping != 0 and witness6.releasing != 0


def ageing_meets_a_broken_unmap() -> bool:
    """Reclaim asks while an unmap is half done."""
    return witness6.unmapping != 0 and witness6.aging != 0


def unmap_after_release() -> bool:
    return witness6.unmapping != 0 and witness6.released


# -- set-up ----------------------------------------------------------------------------------


@scenario(
    name="kvm/v6-unmap-vs-release",
    variants={
        "v6.1": with_(V6_1, pages=2),
        "v6.12": with_(V6_12, pages=2),
        "v7.3": with_(V7_3, pages=2),
        "no-unmap-guard": with_(V7_3, pages=2, unmap_guard=False),
        "nested": with_(V7_3, pages=2, nested=1, free_invalidates=False),
        "34b8f4adedd5": with_(V7_3, pages=2, nested=1),
        "reaper-blocks": with_(V6_12, pages=2, who="reaper", honour_may_block=False),
        "b5331379bc62": with_(V6_12, pages=2, who="reaper"),
        "v6.12-lru-gen": with_(V6_12, pages=2, who="alone", passes=1, lru_gen=True),
    },
    options=(Unmap6, LruGen, Mm, Kvm6, Arm6, Notifiers),
)
def unmap_vs_release(s: Setup) -> None:
    """Guest memory is unmapped in parts while stage 2 goes away."""
    reaper = Unmap6.who == "reaper"
    threads = 2 if Unmap6.who == "munmap" else 1
    made = boot(s, users=threads, sharers=threads, mapped=Mm.pages)
    if reaper:
        made.mm.mm_count.counter += 1
        s.thread("vmm", exiting, task=task(s, "vmm", made))
        s.thread("oom_reaper", oom_reaper, made.mm, task=kernel_task(s, "oom_reaper"))
    else:
        s.thread("unmapper", unmapper, task=task(s, "unmapper", made))
    if Unmap6.who == "munmap":
        s.thread("closer", closer, task=task(s, "closer", made))
    if Unmap6.passes:
        s.thread("kswapd", kswapd, task=kernel_task(s, "kswapd"))
        if not reaper:
            s.reachable(ageing_meets_a_broken_unmap)
    watch(s, made, others=threads + reaper)
    s.final(vm_is_gone)
    if Unmap6.who != "alone":
        s.reachable(unmap_meets_release)
        s.reachable(unmap_after_release)
