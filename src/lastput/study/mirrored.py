"""A process whose memory a device mirrors, as it is when a scenario begins."""

from __future__ import annotations

from typing import Any

from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier_types import mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.lang import NULL, Setup
from lastput.study.mirror import (
    Mirror,
    make_entry,
    mirror,
    mirror_change_pte,
    mirror_clear_flush_young,
    mirror_invalidate_page,
    mirror_invalidate_range_end,
    mirror_invalidate_range_start,
    mirror_release,
    mirror_test_young,
)


def start_mm(s: Setup, users: int, mapping: Any, *, lives: bool) -> Any:
    """The address space with one area. With `lives`, the structure stays when the last user goes.

    All users together hold one mm_count, the registration of the device one.
    """
    make = s.static if lives else s.new
    mm = make(mm_struct, "mm", mmu_notifier_mm=make(mmu_notifier_mm, "mmu_notifier_mm"))
    mm.mm_users.counter = users
    mm.mm_count.counter = 2
    vma = s.new(vm_area_struct, "vma", vm_mm=mm, anon_vma=mapping)
    mapping.rb_root = vma
    mm.mmap = mm.mm_rb = vma
    return mm


def start_mirror(s: Setup, mm: Any) -> Any:
    """The device, registered; its table is empty."""
    device = s.static(mirror, "mirror", mm=mm)
    device.mmu_notifier.ops = s.static(
        mmu_notifier_ops,
        "mirror_ops",
        release=mirror_release if Mirror.release else NULL,
        clear_flush_young=mirror_clear_flush_young,
        clear_young=mirror_clear_flush_young,
        test_young=mirror_test_young,
        change_pte=mirror_change_pte if Mirror.change_pte else NULL,
        invalidate_page=mirror_invalidate_page,
        invalidate_range_start=mirror_invalidate_range_start if Mirror.start else NULL,
        invalidate_range_end=mirror_invalidate_range_end,
    )
    hlist_add_head_rcu(device.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    return device


def populate(
    s: Setup, mm: Any, device: Any, file: Any, *, huge: bool = False, kept: int = 0, mirrored: int = 2
) -> None:
    """Every page is mapped by the process, and the first `mirrored` ones by the device.

    The pages of a file are in its page cache, too; `kept` of them are never truncated. The host has not
    accessed any lately.
    """
    ram: Any = NULL
    for i in range(Mm.pages):
        if i == 0 or not huge:
            make = s.static if i < kept else s.new
            ram = make(page, f"page{i}", index=i, mapping=mm.mmap.anon_vma)
            ram._refcount.counter = 2 if Mm.file else 1
            if Mm.file:
                file.page_tree[i] = ram
            else:
                lru.list[i] = ram
            pte = mm.pmd if huge else mm.pte[i]
            set_pte(pte, ram)
            pte.young = False
        if i < mirrored:
            make_entry(device.entry[i], ram, True)
