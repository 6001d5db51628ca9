"""A user of mmu notifiers that is nothing but one: a lock, a table of entries, a notifier.

What differs between users of the kernel is an option: whether release frees the root of the table (arm)
or the user keeps it until it dies (x86, MIPS), whether callbacks test the root, whether taking an entry
down writes to struct page (x86 hands the accessed and dirty bits over), and who uses the entries: a task
that holds references, as a vcpu, or hardware that goes on until they are gone, as with SVA or RDMA.

Which property is checked is an option, too, so that one violation does not hide another: the checks of
the others are not compiled in.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.atomic import atomic_dec_and_test, atomic_t
from lastput.kernel.hlist import hlist_unhashed
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers, hlist_entry, mmu_notifier, mmu_notifier_unregister
from lastput.kernel.page import lru
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock
from lastput.kernel.sched_mm import mmdrop
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    BUG_ON,
    NULL,
    WARN_ON,
    array,
    atomic,
    const,
    container_of,
    ghost,
    kfree,
    length,
    option,
    options,
    ptr,
    s8,
    static,
    struct,
    upto,
)
from lastput.study.invariants import hlist_is_whole, is_hashed

USERS = 2


@options
class Check:
    """Which property is checked."""

    property: str = option(
        "uaf",
        "what to check besides locks and lists",
        values=(
            "null",
            "uaf",
            "once",
            "order",
            "quiet",
            "quiet-free",
            "stale",
            "stale-use",
            "touch",
            "dead",
            "end",
        ),
    )


@options
class User:
    """What the users of the notifiers are like."""

    users: int = option(1, "users that are registered with the address space", low=1, high=USERS)
    hardware: str = option(
        "none",
        "who uses the entries: nobody, a task that holds references, or hardware until they are gone",
        values=("none", "vcpu", "live"),
    )
    harden: bool = option(False, "an end without a start is refused (as d489ec956583)")
    sleeps: str = option(
        "no",
        "callbacks for ranges sleep: never, or where might_sleep sees it, or unseen by a kernel in which "
        "scheduling ends an RCU read section",
        values=("no", "seen", "unseen"),
    )


def root_is_kept() -> bool:
    """Release only empties the table; something later frees it."""
    return Notifiers.design == "D3" or Notifiers.design == "D3-exit" or Notifiers.design == "D4"


def callbacks_test_root() -> bool:
    """Design D5 does; the others when something else is checked, which a NULL dereference would hide."""
    return Notifiers.design == "D5" or (Check.property != "null" and not root_is_kept())


@struct
class table:
    """The secondary page table. An entry holds no reference to its page."""

    entry: array[ptr[page]] = length(lambda: Mm.pages)


@struct
class user:
    mmu_notifier: mmu_notifier
    refs: atomic_t
    lock: spinlock_t
    root: ptr[table]
    invalidating: s8
    """Starts that were delivered, less ends (kvm->mmu_notifier_count)."""
    mm: const[ptr[mm_struct]]
    number: const[int]


@struct
class user_witness:
    """What properties ask about a user; it outlives the user."""

    user: ghost[ptr[user]]
    """NULL when it is freed."""
    callbacks: ghost[Annotated[int, upto(3)]]
    """How many are running, release not counted."""
    began: ghost[Annotated[int, upto(3)]]
    """How often release has begun."""
    ended: ghost[Annotated[int, upto(3)]]
    """... and ended."""
    freeing: ghost[bool]
    """The root is being freed, or is."""


@struct
class witnesses:
    of: array[user_witness] = length(USERS)
    removers: ghost[Annotated[int, upto(3)]]
    """Tasks inside mmput or mmu_notifier_unregister."""
    missed: ghost[bool]
    """A page is being freed by an invalidation, while somebody is removing a notifier."""
    exit_waits: ghost[Annotated[int, upto(7)]]
    """Grace periods that mmput has waited for, once it is done."""
    all_waits: ghost[Annotated[int, upto(7)]]
    """... and the whole process."""
    used: ghost[bool]
    """The secondary MMU has read a page; in case of hardware, while somebody was removing the notifier."""


witness = static(witnesses)


def to_user(mn: ptr[mmu_notifier]) -> ptr[user]:
    """The user that embeds a notifier."""
    return container_of(mn, user, lambda u: u.mmu_notifier)


# -- entries ---------------------------------------------------------------------------------


def count_entry(page: ptr[page], change: int) -> None:
    """Keep count of the entries that map `page`; free_page_frame looks at it."""
    if Check.property == "stale":
        page.secondary += change


def touch_page(page: ptr[page]) -> None:
    """SetPageAccessed or SetPageDirty. The flags are not modelled; that struct page is touched is."""
    if Check.property == "touch":
        BUG_ON(page._refcount.counter == 0)


def lookup(u: ptr[user], address: int) -> ptr[page]:
    """The page that an entry maps. Where the root is not tested, a NULL one is followed."""
    missing: ptr[page] = NULL
    root = u.root
    if callbacks_test_root() and not root:
        return missing
    return root.entry[address]


def clear_entry(root: ptr[table], address: int) -> None:
    """Take an entry down, and flush the secondary TLB. Under the user's lock."""
    page = root.entry[address]
    if page:
        touch_page(page)
        with atomic():
            count_entry(page, -1)
            root.entry[address] = NULL


def use_entry(u: ptr[user], address: int) -> None:
    """The secondary MMU reads the page behind an entry: its walk and the access are one step."""
    with atomic():
        root = u.root
        if root:
            page = root.entry[address]
            if page:
                BUG_ON(page._refcount.counter == 0)
                if User.hardware == "vcpu" or witness.removers != 0:
                    witness.used = True


# -- callbacks -------------------------------------------------------------------------------


def callback_begins(u: ptr[user]) -> None:
    """A walk has called: P-QUIET forbids it once release has begun."""
    seen = witness.of[u.number]
    if Check.property == "quiet":
        assert seen.began == 0, "a callback runs although release has begun"
    if Check.property == "quiet-free":
        assert not seen.freeing, "a callback runs although the root is being freed"
    seen.callbacks += 1


def callback_ends(u: ptr[user]) -> None:
    """The callback returns."""
    witness.of[u.number].callbacks -= 1


def may_sleep() -> None:
    """What a callback for a range may do. Non-preemptible RCU takes a switch of tasks for the end of a
    read section, whether or not somebody looks."""
    if User.sleeps == "seen":
        might_sleep()
    if User.sleeps == "unseen" and not Notifiers.global_srcu:
        rcu_read_unlock()
        rcu_read_lock()


def user_clear_flush_young(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> bool:
    """Look at an entry; the accessed bit itself is not modelled."""
    young = False
    u = to_user(mn)
    callback_begins(u)
    spin_lock(u.lock)
    if lookup(u, start):
        young = True
    spin_unlock(u.lock)
    callback_ends(u)
    return young


def user_invalidate_page(mn: ptr[mmu_notifier], mm: ptr[mm_struct], address: int) -> None:
    """Take the entry of one page down, whose primary entry is gone already."""
    u = to_user(mn)
    callback_begins(u)
    spin_lock(u.lock)
    if lookup(u, address):
        clear_entry(u.root, address)
    spin_unlock(u.lock)
    callback_ends(u)


def user_invalidate_range_start(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """Take the entry of one page down."""
    u = to_user(mn)
    callback_begins(u)
    may_sleep()
    spin_lock(u.lock)
    u.invalidating += 1
    if lookup(u, start):
        clear_entry(u.root, start)
    spin_unlock(u.lock)
    callback_ends(u)


def user_invalidate_range_end(mn: ptr[mmu_notifier], mm: ptr[mm_struct], start: int, end: int) -> None:
    """Entries may be made again."""
    u = to_user(mn)
    callback_begins(u)
    spin_lock(u.lock)
    if not User.harden or not WARN_ON(u.invalidating == 0):
        u.invalidating -= 1
    spin_unlock(u.lock)
    BUG_ON(u.invalidating < 0)
    callback_ends(u)


def free_begins(u: ptr[user]) -> None:
    """The root is about to go."""
    seen = witness.of[u.number]
    if Check.property == "quiet-free":
        assert seen.callbacks == 0, "the root is freed although a callback runs"
    seen.freeing = True


def user_free_root(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Free the table, which is empty."""
    u = to_user(mn)
    root = u.root
    if root:
        free_begins(u)
        u.root = NULL
        kfree(root)


def user_release(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> None:
    """Take every entry down. May be called twice, also by two tasks at a time."""
    u = to_user(mn)
    seen = witness.of[u.number]
    if Check.property == "quiet":
        assert seen.callbacks == 0, "release begins although a callback runs"
    if Check.property == "once":
        assert seen.began == 0, "release is called again"
    seen.began += 1
    spin_lock(u.lock)
    root = u.root
    if root:
        for address in range(Mm.pages):
            clear_entry(root, address)
        if not root_is_kept():
            free_begins(u)
            u.root = NULL
    spin_unlock(u.lock)
    if root and not root_is_kept():
        kfree(root)
    seen.ended += 1


# -- life ------------------------------------------------------------------------------------


def user_destroy(u: ptr[user]) -> None:
    """Nobody refers to the user any more (kvm_destroy_vm). It is freed where that is what is checked."""
    mm = u.mm
    witness.removers += 1
    mmu_notifier_unregister(u.mmu_notifier, mm)
    witness.removers -= 1
    if Notifiers.design == "D4":
        user_free_root(u.mmu_notifier, mm)
    if Check.property == "uaf":
        witness.of[u.number].user = NULL
        kfree(u)
    mmdrop(mm)


def user_put(u: ptr[user]) -> None:
    """Drop a reference to the user."""
    if atomic_dec_and_test(u.refs):
        user_destroy(u)


# -- properties ------------------------------------------------------------------------------


def check_paired(mm: ptr[mm_struct]) -> None:
    """P-END, at the end of an invalidation that was the only one: who is registered has seen the end."""
    if Check.property == "end":
        with atomic():
            node = mm.mmu_notifier_mm.list.first
            while node:
                u = to_user(hlist_entry(node))
                assert u.invalidating == 0, "a registered notifier saw the start but not the end"
                node = node.next


def callback_meets_removal() -> bool:
    """A callback runs while somebody removes the notifier."""
    inside = False
    for n in range(User.users):
        if witness.of[n].callbacks != 0:
            inside = True
    return inside and witness.removers != 0


def two_removers() -> bool:
    """Exit and unregister at the same time."""
    return witness.removers == 2


def invalidation_meets_removal() -> bool:
    """A page is freed by an invalidation while somebody removes a notifier."""
    return witness.missed


def entry_is_used() -> bool:
    """The secondary MMU has used an entry."""
    return witness.used


def start_without_end() -> bool:
    """A notifier was removed between start and end of an invalidation."""
    found = False
    for n in range(User.users):
        u = witness.of[n].user
        if u and u.invalidating != 0 and hlist_unhashed(u.mmu_notifier.hlist):
            found = True
    return found


def walk_stands_on_removed() -> bool:
    """Exit is inside `release` of the first notifier, which unregister has unhashed meanwhile."""
    u = witness.of[0].user
    seen = witness.of[0]
    if not u or seen.began == seen.ended:
        return False
    return hlist_unhashed(u.mmu_notifier.hlist)


def released_before_pages_go() -> bool:
    """P-ORDER, where only exit_mmap frees pages: by then a release of every user has returned.

    Another call of it may be late: unregister that found the notifier hashed may call release even
    after exit_mmap has freed all pages. It finds nothing left to do.
    """
    done = True
    for n in range(User.users):
        if witness.of[n].ended == 0:
            done = False
    freed = False
    for i in range(Mm.pages):
        if not lru.list[i]:
            freed = True
    return done or not freed


def list_is_well_formed(mm: ptr[mm_struct]) -> bool:
    """While nobody has its lock, the list has just the hashed nodes, and `pprev` of each leads back to it.

    The address space is there as long as a notifier is registered or a user has references; later
    properties cannot look at it, and the list must be empty when it is freed (mmu_notifier_mm_destroy).
    """
    hashed = 0
    alive = False
    for n in range(USERS):
        u = witness.of[n].user
        if u:
            if is_hashed(u.mmu_notifier.hlist):
                hashed += 1
            if u.refs.counter != 0:
                alive = True
    if hashed == 0 and not alive:
        return True
    if not mm.mmu_notifier_mm or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.list, hashed)
