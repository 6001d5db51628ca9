"""A vcpu runs, or the VM's own ioctl maps a device, while everything else goes away.

A thread of the process is inside KVM_RUN, or inside an ioctl that adds a page of a device to stage 2,
takes all of memory out of it or write-protects it. A sibling closes every descriptor and exits. Another
process, which was handed the VM's and the vcpu's descriptor, closes them, too. Does anybody whom arm
calls "vcpu context" see arch.pgd NULL?

Two facts keep that from happening, one for each way in which stage 2 is freed: the ioctl refuses another
address space than the VM's, so that its task is a user of it (exit); it holds its file, and the file the
VM (unregister). `--set mm_test=0` with `runner=foreign`, and `--set fdget=0`, take them away.

Default: one vcpu, one page that is not mapped yet (does=init: one that is), no kvm_run mapped.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import exit_files, get_file, sys_close
from lastput.kernel.fs_types import files_struct
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import current, task_struct
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.memory_region import kvm_mmu_wp_memory_region, kvm_phys_addr_ioremap, stage2_unmap_vm
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.kvm_host import Kvm
from lastput.kvm.kvm_main import fdget, fdput, file_kvm, file_vcpu, kvm_vcpu_ioctl_run
from lastput.kvm.witness import witness
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.age_vs_exit import lru_is_empty, vm_is_gone
from lastput.study.kvm_invariants import watch
from lastput.study.vmm import VM_FD, Vmm, boot, task, vcpu_fd


@options
class Runner:
    """Who does what in kvm/vcpu-vs-exit."""

    does: str = option(
        "run",
        "the ioctl: KVM_RUN, one that maps a page of a device, KVM_ARM_VCPU_INIT of a vcpu that has run, or "
        "one that begins to log writes",
        values=("run", "ioremap", "init", "wp"),
    )
    runner: str = option(
        "own", "who calls it: a thread of the process, or the other process", values=("own", "foreign")
    )
    watch: str = option(
        "all",
        "what is watched: arch.pgd while the ioctl runs, reads of arch.pgd without the lock, or both",
        values=("all", "stage2", "lock"),
    )


def ioremap(device: ptr[page]) -> None:
    """An ioctl of the VM that maps a page of a device: kvm_arch_prepare_memory_region does, and the vgic."""
    filp = fdget(VM_FD)
    if filp:
        kvm = file_kvm(filp)
        if not Kvm.mm_test or current().mm == kvm.mm:
            witness.ioctls += 1
            kvm_phys_addr_ioremap(kvm, Stage2.ram_base, device, True)
            witness.ioctls -= 1
        fdput(filp)


def init_again() -> None:
    """KVM_ARM_VCPU_INIT of a vcpu that has run: the guest starts anew, from memory that is unmapped."""
    filp = fdget(vcpu_fd(0))
    if filp:
        kvm = file_vcpu(filp).kvm
        if not Kvm.mm_test or current().mm == kvm.mm:
            witness.ioctls += 1
            stage2_unmap_vm(kvm)
            witness.ioctls -= 1
        fdput(filp)


def log_writes() -> None:
    """KVM_SET_USER_MEMORY_REGION that sets KVM_MEM_LOG_DIRTY_PAGES: all of the slot is write-protected."""
    filp = fdget(VM_FD)
    if filp:
        kvm = file_kvm(filp)
        if not Kvm.mm_test or current().mm == kvm.mm:
            witness.ioctls += 1
            kvm_mmu_wp_memory_region(kvm)
            witness.ioctls -= 1
        fdput(filp)


def use_vm(device: ptr[page]) -> None:
    """The ioctl that is under study."""
    if Runner.does == "run":
        kvm_vcpu_ioctl_run(vcpu_fd(0))
    elif Runner.does == "init":
        init_again()
    elif Runner.does == "wp":
        log_writes()
    else:
        ioremap(device)


def user_thread(device: ptr[page]) -> None:
    """A thread of the process that uses the VM, and exits."""
    use_vm(device)
    do_exit()


def sibling() -> None:
    """Another thread of the process: it closes everything, and exits."""
    sys_close(vcpu_fd(0))
    sys_close(VM_FD)
    task_work_run()
    do_exit()


def exiting_process() -> None:
    """The process has nothing else to do."""
    do_exit()


def foreign_process(device: ptr[page]) -> None:
    """Another process, which was handed the descriptors. Its memory is not modelled."""
    if Runner.runner == "foreign":
        use_vm(device)
    exit_files()
    exit_task_work()


def user_has_stage2() -> bool:
    """P-VCPU: nobody is inside the ioctl with arch.pgd NULL."""
    return (witness.running == 0 and witness.ioctls == 0) or not witness.released


def no_unlocked_read() -> bool:
    """P-LOCK: arch.pgd is read without mmu_lock only while nobody can be about to release it."""
    return not witness.unlocked


def stage2_is_gone() -> bool:
    """The process has exited, and stage 2 is gone: the other process comes too late, or is refused."""
    return witness.released


def user_is_inside() -> bool:
    return witness.running != 0 or witness.ioctls != 0


def hand_over(s: Setup, vmm: Vmm) -> object:
    """The other process's table, with both descriptors."""
    files = s.new(files_struct, "foreign_files", max_fds=2)
    files.count.counter = 1
    files.fd[VM_FD] = vmm.vm_file
    files.fd[vcpu_fd(0)] = vmm.files.fd[vcpu_fd(0)]
    get_file(vmm.vm_file)
    get_file(vmm.files.fd[vcpu_fd(0)])
    return s.static(task_struct, "task_foreign", files=files, mm=foreign_memory(s))


def foreign_memory(s: Setup) -> object:
    """The other process's own memory: a page at every address."""
    mm = s.static(mm_struct, "foreign_mm")
    mm.mm_users.counter = mm.mm_count.counter = 1
    for i in range(Mm.pages):
        own = s.static(page, f"foreign_page{i}", index=i)
        own._refcount.counter = 1
        set_pte(mm.pte[i], own)
    return mm


@scenario(
    name="kvm/vcpu-vs-exit",
    variants={"7e5a672289c9": {"age_guard": True, "vcpus": 1}},
    options=(Runner, Mm, Kvm, Stage2, Arm, Notifiers),
)
def vcpu_vs_exit(s: Setup) -> None:
    """A vcpu runs, or the VM's own ioctl maps a device, while everything else goes away."""
    own = Runner.runner == "own"
    vmm = boot(
        s,
        users=2 if own else 1,
        sharers=2 if own else 1,
        map_kvm_run=False,
        mapped=Mm.pages,
        in_stage2=Mm.pages if Runner.does == "init" or Runner.does == "wp" else 0,
    )
    device = s.static(page, "device")
    device._refcount.counter = 1
    if own:
        s.thread("user", user_thread, device, task=task(s, "user", vmm))
        s.thread("sibling", sibling, task=task(s, "sibling", vmm))
    else:
        s.thread("vmm", exiting_process, task=task(s, "vmm", vmm))
    s.thread("foreign", foreign_process, device, task=hand_over(s, vmm))
    s.pool(pmd_page, 1)
    s.pool(pte_page, 1)
    watch(s, vmm, tasks=2 if own else 1)
    if Runner.watch != "lock":
        s.invariant(user_has_stage2)
    if Runner.watch != "stage2":
        s.invariant(no_unlocked_read)
    s.final(vm_is_gone)
    s.final(lru_is_empty)
    s.reachable(user_is_inside if own else stage2_is_gone)
