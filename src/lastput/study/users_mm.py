"""A process whose memory somebody other than KVM mirrors, as it is when a scenario begins."""

from __future__ import annotations

from typing import Any

from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.page import lru
from lastput.kernel.sched import task_struct
from lastput.lang import Setup


def process(s: Setup, name: str = "mm", *, users: int, mapped: int | None = None) -> Any:
    """An address space with one anonymous area; `users` tasks use it, the first `mapped` pages are there."""
    mm = s.new(mm_struct, name, mmu_notifier_mm=s.new(mmu_notifier_mm, f"{name}_subscriptions"))
    mm.mm_users.counter = users
    mm.mm_count.counter = 1
    mapping = s.static(anon_vma, f"{name}_anon_vma")
    mm.mmap = s.new(vm_area_struct, f"{name}_vma", vm_mm=mm, anon_vma=mapping)
    mapping.rb_root = mm.mmap
    for i in range(Mm.pages if mapped is None else mapped):
        ram = s.new(page, f"{name}_page{i}", index=i, mapping=mapping)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
    return mm


def task(s: Setup, name: str, mm: Any = 0) -> Any:
    """A task; without `mm` a kernel thread, or a process whose own memory does not matter."""
    return s.static(task_struct, f"task_{name}", mm=mm, active_mm=mm)


def register(mm: Any, mn: Any, ops: Any) -> None:
    """mmu_notifier_register, before anything runs: it holds an mm_count."""
    mn.ops = ops
    mm.mm_count.counter += 1
    hlist_add_head_rcu(mn.hlist, mm.mmu_notifier_mm.list)


def has_intervals(mm: Any) -> None:
    """mmu_notifier_register of no notifier: the address space can have interval notifiers."""
    mm.mmu_notifier_mm.has_itree = True
    mm.mmu_notifier_mm.invalidate_seq = 2


def insert(mm: Any, interval_sub: Any, start: int, length: int) -> None:
    """mmu_interval_notifier_insert, before anything runs: it holds an mm_count."""
    interval_sub.interval_tree.start = start
    interval_sub.interval_tree.last = start + length - 1
    interval_sub.invalidate_seq = mm.mmu_notifier_mm.invalidate_seq - 1
    mm.mm_count.counter += 1
    hlist_add_head_rcu(interval_sub.interval_tree.rb, mm.mmu_notifier_mm.itree)
