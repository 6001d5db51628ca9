"""An address space with users of mmu notifiers, as it is when a scenario begins: all registered."""

from __future__ import annotations

from typing import Any

from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.lang import Setup
from lastput.study.notifier_user import (
    Check,
    table,
    user,
    user_clear_flush_young,
    user_free_root,
    user_invalidate_page,
    user_invalidate_range_end,
    user_invalidate_range_start,
    user_release,
    witness,
)


def make_mm(s: Setup, name: str = "mm", *, users: int = 1, notifiers: bool = True) -> Any:
    """An address space of `users` tasks, one area, all pages present, and a list for notifiers."""
    mm = s.new(mm_struct, name)
    if notifiers:
        mm.mmu_notifier_mm = s.new(mmu_notifier_mm, f"{name}_notifiers")
    mm.mm_users.counter = users
    mm.mm_count.counter = 1
    mapping = s.static(anon_vma, f"{name}_anon_vma")
    mm.mmap = s.new(vm_area_struct, f"{name}_vma", vm_mm=mm, anon_vma=mapping)
    mapping.rb_root = mm.mmap
    for i in range(Mm.pages):
        ram = s.new(page, f"{name}_page{i}", index=i, mapping=mapping)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
    return mm


def make_ops(s: Setup) -> Any:
    """The callbacks of a user."""
    return s.static(
        mmu_notifier_ops,
        "user_mmu_notifier_ops",
        release=user_release,
        clear_flush_young=user_clear_flush_young,
        invalidate_page=user_invalidate_page,
        invalidate_range_start=user_invalidate_range_start,
        invalidate_range_end=user_invalidate_range_end,
        free_root=user_free_root,
    )


def make_user(s: Setup, mm: Any, ops: Any, number: int, *, refs: int = 1, registered: bool = True) -> Any:
    """A user of `mm` that maps every page; one that is not registered yet maps none.

    It and its registration hold one mm_count each.
    """
    allocate = s.new if Check.property == "uaf" else s.static
    made = allocate(user, f"user{number}", mm=mm, number=number)
    made.refs.counter = refs
    made.root = s.new(table, f"root{number}")
    made.mmu_notifier.ops = ops
    mm.mm_count.counter += 1
    witness.of[number].user = made
    if registered:
        mm.mm_count.counter += 1
        hlist_add_head_rcu(made.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
        for i in range(Mm.pages):
            made.root.entry[i] = mm.pte[i].page
            if Check.property == "stale":
                mm.pte[i].page.secondary += 1
    return made
