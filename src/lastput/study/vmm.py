"""The process that runs a VM, as it is when a scenario begins: set up, its notifier registered.

References (Linux 4.12): the VM file holds one `users_count`, each vcpu file one; the VM holds one
`mm_count`, the registration of its notifier one, all users of the address space together one; a
mapping of `kvm_run` holds its vcpu file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lastput.kernel.fs_types import file, file_operations, files_struct, void
from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.kernel.sched import task_struct
from lastput.kvm.arch import arch_ram_base
from lastput.kvm.kvm_host import Kvm, kvm, kvm_memslots, kvm_vcpu, vm_list
from lastput.kvm.kvm_main import (
    kvm_mmu_notifier_change_pte,
    kvm_mmu_notifier_clear_flush_young,
    kvm_mmu_notifier_clear_young,
    kvm_mmu_notifier_invalidate_page,
    kvm_mmu_notifier_invalidate_range_end,
    kvm_mmu_notifier_invalidate_range_start,
    kvm_mmu_notifier_release,
    kvm_mmu_notifier_test_young,
    kvm_vcpu_release,
    kvm_vm_release,
)
from lastput.lang import NULL, Setup, reinterpret
from lastput.study.vmm_arch import check_room, give_root, map_page

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
    map_kvm_run: bool,
    mapped: int,
    in_stage2: int = 2,
    lives: bool = False,
    mm_stays: bool = False,
) -> Vmm:
    """A process with a VM. `users` hold its memory, `sharers` tasks its descriptor table.

    The first `mapped` pages of guest memory are present, and the first `in_stage2` of them young in
    stage 2; the others have never been touched. With `lives`, nobody closes anything: the VM and its
    files are there for ever, and only the last mmput takes something away. With `mm_stays`, properties
    may look at the address space to the end. UsageError if guest memory does not fit the stage-2 table.
    """
    check_room()
    make = s.static if lives else s.new
    make_mm = s.static if lives or mm_stays else s.new
    mm = make_mm(mm_struct, "mm", mmu_notifier_mm=make_mm(mmu_notifier_mm, "mmu_notifier_mm"))
    mm.mm_users.counter = users
    mm.mm_count.counter = 4 if mm_stays else 3
    vm = _vm(make, s, mm)
    vm_ops = s.static(file_operations, "kvm_vm_fops", release=kvm_vm_release)
    vcpu_ops = s.static(file_operations, "kvm_vcpu_fops", release=kvm_vcpu_release) if Kvm.vcpus else NULL
    vm_file = _file(make, "vm_file", vm_ops, vm, references=1)
    files = make(files_struct, "files", max_fds=1 + Kvm.vcpus)
    files.count.counter = sharers
    files.fd[VM_FD] = vm_file
    for i in range(Kvm.vcpus):
        references = 2 if map_kvm_run else 1
        files.fd[vcpu_fd(i)] = _file(make, f"vcpu{i}_file", vcpu_ops, vm.vcpus[i], references=references)
    mm.mmap = mm.mm_rb = _areas(s, mm, files, map_kvm_run)
    _populate(s, mm, vm, mapped, min(mapped, in_stage2))
    return Vmm(mm, files, vm, vm_file)


def boot_files(s: Setup, *, sharers: int, max_fds: int) -> Vmm:
    """A process with a VM of which only the files matter: its memory outlives the scenario, untouched.

    `sharers` tasks share the descriptor table, which has room for `max_fds`.
    """
    mm = s.static(mm_struct, "mm", mmu_notifier_mm=s.static(mmu_notifier_mm, "mmu_notifier_mm"))
    mm.mm_users.counter = 1
    mm.mm_count.counter = 3
    vm = _vm(s.new, s, mm)
    vm_ops = s.static(file_operations, "kvm_vm_fops", release=kvm_vm_release)
    vm_file = _file(s.new, "vm_file", vm_ops, vm, references=1)
    files = s.new(files_struct, "files", max_fds=max_fds)
    files.count.counter = sharers
    files.fd[VM_FD] = vm_file
    give_root(s, vm, 0)
    return Vmm(mm, files, vm, vm_file)


def task(s: Setup, name: str, vmm: Vmm) -> Any:
    """A task of the process; `boot` has counted it among users and sharers."""
    return s.static(task_struct, f"task_{name}", mm=vmm.mm, active_mm=vmm.mm, files=vmm.files)


def callbacks(s: Setup) -> Any:
    """kvm_mmu_notifier_ops."""
    return s.static(
        mmu_notifier_ops,
        "kvm_mmu_notifier_ops",
        release=kvm_mmu_notifier_release,
        clear_flush_young=kvm_mmu_notifier_clear_flush_young,
        clear_young=kvm_mmu_notifier_clear_young,
        test_young=kvm_mmu_notifier_test_young,
        change_pte=kvm_mmu_notifier_change_pte,
        invalidate_page=kvm_mmu_notifier_invalidate_page,
        invalidate_range_start=kvm_mmu_notifier_invalidate_range_start,
        invalidate_range_end=kvm_mmu_notifier_invalidate_range_end,
    )


def _vm(make: Any, s: Setup, mm: Any) -> Any:
    vm = make(kvm, "kvm", mm=mm)
    vm.users_count.counter = 1 + Kvm.vcpus
    vm.memslots = make(kvm_memslots, "memslots", used_slots=1)
    slot = vm.memslots.memslots[0]
    slot.base_gfn = arch_ram_base()
    slot.npages = Mm.pages
    for i in range(Kvm.vcpus):
        vm.vcpus[i] = make(kvm_vcpu, f"vcpu{i}", kvm=vm)
    vm.mmu_notifier.ops = callbacks(s)
    hlist_add_head_rcu(vm.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    vm_list.first = vm
    return vm


def _file(make: Any, name: str, ops: Any, private_data: Any, *, references: int) -> Any:
    made = make(file, name, f_op=ops, private_data=reinterpret(void, private_data))
    made.f_count.counter = references
    return made


def _areas(s: Setup, mm: Any, files: Any, map_kvm_run: bool) -> Any:
    """The areas of the address space, as a list: guest memory first, then each mapped `kvm_run`."""
    behind: Any = 0
    for i in reversed(range(Kvm.vcpus if map_kvm_run else 0)):
        vm_file = files.fd[vcpu_fd(i)]
        behind = s.new(vm_area_struct, f"vma_kvm_run{i}", vm_mm=mm, vm_next=behind, vm_file=vm_file)
    mapping = s.static(anon_vma, "anon_vma")
    ram = s.new(vm_area_struct, "vma_ram", vm_mm=mm, vm_next=behind, anon_vma=mapping)
    mapping.rb_root = ram
    return ram


def _populate(s: Setup, mm: Any, vm: Any, mapped: int, in_stage2: int) -> None:
    give_root(s, vm, in_stage2)
    vm.slots_lock.owner = 1  # the set-up looks at slots as if it held the lock
    for i in range(mapped):
        ram = s.new(page, f"page{i}", index=i, mapping=mm.mmap.anon_vma)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
        if i < in_stage2:
            map_page(vm, arch_ram_base() + i, ram)
    vm.slots_lock.owner = 0
