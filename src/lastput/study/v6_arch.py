"""The part of `v6_vmm` that depends on the architecture: an empty root, and pages mapped in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastput.kernel.mm_types import Mm
from lastput.kvm.v6.arm64.kvm_host import Arm6, ipa_pages, kvm_pgtable, table_page
from lastput.kvm.v6.arm64.map import kvm_pgtable_stage2_map
from lastput.kvm.v6.arm64.pgtable import top_index
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.tdp.fault import set_leaf
from lastput.kvm.v6.tdp.kvm_host import kvm_mmu_page
from lastput.kvm.v6.tdp.roots import add_root, root_of
from lastput.lang import Setup, UsageError, kzalloc


def give_root(s: Setup, vm: Any, touched: Sequence[int]) -> None:
    """Give `vm` an empty root, and room for the tables of the pages `touched`."""
    if Kvm6.arch == "arm64":
        if Arm6.ram_base + Mm.pages > ipa_pages():
            raise UsageError(
                f"ram_base={Arm6.ram_base}: {Mm.pages} pages do not fit {ipa_pages()} guest pages"
            )
        stage2(s, vm.arch.arm64.mmu, "")
        tables = len({top_index(Arm6.ram_base + i) for i in touched})
        for i in range(Arm6.nested):
            mmu = vm.arch.arm64.nested_mmus[i]
            stage2(s, mmu, f"_nested{i}")
            mmu.valid = True
            tables *= 2
        s.pool(table_page, tables)
    if Kvm6.arch == "tdp":
        head = vm.arch.tdp.tdp_mmu_roots
        head.next = head.prev = head
        s.pool(kvm_mmu_page, len(touched))
        root = s.new(kvm_mmu_page, "root")
        add_root(vm, root, 1 + Kvm6.vcpus)
        for i in range(Kvm6.vcpus):
            vm.arch.tdp.vcpu_root[i] = root


def stage2(s: Setup, mmu: Any, suffix: str) -> None:
    """An empty stage 2."""
    pgd = s.new(table_page, f"pgd{suffix}")
    pgd._refcount.counter = 1
    mmu.pgt = s.new(kvm_pgtable, f"pgt{suffix}", pgd=pgd)
    mmu.pgd_phys = pgd


def map_page(vm: Any, gfn: int, ram: Any) -> None:
    """Map a page; a nested MMU maps the same at the same place."""
    if Kvm6.arch == "arm64":
        for mmu in [vm.arch.arm64.mmu, *(vm.arch.arm64.nested_mmus[i] for i in range(Arm6.nested))]:
            kvm_pgtable_stage2_map(mmu.pgt, gfn, ram, False, True)
    if Kvm6.arch == "tdp":
        root = root_of(vm.arch.tdp.tdp_mmu_roots.next)
        table = root.spt[gfn].child = kzalloc(kvm_mmu_page)
        set_leaf(table.spt[0], ram)
