"""Reclaim ages a guest page while the VM goes away: the crash of July 2017.

"KVM: arm/arm64: Handle hva aging while destroying the vm" (7e5a672289c9, in Linux 4.13). The process
exits: its address space is torn down, the release of KVM's notifier frees stage 2 and sets arch.pgd
to NULL. Reclaim found one of its pages through rmap a moment earlier and now asks KVM for the access
flag: in Linux 4.12 kvm_age_hva walks from the NULL pgd.

Guest memory begins under pgd entry 1, as it does on the usual machine: with the pud folded, the
walk from a NULL pgd under entry 0 gives a NULL pud, which stage2_get_pmd tests (`--set ram_base=0`).
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files, get_file, sys_close
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import files_struct
from lastput.kernel.madvise import zap_page_range
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers, srcu
from lastput.kernel.page import lru
from lastput.kernel.sched import current, task_struct
from lastput.kernel.srcu import Srcu
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.kernel.vmscan import pick, shrink_active_list, shrink_page_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.kvm_host import Kvm, vm_list
from lastput.kvm.kvm_main import kvm_vcpu_ioctl_run
from lastput.kvm.witness import witness
from lastput.lang import NULL, Setup, option, options, ptr, scenario
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, Vmm, boot, task, vcpu_fd


@options
class Age:
    """Who does what in kvm/age-vs-exit."""

    teardown: str = option(
        "exit",
        "how the VM goes: the process exits, or closes the VM first and lives on",
        values=("exit", "unregister"),
    )
    fd: str = option(
        "kept",
        "the VM's descriptor: in the process, in a second one too, or only there; that one exits some time",
        values=("kept", "handed", "moved"),
    )
    kvm_run: bool = option(True, "vcpu threads keep kvm_run mapped (teardown=exit)")
    pins: int = option(0, "tasks that hold mm_users for a while, such as readers of /proc", low=0, high=1)
    passes: int = option(1, "pages that reclaim looks at, one after the other", low=0, high=3)
    reclaim: str = option("age", "reclaim ages pages, or pages out the old ones", values=("age", "unmap"))
    zaps: int = option(0, "MADV_DONTNEED calls by one more thread of the process", low=0, high=1)


# -- threads ---------------------------------------------------------------------------------


def main_thread() -> None:
    """The process: it closes the VM, or just exits."""
    if Age.teardown == "unregister":
        sys_close(VM_FD)
        task_work_run()
    do_exit()


def vcpu_thread(number: int) -> None:
    """A thread of the process that runs a vcpu and exits; the first one closes the VM, too.

    Task work runs once, after the last of several system calls: what it does is no sooner needed.
    """
    kvm_vcpu_ioctl_run(vcpu_fd(number))
    if Age.teardown == "unregister":
        sys_close(vcpu_fd(number))
        if number == 0:
            sys_close(VM_FD)
        task_work_run()
    do_exit()


def balloon_thread() -> None:
    """A thread of the process that gives a page of guest memory back, and exits."""
    zap_page_range(current().mm, pick())
    do_exit()


def foreign_thread() -> None:
    """Another process, which was handed the VM's descriptor, exits. Its memory is not modelled."""
    exit_files()
    exit_task_work()


def proc_reader(mm: ptr[mm_struct]) -> None:
    """A task that has looked at the address space and now lets go of it."""
    mmput(mm)


def kswapd() -> None:
    """Reclaim."""
    for _pass in range(Age.passes):
        if Age.reclaim == "unmap":
            shrink_page_list()
        else:
            shrink_active_list()


# -- properties ------------------------------------------------------------------------------


def vcpus_have_stage2() -> bool:
    """No vcpu is inside KVM_RUN with stage 2 gone: why vcpu paths need no test of arch.pgd."""
    return witness.running == 0 or not witness.released


def vm_is_gone() -> bool:
    """The VM was destroyed; with it went all of stage 2."""
    return not vm_list.first and witness.released


def lru_is_empty() -> bool:
    """Every page of the process was given back."""
    empty = True
    for i in range(Mm.pages):
        if lru.list[i]:
            empty = False
    return empty


def ageing_finds_the_page_young() -> bool:
    return witness.was_young


def ageing_runs_after_release() -> bool:
    """The window: stage 2 is gone, the notifier is still called."""
    return witness.aging and witness.released


def ageing_runs_in_a_lock_break() -> bool:
    """Release has dropped mmu_lock half-way, and ageing has it."""
    return witness.aging and witness.unmapping != 0


def release_runs_twice() -> bool:
    """exit_mmap and mmu_notifier_unregister are both inside the unmap."""
    return witness.unmapping == 2


def grace_period_waits() -> bool:
    waits = False
    for i in range(Srcu.grace_periods):
        if srcu.waits_for[i] != 0:
            waits = True
    return waits


def unregister_waits() -> bool:
    """The grace period of mmu_notifier_unregister has a reader to wait for."""
    return witness.destroying and grace_period_waits()


def fault_is_retried() -> bool:
    """A vcpu's fault met an invalidation, and did not map the page."""
    return witness.retried


# -- set-up ----------------------------------------------------------------------------------


def invalidations() -> int:
    """How many pages can be taken from the guest while it runs."""
    return Age.zaps + (Age.passes if Age.reclaim == "unmap" else 0)


def release_may_run_twice() -> bool:
    """Exit and the VM's last put can overlap, because somebody outside of the process does one of them.

    The process itself does them one after the other. A mapped kvm_run keeps the VM until the end of
    exit_mmap; a descriptor that the process still has, until exit_files.
    """
    if Age.pins:
        return not (Kvm.vcpus and maps_kvm_run())
    closes_first = Age.teardown == "unregister" or (Age.fd == "moved" and not Kvm.vcpus)
    return Age.fd != "kept" and closes_first


def maps_kvm_run() -> bool:
    return Age.kvm_run and Age.teardown == "exit"


def start_process(s: Setup) -> Vmm:
    """The process and its threads. A page that no vcpu has touched yet is left for the vcpus."""
    names = [f"vcpu{i}" for i in range(Kvm.vcpus)] or ["vmm"]
    tasks = tasks_that_exit()
    vmm = boot(
        s,
        users=tasks + Age.pins,
        sharers=tasks,
        map_kvm_run=maps_kvm_run(),
        mapped=Mm.pages - (1 if Kvm.vcpus else 0),
    )
    for i, name in enumerate(names):
        if Kvm.vcpus:
            s.thread(name, vcpu_thread, i, task=task(s, name, vmm))
        else:
            s.thread(name, main_thread, task=task(s, name, vmm))
    if Age.zaps:
        s.thread("balloon", balloon_thread, task=task(s, "balloon", vmm))
    return vmm


def start_others(s: Setup, vmm: Vmm) -> None:
    """Everybody outside of the process."""
    if Age.fd != "kept":
        if Age.fd == "handed":
            get_file(vmm.vm_file)
        else:
            vmm.files.fd[VM_FD] = NULL
        files = s.new(files_struct, "foreign_files", max_fds=1)
        files.count.counter = 1
        files.fd[VM_FD] = vmm.vm_file
        s.thread("foreign", foreign_thread, task=s.static(task_struct, "task_foreign", files=files))
    if Age.pins:
        s.thread("reader", proc_reader, vmm.mm, task=s.static(task_struct, "task_reader"))
    if Age.passes:
        s.thread("kswapd", kswapd, task=s.static(task_struct, "task_kswapd"))


def make_room(s: Setup) -> None:
    """Pools: one first touch of the last page, and one more mapping for each page taken away."""
    if Kvm.vcpus:
        s.pool(page, (1 + invalidations()) * Kvm.vcpus)
        s.pool(pmd_page, 1 + invalidations())
        s.pool(pte_page, 1 + invalidations())


def tasks_that_exit() -> int:
    """Tasks of the process: its vcpu threads, or one, and the balloon."""
    return max(1, Kvm.vcpus) + Age.zaps


def expect(s: Setup) -> None:
    """What must hold, and what must be seen to happen."""
    s.invariant(vcpus_have_stage2)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    if Age.passes:
        s.reachable(ageing_finds_the_page_young)
        s.reachable(ageing_runs_after_release)
        s.reachable(grace_period_waits)
        if Stage2.pgd_entries > 1:
            s.reachable(ageing_runs_in_a_lock_break)
        if Age.teardown == "unregister" or release_may_run_twice():
            s.reachable(unregister_waits)
    if release_may_run_twice() and Stage2.pgd_entries > 1:
        s.reachable(release_runs_twice)
    if Kvm.vcpus and invalidations():
        s.reachable(fault_is_retried)


@scenario(
    name="kvm/age-vs-exit",
    variants={
        "v4.12": {"age_guard": False},
        "7e5a672289c9": {"age_guard": True},
    },
    options=(Age, Mm, Kvm, Stage2, Arm, Notifiers),
)
def age_vs_exit(s: Setup) -> None:
    """Reclaim ages a guest page while the process that owns the VM goes away."""
    vmm = start_process(s)
    make_room(s)
    start_others(s, vmm)
    watch(s, vmm, tasks=tasks_that_exit())
    expect(s)
