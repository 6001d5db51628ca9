"""Tables of stage 2 as memory, and the walk over them (Linux 6.1, arch/arm64/kvm/hyp/pgtable.c).

A walk calls a visitor for each entry: for leaves (empty entries, too), and for tables before and after
what is below. The walk of the kernel recurses; here both levels are spelled out. TLB and cache maintenance
is one with the store that calls for it.
"""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc
from lastput.kernel.mm_types import page
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_pgtable, kvm_pte_t, table_page
from lastput.lang import NULL, atomic, kfree, kzalloc, ptr

EAGAIN = 11
TOP = 0
LAST = 1


def top_index(addr: int) -> int:
    """Position of `addr` in the top-level table.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: kvm_pgtable_idx.
    """
    return addr // Arm6.ptrs_per_pte


def last_index(addr: int) -> int:
    """Position of `addr` in its last-level table.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: kvm_pgtable_idx.
    """
    return addr % Arm6.ptrs_per_pte


def block_end(addr: int, end: int) -> int:
    """First address of the next top-level entry, or `end`.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: the walk of one level.
    """
    return min((addr // Arm6.ptrs_per_pte + 1) * Arm6.ptrs_per_pte, end)


# -- table pages -----------------------------------------------------------------------------


def stage2_memcache_zalloc_page() -> ptr[table_page]:
    """An empty table with one reference, from a cache that was filled before mmu_lock was taken.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    with atomic():
        table = kzalloc(table_page)
        table._refcount.counter = 1
    return table


def kvm_host_get_page(table: ptr[table_page]) -> None:
    """One more entry of `table` is in use.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    atomic_inc(table._refcount)


def kvm_s2_put_page(table: ptr[table_page]) -> None:
    """An entry of `table` is empty again, or the table is unlinked: the last reference frees it.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c: kvm_host_put_page; later kvm_s2_put_page.
    """
    if atomic_dec_and_test(table._refcount):
        kfree(table)


# -- leaves ----------------------------------------------------------------------------------


def store_leaf(table: ptr[table_page], ptep: ptr[kvm_pte_t], page: ptr[page], writable: bool) -> None:
    """Store a young leaf over an entry of `table` that is empty or locked."""
    with atomic():
        ptep.page = page
        ptep.young = True
        ptep.locked = False
        if Arm6.permissions:
            ptep.writable = writable
        if not table.unlinked:
            page.secondary += 1


def kvm_clear_pte(table: ptr[table_page], ptep: ptr[kvm_pte_t]) -> None:
    """Store the empty entry, and invalidate the TLB. Stage 2 holds no reference to a page that it loses.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    with atomic():
        forget_leaf(table, ptep)
        ptep.page = NULL
        ptep.table = NULL
        ptep.young = False
        if Arm6.permissions:
            ptep.writable = False


def forget_leaf(table: ptr[table_page], ptep: ptr[kvm_pte_t]) -> None:
    """Book-keeping: the MMU does not reach the page of this entry any more."""
    if ptep.page and not table.unlinked:
        ptep.page.secondary -= 1


def unlink(table: ptr[table_page]) -> None:
    """Book-keeping: from now on no MMU reaches `table`, nor the pages that it maps."""
    for i in range(Arm6.ptrs_per_pte):
        forget_leaf(table, table.pte[i])
    table.unlinked = True


def unlink_stage2(pgt: ptr[kvm_pgtable]) -> None:
    """Book-keeping: from now on no MMU reaches anything of this stage 2."""
    for i in range(Arm6.ptrs_per_pte):
        if pgt.pgd.pte[i].table:
            unlink(pgt.pgd.pte[i].table)
    unlink(pgt.pgd)


# -- the walk --------------------------------------------------------------------------------


def no_visit(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """The visitor of a walk without the flag for this kind of visit."""
    return 0


Visitor = Callable[[ptr[kvm_pgtable], ptr[table_page], ptr[kvm_pte_t], int, int, ptr[page], bool, bool], int]
"""(stage 2, the table of the entry, the entry, address, level; of the walk's data: page, block, writable)"""


def __kvm_pgtable_walk(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    addr: int,
    end: int,
    leaf: Visitor,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """The last level, below one top-level entry.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    ret = 0
    while addr < end and ret == 0:
        ret = leaf(pgt, table, table.pte[last_index(addr)], addr, LAST, page, block, writable)
        addr += 1
    return ret


def __kvm_pgtable_visit(
    pgt: ptr[kvm_pgtable],
    ptep: ptr[kvm_pte_t],
    addr: int,
    end: int,
    pre: Visitor,
    leaf: Visitor,
    post: Visitor,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """One top-level entry, and what is below.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    table = ptep.table
    if table:
        ret = pre(pgt, pgt.pgd, ptep, addr, TOP, page, block, writable)
        if pre != no_visit and Arm6.reload_pre:
            table = ptep.table
    else:
        ret = leaf(pgt, pgt.pgd, ptep, addr, TOP, page, block, writable)
        table = ptep.table
    if ret == 0 and table:
        ret = __kvm_pgtable_walk(pgt, table, addr, end, leaf, page, block, writable)
        if ret == 0:
            ret = post(pgt, pgt.pgd, ptep, addr, TOP, page, block, writable)
    return ret


def kvm_pgtable_walk(
    pgt: ptr[kvm_pgtable],
    addr: int,
    end: int,
    pre: Visitor,
    leaf: Visitor,
    post: Visitor,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Visit every entry that addr..end has, until a visitor returns an error.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    ret = 0
    while addr < end and ret == 0:
        next = block_end(addr, end)
        ptep = pgt.pgd.pte[top_index(addr)]
        ret = __kvm_pgtable_visit(pgt, ptep, addr, next, pre, leaf, post, page, block, writable)
        addr = next
    return ret
