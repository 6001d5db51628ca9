"""Blocks in stage 2 of arm64: one takes the place of a table, and one that should not be mapped.

`kvm/v6-table-vs-walk`: a fault maps a block over a table, and frees the table, while another vcpu's walk may
stand on it. Walks that share mmu_lock are read sections of RCU, and the table is freed after a grace
period. The hypervisor of pKVM has no RCU and walks alone; there the walk that has freed a table must not
descend into it (a9f0e3d5a089).

`kvm/v6-vma-vs-fault`: a fault finds an area of huge pages; the area is replaced by one of small pages; the
fault must not map a block any more (13ec9308a857).

Guest memory is one block of two pages. In both scenarios everybody exits at the end.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.exit import do_exit
from lastput.kernel.memory import change_begin, change_end, set_pte
from lastput.kernel.mm_types import Mm, page
from lastput.kernel.mmap import unmap_vmas
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import lru
from lastput.kernel.rcu import rcu_callbacks
from lastput.kernel.rwsem import down_write, up_write
from lastput.kernel.sched import current
from lastput.kvm.v6.arm64.area import area
from lastput.kvm.v6.arm64.fault import FSC_ACCESS, FSC_FAULT, kvm_handle_guest_abort
from lastput.kvm.v6.arm64.kvm_host import Arm6, table_page
from lastput.kvm.v6.kvm_host import kvm_vcpu, vm_list
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, ptr, scenario
from lastput.study.v6_arch import map_page
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V7_3
from lastput.study.v6_vmm import Vmm, boot, kernel_task, task

# -- threads ---------------------------------------------------------------------------------


def block_fault(vcpu: ptr[kvm_vcpu]) -> None:
    """The guest writes to page 0, which a table maps read-only since dirty pages were logged; then exits."""
    kvm_handle_guest_abort(vcpu, 0, FSC_FAULT, True)
    do_exit()


def access_fault(vcpu: ptr[kvm_vcpu]) -> None:
    """The guest touches page 1, which is old; then exits."""
    kvm_handle_guest_abort(vcpu, 1, FSC_ACCESS, True)
    do_exit()


def remapper() -> None:
    """A thread of the process that replaces the area of huge pages by one of small pages, and exits."""
    mm = current().mm
    down_write(mm.mmap_sem)
    change_begin(mm, 0, Mm.pages)
    unmap_vmas(mm)
    change_end(mm, 0, Mm.pages)
    area.hugetlb = False
    up_write(mm.mmap_sem)
    do_exit()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def walk_meets_unlinked_table() -> bool:
    """A walk stands on a table that has been unlinked."""
    return witness6.on_unlinked


def fault_is_retried() -> bool:
    """A fault has found that its page may be gone."""
    return witness6.retried


# -- set-up ----------------------------------------------------------------------------------


def boot_with_block(s: Setup, users: int, touched: tuple[int, ...]) -> Vmm:
    """A process whose memory is one huge page; stage 2 maps the parts of it that were `touched`, by pages."""
    made = boot(s, users=users, sharers=users, mapped=0, touched=touched)
    ram = s.new(page, "huge_page", mapping=made.mm.mmap.anon_vma)
    ram._refcount.counter = 2
    lru.list[0] = ram
    for i in range(2):
        set_pte(made.mm.pte[i], ram)
    for i in touched:
        map_page(made.kvm, Arm6.ram_base + i, ram)
    area.huge_page = ram
    return made


TABLE: dict[str, Any] = {"pages": 2, "ram_base": 0, "vcpus": 2, "blocks": True}
"""What the variants of kvm/v6-table-vs-walk have in common."""

PKVM: dict[str, Any] = {**TABLE, "shared_faults": False, "free_at_once": True}
"""As the hypervisor of pKVM walks: alone, without RCU."""

AREA: dict[str, Any] = {**TABLE, "vcpus": 1, "vma_sizes": True, "mmap_sem": True}
"""What the variants of kvm/v6-vma-vs-fault have in common."""


@scenario(
    name="kvm/v6-table-vs-walk",
    variants={
        "pkvm": {**V7_3, **PKVM, "reload_pre": False},
        "a9f0e3d5a089": {**V7_3, **PKVM},
        "no-reload": {**V7_3, **TABLE, "reload_pre": False},
        "no-grace-period": {**V7_3, **TABLE, "free_at_once": True},
        "v7.3": {**V7_3, **TABLE},
    },
    options=(Mm, Kvm6, Arm6, Notifiers),
)
def table_vs_walk(s: Setup) -> None:
    """A block takes the place of a table while another vcpu walks."""
    made = boot_with_block(s, 2, (0, 1))
    table = made.kvm.arch.arm64.mmu.pgt.pgd.pte[0].table
    table.pte[0].young = table.pte[1].young = False
    s.thread("vcpu0", block_fault, made.kvm.vcpus[0], task=task(s, "vcpu0", made))
    s.thread("vcpu1", access_fault, made.kvm.vcpus[1], task=task(s, "vcpu1", made))
    if not Arm6.free_at_once:
        s.thread("rcu", rcu_callbacks, task=kernel_task(s, "rcu"), daemon=True)
        s.reachable(walk_meets_unlinked_table)
    watch(s, made, others=2)
    s.final(vm_is_gone)


@scenario(
    name="kvm/v6-vma-vs-fault",
    variants={
        "v5.15": {**V6_1, **AREA, "seq_in_mmap_lock": False},
        "13ec9308a857": {**V6_1, **AREA},
        "v7.3": {**V7_3, **AREA},
    },
    options=(Mm, Kvm6, Arm6, Notifiers),
)
def vma_vs_fault(s: Setup) -> None:
    """A fault has looked up the area, and the area is replaced by another one."""
    made = boot_with_block(s, 2, ())
    area.hugetlb = True
    s.thread("vcpu0", block_fault, made.kvm.vcpus[0], task=task(s, "vcpu0", made))
    s.thread("remapper", remapper, task=task(s, "remapper", made))
    s.pool(page, 2)
    s.pool(table_page, 1)
    watch(s, made, others=2)
    s.final(vm_is_gone)
    s.reachable(fault_is_retried)
