"""The kernel keeps a page of the guest mapped while the page goes away: Linux 5.18 and 6.1.

A gfn_to_pfn_cache holds no reference to its page. An invalidation first marks the cache invalid, then
takes mmu_lock and raises mmu_invalidate_in_progress. A refresh that runs in between must know that an
invalidation is under way, and in Linux 5.18 did not.

Two threads of a process: one refreshes the cache and uses it, the other gives the page back. Then both
exit. Also checked with two users, one of which only uses the cache (`users=2`).
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import current
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.kvm_host import kvm, vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.pfncache import kvm_gpc_refresh, kvm_gpc_use
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, with_
from lastput.study.v6_vmm import boot, task


@options
class Cache6:
    """Who does what in kvm/v6-pfncache."""

    users: int = option(1, "threads that use the cache; the first one refreshes it before", low=1, high=2)


# -- threads ---------------------------------------------------------------------------------


def refresher(kvm: ptr[kvm]) -> None:
    """A thread that makes the cache valid, uses it, and exits."""
    kvm_gpc_refresh(kvm, kvm.gpc)
    witness6.cache_was_valid = kvm_gpc_use(kvm.gpc)
    do_exit()


def user(kvm: ptr[kvm]) -> None:
    """A thread that uses the cache if it is valid, and exits."""
    kvm_gpc_use(kvm.gpc)
    do_exit()


def balloon() -> None:
    """A thread of the process that gives the page back, and exits."""
    zap_page_range(current().mm, 0)
    do_exit()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def cache_is_used() -> bool:
    """A refresh was followed by a use of the page."""
    return witness6.cache_was_valid


def refresh_is_retried() -> bool:
    """A refresh has met an invalidation, and lets go of the page that it has found."""
    return witness6.retried


# -- set-up ----------------------------------------------------------------------------------


@scenario(
    name="kvm/v6-pfncache",
    variants={
        "v5.18": with_(V6_1, gpc_active_count=False, track_range=True),
        "58cd407ca4c6": with_(V6_1, track_range=True),
    },
    options=(Cache6, Mm, Kvm6, Arm6, Notifiers),
)
def cache_vs_invalidate(s: Setup) -> None:
    """A page that the kernel keeps mapped is given back."""
    threads = 1 + Cache6.users
    made = boot(s, users=threads, sharers=threads, mapped=Mm.pages, touched=())
    made.kvm.gpc.active = True
    s.thread("refresher", refresher, made.kvm, task=task(s, "refresher", made))
    if Cache6.users == 2:
        s.thread("user", user, made.kvm, task=task(s, "user", made))
    s.thread("balloon", balloon, task=task(s, "balloon", made))
    s.pool(page, 2)
    watch(s, made, others=threads)
    s.final(vm_is_gone)
    s.reachable(cache_is_used)
    s.reachable(refresh_is_retried)
