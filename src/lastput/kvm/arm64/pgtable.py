"""The shape of a stage-2 page table (Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h).

Three levels by default, as for 40-bit guest addresses and 4K pages: pgd, pmd, pte. The pud level is
then folded into the pgd, so a `pud_t *` is the pgd pointer cast, a pgd entry is never "none", and the
first memory access of a walk reads the pgd entry itself. With four levels a pgd entry points at a table
of puds, of one entry. Tables are tiny: addresses count pages, a pte table has PTRS_PER_PTE entries, a
pmd table PTRS_PER_PMD. A pmd entry points at a table or maps a block of PTRS_PER_PTE pages (`Mm.huge`).
A TLB invalidation is one with the store that calls for it: no variant under study differs in it.

An entry points at a table page, which carries its page reference count: one, plus one for each
entry in use. The pages of the pgd itself are freed by address; their counts are not modelled.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_t
from lastput.kernel.mm_types import pte_t
from lastput.lang import (
    array,
    at,
    atomic,
    kfree,
    kzalloc,
    length,
    option,
    options,
    overlay,
    ptr,
    reinterpret,
    roles,
    struct,
)

PTRS_PER_PTE = 2
PTRS_PER_PMD = 1
PGD_SPAN = PTRS_PER_PTE * PTRS_PER_PMD
"""Guest pages under one pgd entry."""


@options
class Stage2:
    """Sizes of stage 2."""

    pgd_entries: int = option(2, "entries of the top-level stage-2 table", low=1, high=4)
    levels: int = option(3, "levels of stage 2; with 3 the pud is folded into the pgd", low=3, high=4)
    ram_base: int = option(2, "first guest page of RAM; each pgd entry spans 2 pages", low=0, high=7)


@struct
class pmd_t:
    """Two pointers of which one at most is in use: one machine word."""

    val: ptr[pte_page]
    block: pte_t
    """A block of PTRS_PER_PTE pages; absent unless its `page` is set. Only with `Mm.huge`."""


@struct
class pgd_t:
    """With four levels `val` is the address of a pud_page all the same: entries are words, as in C."""

    val: ptr[pmd_page]


@overlay(pgd_t)
class pud_t:
    val: ptr[pmd_page]


@struct
class pte_page:
    """A table of last-level entries. `pte_t.page` is the frame, `young` the access flag."""

    pte: array[pte_t] = length(PTRS_PER_PTE)
    _refcount: atomic_t


@struct
class pmd_page:
    pmd: array[pmd_t] = length(PTRS_PER_PMD)
    _refcount: atomic_t


@struct
class pud_page:
    """A table of puds, of one entry; four levels only."""

    pud: array[pud_t] = length(1)
    _refcount: atomic_t


@struct
class pgd_pages:
    """What alloc_pages_exact gave for the top level."""

    pgd: array[pgd_t] = length(lambda: Stage2.pgd_entries)


def stage2_pgd_index(addr: int) -> int:
    """Which entry of the pgd covers `addr`.

    Source: Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h.
    """
    return addr // PGD_SPAN


def stage2_pmd_index(addr: int) -> int:
    """Which entry of its table of pmds covers `addr`.

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h: pmd_index.
    """
    return addr // PTRS_PER_PTE % PTRS_PER_PMD


def pte_index(addr: int) -> int:
    """Which entry of its table of ptes covers `addr`.

    Source: Linux 4.12, arch/arm64/include/asm/pgtable.h.
    """
    return addr % PTRS_PER_PTE


def stage2_pgd_addr_end(addr: int, end: int) -> int:
    """First address of the next pgd entry, or `end`.

    Source: Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h.
    """
    return min((addr // PGD_SPAN + 1) * PGD_SPAN, end)


def pmd_addr_end(addr: int, end: int) -> int:
    """First address of the next pmd entry, or `end`.

    Source: Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h: stage2_pmd_addr_end.
    """
    return min((addr // PTRS_PER_PTE + 1) * PTRS_PER_PTE, end)


def stage2_pgd_none(pgd: ptr[pgd_t]) -> bool:
    """Whether a pgd entry is empty: never, with a folded pud.

    Source: Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h.
    """
    return Stage2.levels == 4 and not pgd.val


def stage2_pud_offset(pgd: ptr[pgd_t]) -> ptr[pud_t]:
    """The pud entry under a pgd entry: with a folded pud, the same place.

    Source: Linux 4.12, arch/arm64/include/asm/stage2_pgtable.h.
    """
    if Stage2.levels == 4:
        return reinterpret(pud_page, pgd.val).pud[0]
    return reinterpret(pud_t, pgd)


def pud_table_of(pud: ptr[pud_t]) -> ptr[pud_page]:
    """virt_to_page of a pud entry: the page that it is in. Four levels only."""
    return reinterpret(pud_page, pud)


def pmd_table_of(pmd: ptr[pmd_t], addr: int) -> ptr[pmd_page]:
    """virt_to_page of a pmd entry: the page that it is in."""
    return reinterpret(pmd_page, at(pmd, -stage2_pmd_index(addr)))


def alloc_pte_page() -> ptr[pte_page]:
    """An empty table. The kernel takes it from a cache that was filled before mmu_lock was taken, so
    that it can neither fail nor sleep here; what is left in the cache concerns nobody else.

    Source: Linux 4.12, virt/kvm/arm/mmu.c: mmu_memory_cache_alloc.
    """
    with atomic():
        table = kzalloc(pte_page)
        table._refcount.counter = 1
    return table


def alloc_pmd_page() -> ptr[pmd_page]:
    """An empty table, from the cache.

    Source: Linux 4.12, virt/kvm/arm/mmu.c: mmu_memory_cache_alloc.
    """
    with atomic():
        table = kzalloc(pmd_page)
        table._refcount.counter = 1
    return table


def alloc_pud_page() -> ptr[pud_page]:
    """An empty table, from the cache.

    Source: Linux 4.12, virt/kvm/arm/mmu.c: mmu_memory_cache_alloc.
    """
    with atomic():
        table = kzalloc(pud_page)
        table._refcount.counter = 1
    return table


def get_pte_page(table: ptr[pte_page]) -> None:
    """One more entry of a table of ptes is in use.

    Source: Linux 4.12, include/linux/mm.h: get_page.
    """
    atomic_inc(table._refcount)


def get_pmd_page(table: ptr[pmd_page]) -> None:
    """One more entry of a table of pmds is in use.

    Source: Linux 4.12, include/linux/mm.h: get_page.
    """
    atomic_inc(table._refcount)


def get_pud_page(table: ptr[pud_page]) -> None:
    """One more entry of a table of puds is in use.

    Source: Linux 4.12, include/linux/mm.h: get_page.
    """
    atomic_inc(table._refcount)


def put_pte_page(table: ptr[pte_page]) -> None:
    """One entry less; the last reference frees the table.

    Source: Linux 4.12, include/linux/mm.h: put_page.
    """
    if atomic_dec_and_test(table._refcount):
        kfree(table)


def put_pmd_page(table: ptr[pmd_page]) -> None:
    """One entry less; the last reference frees the table.

    Source: Linux 4.12, include/linux/mm.h: put_page.
    """
    if atomic_dec_and_test(table._refcount):
        kfree(table)


def put_pud_page(table: ptr[pud_page]) -> None:
    """One entry less; the last reference frees the table.

    Source: Linux 4.12, include/linux/mm.h: put_page.
    """
    if atomic_dec_and_test(table._refcount):
        kfree(table)


roles.reference(get_pte_page, put_pte_page)
roles.reference(get_pmd_page, put_pmd_page)
roles.reference(get_pud_page, put_pud_page)
