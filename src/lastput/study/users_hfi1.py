"""An adapter keeps pages of a process pinned, and its file is in two processes.

Is every page that it sends the caller's, and is the address space there while pages are given back? The
actors: the process that opened the file sends, and exits; another one, which inherited the descriptor,
sends from its own memory at the same address, and exits. Whoever puts the file last removes the notifier.
A third task, of the first process, gives the page back while the others send (`--set zaps=1`).
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_t
from lastput.kernel.exit import exit_mm, finish_task_switch
from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier_ops
from lastput.kernel.users.hfi1 import (
    Hfi1,
    hfi1_mmu_rb_unregister,
    mmu_notifier_range_start,
    mmu_rb_handler,
    pin_vector_pages,
)
from lastput.lang import Setup, ghost, option, options, ptr, scenario, static, struct
from lastput.study.invariants import hlist_is_whole, is_hashed, listed_pages_are_held
from lastput.study.users_mm import process, register, task


@options
class Senders:
    """Who does what in users/hfi1."""

    zaps: int = option(0, "tasks of the first process that give the page back", low=0, high=1)


@struct
class open_file:
    """The adapter's file: who holds it."""

    f_count: atomic_t


opened = static(open_file)


@struct
class witness_struct:
    """What was seen to happen."""

    closing_alone: ghost[bool]
    """The first process is gone when the file is closed."""


seen = static(witness_struct)


def sender(handler: ptr[mmu_rb_handler]) -> None:
    """Send one page and exit: exit_mm, exit_files, and the last switch."""
    pin_vector_pages(handler, 0)
    exit_mm()
    if atomic_dec_and_test(opened.f_count):
        seen.closing_alone = handler.mm.mm_users.counter == 0
        hfi1_mmu_rb_unregister(handler)
        seen.closing_alone = False
    finish_task_switch()


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the first process that gives its page back, and exits."""
    zap_page_range(mm, 0)
    mmput(mm)


def the_file_outlives_the_process() -> bool:
    return seen.closing_alone


def pinned_page_is_accounted(handler: ptr[mmu_rb_handler]) -> bool:
    """While the file is open, the page in the tree is held and on the account, and the list is whole."""
    if opened.f_count.counter == 0:
        return True
    mm = handler.mm
    whole = mm.mmu_notifier_mm.lock.owner != 0 or hlist_is_whole(mm.mmu_notifier_mm.list, registered(handler))
    found = handler.root
    if found:
        return whole and found._refcount.counter > 0 and mm.pinned_vm > 0
    return whole


def registered(handler: ptr[mmu_rb_handler]) -> int:
    """Notifiers in the list: the one, until the end of the address space has unhashed it."""
    return 1 if is_hashed(handler.mn.hlist) else 0


@scenario(
    name="users/hfi1",
    variants={
        "v5.9": {"owner_only": False, "holds_mm": True},
        "3d2a9d642512": {"owner_only": True, "holds_mm": False},
        "2bbac98d0930": {"owner_only": True, "holds_mm": True},
    },
    options=(Senders, Mm, Hfi1, Notifiers),
    default="2bbac98d0930",
)
def hfi1(s: Setup) -> None:
    """An adapter keeps pages of a process pinned, and its file is in two processes."""
    owner = process(s, "owner_mm", users=1 + Senders.zaps)
    other = process(s, "other_mm", users=1)
    handler = s.new(mmu_rb_handler, "handler", mm=owner)
    ops = s.static(mmu_notifier_ops, "mn_opts", invalidate_range_start=mmu_notifier_range_start)
    register(owner, handler.mn, ops)
    opened.f_count.counter = 2
    s.thread("owner", sender, handler, task=task(s, "owner", owner))
    s.thread("other", sender, handler, task=task(s, "other", other))
    if Senders.zaps:
        s.thread("balloon", balloon, owner, task=task(s, "balloon", owner))
    s.pool(page, 2 * Senders.zaps)
    s.invariant(listed_pages_are_held)
    if Hfi1.owner_only:  # otherwise a second process is accounted in the tree of the first: entry 47
        s.invariant(pinned_page_is_accounted, handler)
    s.reachable(the_file_outlives_the_process)
