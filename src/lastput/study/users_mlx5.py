"""An mlx5 region goes while its page goes, and while the process goes.

Is every region freed once, with its key out of use, and is no freed page in the adapter's table? The
actors: a task of the process that exits, and closes the adapter after that, which deregisters the region
(`implicit=1`: the parent, and its child unless that was destroyed before); another one that gives the
page back, and exits; the worker that destroys empty children. The end of the address space invalidates
everything, twice.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.fork import mmput
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_interval_notifier import Interval, mmu_interval_notifier_ops
from lastput.kernel.users.mlx5_odp import (
    Mlx5,
    dereg_implicit_mr,
    dereg_mr,
    free_implicit_child_mr_work,
    mlx5_ib_invalidate_range,
    mlx5_ib_mr,
    witness,
)
from lastput.kernel.workqueue import worker, workqueue_struct
from lastput.lang import NULL, Setup, option, options, ptr, scenario
from lastput.study.invariants import listed_pages_are_held
from lastput.study.users_mm import has_intervals, insert, process, task


@options
class Region:
    """What users/mlx5 is about."""

    implicit: bool = option(True, "the region is the child of an implicit one")


def dereg(mr: ptr[mlx5_ib_mr], mm: ptr[mm_struct]) -> None:
    """A task of the process exits: exit_mm, and exit_files, which deregisters its region."""
    mmput(mm)
    if Region.implicit:
        dereg_implicit_mr(mr)
    else:
        dereg_mr(mr)


def balloon(mm: ptr[mm_struct]) -> None:
    """A task of the process that gives the page back, and exits."""
    zap_page_range(mm, 0)
    mmput(mm)


def the_child_is_destroyed_by_somebody_else() -> bool:
    return witness.lost


def the_region_is_revoked_first() -> bool:
    return witness.revoked_first


def make_region(s: Setup, name: str, mm: Any, parent: Any) -> Any:
    """A region of the first page, which the adapter maps."""
    mr = s.new(mlx5_ib_mr, name, parent=parent, private=True)
    mr.usecount.refs.counter = 1
    mr.odp_destroy.func = free_implicit_child_mr_work
    mr.notifier.mm = mm
    mr.notifier.ops = s.static(mmu_interval_notifier_ops, "mlx5_mn_ops", invalidate=mlx5_ib_invalidate_range)
    insert(mm, mr.notifier, 0, 1)
    mr.mtt = mm.pte[0].page
    mr.mtt.secondary += 1
    return mr


@scenario(
    name="users/mlx5",
    variants={
        "v6.13": {"notifiers": True, "cmpxchg": False, "revoke_locked": False},
        "abb604a1a9c8": {"notifiers": True, "cmpxchg": False},
        "d3d930411ce3": {"notifiers": True, "drops_parent": False},
        "v6.14": {"notifiers": True},
    },
    options=(Region, Mm, Interval, Mlx5),
    default="v6.14",
)
def mlx5(s: Setup) -> None:
    """An mlx5 region goes while its page goes, and while the process goes."""
    mm = process(s, users=2)
    has_intervals(mm)
    if Region.implicit:
        wq = s.static(workqueue_struct, "system_unbound_wq")
        imr = s.new(mlx5_ib_mr, "imr", wq=wq)
        imr.usecount.refs.counter = 1
        imr.implicit_children = make_region(s, "child", mm, imr)
        s.thread("dereg", dereg, imr, mm, task=task(s, "dereg", mm))
        s.thread("worker", worker, wq, daemon=True, task=task(s, "worker"))
        if Mlx5.cmpxchg and Mlx5.drops_parent:
            s.reachable(the_child_is_destroyed_by_somebody_else)
    else:
        mr = make_region(s, "mr", mm, NULL)
        s.thread("dereg", dereg, mr, mm, task=task(s, "dereg", mm))
    s.invariant(listed_pages_are_held)
    s.thread("balloon", balloon, mm, task=task(s, "balloon", mm))
    if Mlx5.revoke_locked and Mlx5.drops_parent:
        s.reachable(the_region_is_revoked_first)
