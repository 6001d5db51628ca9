"""Registering a notifier while the address space is in use (Linux 4.12, mm/mmu_notifier.c, mm/mmap.c).

mm_take_all_locks keeps a registration from landing between the start and the end of an invalidation:
whoever invalidates holds mmap_sem or the lock of the reverse map in between. The locks of anonymous
memory and of files are one kind here (`vm_area_struct.anon_vma`); so is the order of taking them.
"""

from __future__ import annotations

from lastput.kernel.hlist import hlist_add_head, hlist_add_head_rcu
from lastput.kernel.lock_types import mutex
from lastput.kernel.mm_types import mm_struct, mmu_notifier_mm, vm_area_struct
from lastput.kernel.mmu_notifier_types import mmu_notifier
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.sched_mm import mmgrab
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    BUG_ON,
    NULL,
    choose,
    kfree,
    kzalloc,
    option,
    options,
    ptr,
    roles,
    static,
    this_thread,
)

EINTR = 4


@options
class Register:
    """What mmu_notifier_register does; switch one off to see what it is for."""

    take_all_locks: bool = option(True, "it takes every lock under which somebody may invalidate")
    publish_rcu: bool = option(True, "it adds with hlist_add_head_rcu (543bdb2d825f), not hlist_add_head")
    tests_users: bool = option(True, "it insists that the address space has a user")
    signals: bool = option(False, "a signal may be pending while the locks are taken")


mm_all_locks_mutex = static(mutex)


def signal_pending() -> bool:
    """Whether a signal waits for the task: both answers, where `Register.signals` says so.

    Source: Linux 4.12, include/linux/sched/signal.h.
    """
    return Register.signals and choose(2) == 1


def vm_lock_anon_vma(vma: ptr[vm_area_struct]) -> None:
    """Take the lock of an area's reverse map, unless an earlier area has it already.

    The kernel marks what it has taken with a bit; the owner of the lock tells the same.

    Source: Linux 4.12, mm/mmap.c.
    """
    mapping = vma.anon_vma
    if mapping and mapping.rwsem.writer != this_thread() + 1:
        down_write(mapping.rwsem)


def vm_unlock_anon_vma(vma: ptr[vm_area_struct]) -> None:
    """Give the lock back, unless that was done for an earlier area.

    Source: Linux 4.12, mm/mmap.c.
    """
    mapping = vma.anon_vma
    if mapping and mapping.rwsem.writer == this_thread() + 1:
        up_write(mapping.rwsem)


def mm_take_all_locks(mm: ptr[mm_struct]) -> int:
    """Take the reverse map's lock of every area; -EINTR, with none held, if a signal is pending.

    Source: Linux 4.12, mm/mmap.c.
    """
    mutex_lock(mm_all_locks_mutex)
    vma = mm.mmap
    while vma:
        if signal_pending():
            mm_drop_all_locks(mm)
            return -EINTR
        vm_lock_anon_vma(vma)
        vma = vma.vm_next
    return 0


def mm_drop_all_locks(mm: ptr[mm_struct]) -> None:
    """Give back what mm_take_all_locks took, all of it or part.

    Source: Linux 4.12, mm/mmap.c.
    """
    vma = mm.mmap
    while vma:
        vm_unlock_anon_vma(vma)
        vma = vma.vm_next
    mutex_unlock(mm_all_locks_mutex)


def add_notifier(mn: ptr[mmu_notifier], mm: ptr[mm_struct], spare: ptr[mmu_notifier_mm]) -> None:
    """Put `mn` on the list, which `spare` becomes if there is none. With all locks held.

    Source: Linux 4.12, mm/mmu_notifier.c: do_mmu_notifier_register.
    """
    if not mm.mmu_notifier_mm:
        mm.mmu_notifier_mm = spare
        spare = NULL
    mmgrab(mm)
    spin_lock(mm.mmu_notifier_mm.lock)
    if Register.publish_rcu:
        hlist_add_head_rcu(mn.hlist, mm.mmu_notifier_mm.list)
    else:
        hlist_add_head(mn.hlist, mm.mmu_notifier_mm.list)
    spin_unlock(mm.mmu_notifier_mm.lock)
    kfree(spare)


def mmu_notifier_register(mn: ptr[mmu_notifier], mm: ptr[mm_struct]) -> int:
    """Have `mn` hear of what happens to `mm` from now on; it takes an mm_count. May sleep.

    The caller sees to it that the address space keeps a user meanwhile.

    Source: Linux 4.12, mm/mmu_notifier.c: do_mmu_notifier_register.
    """
    if Register.tests_users:
        BUG_ON(mm.mm_users.counter == 0)
    spare = kzalloc(mmu_notifier_mm)
    down_write(mm.mmap_sem)
    ret = mm_take_all_locks(mm) if Register.take_all_locks else 0
    if ret == 0:
        add_notifier(mn, mm, spare)
        if Register.take_all_locks:
            mm_drop_all_locks(mm)
    up_write(mm.mmap_sem)
    if ret != 0:
        kfree(spare)
        return ret
    if Register.tests_users:
        BUG_ON(mm.mm_users.counter == 0)
    return 0


roles.lock(mm_take_all_locks, mm_drop_all_locks)
