"""The process that runs a VM of Linux 6.1 or later, as it is when a scenario begins.

References are as in `vmm`: the VM file and each vcpu file hold one `users_count`, the VM one `mm_count`,
the registration of its notifier one, all users of the address space together one; a mapping of `kvm_run`
holds its vcpu file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lastput.kernel.fs_types import file, file_operations, files_struct, void
from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.kernel.sched import task_struct
from lastput.kernel.v6.memory import Change
from lastput.kvm.v6.arch import arch_ram_base
from lastput.kvm.v6.change_pte import kvm_mmu_notifier_change_pte
from lastput.kvm.v6.kvm_host import kvm, kvm_memslots, kvm_vcpu, vm_list
from lastput.kvm.v6.kvm_main import kvm_vcpu_release, kvm_vm_release
from lastput.kvm.v6.notifier import (
    kvm_mmu_notifier_clear_flush_young,
    kvm_mmu_notifier_clear_young,
    kvm_mmu_notifier_invalidate_range_end,
    kvm_mmu_notifier_invalidate_range_start,
    kvm_mmu_notifier_release,
)
from lastput.kvm.v6.options import Kvm6
from lastput.lang import NULL, Setup, reinterpret
from lastput.study.v6_arch import give_root, map_page

VM_FD = 0


def vcpu_fd(number: int) -> int:
    """Descriptor of a vcpu in the process's table."""
    return VM_FD + 1 + number


@dataclass
class Vmm:
    """What the set-up of a process gives: pointers to its objects."""

    mm: Any
    files: Any
    kvm: Any
    vm_file: Any


def boot(
    s: Setup,
    *,
    users: int,
    sharers: int,
    mapped: int,
    kvm_run: bool = False,
    registered: bool = True,
    slots: int = 1,
    touched: Sequence[int] | None = None,
) -> Vmm:
    """A process with a VM. `users` hold its memory, `sharers` tasks its descriptor table.

    The first `mapped` pages of guest memory are present; the secondary MMU maps those of them that were
    `touched` (all, if not given), young. `kvm_run`: each vcpu's is mapped. Unless `registered`, the
    notifier is not yet. `slots` are in force.
    """
    mm = s.new(mm_struct, "mm")
    mm.mm_users.counter = users
    mm.mm_count.counter = 3 if registered else 2
    mm.mmu_notifier_mm = s.new(mmu_notifier_mm, "mmu_notifier_mm") if registered else NULL
    vm = _vm(s, mm, slots)
    if registered:
        hlist_add_head_rcu(vm.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    files = s.new(files_struct, "files", max_fds=1 + Kvm6.vcpus)
    files.count.counter = sharers
    vm_ops = s.static(file_operations, "kvm_vm_fops", release=kvm_vm_release)
    files.fd[VM_FD] = _file(s, "vm_file", vm_ops, vm, references=1)
    if Kvm6.vcpus:
        vcpu_ops = s.static(file_operations, "kvm_vcpu_fops", release=kvm_vcpu_release)
        for i in range(Kvm6.vcpus):
            made = _file(s, f"vcpu{i}_file", vcpu_ops, vm.vcpus[i], references=2 if kvm_run else 1)
            files.fd[vcpu_fd(i)] = made
    mm.mmap = mm.mm_rb = _areas(s, mm, files, kvm_run)
    give_root(s, vm, range(mapped) if touched is None else touched)
    for i in range(mapped):
        ram = s.new(page, f"page{i}", index=i, mapping=mm.mmap.anon_vma)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
        if touched is None or i in touched:
            map_page(vm, arch_ram_base() + i, ram)
    return Vmm(mm, files, vm, files.fd[VM_FD])


def task(s: Setup, name: str, vmm: Vmm) -> Any:
    """A task of the process; `boot` has counted it among users and sharers."""
    return s.static(task_struct, f"task_{name}", mm=vmm.mm, active_mm=vmm.mm, files=vmm.files)


def kernel_task(s: Setup, name: str) -> Any:
    """A task without an address space."""
    return s.static(task_struct, f"task_{name}")


def memslots(s: Setup, name: str, used: int) -> Any:
    """Slots that are, or are to be put, in force: one for all of guest memory, or one for each page."""
    made = s.new(kvm_memslots, name, used=used)
    for i in range(Kvm6.slots):
        made.slot[i].base_gfn = arch_ram_base() + i
        made.slot[i].npages = Mm.pages if Kvm6.slots == 1 else 1
        made.slot[i].userspace_addr = i
    return made


def _vm(s: Setup, mm: Any, slots: int) -> Any:
    vm = s.new(kvm, "kvm", mm=mm)
    vm.users_count.counter = 1 + Kvm6.vcpus
    vm.memslots = memslots(s, "memslots", used=slots)
    for i in range(Kvm6.vcpus):
        vm.vcpus[i] = s.new(kvm_vcpu, f"vcpu{i}", kvm=vm)
    vm.mmu_notifier.ops = s.static(
        mmu_notifier_ops,
        "kvm_mmu_notifier_ops",
        change_pte=kvm_mmu_notifier_change_pte if Kvm6.arch == "arm64" and Change.change_pte else NULL,
        release=kvm_mmu_notifier_release,
        clear_flush_young=kvm_mmu_notifier_clear_flush_young,
        clear_young=kvm_mmu_notifier_clear_young,
        invalidate_range_start=kvm_mmu_notifier_invalidate_range_start,
        invalidate_range_end=kvm_mmu_notifier_invalidate_range_end,
    )
    vm_list.first = vm
    return vm


def _file(s: Setup, name: str, ops: Any, private_data: Any, *, references: int) -> Any:
    made = s.new(file, name, f_op=ops, private_data=reinterpret(void, private_data))
    made.f_count.counter = references
    return made


def _areas(s: Setup, mm: Any, files: Any, kvm_run: bool) -> Any:
    """The areas of the address space, as a list: guest memory first, then each mapped `kvm_run`."""
    behind: Any = 0
    for i in reversed(range(Kvm6.vcpus if kvm_run else 0)):
        vm_file = files.fd[vcpu_fd(i)]
        behind = s.new(vm_area_struct, f"vma_kvm_run{i}", vm_mm=mm, vm_next=behind, vm_file=vm_file)
    mapping = s.static(anon_vma, "anon_vma")
    ram = s.new(vm_area_struct, "vma_ram", vm_mm=mm, vm_next=behind, anon_vma=mapping)
    mapping.rb_root = ram
    return ram
