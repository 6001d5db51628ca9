"""The process exits while somebody else puts the last reference to its VM.

Both end in the release of the notifier: exit_mmap calls it because the last user of the address space is
gone, mmu_notifier_unregister because the VM is. Stage 2 is freed once, whoever comes first, and nobody
walks what the other has freed.

It takes somebody outside of the process for the two to meet: a second process that was handed the VM's
descriptor (and the first has closed its own), or a task that holds the address space for a while, such
as a reader of /proc, and drops it last. No kvm_run is mapped: it would hold the VM through exit_mmap.

Default: two pages, two pgd entries, one lock break in each walk. Also checked with three pgd entries
and with reclaim ageing a page at the same time (agers=1).
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import files_struct
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import exit_task_work
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.witness import witness
from lastput.lang import NULL, Setup, option, options, ptr, scenario
from lastput.study.age_vs_exit import lru_is_empty, release_runs_twice, vm_is_gone
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, boot, task


@options
class Twice:
    """Who does what in kvm/release-vs-unregister."""

    last: str = option(
        "descriptor",
        "what somebody else drops: the VM's only descriptor, or the last use of the address space",
        values=("descriptor", "memory"),
    )
    agers: int = option(0, "pages that reclaim ages meanwhile", low=0, high=1)


def exiting_process() -> None:
    """The process that made the VM."""
    do_exit()


def foreign_process() -> None:
    """Another process, which has the VM's descriptor, exits. Its memory is not modelled."""
    exit_files()
    exit_task_work()


def proc_reader(mm: ptr[mm_struct]) -> None:
    """A task that has looked at the address space, and lets go of it."""
    mmput(mm)


def both_release() -> bool:
    """Both callers are inside the callback."""
    return witness.exit_inside and witness.destroy_inside


def no_unlocked_read() -> bool:
    """P-LOCK: while a release may run, arch.pgd is read under mmu_lock only."""
    return not witness.unlocked


@scenario(
    name="kvm/release-vs-unregister",
    variants={
        "6c0d706b563a~1": {"free_together": False, "age_guard": True, "pages": 2},
        "2952a6070e07~1": {"free_reread": False, "age_guard": True, "pages": 2},
        "7e5a672289c9": {"age_guard": True, "pages": 2},
    },
    default="7e5a672289c9",
    options=(Twice, Mm, Kvm, Stage2, Arm, Notifiers),
)
def release_vs_unregister(s: Setup) -> None:
    """The process exits while somebody else puts the last reference to its VM."""
    handed = Twice.last == "descriptor"
    vmm = boot(s, users=1 if handed else 2, sharers=1, map_kvm_run=False, mapped=Mm.pages)
    s.thread("vmm", exiting_process, task=task(s, "vmm", vmm))
    if handed:
        vmm.files.fd[VM_FD] = NULL
        files = s.new(files_struct, "foreign_files", max_fds=1)
        files.count.counter = 1
        files.fd[VM_FD] = vmm.vm_file
        s.thread("foreign", foreign_process, task=s.static(task_struct, "task_foreign", files=files))
    else:
        s.thread("reader", proc_reader, vmm.mm, task=s.static(task_struct, "task_reader"))
    if Twice.agers:
        s.thread("kswapd", shrink_active_list, task=s.static(task_struct, "task_kswapd"))
    if Arm.free_together:
        s.invariant(no_unlocked_read)
    if Arm.free_together and Arm.free_reread:
        watch(s, vmm, tasks=1)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    s.reachable(both_release)
    if Stage2.pgd_entries > 1:
        s.reachable(release_runs_twice)
