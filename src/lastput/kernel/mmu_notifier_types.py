"""What a notifier of a secondary MMU is made of, and how its list is walked.

(Linux 4.12, include/linux/mmu_notifier.h, mm/mmu_notifier.c.) One SRCU domain serves every address
space: a walk of any list is a read section of it, and every removal waits for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from lastput.kernel.fs_types import callback_head
from lastput.kernel.hlist import hlist_node
from lastput.kernel.lock_types import mutex
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock, synchronize_rcu
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from lastput.lang import (
    NULL,
    array,
    const,
    container_of,
    ghost,
    length,
    option,
    options,
    ptr,
    roles,
    static,
    struct,
    this_thread,
    upto,
)


@options
class Notifiers:
    """What the notifier core does; the defaults are Linux 4.12."""

    design: str = option(
        "D0",
        "how release and unregister agree: D0 in Linux 4.12, D1 in 3.9, v3.5; D2 to D5 are nobody's",
        values=("D0", "v3.5", "D1", "D2a-i", "D2a-ii", "D2a-iii", "D2b", "D3", "D3-exit", "D4", "D5"),
    )
    global_srcu: bool = option(True, "lists are walked under SRCU (21a92735f660), not RCU")
    del_init: bool = option(True, "mmu_notifier_unregister leaves its node unhashed (d34883d4e35c)")
    unhash_in_section: bool = option(True, "__mmu_notifier_release unhashes inside its read section")
    release_waits: bool = option(True, "__mmu_notifier_release ends with a grace period")
    unregister_waits: bool = option(True, "mmu_notifier_unregister ends with a grace period")
    drop_after_unlock: bool = option(True, "D2b: unregister drops its mm_count after the mutex")
    v6_hooks: bool = option(False, "the hooks are Linux 6.1's (kernel/v6/mmu_notifier.py)")
    count_waits: bool = option(False, "count the grace periods that each task waits for here")


@struct
class mmu_notifier_ops:
    release: const[Callable[[ptr[mmu_notifier], ptr[mm_struct]], None]]
    clear_flush_young: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], bool]]
    clear_young: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], bool]]
    test_young: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int], bool]]
    change_pte: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, ptr[page], bool], None]]
    """The kernel passes a pte_t by value; here: the new page, and whether it is writable."""
    invalidate_page: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int], None]]
    invalidate_range: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], None]]
    invalidate_range_start: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], None]]
    invalidate_range_end: const[Callable[[ptr[mmu_notifier], ptr[mm_struct], int, int], None]]
    free_notifier: const[Callable[[ptr[mmu_notifier]], None]]
    """Of notifiers that are got and put (Linux 5.4, kernel/mmu_notifier_get.py)."""
    free_root: const[Callable[[ptr[mmu_notifier], ptr[mm_struct]], None]]
    """Not the kernel's: the second callback of design D3."""


@struct
class mmu_notifier:
    hlist: hlist_node
    ops: const[ptr[mmu_notifier_ops]]
    mm: const[ptr[mm_struct]]
    users: Annotated[int, upto(7)]
    rcu: callback_head
    """These three: of notifiers that are got and put."""
    mutex: mutex
    """Not the kernel's: designs D2a only."""


srcu = static(srcu_struct)


@struct
class wait_counts:
    """Grace periods that each thread has waited for (`count_waits`)."""

    of: array[ghost[Annotated[int, upto(7)]]] = length(8)


waits = static(wait_counts)


def hlist_entry(node: ptr[hlist_node]) -> ptr[mmu_notifier]:
    """The notifier that embeds a list node.

    Source: Linux 4.12, include/linux/list.h.
    """
    return container_of(node, mmu_notifier, lambda m: m.hlist)


def walk_begin() -> None:
    """Enter the read section around a walk of a list: SRCU's or, before 21a92735f660, RCU's."""
    if Notifiers.global_srcu:
        srcu_read_lock(srcu)
    else:
        rcu_read_lock()


def walk_end() -> None:
    """Leave the read section around a walk."""
    if Notifiers.global_srcu:
        srcu_read_unlock(srcu)
    else:
        rcu_read_unlock()


def wait_for_walks() -> None:
    """A grace period: every walk that is under way now, of any list, has ended."""
    if Notifiers.count_waits:
        waits.of[this_thread()] += 1
    if Notifiers.global_srcu:
        synchronize_srcu(srcu)
    else:
        synchronize_rcu()


def call_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Have the secondary MMU let go of the address space."""
    if mn.ops.release != NULL:
        mn.ops.release(mn, mm)


roles.read_section(walk_begin, walk_end)
roles.grace_period(wait_for_walks)
