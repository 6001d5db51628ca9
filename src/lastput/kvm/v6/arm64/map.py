"""The visitors that add to stage 2 (Linux 6.1 and 7.3, arch/arm64/kvm/hyp/pgtable.c).

In 6.1 a walk that maps is alone. From 6.2 on it shares mmu_lock with other such walks: an entry is first
replaced by a locked, invalid one, by compare and exchange; whoever fails lets the guest fault again.
"""

from __future__ import annotations

from lastput.kernel.fs_types import callback_head
from lastput.kernel.mm_types import page
from lastput.kernel.rcu import call_rcu
from lastput.kvm.v6.arm64.area import area
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_pgtable, kvm_pte_t, table_page
from lastput.kvm.v6.arm64.pgtable import (
    EAGAIN,
    TOP,
    forget_leaf,
    kvm_clear_pte,
    kvm_host_get_page,
    kvm_pgtable_walk,
    kvm_s2_put_page,
    no_visit,
    stage2_memcache_zalloc_page,
    store_leaf,
    unlink,
)
from lastput.kvm.v6.witness import witness6
from lastput.lang import NULL, WARN_ON, atomic, container_of, ptr

# -- replace an entry ------------------------------------------------------------------------


def stage2_try_set_locked(
    table: ptr[table_page], ptep: ptr[kvm_pte_t], old: ptr[page], old_table: ptr[table_page], young: bool
) -> bool:
    """Compare and exchange the entry for KVM_INVALID_PTE_LOCKED; says whether it was as expected.

    Source: Linux 6.2, arch/arm64/kvm/hyp/pgtable.c: stage2_try_set_pte.
    """
    with atomic():
        if ptep.locked or ptep.page != old or ptep.table != old_table or ptep.young != young:
            return False
        forget_leaf(table, ptep)
        if ptep.table:
            unlink(ptep.table)
        ptep.page = NULL
        ptep.table = NULL
        ptep.young = False
        if Arm6.permissions:
            ptep.writable = False
        ptep.locked = True
        return True


def stage2_try_break_pte(
    table: ptr[table_page], ptep: ptr[kvm_pte_t], old: ptr[page], old_table: ptr[table_page], young: bool
) -> bool:
    """Break, before make: empty the entry, and drop the reference that it held to its table.

    Source: Linux 6.2, arch/arm64/kvm/hyp/pgtable.c; 6.1: stage2_put_pte.
    """
    if Arm6.shared_walks:
        if not stage2_try_set_locked(table, ptep, old, old_table, young):
            return False
    elif old:
        kvm_clear_pte(table, ptep)
    if old or old_table:
        kvm_s2_put_page(table)
    return True


def stage2_map_walker_try_leaf(
    table: ptr[table_page], ptep: ptr[kvm_pte_t], page: ptr[page], over_table: bool, writable: bool
) -> int:
    """Store a leaf; -EAGAIN if it is there already, or if somebody else was faster.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    with atomic():
        old = ptep.page
        old_table = ptep.table
        young = ptep.young
    if (old == page and young) or (old_table != NULL) != over_table:
        return -EAGAIN
    if not stage2_try_break_pte(table, ptep, old, old_table, young):
        return -EAGAIN
    kvm_host_get_page(table)
    store_leaf(table, ptep, page, writable)
    return 0


def stage2_make_table(table: ptr[table_page], ptep: ptr[kvm_pte_t]) -> int:
    """Put an empty table below a top-level entry, in the place of what is there.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_map_walk_leaf, where no block can be.
    """
    with atomic():
        old = ptep.page
        old_table = ptep.table
        young = ptep.young
    if old_table:
        return -EAGAIN
    child = stage2_memcache_zalloc_page()
    if not stage2_try_break_pte(table, ptep, old, old_table, young):
        kvm_s2_put_page(child)
        return -EAGAIN
    kvm_host_get_page(table)
    with atomic():
        ptep.table = child
        ptep.locked = False
    return 0


# -- map -------------------------------------------------------------------------------------


def stage2_map_walk_leaf(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Map here, or add a table to map in.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    if level == TOP and not block:
        return stage2_make_table(table, ptep)
    return stage2_map_walker_try_leaf(table, ptep, page, False, writable)


def stage2_map_walk_table_pre(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """A block takes the place of a table, which is freed with all that is in it.

    Source: Linux 6.2, arch/arm64/kvm/hyp/pgtable.c.
    """
    if not block:
        return 0
    child = ptep.table
    ret = stage2_map_walker_try_leaf(table, ptep, page, True, writable)
    if ret == 0:
        stage2_free_unlinked_table(child)
    return ret


def kvm_pgtable_stage2_map(
    pgt: ptr[kvm_pgtable], addr: int, page: ptr[page], block: bool, writable: bool
) -> int:
    """Map a page, or a block of them. Blocks over tables come with 6.2's walk only.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    if Arm6.vma_sizes and block:
        assert page == area.huge_page, "a block maps a small page, and what is behind it"
    if Arm6.blocks:
        return kvm_pgtable_walk(
            pgt,
            addr,
            addr + 1,
            stage2_map_walk_table_pre,
            stage2_map_walk_leaf,
            no_visit,
            page,
            block,
            writable,
        )
    return kvm_pgtable_walk(
        pgt, addr, addr + 1, no_visit, stage2_map_walk_leaf, no_visit, page, False, writable
    )


# -- unlinked tables -------------------------------------------------------------------------


def kvm_pgtable_stage2_free_unlinked(table: ptr[table_page]) -> None:
    """Free a table that nobody can find any more.

    Source: Linux 6.2, arch/arm64/kvm/hyp/pgtable.c: kvm_pgtable_stage2_free_removed.
    """
    for i in range(Arm6.ptrs_per_pte):
        if table.pte[i].page:
            kvm_s2_put_page(table)
    WARN_ON(table._refcount.counter != 1)
    kvm_s2_put_page(table)


def stage2_free_unlinked_table_rcu_cb(head: ptr[callback_head]) -> None:
    """Every walk that could stand on the table is over.

    Source: Linux 6.2, arch/arm64/kvm/mmu.c: stage2_free_removed_table_rcu_cb.
    """
    kvm_pgtable_stage2_free_unlinked(container_of(head, table_page, lambda t: t.rcu_head))


def stage2_free_unlinked_table(table: ptr[table_page]) -> None:
    """Free a table that was unlinked, after a grace period; at once in the hypervisor of pKVM.

    Source: Linux 6.2, arch/arm64/kvm/mmu.c: stage2_free_removed_table.
    """
    if Arm6.free_at_once:
        kvm_pgtable_stage2_free_unlinked(table)
    else:
        call_rcu(table.rcu_head, stage2_free_unlinked_table_rcu_cb)


# -- young -----------------------------------------------------------------------------------


def stage2_mkyoung_walker(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Set the access flag of a leaf; -EAGAIN if there is none, or if it has changed meanwhile.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_attr_walker.
    """
    old = ptep.page
    if not old:
        return -EAGAIN
    witness6.on_unlinked = table.unlinked
    with atomic():  # cmpxchg
        same = ptep.page == old
        if same:
            ptep.young = True
        witness6.on_unlinked = False
    return 0 if same else -EAGAIN


def kvm_pgtable_stage2_mkyoung(pgt: ptr[kvm_pgtable], addr: int) -> None:
    """Set the access flag of one page. If that fails the guest faults again.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    none: ptr[page] = NULL
    kvm_pgtable_walk(pgt, addr, addr + 1, no_visit, stage2_mkyoung_walker, no_visit, none, False, False)


# -- permissions -----------------------------------------------------------------------------


def stage2_relax_walker(
    pgt: ptr[kvm_pgtable],
    table: ptr[table_page],
    ptep: ptr[kvm_pte_t],
    addr: int,
    level: int,
    page: ptr[page],
    block: bool,
    writable: bool,
) -> int:
    """Give a leaf the permission that was missing; -EAGAIN if there is none, or it has changed meanwhile.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c: stage2_attr_walker.
    """
    old = ptep.page
    if not old:
        return -EAGAIN
    with atomic():  # cmpxchg
        same = ptep.page == old
        if same:
            ptep.young = True
            if writable:
                ptep.writable = True
    return 0 if same else -EAGAIN


def kvm_pgtable_stage2_relax_perms(pgt: ptr[kvm_pgtable], addr: int, writable: bool) -> int:
    """Let the guest do with a page what it could not do before.

    Source: Linux 6.1, arch/arm64/kvm/hyp/pgtable.c.
    """
    none: ptr[page] = NULL
    return kvm_pgtable_walk(
        pgt, addr, addr + 1, no_visit, stage2_relax_walker, no_visit, none, False, writable
    )
