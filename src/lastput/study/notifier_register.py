"""A notifier is registered while others invalidate: what the locks of registration are for.

A process registers a user. Meanwhile a page of it is truncated, or PAGEMAP_SCAN write-protects a range
of it, or its memory goes. The user counts starts less ends, as KVM does, and finds the count below zero
if it sees an end without the start. With `second`, another user is registered already.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.hlist import hlist_unhashed
from lastput.kernel.memory import ptep_get_and_clear
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import (
    Notifiers,
    mmu_notifier_invalidate_page,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
)
from lastput.kernel.mmu_notifier_register import Register, mmu_notifier_register
from lastput.kernel.page import lru, put_page
from lastput.kernel.rwsem import down_read, down_write, up_read, up_write
from lastput.kernel.sched import task_struct
from lastput.kernel.sched_mm import mmdrop
from lastput.lang import Setup, ghost, option, options, ptr, scenario, static, struct
from lastput.study.invariants import listed_pages_are_held
from lastput.study.notifier_mm import make_mm, make_ops, make_user
from lastput.study.notifier_user import (
    Check,
    User,
    list_is_well_formed,
    user,
    user_free_root,
    user_put,
    witness,
)


@options
class Registration:
    """Who registers and who invalidates."""

    scan: bool = option(False, "PAGEMAP_SCAN runs over the range")
    scan_locked: bool = option(True, "it tells the secondary MMUs inside mmap_sem (CVE-2024-26617)")
    truncate: bool = option(False, "a page is truncated")
    unmap: bool = option(False, "a page is unmapped by somebody who shares no lock with registration")
    second: bool = option(False, "another user is registered before")
    pinned: bool = option(True, "who registers holds a user of the address space")
    exits: bool = option(False, "the address space loses another user meanwhile, or the only one")


@struct
class seen_struct:
    registering: ghost[bool]
    """Somebody is inside mmu_notifier_register."""
    invalidating: ghost[bool]
    """Somebody is between start and end of an invalidation."""
    met: ghost[bool]
    """Both were seen at a time."""
    failed: ghost[bool]
    """Registration was interrupted."""


seen = static(seen_struct)


def note() -> None:
    """Remember that registration and invalidation overlap."""
    if seen.registering and seen.invalidating:
        seen.met = True


def register_and_close(mm: ptr[mm_struct], u: ptr[user]) -> None:
    """KVM_CREATE_VM, and some time later the end of the process."""
    seen.registering = True
    note()
    failed = mmu_notifier_register(u.mmu_notifier, mm)
    seen.registering = False
    if failed:
        seen.failed = True
    if Registration.pinned:
        mmput(mm)
    if failed:
        user_free_root(u.mmu_notifier, mm)
        mmdrop(mm)
    else:
        user_put(u)


def exit_and_close(mm: ptr[mm_struct], other: ptr[user]) -> None:
    """Another task of the process goes; it has the descriptor of the other user, if there is one."""
    if Registration.exits:
        mmput(mm)
    if other:
        user_put(other)


def truncate(mapping: ptr[anon_vma]) -> None:
    """Free a page through the reverse map."""
    down_write(mapping.rwsem)
    vma = mapping.rb_root
    if vma:
        mm = vma.vm_mm
        mmu_notifier_invalidate_range_start(mm, 0, 1)
        seen.invalidating = True
        note()
        zap_pte(mm, 0)
        mmu_notifier_invalidate_range_end(mm, 0, 1)
        seen.invalidating = False
    up_write(mapping.rwsem)


def unmap_page(mm: ptr[mm_struct]) -> None:
    """Free a page of an address space that has a user, under no lock that registration takes."""
    page = ptep_get_and_clear(mm.pte[0])
    seen.invalidating = True
    note()
    mmu_notifier_invalidate_page(mm, 0)
    seen.invalidating = False
    put_page(page)
    mmput(mm)


def do_pagemap_scan(mm: ptr[mm_struct]) -> None:
    """Walk a range under mmap_sem, between start and end.

    That it write-protects pages is not modelled: that secondary MMUs hear a start and an end is.

    Source: Linux 6.7, fs/proc/task_mmu.c.
    """
    if not Registration.scan_locked:
        mmu_notifier_invalidate_range_start(mm, 0, 1)
        seen.invalidating = True
        note()
    down_read(mm.mmap_sem)
    if Registration.scan_locked:
        mmu_notifier_invalidate_range_start(mm, 0, 1)
        seen.invalidating = True
        note()
        mmu_notifier_invalidate_range_end(mm, 0, 1)
        seen.invalidating = False
    up_read(mm.mmap_sem)
    if not Registration.scan_locked:
        mmu_notifier_invalidate_range_end(mm, 0, 1)
        seen.invalidating = False


def scan(mm: ptr[mm_struct]) -> None:
    """A reader of /proc, which holds a user of the address space."""
    do_pagemap_scan(mm)
    mmput(mm)


# -- properties ------------------------------------------------------------------------------


def met() -> bool:
    """A registration was under way while an invalidation was between start and end."""
    return seen.met


def interrupted() -> bool:
    """A signal has interrupted a registration."""
    return seen.failed


def registered_late() -> bool:
    """The notifier is on the list while an invalidation is between start and end: it saw the start."""
    u = witness.of[0].user
    return seen.invalidating and not hlist_unhashed(u.mmu_notifier.hlist)


def nobody_registers_late() -> bool:
    """Nobody is registered once exit_mmap has freed the pages: whoever comes then never hears of it."""
    u = witness.of[0].user
    gone = True
    for i in range(Mm.pages):
        if lru.list[i]:
            gone = False
    return not gone or hlist_unhashed(u.mmu_notifier.hlist)


# -- set-up ----------------------------------------------------------------------------------


def start(s: Setup) -> Any:
    """The address space; its user that is not registered yet, and the others."""
    holders = (
        int(Registration.pinned) + int(Registration.exits) + int(Registration.scan) + int(Registration.unmap)
    )
    mm = make_mm(s, users=holders, notifiers=Registration.second)
    ops = make_ops(s)
    other = make_user(s, mm, ops, 1) if Registration.second else 0
    mine = make_user(s, mm, ops, 0, registered=False)
    s.pool(mmu_notifier_mm, 1)

    def run(name: str, body: object, *args: object) -> None:
        s.thread(name, body, *args, task=s.static(task_struct, f"task_{name}"))  # type: ignore[arg-type]

    run("register", register_and_close, mm, mine)
    if Registration.exits or Registration.second:
        run("exit", exit_and_close, mm, other)
    if Registration.truncate:
        run("truncate", truncate, mm.mmap.anon_vma)
    if Registration.unmap:
        run("unmap", unmap_page, mm)
    if Registration.scan:
        run("scan", scan, mm)
    return mm


def expect(s: Setup, mm: Any) -> None:
    """What must hold, and what must be seen to happen."""
    s.invariant(listed_pages_are_held)
    if Register.take_all_locks and not Register.signals and Registration.pinned:
        s.invariant(list_is_well_formed, mm)
    if Registration.exits:
        s.invariant(nobody_registers_late)
    if Registration.truncate or Registration.scan or Registration.unmap:
        s.reachable(met)
        s.reachable(registered_late)
    if Register.signals:
        s.reachable(interrupted)


@scenario(
    name="notifier/register",
    variants={"v4.12": {}},
    options=(Registration, Register, Check, User, Mm, Notifiers),
)
def register(s: Setup) -> None:
    """A notifier is registered while others invalidate, or while the process goes."""
    mm = start(s)
    expect(s, mm)
