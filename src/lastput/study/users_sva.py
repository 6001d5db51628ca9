"""An IOMMU shares the page table of a process: how many commands does one callback issue?

A soft lockup is a matter of time, which the model does not have. What it states is the bound that the fix
introduced: no callback issues more commands than CMDQ_MAX_TLBI_OPS, however large the range. The actor is
a task that unmaps `size` pages at once.
"""

from __future__ import annotations

from lastput.kernel.mm_types import mm_struct, mmu_notifier_mm
from lastput.kernel.mmu_notifier import (
    Notifiers,
    mmu_notifier,
    mmu_notifier_invalidate_range,
    mmu_notifier_ops,
)
from lastput.kernel.users.sva import Sva, arm_smmu_mm_invalidate_range, cmdq
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.invariants import lists_one
from lastput.study.users_mm import register, task


@options
class Unmapping:
    """How large a range is in users/sva."""

    size: int = option(6, "pages that are unmapped at once", low=1, high=7)


def unmapper(mm: ptr[mm_struct]) -> None:
    """Two ranges, a small one and a large one: the notification that follows the change of the entries."""
    mmu_notifier_invalidate_range(mm, 0, 1)
    mmu_notifier_invalidate_range(mm, 0, Unmapping.size)


def commands_are_issued() -> bool:
    return cmdq.issued != 0


@scenario(
    name="users/sva",
    variants={
        "v6.5": {"max_tlbi_ops": False},
        "d5afb4b47e13": {},
    },
    options=(Unmapping, Sva, Notifiers),
    default="d5afb4b47e13",
)
def sva(s: Setup) -> None:
    """How many commands one callback issues, for a range of many pages."""
    mm = s.static(mm_struct, "mm", mmu_notifier_mm=s.static(mmu_notifier_mm, "mmu_notifier_mm"))
    ops = s.static(
        mmu_notifier_ops, "arm_smmu_mmu_notifier_ops", invalidate_range=arm_smmu_mm_invalidate_range
    )
    mn = s.static(mmu_notifier, "smmu_mn")
    register(mm, mn, ops)
    s.invariant(lists_one, mm, mn.hlist)
    s.thread("unmapper", unmapper, mm, task=task(s, "unmapper", mm))
    s.reachable(commands_are_issued)
