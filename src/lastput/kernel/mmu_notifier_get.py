"""Notifiers that an address space has once for all who ask for it: got, and put (mm/mmu_notifier.c).

Linux 5.4 to 7.3. The last put removes the notifier at once and frees it after a grace period, without
waiting: so it may be called from a callback. It does not call `release`. Allocating the first one, and
registering it, is part of a scenario's set-up: mmu_notifier_get finds one, or NULL.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.hlist import hlist_del_init_rcu
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmu_notifier_types import hlist_entry, mmu_notifier, mmu_notifier_ops, srcu
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import call_srcu
from lastput.lang import NULL, WARN_ON, container_of, option, options, ptr


@options
class GetPut:
    """Switch a part off to see what it is for."""

    free_by_srcu: bool = option(True, "the notifier is freed after a grace period, not at once")
    put_locked: bool = option(True, "the count of users changes under the lock of the list")


def find_get_mmu_notifier(mm: ptr[mm_struct], ops: ptr[mmu_notifier_ops]) -> ptr[mmu_notifier]:
    """The notifier of `mm` with these callbacks, with one more user; NULL if there is none.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    found: ptr[mmu_notifier] = NULL
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node and not found:
        mn = hlist_entry(node)
        if mn.ops == ops:
            mn.users += 1
            found = mn
        node = mn.hlist.next
    spin_unlock(mm.mmu_notifier_mm.lock)
    return found


def mmu_notifier_free_rcu(rcu: ptr[callback_head]) -> None:
    """No walk finds the notifier any more.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    subscription = container_of(rcu, mmu_notifier, lambda m: m.rcu)
    mm = subscription.mm
    subscription.ops.free_notifier(subscription)
    mmdrop(mm)


def mmu_notifier_put(subscription: ptr[mmu_notifier]) -> None:
    """One user less; the last one removes the notifier. Does not sleep, and never calls `release`.

    Source: Linux 7.3, mm/mmu_notifier.c.
    """
    mm = subscription.mm
    if GetPut.put_locked:
        spin_lock(mm.mmu_notifier_mm.lock)
    WARN_ON(subscription.users == 0)
    subscription.users -= 1
    last = subscription.users == 0
    if not GetPut.put_locked:
        spin_lock(mm.mmu_notifier_mm.lock)
    if last:
        hlist_del_init_rcu(subscription.hlist)
    spin_unlock(mm.mmu_notifier_mm.lock)
    if last:
        if GetPut.free_by_srcu:
            call_srcu(srcu, subscription.rcu, mmu_notifier_free_rcu)
        else:
            mmu_notifier_free_rcu(subscription.rcu)
