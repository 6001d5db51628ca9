"""An IOMMU that walks the process's own page table (drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c).

Linux 6.5 and 6.6. It keeps nothing but a TLB: the callback for a range has it forget the range, after the
primary entries have changed. Without range commands that is one command a page, with interrupts off while
each is issued; a large range takes longer than the watchdog waits. The model counts commands.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier import mmu_notifier
from lastput.lang import ghost, option, options, ptr, static, struct, upto


@options
class Sva:
    """Which fix is in, and how large things are."""

    max_tlbi_ops: bool = option(True, "a large range is one command for all of it (d5afb4b47e13)")
    range_inv: bool = option(False, "the hardware has commands for ranges (ARM_SMMU_FEAT_RANGE_INV)")
    limit: int = option(2, "CMDQ_MAX_TLBI_OPS: a range of as many pages is large", low=1, high=7)


@struct
class command_queue:
    """Commands that the running callback has issued."""

    issued: ghost[Annotated[int, upto(15)]]


cmdq = static(command_queue)


def arm_smmu_cmdq_issue_cmdlist(count: int) -> None:
    """Hand `count` commands to the hardware and wait for it.

    Source: Linux 6.5, drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c.
    """
    cmdq.issued += count
    assert cmdq.issued <= Sva.limit, "soft lockup: one callback issues a command for every page"


def arm_smmu_tlb_inv_asid() -> None:
    """Forget the whole address space: one command.

    Source: Linux 6.5, drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c.
    """
    arm_smmu_cmdq_issue_cmdlist(1)


def arm_smmu_tlb_inv_range_asid(pages: int) -> None:
    """Forget a range: a command a page, unless the hardware has better ones.

    Source: Linux 6.5, drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c.
    """
    if Sva.range_inv:
        arm_smmu_cmdq_issue_cmdlist(1)
    else:
        for _page in range(pages):
            arm_smmu_cmdq_issue_cmdlist(1)


def arm_smmu_mm_invalidate_range(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """Primary entries have changed.

    Source: Linux 6.5 and 6.6, drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c.
    """
    cmdq.issued = 0
    size = end - start
    if Sva.max_tlbi_ops and not Sva.range_inv and size >= Sva.limit:
        arm_smmu_tlb_inv_asid()
    else:
        arm_smmu_tlb_inv_range_asid(size)
