"""KVM_CREATE_VM is interrupted by a signal, while reclaim ages a page of the process.

The registration of the notifier comes last and can fail: a signal interrupts mm_take_all_locks. What is
undone then? In Linux 4.12 the architecture's part is not: arm's top-level stage-2 table is lost.

Default: one page, one VM, both outcomes. Also checked with two pages.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.exit import do_exit
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.mmu_notifier_register import Register
from lastput.kernel.page import lru
from lastput.kernel.sched import task_struct
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2, pgd_pages
from lastput.kvm.kvm_create import kvm_create_vm
from lastput.kvm.kvm_host import Kvm, kvm, kvm_memslots, vm_list
from lastput.kvm.kvm_main import kvm_put_kvm
from lastput.lang import NULL, Setup, ghost, ptr, scenario, static, struct
from lastput.study.age_vs_exit import lru_is_empty
from lastput.study.invariants import listed_pages_are_held
from lastput.study.kvm_invariants import (
    mm_references_count,
    notifier_is_listed,
    tables_count_entries,
    vm_references_bounded,
)
from lastput.study.vmm import callbacks


@struct
class create_witness:
    """What properties ask; nothing of it is the kernel's."""

    failed: ghost[bool]


create = static(create_witness)


def creator(new: ptr[kvm]) -> None:
    """A process makes a VM, and closes it at once; then it exits."""
    made = kvm_create_vm(new)
    if made:
        kvm_put_kvm(made)
    else:
        create.failed = True
    do_exit()


def creation_fails() -> bool:
    return create.failed


def vm_is_listed() -> bool:
    listed: bool = vm_list.first != NULL
    return listed


def start_process(s: Setup) -> Any:
    """A process with memory and without a VM."""
    mm = s.new(mm_struct, "mm")
    mm.mm_users.counter = 1
    mm.mm_count.counter = 1
    mapping = s.static(anon_vma, "anon_vma")
    area = s.new(vm_area_struct, "vma_ram", vm_mm=mm, anon_vma=mapping)
    mapping.rb_root = mm.mmap = mm.mm_rb = area
    for i in range(Mm.pages):
        ram = s.new(page, f"page{i}", index=i, mapping=mapping)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
    return mm


@scenario(
    name="kvm/create",
    variants={
        "v4.12": {"signals": True, "age_guard": True},
        "a3ca3bfd01b7": {"signals": True, "age_guard": True, "init_unwinds": True},
    },
    options=(Register, Mm, Kvm, Stage2, Arm, Notifiers),
)
def create_vm(s: Setup) -> None:
    """KVM_CREATE_VM is interrupted by a signal, while reclaim ages a page of the process."""
    mm = start_process(s)
    new = s.new(kvm, "kvm", mm=mm)
    new.mmu_notifier.ops = callbacks(s)
    s.pool(mmu_notifier_mm, 1)
    s.pool(kvm_memslots, 1)
    s.pool(pgd_pages, 1)
    s.thread("vmm", creator, new, task=s.static(task_struct, "task_vmm", mm=mm, active_mm=mm))
    s.thread("kswapd", shrink_active_list, task=s.static(task_struct, "task_kswapd"))
    s.invariant(listed_pages_are_held)
    s.invariant(notifier_is_listed, new, mm)
    s.invariant(mm_references_count, mm, 1)
    s.invariant(vm_references_bounded, new, 1)
    s.invariant(tables_count_entries, new)
    s.final(lru_is_empty)
    s.reachable(creation_fails)
    s.reachable(vm_is_listed)
