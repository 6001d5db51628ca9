"""kvm/exec: the process that owns a VM execs, while reclaim ages a page of its old memory.

exec lets go of the old address space first, and of the files that are closed on exec after that: as in
exit, there is a time when stage 2 is gone and the VM, whose file is still open, is not. Then the VM is
destroyed on the way to user space, by a task that has other memory. The question is whether that is any
different from exit: it is not, and needs the same test in kvm_age_hva.

Actors: `vmm`, which execs, and whose new program ends at once; kswapd, which ages a page. `siblings=1` adds
a thread that exec kills, and that shares memory and descriptors until then; `keep` leaves the VM's file open
over exec. Checked with these, with two pages, and with files closed before the memory goes (`mm_first=0`),
which changes nothing: the release of a file waits for the return to user space.
"""

from __future__ import annotations

from lastput.kernel.exec import Exec, do_execve
from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files
from lastput.kernel.fs_types import files_struct
from lastput.kernel.mm_types import Mm, mm_struct
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import current, signal_struct, task_struct
from lastput.kernel.signal import fatal_signal_pending
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.kvm_host import Kvm, vm_list
from lastput.kvm.witness import witness
from lastput.lang import NULL, Setup, await_, option, options, ptr, scenario
from lastput.study.age_vs_exit import (
    ageing_finds_the_page_young,
    ageing_runs_after_release,
    grace_period_waits,
    lru_is_empty,
    vm_is_gone,
)
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, boot


@options
class Execs:
    """Who does what in kvm/exec."""

    siblings: int = option(0, "threads of the process that exec kills", low=0, high=1)
    keep: bool = option(
        False, "the VM's descriptor stays open over exec; the new program closes it as it ends"
    )


def vmm_thread(mm: ptr[mm_struct]) -> None:
    """Execs; the new program ends at once. Its memory outlives the scenario."""
    do_execve(mm)
    task_work_run()
    exit_files()
    exit_task_work()


def sibling_thread() -> None:
    """Is in user space until it is killed."""
    await_(lambda: fatal_signal_pending(current()))
    do_exit()


def kswapd() -> None:
    """Reclaim ages one page."""
    shrink_active_list()


def the_vm_outlives_its_memory() -> bool:
    """The window: stage 2 went with the old address space, the VM's file is not released yet."""
    return witness.released and vm_list.first != NULL and not witness.destroying


@scenario(
    name="kvm/exec",
    variants={
        "v4.12": {"age_guard": False},
        "7e5a672289c9": {"age_guard": True},
    },
    options=(Execs, Exec, Mm, Kvm, Stage2, Arm, Notifiers),
)
def exec_vs_age(s: Setup) -> None:
    """Reclaim ages a guest page while the process that owns the VM execs."""
    tasks = 1 + Execs.siblings
    vmm = boot(s, users=tasks, sharers=tasks, map_kvm_run=False, mapped=Mm.pages)
    vmm.files.close_on_exec[VM_FD] = not Execs.keep
    new = s.static(mm_struct, "new_mm")
    new.mm_users.counter = new.mm_count.counter = 1
    signal = s.static(signal_struct, "signal", nr_threads=tasks) if Execs.siblings else NULL
    for i in range(tasks):
        name = "sibling" if i else "vmm"
        memory = {"mm": vmm.mm, "active_mm": vmm.mm, "files": vmm.files, "signal": signal}
        task = s.static(task_struct, f"task_{name}", **memory)
        if i:
            s.thread(name, sibling_thread, task=task)
        else:
            s.thread(name, vmm_thread, new, task=task)
    if Execs.siblings:
        s.pool(files_struct, 1)
    s.thread("kswapd", kswapd, task=s.static(task_struct, "task_kswapd"))
    watch(s, vmm, tasks=tasks)
    s.reachable(the_vm_outlives_its_memory)
    s.reachable(ageing_runs_after_release)
    s.reachable(ageing_finds_the_page_young)
    s.reachable(grace_period_waits)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
