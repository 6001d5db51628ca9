"""Ways to remove an mmu notifier, held against what a secondary MMU wants of them.

An address space exits while somebody else drops the last reference to a user of its notifiers, as
happens when a VM's descriptor was passed to another process. Reclaim ages a page meanwhile, and a
truncation frees one: both find the area through its pages, whether or not it has a user left. The
variants are designs (kernel/mmu_notifier_designs.py), the option `property` says what is checked:

    null       no callback walks from a root that is gone; callbacks do not test it, but in D5
    uaf        nobody accesses a notifier, its user or its list after they are freed
    once       release is called at most once for each notifier
    order      exit_mmap frees pages after release has returned, whoever called it
    quiet      no callback runs once release has begun
    quiet-free no callback runs once the root of the table is being freed
    stale      a page that is freed is in no entry
    stale-use  ... or at least in none that can still be used
    touch      taking an entry down does not write to a page that is free
    dead       nobody waits for ever
    end        who saw the start of an invalidation sees its end, or is no longer registered

By default one user of one page: what matters is who removes it. Also checked with two users and two pages:
D0 (stale) and D2b (uaf).
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.hlist import Hlist
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import (
    Notifiers,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.kernel.mmu_notifier_types import waits
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.sched import task_struct
from lastput.kernel.vmscan import pick, shrink_active_list
from lastput.lang import Setup, await_, option, options, ptr, scenario, this_thread
from lastput.study.invariants import listed_pages_are_held
from lastput.study.notifier_mm import make_mm, make_ops, make_user
from lastput.study.notifier_user import (
    Check,
    User,
    callback_meets_removal,
    check_paired,
    entry_is_used,
    invalidation_meets_removal,
    list_is_well_formed,
    released_before_pages_go,
    start_without_end,
    two_removers,
    use_entry,
    user,
    user_put,
    walk_stands_on_removed,
    witness,
)


@options
class Actors:
    """Who does what to the address space."""

    removal: str = option(
        "both",
        "how the notifiers go: exit and unregister at the same time, exit first, or unregister first",
        values=("both", "exit", "unregister"),
    )
    age: bool = option(True, "reclaim ages a page")
    invalidate: bool = option(True, "a truncation frees a page")
    exit_waits: int = option(
        1, "count_waits: grace periods in mmput, at most and once reached", low=0, high=7
    )
    all_waits: int = option(3, "count_waits: ... and in all that the exiting process does", low=0, high=7)


# -- threads ---------------------------------------------------------------------------------


def put_mm(mm: ptr[mm_struct]) -> None:
    """The last user of the address space goes."""
    witness.removers += 1
    mmput(mm)
    witness.removers -= 1


def count_exit() -> None:
    """mmput has returned."""
    if Notifiers.count_waits:
        witness.exit_waits = waits.of[this_thread()]
        assert witness.exit_waits <= Actors.exit_waits, "exit waits for more grace periods"


def count_all() -> None:
    """The process is done."""
    if Notifiers.count_waits:
        witness.all_waits = waits.of[this_thread()]
        assert witness.all_waits <= Actors.all_waits, "the process waits for more grace periods"


def exit_then_close(mm: ptr[mm_struct], first: ptr[user], second: ptr[user]) -> None:
    """A process exits: its memory first, then its descriptors. NULL: that one is not its to close."""
    put_mm(mm)
    count_exit()
    if first:
        user_put(first)
    if second:
        user_put(second)
    count_all()


def close_then_exit(mm: ptr[mm_struct], first: ptr[user], second: ptr[user]) -> None:
    """A process closes its descriptors and goes on for a while."""
    user_put(first)
    if second:
        user_put(second)
    put_mm(mm)


def close_only(u: ptr[user]) -> None:
    """Another process, which had the descriptor passed to it, closes it."""
    user_put(u)


def vcpu(mm: ptr[mm_struct], u: ptr[user]) -> None:
    """A task that runs on the secondary MMU: meanwhile it holds address space and user."""
    use_entry(u, pick())
    put_mm(mm)
    user_put(u)


def device(u: ptr[user]) -> None:
    """Hardware that holds nothing."""
    use_entry(u, pick())


def kswapd() -> None:
    """Reclaim."""
    shrink_active_list()


def truncate(mapping: ptr[anon_vma]) -> None:
    """Free a page of every address space that maps it (unmap_mapping_range)."""
    address = pick()
    down_write(mapping.rwsem)
    vma = mapping.rb_root
    if vma:
        mm = vma.vm_mm
        mmu_notifier_invalidate_range_start(mm, address, address + 1)
        witness.missed = witness.removers != 0
        zap_pte(mm, address)
        witness.missed = False
        mmu_notifier_invalidate_range_end(mm, address, address + 1)
        check_paired(mm)
    up_write(mapping.rwsem)


def clock() -> None:
    """Time goes on although others wait for ever; so that this is no violation, and hides no other."""
    while True:
        await_(lambda: True)


def exit_waited(times: int) -> bool:
    """mmput has waited for so many grace periods."""
    return witness.exit_waits == times


def all_waited(times: int) -> bool:
    """The process has waited for so many grace periods."""
    return witness.all_waits == times


# -- set-up ----------------------------------------------------------------------------------


def start(s: Setup) -> Any:
    """The threads, and the address space that they work on."""
    runs_guest = User.hardware == "vcpu"
    mm = make_mm(s, users=2 if runs_guest else 1)
    ops = make_ops(s)
    second = make_user(s, mm, ops, 1) if User.users > 1 else 0
    first = make_user(s, mm, ops, 0, refs=2 if runs_guest else 1)  # first in the list

    def run(name: str, body: object, *args: object) -> None:
        s.thread(name, body, *args, task=s.static(task_struct, f"task_{name}"))  # type: ignore[arg-type]

    if Actors.removal == "both":
        run("exit", exit_then_close, mm, 0, second)
        run("close", close_only, first)
    elif Actors.removal == "exit":
        run("exit", exit_then_close, mm, first, second)
    else:
        run("close", close_then_exit, mm, first, second)
    if runs_guest:
        run("vcpu", vcpu, mm, first)
    if User.hardware == "live":
        run("device", device, first)
    if Actors.age:
        run("kswapd", kswapd)
    if Actors.invalidate:
        run("truncate", truncate, mm.mmap.anon_vma)
    if Notifiers.design == "D2a-i" and Check.property != "dead":
        s.thread("clock", clock, daemon=True)
    return mm


def leaves_unhashed() -> bool:
    """Whether a removed notifier can be told from a registered one: not after hlist_del_rcu."""
    if Notifiers.design == "D1" or Notifiers.design == "v3.5":
        return Actors.removal != "unregister"
    return Notifiers.del_init


def expect(s: Setup, mm: Any) -> None:
    """What must hold besides the checks in the models, and what must be seen to happen."""
    s.invariant(list_is_well_formed, mm)
    s.invariant(listed_pages_are_held)
    if Check.property == "order":
        s.invariant(released_before_pages_go)
    if Notifiers.count_waits:
        s.reachable(exit_waited, Actors.exit_waits)
        s.reachable(all_waited, Actors.all_waits)
    if Actors.removal == "both":
        s.reachable(two_removers)
        if Notifiers.design == "D0" and User.users > 1:
            s.reachable(walk_stands_on_removed)
    if Actors.age or Actors.invalidate:
        s.reachable(callback_meets_removal)
    if Actors.invalidate:
        s.reachable(invalidation_meets_removal)
        if leaves_unhashed():
            s.reachable(start_without_end)
    if User.hardware != "none":
        s.reachable(entry_is_used)


@scenario(
    name="notifier/designs",
    variants={
        design: {"design": design}
        for design in ("D0", "D1", "D2a-i", "D2a-ii", "D2a-iii", "D2b", "D3", "D3-exit", "D4", "D5")
    },
    options=(Actors, Check, User, Mm, Notifiers, Hlist),
)
def designs(s: Setup) -> None:
    """Who calls release, when, and under what: every design against every property."""
    mm = start(s)
    expect(s, mm)
