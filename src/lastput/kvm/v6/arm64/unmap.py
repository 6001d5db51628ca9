"""The visitors that take from stage 2, and those that change leaves (Linux 6.1, hyp/pgtable.c).

All of these walk alone: under mmu_lock for writing, or on a stage 2 that nobody else can find any more.
"""

from __future__ import annotations

from lastput.kernel.mm_types import page
from lastput.kvm.v6.arm64.kvm_host import ipa_pages, kvm_pgtable, kvm_pte_t, table_page
from lastput.kvm.v6.arm64.pgtable import (
    kvm_clear_pte,
    kvm_pgtable_walk,
    kvm_s2_put_page,
    no_visit,
)
from lastput.lang import NULL, atomic, kfree, ptr

# -- unmap -----------------------------------------------------------------------------------


def stage2_unmap_leaf(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Clear a leaf, and put the table that it is in.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_unmap_walker, on a leaf.
    """
    if ptep.page:
        kvm_clear_pte(table, ptep)
        kvm_s2_put_page(table)
    return 0


def stage2_unmap_table(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Clear the entry of a table that has become empty, and free the table.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_unmap_walker, on a table.
    """
    child = ptep.table
    if child._refcount.counter == 1:
        kvm_clear_pte(table, ptep)
        kvm_s2_put_page(table)
        kvm_s2_put_page(child)
    return 0


def kvm_pgtable_stage2_unmap(pgt: ptr[kvm_pgtable], addr: int, end: int) -> int:
    """Unmap a range.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    none: ptr[page] = NULL
    return kvm_pgtable_walk(
        pgt, addr, end, no_visit, stage2_unmap_leaf, stage2_unmap_table, none, False, False
    )


# -- write-protect ---------------------------------------------------------------------------


def stage2_wrprotect_walker(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Take a leaf's permission to write.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_attr_walker.
    """
    with atomic():
        ptep.writable = False
    return 0


def kvm_pgtable_stage2_wrprotect(pgt: ptr[kvm_pgtable], addr: int, end: int) -> None:
    """Have the guest fault when it writes to pages of a range.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    none: ptr[page] = NULL
    kvm_pgtable_walk(pgt, addr, end, no_visit, stage2_wrprotect_walker, no_visit, none, False, False)


# -- destroy ---------------------------------------------------------------------------------


def stage2_free_leaf(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """The table loses a reference; the leaf itself is left as it is.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_free_walker, on a leaf.
    """
    with atomic():
        used = ptep.page != NULL
        assert table.unlinked, "stage 2 is freed while an MMU reaches it"
    if used:
        kvm_s2_put_page(table)
    return 0


def stage2_free_table(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Free the table below, once its leaves are done with.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_free_walker, on a table.
    """
    kvm_s2_put_page(table)
    kvm_s2_put_page(ptep.table)
    return 0


def kvm_pgtable_stage2_destroy(pgt: ptr[kvm_pgtable]) -> None:
    """Free every table and the top level. From 6.18 on in parts, with a chance to reschedule between them.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    none: ptr[page] = NULL
    kvm_pgtable_walk(pgt, 0, ipa_pages(), no_visit, stage2_free_leaf, stage2_free_table, none, False, False)
    pgd = pgt.pgd
    assert pgd._refcount.counter == 1, "the top level has entries in use that were not found"
    kfree(pgd)


# -- change leaves ---------------------------------------------------------------------------


def stage2_age_walker(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Clear the access flag of a leaf; the walk ends, with 1, at one that was young.

    The kernel's goes on and remembers; every walk here is of one page, as 6.1's are.

    Source: Linux 6.6, arch/arm64/kvm/hyp/pgtable.c; 6.1: stage2_attr_walker.
    """
    with atomic():
        young = ptep.page != NULL and ptep.young
        if young:
            ptep.young = False
    return 1 if young else 0


def stage2_young_walker(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Look at the access flag of a leaf; the walk ends, with 1, at one that is young.

    Source: Linux 6.6, arch/arm64/kvm/hyp/pgtable.c: stage2_age_walker, where nothing is to be cleared.
    """
    with atomic():
        young = ptep.page != NULL and ptep.young
    return 1 if young else 0


def clear_young(pgt: ptr[kvm_pgtable], addr: int) -> bool:
    """Test and clear the access flag of one page."""
    none: ptr[page] = NULL
    return (
        kvm_pgtable_walk(pgt, addr, addr + 1, no_visit, stage2_age_walker, no_visit, none, False, False) != 0
    )


def test_young(pgt: ptr[kvm_pgtable], addr: int) -> bool:
    """Test the access flag of one page."""
    none: ptr[page] = NULL
    return (
        kvm_pgtable_walk(pgt, addr, addr + 1, no_visit, stage2_young_walker, no_visit, none, False, False)
        != 0
    )


def kvm_pgtable_stage2_test_clear_young(pgt: ptr[kvm_pgtable], addr: int, end: int, mkold: bool) -> bool:
    """Test the access flags of a range, and clear them if `mkold`.

    Source: Linux 6.6, arch/arm64/kvm/hyp/pgtable.c.
    """
    young = False
    while addr < end:
        if clear_young(pgt, addr) if mkold else test_young(pgt, addr):
            young = True
        addr += 1
    return young


def kvm_pgtable_stage2_mkold(pgt: ptr[kvm_pgtable], addr: int) -> bool:
    """Test and clear the access flag of one page.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c, which returns the entry.
    """
    return clear_young(pgt, addr)


def kvm_pgtable_stage2_is_young(pgt: ptr[kvm_pgtable], addr: int) -> bool:
    """Whether a page was accessed.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    return test_young(pgt, addr)
