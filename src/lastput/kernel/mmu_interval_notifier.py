"""Interval notifiers: a secondary MMU that mirrors one range of an address space (mm/mmu_notifier.c).

Linux 5.5 (99cb252f5e68) to 7.3. Invalidations and faults collide as in a seqcount that several writers
may hold at once: from the first range_start that meets an interval to the last range_end of the address
space `invalidate_seq` is odd. A fault notes the interval's own sequence number, waits if that is the
running invalidation's, looks pages up, and asks under the lock of its page table whether the number has
changed since; an invalidation changes it under that lock.

    mn_itree_inv_start_range                mmu_interval_read_begin
      active++, seq |= 1                      s = sub.seq; sleep while s == seq
      sub.invalidate():                       look pages up
        lock; mmu_interval_set_seq; zap       lock; mmu_interval_read_retry(sub, s)?
    mn_itree_inv_end                          map them; unlock
      active--; at 0: seq++, deferred list

While `seq` is odd the tree does not change, so that invalidations walk it without a lock: an insertion
or removal is put off to the end. The tree is a list here, and intervals are in pages; what the tree's
balance would do to a walk that it races with is not modelled. Installing `mmu_notifier_mm` with
`has_itree` (mmu_notifier_register of no notifier) is part of a scenario's set-up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from lastput.kernel.hlist import (
    hlist_add_head_rcu,
    hlist_del_init_rcu,
    hlist_node,
    hlist_unhashed,
)
from lastput.kernel.mm_types import SEQ_MAX, mm_struct, mmu_notifier_mm
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched_mm import mmdrop, mmgrab
from lastput.kernel.spinlock import lockdep_assert_held, spin_lock, spin_unlock
from lastput.lang import (
    NULL,
    WARN_ON,
    await_,
    const,
    container_of,
    ghost,
    option,
    options,
    ptr,
    static,
    struct,
    upto,
)


@options
class Interval:
    """Interval notifiers; switch a part off to see what it is for."""

    notifiers: bool = option(False, "the core has interval notifiers (Linux 5.5)")
    begin_waits: bool = option(True, "mmu_interval_read_begin sleeps while its number is the running one")
    defer: bool = option(True, "the tree does not change between a start that met it and the last end")
    remove_waits: bool = option(True, "mmu_interval_notifier_remove waits for the end if it was put off")
    released_locked: bool = option(True, "... and tests for that under the lock (319561669a59)")
    release_invalidates: bool = option(True, "the exit of an address space invalidates every interval")


MMU_NOTIFY_UNMAP = 0
MMU_NOTIFY_RELEASE = 1
"""Why a range is invalidated (enum mmu_notifier_event). UNMAP stands for every reason but the exit."""

EVERYTHING = 15
"""An end that is behind every page."""


@struct
class interval_tree_node:
    """`start` and `last` are set before the node is visible and never change: ghosts, no steps."""

    rb: hlist_node
    start: ghost[Annotated[int, upto(EVERYTHING)]]
    last: ghost[Annotated[int, upto(EVERYTHING)]]


@struct
class mmu_interval_notifier_ops:
    invalidate: const[Callable[[ptr[mmu_interval_notifier], int, int, int, int], bool]]
    """(subscription, first page, end, event, number): the kernel passes the first three as a range."""


@struct
class mmu_interval_notifier:
    interval_tree: interval_tree_node
    ops: const[ptr[mmu_interval_notifier_ops]]
    mm: const[ptr[mm_struct]]
    deferred_item: hlist_node
    invalidate_seq: Annotated[int, upto(SEQ_MAX)]


@struct
class interval_witness:
    """What is to be seen; true for a moment only, so that it distinguishes no states."""

    fault_waits: ghost[bool]
    """mmu_interval_read_begin sleeps."""
    removal_waits: ghost[bool]
    insertion_put_off: ghost[bool]


witness = static(interval_witness)


def mn_itree_is_invalidating(subscriptions: ptr[mmu_notifier_mm]) -> bool:
    """Whether an invalidation that met an interval has begun and not ended.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    lockdep_assert_held(subscriptions.lock)
    return subscriptions.invalidate_seq & 1 == 1


def interval_tree_from(node: ptr[hlist_node], start: int, end: int) -> ptr[mmu_interval_notifier]:
    """The first interval from `node` on that has a page in start..end-1; NULL if there is none."""
    found: ptr[mmu_interval_notifier] = NULL
    while node and not found:
        tree_node = container_of(node, interval_tree_node, lambda n: n.rb)
        if tree_node.start < end and start <= tree_node.last:
            found = container_of(tree_node, mmu_interval_notifier, lambda s: s.interval_tree)
        else:
            node = node.next
    return found


def mn_itree_inv_start_range(
    subscriptions: ptr[mmu_notifier_mm], start: int, end: int
) -> ptr[mmu_interval_notifier]:
    """One more invalidation; the first interval that it meets, after which the number is odd.

    The kernel returns the number as well; here the caller reads it, which nobody can change before the
    end of this invalidation if it met an interval.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    spin_lock(subscriptions.lock)
    subscriptions.active_invalidate_ranges += 1
    found = interval_tree_from(subscriptions.itree.first, start, end)
    if found:
        subscriptions.invalidate_seq |= 1
    spin_unlock(subscriptions.lock)
    return found


def mn_itree_inv_next(
    interval_sub: ptr[mmu_interval_notifier], start: int, end: int
) -> ptr[mmu_interval_notifier]:
    """The next interval that the invalidation meets. No lock: the tree does not change meanwhile.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    return interval_tree_from(interval_sub.interval_tree.rb.next, start, end)


def mn_itree_inv_end(subscriptions: ptr[mmu_notifier_mm]) -> None:
    """One invalidation less; at the end of the last one, make up for what was put off.

    The wake-up at the end is left out: those who sleep wait for the number itself.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    spin_lock(subscriptions.lock)
    subscriptions.active_invalidate_ranges -= 1
    if subscriptions.active_invalidate_ranges == 0 and mn_itree_is_invalidating(subscriptions):
        subscriptions.invalidate_seq += 1
        node = subscriptions.deferred_list.first
        while node:
            next = node.next
            interval_sub = container_of(node, mmu_interval_notifier, lambda s: s.deferred_item)
            if hlist_unhashed(interval_sub.interval_tree.rb):
                hlist_add_head_rcu(interval_sub.interval_tree.rb, subscriptions.itree)
            else:
                hlist_del_init_rcu(interval_sub.interval_tree.rb)
            hlist_del_init_rcu(interval_sub.deferred_item)
            node = next
    spin_unlock(subscriptions.lock)


def mn_itree_invalidate(subscriptions: ptr[mmu_notifier_mm], start: int, end: int, event: int) -> None:
    """Tell every interval that the range meets.

    Blockable only: the OOM reaper, for which a callback that would sleep refuses, is left out. That is a
    bound of this model: what a refusal leaves behind is not looked at.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    interval_sub = mn_itree_inv_start_range(subscriptions, start, end)
    if interval_sub:
        cur_seq = subscriptions.invalidate_seq
        while interval_sub:
            WARN_ON(not interval_sub.ops.invalidate(interval_sub, start, end, event, cur_seq))
            interval_sub = mn_itree_inv_next(interval_sub, start, end)


def mn_itree_release(subscriptions: ptr[mmu_notifier_mm]) -> None:
    """The address space dies: an invalidation of all of it. The intervals stay, until they are removed.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    if Interval.release_invalidates:
        mn_itree_invalidate(subscriptions, 0, EVERYTHING, MMU_NOTIFY_RELEASE)
        mn_itree_inv_end(subscriptions)


def mn_itree_range_start(mm: ptr[mm_struct], start: int, end: int) -> None:
    """The intervals' part of mmu_notifier_invalidate_range_start: before the list's.

    Source: Linux 7.3, mm/mmu_notifier.c: __mmu_notifier_invalidate_range_start.
    """
    subscriptions = mm.mmu_notifier_mm
    if subscriptions and subscriptions.has_itree:
        mn_itree_invalidate(subscriptions, start, end, MMU_NOTIFY_UNMAP)


def mn_itree_range_end(mm: ptr[mm_struct]) -> None:
    """The intervals' part of mmu_notifier_invalidate_range_end: before the list's.

    Source: Linux 7.3, mm/mmu_notifier.c: __mmu_notifier_invalidate_range_end.
    """
    subscriptions = mm.mmu_notifier_mm
    if subscriptions and subscriptions.has_itree:
        mn_itree_inv_end(subscriptions)


def mmu_interval_read_begin(interval_sub: ptr[mmu_interval_notifier]) -> int:
    """Begin to look pages up: a number for mmu_interval_read_retry. May sleep.

    If the interval's number is the running invalidation's, that has begun with this interval already and
    will not come back to it: wait until it is over.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    might_sleep()
    subscriptions = interval_sub.mm.mmu_notifier_mm
    spin_lock(subscriptions.lock)
    seq = interval_sub.invalidate_seq
    is_invalidating = seq == subscriptions.invalidate_seq
    spin_unlock(subscriptions.lock)
    if is_invalidating and Interval.begin_waits:
        witness.fault_waits = True
        await_(lambda: subscriptions.invalidate_seq != seq)
        witness.fault_waits = False
    return seq


def mmu_interval_set_seq(interval_sub: ptr[mmu_interval_notifier], cur_seq: int) -> None:
    """The callback's part, under the lock of its page table.

    Source: Linux 7.3, include/linux/mmu_notifier.h.
    """
    interval_sub.invalidate_seq = cur_seq


def mmu_interval_read_retry(interval_sub: ptr[mmu_interval_notifier], seq: int) -> bool:
    """Whether what was looked up since mmu_interval_read_begin may be gone. Under the same lock.

    Source: Linux 7.3, include/linux/mmu_notifier.h.
    """
    return interval_sub.invalidate_seq != seq


def mmu_interval_notifier_insert(interval_sub: ptr[mmu_interval_notifier], start: int, length: int) -> None:
    """Hear of invalidations of `length` pages from `start` on. The caller holds an mm_users.

    `mm` and `ops` are set by the set-up here, and never change. An invalidation that is under way may
    concern the interval: its number is made the running one, so that a fault waits.

    Source: Linux 7.3, mm/mmu_notifier.c: __mmu_interval_notifier_insert.
    """
    mm = interval_sub.mm
    interval_sub.interval_tree.start = start
    interval_sub.interval_tree.last = start + length - 1
    WARN_ON(mm.mm_users.counter == 0)
    mmgrab(mm)
    subscriptions = mm.mmu_notifier_mm
    spin_lock(subscriptions.lock)
    if subscriptions.active_invalidate_ranges != 0:
        if mn_itree_is_invalidating(subscriptions) and Interval.defer:
            witness.insertion_put_off = True
            hlist_add_head_rcu(interval_sub.deferred_item, subscriptions.deferred_list)
            witness.insertion_put_off = False
        else:
            subscriptions.invalidate_seq |= 1
            hlist_add_head_rcu(interval_sub.interval_tree.rb, subscriptions.itree)
        interval_sub.invalidate_seq = subscriptions.invalidate_seq
    else:
        WARN_ON(mn_itree_is_invalidating(subscriptions))
        interval_sub.invalidate_seq = subscriptions.invalidate_seq - 1
        hlist_add_head_rcu(interval_sub.interval_tree.rb, subscriptions.itree)
    spin_unlock(subscriptions.lock)


def wait_for_end(subscriptions: ptr[mmu_notifier_mm], seq: int) -> None:
    """wait_event of mmu_interval_seq_released: until the number is not `seq` any more.

    Before 319561669a59 (Linux 5.18) the number was read without the lock, and so could be seen to
    change before mn_itree_inv_end had done with the deferred list.

    Source: Linux 7.3, mm/mmu_notifier.c: mmu_interval_seq_released.
    """
    might_sleep()
    if Interval.released_locked:
        await_(lambda: subscriptions.lock.owner == 0 and subscriptions.invalidate_seq != seq)
    else:
        await_(lambda: subscriptions.invalidate_seq != seq)


def mmu_interval_notifier_remove(interval_sub: ptr[mmu_interval_notifier]) -> None:
    """Hear of nothing any more: when this returns, no callback runs and none will. May sleep.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    might_sleep()
    mm = interval_sub.mm
    subscriptions = mm.mmu_notifier_mm
    seq = 0
    spin_lock(subscriptions.lock)
    if mn_itree_is_invalidating(subscriptions) and Interval.defer:
        if hlist_unhashed(interval_sub.interval_tree.rb):
            hlist_del_init_rcu(interval_sub.deferred_item)
        else:
            hlist_add_head_rcu(interval_sub.deferred_item, subscriptions.deferred_list)
            seq = subscriptions.invalidate_seq
    else:
        WARN_ON(hlist_unhashed(interval_sub.interval_tree.rb))
        hlist_del_init_rcu(interval_sub.interval_tree.rb)
    spin_unlock(subscriptions.lock)
    if seq != 0 and Interval.remove_waits:
        witness.removal_waits = True
        wait_for_end(subscriptions, seq)
        witness.removal_waits = False
    mmdrop(mm)
