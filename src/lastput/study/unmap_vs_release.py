"""The host unmaps a range of guest memory while the VM goes away.

A file that is guest memory gets a hole, over all of it: the host comes by way of the file, whether the
process has users left or not, and KVM unmaps the range from stage 2. The range lies under two entries
of the top level, so the walk may drop mmu_lock half-way; then the release of the notifier may free
everything. The walk goes on with the pointer that it computed before.

Default: two pages under two of three pgd entries, process exit. Also checked with the VM closed first
(teardown=unregister).
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import sys_close
from lastput.kernel.mm_types import Mm, address_space
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.page import lru
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import task_work_run
from lastput.kernel.truncate import unmap_mapping_range
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.witness import witness
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.age_vs_exit import lru_is_empty, vm_is_gone
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, Vmm, boot, task


@options
class Unmap:
    """Who does what in kvm/unmap-vs-release."""

    teardown: str = option(
        "exit",
        "how the VM goes: the process exits, or closes the VM first and lives on",
        values=("exit", "unregister"),
    )


def main_thread() -> None:
    """The process: it closes the VM, or just exits."""
    if Unmap.teardown == "unregister":
        sys_close(VM_FD)
        task_work_run()
    do_exit()


def punch_hole(mapping: ptr[address_space]) -> None:
    """fallocate(FALLOC_FL_PUNCH_HOLE) of all of guest memory, by somebody else."""
    unmap_mapping_range(mapping, 0, Mm.pages)


def unmap_meets_release() -> bool:
    """Release and invalidation are both inside unmap_stage2_range."""
    return witness.unmapping == 2


def unmap_comes_after_release() -> bool:
    """The invalidation finds that stage 2 is gone."""
    return witness.invalidating != 0 and witness.released


def back_with_file(s: Setup, vmm: Vmm) -> object:
    """Guest memory is a shared mapping of a file. The page cache's own references are left out."""
    mapping = s.static(address_space, "file", i_size=Mm.pages)
    area = vmm.mm.mmap
    area.anon_vma = mapping.i_mmap
    mapping.i_mmap.rb_root = area
    for i in range(Mm.pages):
        lru.list[i].mapping = mapping.i_mmap
    return mapping


WIDE = {"pages": 2, "pgd_entries": 3, "ram_base": 3}
"""Guest memory lies under two pgd entries."""


@scenario(
    name="kvm/unmap-vs-release",
    variants={
        "8b3405e345b5~1": {"free_locked": False, "free_together": False, **WIDE},
        "0c428a6a9256~1": {"unmap_retest": False, **WIDE},
        "v4.12": WIDE,
    },
    default="v4.12",
    options=(Unmap, Mm, Kvm, Stage2, Arm, Notifiers),
)
def unmap_vs_release(s: Setup) -> None:
    """The host unmaps a range of guest memory while the process that owns the VM goes away."""
    vmm = boot(s, users=1, sharers=1, map_kvm_run=False, mapped=Mm.pages)
    mapping = back_with_file(s, vmm)
    s.thread("vmm", main_thread, task=task(s, "vmm", vmm))
    s.thread("punch", punch_hole, mapping, task=s.static(task_struct, "task_punch"))
    watch(s, vmm, tasks=1)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    s.reachable(unmap_meets_release)
    s.reachable(unmap_comes_after_release)
