"""Other ways to remove a notifier, proposed or considered; none is in Linux.

In each, `exit` is what exit_mmap would call in place of __mmu_notifier_release, with no user left and
one mm_count held; `unregister` stands for mmu_notifier_unregister.

    D0       release in a read section, unhash, grace period; both may call release    mmu_notifier
    D1       unhash, release in a read section, grace period; the unhasher calls it    ..._versions.py
    D2a      unhash, grace period, release, under a mutex in the notifier
    D2a-i    ... exit holds the read section while it waits for the mutex
    D2a-ii   ... exit holds nothing while it waits for the mutex
    D2a-iii  ... exit unhashes before it takes the mutex
    D2b      unhash all, one grace period, release each, under a mutex of the address space
    D3       D0, and unregister frees the root with a second callback after its grace period
    D3-exit  ... or whoever unhashed the notifier does
    D4       D0; the secondary MMU frees its root after unregister has returned
    D5       D0; the secondary MMU tests its root where it looks an entry up

A release that somebody called before is not called again, in D1 and D2.
"""

from __future__ import annotations

from lastput.kernel.hlist import hlist_del_init_rcu, hlist_node, hlist_unhashed
from lastput.kernel.mm_types import DYING, mm_struct
from lastput.kernel.mmu_notifier_types import (
    Notifiers,
    call_release,
    hlist_entry,
    mmu_notifier,
    wait_for_walks,
    walk_begin,
    walk_end,
)
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import BUG_ON, NULL, ptr, violation


def unhash(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> bool:
    """Take `mn` off the list; says whether it was still there."""
    spin_lock(mm.mmu_notifier_mm.lock)
    hashed = not hlist_unhashed(mn.hlist)
    if hashed:
        hlist_del_init_rcu(mn.hlist)
    spin_unlock(mm.mmu_notifier_mm.lock)
    return hashed


def unhash_all(mm: ptr[mm_struct]) -> int:
    """Move every notifier from the list to `dying`; says how many."""
    moved = 0
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    while node:
        if moved == DYING:
            violation("range", "more notifiers than the private array has room for")
        hlist_del_init_rcu(node)
        mm.mmu_notifier_mm.dying[moved] = node
        moved += 1
        node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    return moved


def call_free_root(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """No callback can be inside `mn` any more: free what they walk."""
    if mn.ops.free_root != NULL:
        mn.ops.free_root(mn, mm)


# -- D2a: a mutex in each notifier -----------------------------------------------------------


def release_if_hashed(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Unhash, wait, release, unless somebody else has unhashed `mn`. Holds mn.mutex."""
    if unhash(mn, mm):
        wait_for_walks()
        call_release(mn, mm)


def unregister_own_mutex(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """D2a, unregister: the same in all three."""
    BUG_ON(mm.mm_count.counter == 0)
    mutex_lock(mn.mutex)
    release_if_hashed(mn, mm)
    mutex_unlock(mn.mutex)
    mmdrop(mm)


def release_mutex_in_section(mm: ptr[mm_struct]) -> None:
    """D2a-i, exit: the read section keeps `mn` from being freed until the mutex does."""
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        mutex_lock(mn.mutex)
        walk_end()
        release_if_hashed(mn, mm)
        mutex_unlock(mn.mutex)
        walk_begin()
        node = mm.mmu_notifier_mm.list.first
    walk_end()


def first_notifier(mm: ptr[mm_struct]) -> ptr[hlist_node]:
    """The first of the list, as it is for a moment."""
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    spin_unlock(mm.mmu_notifier_mm.lock)
    return node


def release_mutex_after_pick(mm: ptr[mm_struct]) -> None:
    """D2a-ii, exit: nothing keeps `mn` between the pick and the mutex."""
    node = first_notifier(mm)
    while node:
        mn = hlist_entry(node)
        mutex_lock(mn.mutex)
        release_if_hashed(mn, mm)
        mutex_unlock(mn.mutex)
        node = first_notifier(mm)


def unhash_first(mm: ptr[mm_struct]) -> ptr[hlist_node]:
    """Take the first of the list off; NULL if there is none."""
    spin_lock(mm.mmu_notifier_mm.lock)
    node = mm.mmu_notifier_mm.list.first
    if node:
        hlist_del_init_rcu(node)
    spin_unlock(mm.mmu_notifier_mm.lock)
    return node


def release_mutex_after_unhash(mm: ptr[mm_struct]) -> None:
    """D2a-iii, exit: unregister may find `mn` unhashed, believe that it is done with, and free it."""
    node = unhash_first(mm)
    while node:
        mn = hlist_entry(node)
        mutex_lock(mn.mutex)
        wait_for_walks()
        call_release(mn, mm)
        mutex_unlock(mn.mutex)
        node = unhash_first(mm)


# -- D2b: a mutex in each address space ------------------------------------------------------


def release_mutex_of_mm(mm: ptr[mm_struct]) -> None:
    """D2b, exit: one grace period for all. `dying` stays valid: unregister waits for the mutex."""
    mutex_lock(mm.mmu_notifier_mm.mutex)
    moved = unhash_all(mm)
    if moved:
        wait_for_walks()
    for i in range(moved):
        call_release(hlist_entry(mm.mmu_notifier_mm.dying[i]), mm)
    mutex_unlock(mm.mmu_notifier_mm.mutex)


def unregister_mutex_of_mm(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """D2b, unregister: a node that is unhashed under the mutex was released before."""
    BUG_ON(mm.mm_count.counter == 0)
    mutex_lock(mm.mmu_notifier_mm.mutex)
    if unhash(mn, mm):
        wait_for_walks()
        call_release(mn, mm)
    if not Notifiers.drop_after_unlock:
        mmdrop(mm)
    mutex_unlock(mm.mmu_notifier_mm.mutex)
    if Notifiers.drop_after_unlock:
        mmdrop(mm)


# -- D3: a second callback -------------------------------------------------------------------


def unregister_then_free(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """D3, unregister: as D0, and the root goes after the grace period. Exit is D0's."""
    BUG_ON(mm.mm_count.counter == 0)
    if not hlist_unhashed(mn.hlist):
        walk_begin()
        call_release(mn, mm)
        walk_end()
        unhash(mn, mm)
    wait_for_walks()
    call_free_root(mn, mm)
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def unregister_exit_frees(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """D3-exit, unregister: free the root only if it was us who unhashed."""
    BUG_ON(mm.mm_count.counter == 0)
    unhashed_here = False
    if not hlist_unhashed(mn.hlist):
        walk_begin()
        call_release(mn, mm)
        walk_end()
        unhashed_here = unhash(mn, mm)
    wait_for_walks()
    if unhashed_here:
        call_free_root(mn, mm)
    BUG_ON(mm.mm_count.counter == 0)
    mmdrop(mm)


def release_exit_frees(mm: ptr[mm_struct]) -> None:
    """D3-exit, exit: after the grace period nothing keeps the notifiers, except for luck."""
    walk_begin()
    node = mm.mmu_notifier_mm.list.first
    while node:
        mn = hlist_entry(node)
        call_release(mn, mm)
        node = mn.hlist.next
    moved = unhash_all(mm)
    walk_end()
    wait_for_walks()
    for i in range(moved):
        call_free_root(hlist_entry(mm.mmu_notifier_mm.dying[i]), mm)
