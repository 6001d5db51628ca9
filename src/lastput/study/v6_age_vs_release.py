"""Reclaim ages a guest page while the VM goes away, in Linux 6.1, 6.12 and 7.3.

In January 2026 a patch series proposed to remove the tests of `mmu.pgt` from the callbacks of arm64's
notifier: a notifier is registered after stage 2 exists. A reviewer answered that the tests are for the
other end: a release runs beside other notifiers. Variant `no-guard` is 7.3 with that patch.

The process exits; reclaim asks for the access flag of one of its pages. Bounds: one pass of reclaim over
2 pages under 2 top-level entries. `zaps` adds a thread of the process that gives a page back.

With LRU_GEN reclaim asks with another callback, clear_young, and for neighbours, too (`v6.12-lru-gen`); in
6.1 it asks as ever (`v6.1-lru-gen`). Where entries age in hardware it also walks page tables, as a user of
the address space (`v6.12-lru-gen-walk`). So exit_mmap comes after the walk, in a worker, to which the walk
leaves its last put. But that does not keep the release away: the process goes on to close its files, and with
the last of them the VM goes, under the walk.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import lru
from lastput.kernel.sched import current
from lastput.kernel.v6.lru_gen import LruGen, evict_folios, mm_list
from lastput.kernel.v6.lru_gen_walk import async_put_work, mmput_async_fn, walk_mm
from lastput.kernel.vmscan import pick, shrink_active_list
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.kvm_host import vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.lang.options import Value
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V6_12, V7_3, with_
from lastput.study.v6_vmm import Vmm, boot, kernel_task, task


@options
class Age6:
    """Who does what in kvm/v7.3-age-vs-release."""

    passes: int = option(1, "pages that reclaim looks at, one after the other", low=0, high=2)
    zaps: int = option(0, "MADV_DONTNEED calls by one more thread of the process", low=0, high=1)


LRU_GEN: dict[str, Value] = {**V6_12, "pages": 2, "lru_gen": True}
"""Reclaim by generations evicts a page."""
WALK: dict[str, Value] = {**LRU_GEN, "mm_list": True}
"""It ages them all: a walk of page tables."""


# -- threads ---------------------------------------------------------------------------------


def vmm() -> None:
    """The process: it exits."""
    do_exit()


def balloon() -> None:
    """A thread of the process that gives a page of guest memory back, and exits."""
    zap_page_range(current().mm, pick())
    do_exit()


def kswapd() -> None:
    """Reclaim."""
    for _pass in range(Age6.passes):
        if LruGen.mm_list:
            walk_mm()
        elif LruGen.lru_gen or LruGen.skip_exiting:
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


def ageing_finds_the_page_young() -> bool:
    return witness6.was_young


def ageing_runs_after_release() -> bool:
    """The window: stage 2 is gone, the notifier is still called."""
    return witness6.aging != 0 and witness6.released


def release_runs_beside_ageing() -> bool:
    """A release has begun, and ageing has mmu_lock."""
    return witness6.aging != 0 and witness6.releasing != 0


def a_walk_has_a_user(mm: ptr[mm_struct]) -> bool:
    """Who walks page tables keeps exit_mmap away: while it asks, the address space has a user."""
    return witness6.aging == 0 or mm.mm_users.counter != 0


def a_worker_releases() -> bool:
    """The walk's last put was that of the address space: a worker tears it down."""
    return async_put_work.inside and witness6.releasing != 0


# -- set-up ----------------------------------------------------------------------------------


def start_worker(s: Setup, made: Vmm) -> None:
    """The address space is on the list of LRU_GEN; what a walk puts last, a worker tears down."""
    mm_list.fifo = made.mm
    s.thread("kworker", mmput_async_fn, task=kernel_task(s, "kworker"), daemon=True)
    s.invariant(a_walk_has_a_user, made.mm)
    s.reachable(a_worker_releases)


@scenario(
    name="kvm/v7.3-age-vs-release",
    variants={
        "v6.1": with_(V6_1, pages=2),
        "v6.12": with_(V6_12, pages=2),
        "v7.3": with_(V7_3, pages=2),
        "no-guard": with_(V7_3, pages=2, age_guard=False, unmap_guard=False),
        "no-age-guard": with_(V7_3, pages=2, age_guard=False),
        "v6.1-no-guard": with_(V6_1, pages=2, age_guard=False, unmap_guard=False),
        "lockless": with_(V7_3, pages=2, lockless_aging=True),
        "lockless-once": with_(V7_3, pages=2, lockless_aging=True, age_pgt_once=True),
        "v6.1-lru-gen": with_(V6_1, pages=2, lru_gen=True, young_notify=False),
        "v6.12-lru-gen": LRU_GEN,
        "v6.12-lru-gen-no-guard": with_(LRU_GEN, age_guard=False, unmap_guard=False),
        "v6.12-lru-gen-walk": WALK,
    },
    options=(Age6, LruGen, Mm, Kvm6, Arm6, Notifiers),
)
def age_vs_release(s: Setup) -> None:
    """Reclaim ages a guest page while the process that owns the VM exits."""
    threads = 1 + Age6.zaps
    made = boot(s, users=threads, sharers=threads, mapped=Mm.pages)
    s.thread("vmm", vmm, task=task(s, "vmm", made))
    if Age6.zaps:
        s.thread("balloon", balloon, task=task(s, "balloon", made))
    if Age6.passes:
        s.thread("kswapd", kswapd, task=kernel_task(s, "kswapd"))
        s.reachable(ageing_finds_the_page_young)
        s.reachable(ageing_runs_after_release)
        s.reachable(release_runs_beside_ageing)
    if LruGen.mm_list:
        start_worker(s, made)
    watch(s, made, others=threads)
    s.final(vm_is_gone)
