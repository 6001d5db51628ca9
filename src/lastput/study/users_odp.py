"""RDMA's on-demand paging: the last region of a process goes while a new one comes and pages go.

Does anybody wait for ever? The actors, tasks of one process: one releases its only region, and with it
the notifier; one registers a new region, and releases it; one gives a page back. Each exits then; the
last one tears the address space down. Read-write semaphores are fair, as in the kernel: a writer on the
queue holds up new readers.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers, mmu_notifier_ops
from lastput.kernel.rwsem import Rwsem
from lastput.kernel.users.odp import (
    UMEMS,
    Odp,
    ib_ucontext,
    ib_ucontext_per_mm,
    ib_umem_notifier_invalidate_range_start,
    ib_umem_notifier_release,
    ib_umem_odp,
    umem_get,
    umem_release,
)
from lastput.kernel.vmscan import pick
from lastput.lang import NULL, Setup, ghost, kfree, ptr, scenario, static, struct
from lastput.study.invariants import listed_pages_are_held
from lastput.study.users_mm import process, register, task


@struct
class odp_witness:
    """What is to be seen; true for a moment only."""

    releasing: ghost[bool]
    """The first task releases its region."""
    registering: ghost[bool]


seen = static(odp_witness)


def dereg(umem: ptr[ib_umem_odp], mm: ptr[mm_struct]) -> None:
    """A task of the process releases its region, and exits."""
    seen.releasing = True
    umem_release(umem)
    seen.releasing = False
    mmput(mm)


def reg(umem: ptr[ib_umem_odp], mm: ptr[mm_struct]) -> None:
    """A task of the process registers a region, releases it, and exits."""
    context = umem.context
    seen.registering = True
    umem_get(umem)
    seen.registering = False
    umem_release(umem)
    if Odp.unlocked:
        kfree(context.spare)
        context.spare = NULL
    mmput(mm)


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the process that gives a page back, and exits."""
    zap_page_range(mm, pick())
    mmput(mm)


def one_comes_while_one_goes() -> bool:
    return seen.releasing and seen.registering


def regions_are_counted(context: ptr[ib_ucontext]) -> bool:
    """What the regions share counts at least those in its tree, while nobody changes tree or count."""
    per_mm = context.per_mm
    if not per_mm or per_mm.umem_rwsem.writer != 0 or context.per_mm_list_lock.owner != 0:
        return True
    regions = 0
    for i in range(UMEMS):
        if per_mm.umem_tree[i]:
            regions += 1
    if Odp.unlocked:
        return regions <= per_mm.odp_mrs_count and per_mm.odp_mrs_count > 0
    return regions == per_mm.odp_mrs_count


def make_per_mm(s: Setup, name: str, mm: Any, ops: Any) -> Any:
    """What regions of the process share; embedded in its context before Linux 5.0, and never freed."""
    made = (
        s.new(ib_ucontext_per_mm, name, mm=mm) if Odp.unlocked else s.static(ib_ucontext_per_mm, name, mm=mm)
    )
    made.mn.ops = ops
    return made


@scenario(
    name="users/odp",
    variants={
        "v4.19": {"unlocked": False, "fair": True},
        "f27a0d50a4bc": {"unlocked": True, "fair": True},
    },
    options=(Mm, Odp, Rwsem, Notifiers),
    default="f27a0d50a4bc",
)
def odp(s: Setup) -> None:
    """The last region of a process goes while a new one comes and pages go."""
    mm = process(s, users=3)
    ops = s.static(
        mmu_notifier_ops,
        "ib_umem_notifiers",
        release=ib_umem_notifier_release,
        invalidate_range_start=ib_umem_notifier_invalidate_range_start,
    )
    context = s.static(ib_ucontext, "context")
    context.per_mm = make_per_mm(s, "per_mm", mm, ops)
    if Odp.unlocked:
        context.spare = make_per_mm(s, "next_per_mm", mm, ops)
    register(mm, context.per_mm.mn, ops)
    first = s.new(ib_umem_odp, "umem0", context=context, per_mm=context.per_mm, slot=0)
    first.dma = mm.pte[0].page
    first.dma.secondary += 1
    context.per_mm.umem_tree[0] = first
    context.per_mm.odp_mrs_count = 1
    second = s.new(ib_umem_odp, "umem1", context=context, slot=1)
    s.thread("dereg", dereg, first, mm, task=task(s, "dereg", mm))
    s.thread("reg", reg, second, mm, task=task(s, "reg", mm))
    s.thread("balloon", balloon, mm, task=task(s, "balloon", mm))
    s.invariant(listed_pages_are_held)
    s.invariant(regions_are_counted, context)
    s.reachable(one_comes_while_one_goes)
