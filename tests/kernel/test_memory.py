"""Page faults, copy-on-write, KSM, huge pages and truncation, one task at a time; and who looks pages up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lastput.kernel.gup import get_user_pages_fast, get_user_pages_for, get_user_pages_nowait
from lastput.kernel.huge_memory import split_huge_pmd
from lastput.kernel.khugepaged import khugepaged_scan_mm_slot
from lastput.kernel.ksm import ksm_scan
from lastput.kernel.memory import copy_page_range, set_pte
from lastput.kernel.mm_types import Mm, address_space, anon_vma, mm_struct, page, vm_area_struct
from lastput.kernel.mmap import do_munmap, unmap_vmas
from lastput.kernel.page import lock_page, lru, put_page, trylock_page, unlock_page
from lastput.kernel.page_idle import page_idle_bitmap_read
from lastput.kernel.rmap import Rmap
from lastput.kernel.sched import task_struct
from lastput.kernel.truncate import clear_page_dirty_for_io, truncate_pagecache
from lastput.lang import Setup, ptr, scenario
from lastput.lang.options import Value
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build


def alone(function: Callable[..., None], users: int = 1, **options: Value) -> Explored:
    """What comes of `function(mm, other, file)` in an address space of two pages; `other` has none."""

    @scenario(variants={"as asked": {"pages": 2, **options}}, options=(Mm, Rmap))
    def one_task(s: Setup) -> None:
        file = s.static(address_space, "file", i_size=2)
        mapping = file.i_mmap if Mm.file else s.static(anon_vma, "anon_vma")
        mm = s.static(mm_struct, "mm")
        mm.mm_users.counter = users
        make = s.new if Mm.mmap_sem else s.static
        vma = make(vm_area_struct, "vma", vm_mm=mm, anon_vma=mapping)
        mapping.rb_root = mm.mmap = mm.mm_rb = vma
        for i in range(2):
            give_page(s, mm, file, i)
        s.pool(page, 3)
        task = s.static(task_struct, "task", mm=mm)
        s.thread("task", function, mm, s.static(mm_struct, "other"), file, task=task)

    return explore(build(one_task, None, {}))


def give_page(s: Setup, mm: Any, file: Any, i: int) -> None:
    ram = s.new(page, f"page{i}", index=i, mapping=mm.mmap.anon_vma)
    ram._refcount.counter = 2 if Mm.file else 1
    set_pte(mm.pte[i], ram)
    if Mm.file:
        file.page_tree[i] = ram
    else:
        lru.list[i] = ram


def fork_then_write(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """The parent writes a page that its child has, too: it gets a copy, the child keeps the page."""
    copy_page_range(other, mm)
    shared = other.pte[0].page
    assert shared == mm.pte[0].page
    assert not mm.pte[0].writable
    assert not other.pte[0].writable
    read = get_user_pages_for(mm, 0, False)
    assert read == shared
    put_page(read)
    written = get_user_pages_for(mm, 0, True)
    assert written != shared
    assert mm.pte[0].page == written
    assert mm.pte[0].writable
    assert shared._mapcount == 1
    put_page(written)
    unmap_vmas(other)
    last = get_user_pages_for(mm, 1, True)
    assert last._mapcount == 1
    put_page(last)
    unmap_vmas(mm)


def merge_then_write(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """ksmd merges both pages; a write takes them apart, and copies the last one, too."""
    assert ksm_scan(mm)
    merged = mm.pte[0].page
    assert mm.pte[1].page == merged
    assert merged._mapcount == 2
    assert not ksm_scan(mm)
    copy = get_user_pages_for(mm, 1, True)
    assert copy != merged
    put_page(copy)
    assert merged._mapcount == 1
    copy = get_user_pages_for(mm, 0, True)
    assert copy != merged
    put_page(copy)
    unmap_vmas(mm)


def merge_what_is_held(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """A page that somebody holds for writing is left alone, and stays writable."""
    held = get_user_pages_for(mm, 1, True)
    assert not ksm_scan(mm)
    assert mm.pte[1].page == held
    assert mm.pte[1].writable
    put_page(held)
    unmap_vmas(mm)


def collapse_and_split(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """khugepaged makes a huge page, which a split maps in parts."""
    assert khugepaged_scan_mm_slot(mm)
    huge = mm.pmd.page
    assert not mm.pte[0].page
    found = get_user_pages_nowait(mm, 1, True)
    assert found == huge
    put_page(found)
    split_huge_pmd(mm)
    assert not mm.pmd.page
    assert mm.pte[0].page == huge
    assert mm.pte[1].page == huge
    assert huge._refcount.counter == 2
    unmap_vmas(mm)


def collapse_what_is_held(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """A page that somebody holds cannot move."""
    held = get_user_pages_for(mm, 1, True)
    assert not khugepaged_scan_mm_slot(mm)
    assert mm.pte[1].page == held
    put_page(held)
    unmap_vmas(mm)


def truncate_then_fault(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """Behind the end of the file there is no memory."""
    truncate_pagecache(file, 1)
    assert not file.page_tree[1]
    assert not get_user_pages_for(mm, 1, False)
    found = get_user_pages_for(mm, 0, True)
    assert found
    put_page(found)
    truncate_pagecache(file, 0)


def clean_then_write(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """Writeback takes the permission to write; a write gets it back, for the same page."""
    clear_page_dirty_for_io(file, 0)
    assert not mm.pte[0].writable
    assert not mm.pte[0].dirty
    found = get_user_pages_fast(mm, 0, True)
    assert found == file.page_tree[0]
    assert mm.pte[0].writable
    put_page(found)
    truncate_pagecache(file, 0)


def unmap_then_fault(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """After munmap there is neither a page nor an area."""
    do_munmap(mm)
    assert not get_user_pages_nowait(mm, 0, False)
    assert not get_user_pages_for(mm, 0, False)
    do_munmap(mm)


def idle_twice(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """A page is young once after an access."""
    assert not page_idle_bitmap_read(0)
    assert page_idle_bitmap_read(0)
    unmap_vmas(mm)
    assert not page_idle_bitmap_read(0)


def lock_twice(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    """One task at a time has the page's lock."""
    lock_page(mm.pte[0].page)
    assert not trylock_page(mm.pte[0].page)
    unlock_page(mm.pte[0].page)
    assert trylock_page(mm.pte[0].page)
    unlock_page(mm.pte[0].page)
    unmap_vmas(mm)


def look_up(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    put_page(get_user_pages_for(mm, 0, False))
    unmap_vmas(mm)


def unlock_a_free_page(mm: ptr[mm_struct], other: ptr[mm_struct], file: ptr[address_space]) -> None:
    unlock_page(mm.pte[0].page)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (fork_then_write, {"write_protect": True}),
        (merge_then_write, {"write_protect": True}),
        (merge_what_is_held, {"write_protect": True}),
        (collapse_and_split, {"huge": True}),
        (collapse_what_is_held, {"huge": True}),
        (truncate_then_fault, {"file": True, "write_protect": True}),
        (clean_then_write, {"file": True, "write_protect": True}),
        (clean_then_write, {"file": True, "write_protect": True, "notify": "start-end"}),
        (unmap_then_fault, {"mmap_sem": True}),
        (idle_twice, {}),
        (lock_twice, {}),
        (look_up, {}),
    ],
)
def test_one_task_finds_what_it_should(function: Callable[..., None], options: dict[str, Value]) -> None:
    found = alone(function, **options)
    assert found.complete
    assert found.kinds == set()


def test_nobody_looks_up_pages_without_a_user() -> None:
    assert alone(look_up, users=0).kinds == {"assertion"}


def test_only_the_holder_unlocks_a_page() -> None:
    assert alone(unlock_a_free_page).kinds == {"bug"}
