"""What the set-up of a VM does for its architecture: a root, and pages mapped by it."""

from __future__ import annotations

from typing import Any

from lastput.kernel.mm_types import Mm
from lastput.kvm.arch import arch_ram_base
from lastput.kvm.arm64.pgtable import (
    PGD_SPAN,
    Stage2,
    pgd_pages,
    pmd_page,
    pte_page,
    pud_page,
    stage2_pgd_index,
)
from lastput.kvm.arm64.stage2_set import stage2_set_pte
from lastput.kvm.keeproot.kvm_host import PTRS_PER_PTE, loongarch_pgd, loongarch_ptes
from lastput.kvm.keeproot.mmu import kvm_populate_gpa, kvm_set_pte
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.x86.fault import __direct_map as direct_map
from lastput.kvm.x86.fault import kvm_mmu_get_page
from lastput.kvm.x86.kvm_host import SPT_ENTRIES, kvm_mmu_page, kvm_rmap
from lastput.lang import Setup, UsageError


def check_room() -> None:
    """UsageError if guest memory does not fit the tables."""
    if Kvm.arch == "arm64" and Stage2.ram_base + Mm.pages > Stage2.pgd_entries * PGD_SPAN:
        raise UsageError(
            f"ram_base={Stage2.ram_base}: {Mm.pages} pages do not fit {Stage2.pgd_entries} pgd entries"
        )


def give_root(s: Setup, vm: Any, mapped: int) -> None:
    """The tables for the first `mapped` pages; vcpus use them."""
    if Kvm.arch == "arm64":
        vm.arch.pgd = s.new(pgd_pages, "pgd").pgd[0]
        tables = len({stage2_pgd_index(Stage2.ram_base + i) for i in range(mapped)})
        s.pool(pmd_page, tables)
        s.pool(pte_page, tables)
        if Stage2.levels == 4:
            s.pool(pud_page, tables)
    elif Kvm.arch == "x86":
        vm.memslots.memslots[0].rmap = s.new(kvm_rmap, "rmap")
        tables = len({(arch_ram_base() + i) // SPT_ENTRIES for i in range(mapped)})
        s.pool(kvm_mmu_page, 1 + tables)
        root = kvm_mmu_get_page(vm, 0, 2)
        root.root_count = Kvm.vcpus
        for i in range(Kvm.vcpus):
            vm.vcpus[i].x86.root_hpa = root
    else:
        vm.pgd = s.new(loongarch_pgd, "pgd")
        s.pool(loongarch_ptes, len({(arch_ram_base() + i) // PTRS_PER_PTE for i in range(mapped)}))


def map_page(vm: Any, gfn: int, ram: Any) -> None:
    """Map a page, young."""
    if Kvm.arch == "arm64":
        stage2_set_pte(vm, True, gfn, ram, True, 0)
    elif Kvm.arch == "x86":
        direct_map(vm, vm.x86.active_mmu_pages.page[_oldest(vm)], gfn, ram)
    else:
        kvm_set_pte(kvm_populate_gpa(vm, True, gfn), ram)


def _oldest(vm: Any) -> int:
    """Where the root is in the list of shadow pages: it was made first."""
    pages = vm.x86.active_mmu_pages.page
    return max(i for i in range(len(pages)) if pages[i])
