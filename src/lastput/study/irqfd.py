"""kvm/irqfd-release: irqfds are made while their eventfd is closed, they are taken away, and the VM goes.

The question is who ends an irqfd, once and not too early: an irqfd holds no reference to its VM, and its
eventfd's file holds none to it. Actors: `assigner`, a thread that makes one and exits; `closer`, a thread
that closes the eventfd (POLLHUP) and exits; `deassigner`, a thread that takes the irqfd away, closes the
VM and exits; the workers of the cleanup workqueue. With signals=1 a device that has the eventfd's context,
not its file, signals it meanwhile, and another worker injects. The threads share one descriptor table.
No eventfd is given to a VM twice, so that -EBUSY is never returned.
The architecture plays no part: the one is taken that compiles fastest (arch=keeproot).
Checked also with signals=1 (4.7 million states), reroutes=1 (a thread changes the interrupt routing; both
together without `closer`, 4.1 million), two workers, two irqfds with two workers without `closer` (7.7
million), arch=arm64 and x86.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.atomic import Counts
from lastput.kernel.eventfd import eventfd_ctx, eventfd_ctx_put, eventfd_init, eventfd_release, eventfd_signal
from lastput.kernel.file import exit_files, sys_close
from lastput.kernel.fs_types import NR_OPEN, file, file_operations, void
from lastput.kernel.list import INIT_LIST_HEAD
from lastput.kernel.mm_types import Mm
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import exit_task_work
from lastput.kernel.workqueue import worker
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2
from lastput.kvm.eventfd import (
    Irqfd,
    irqfd_cleanup_wq,
    irqfd_inject,
    irqfd_shutdown,
    irqfd_wakeup,
    kvm_irqfd_assign,
    kvm_irqfd_deassign,
    kvm_kernel_irqfd,
    system_wq,
    witness,
)
from lastput.kvm.irqbypass import bypass
from lastput.kvm.irqchip import kvm_set_irq_routing
from lastput.kvm.kvm_host import Kvm, kvm_irq_routing_table, vm_list
from lastput.kvm.kvm_main import fdget, fdput, file_kvm
from lastput.lang import NULL, Setup, kfree, option, options, ptr, reinterpret, scenario
from lastput.study.vmm import VM_FD, Vmm, boot_files, task

EVENT_FD = VM_FD + 1
assert EVENT_FD + 2 <= NR_OPEN


@options
class Irqs:
    """Who does what in kvm/irqfd-release."""

    made: int = option(1, "irqfds, each of an eventfd of its own, and each made by a thread", low=1, high=2)
    closes: bool = option(True, "a thread closes the first eventfd")
    deassigns: bool = option(True, "a thread takes the first irqfd away, before it closes the VM")
    signals: bool = option(False, "a device signals the first eventfd, and lets go of its context")
    reroutes: bool = option(False, "a thread changes the routing of interrupts")
    workers: int = option(1, "workers of the cleanup workqueue", low=1, high=2)


# -- the actors ------------------------------------------------------------------------------


def leave() -> None:
    """The rest of an exit, as far as files go. What was closed before is released here, too: the way back to
    user space is left out, which every release would be compiled for once more."""
    exit_files()
    exit_task_work()


def assigner(new: ptr[kvm_kernel_irqfd], fd: int) -> None:
    """A thread makes an irqfd, and exits. It holds the VM's file while it does."""
    filp = fdget(VM_FD)
    if filp:
        kvm_irqfd_assign(file_kvm(filp), new, fd)
        fdput(filp)
    else:
        kfree(new)  # -EBADF: it was never allocated
    leave()


def closer() -> None:
    """A thread closes the eventfd, and exits."""
    sys_close(EVENT_FD)
    leave()


def deassigner() -> None:
    """A thread takes the irqfd away, if it may, closes the VM, and exits."""
    if Irqs.deassigns:
        filp = fdget(VM_FD)
        kvm_irqfd_deassign(file_kvm(filp), EVENT_FD)
        fdput(filp)
    sys_close(VM_FD)
    leave()


def router() -> None:
    """A thread changes the routing of interrupts, and exits."""
    filp = fdget(VM_FD)
    if filp:
        kvm_set_irq_routing(file_kvm(filp))
        fdput(filp)
    leave()


def device(ctx: ptr[eventfd_ctx]) -> None:
    """A device of the host, which was given the eventfd for its interrupt."""
    eventfd_signal(ctx, 1)
    eventfd_ctx_put(ctx)


# -- properties ------------------------------------------------------------------------------


def everything_is_gone() -> bool:
    """The VM was destroyed, and no consumer is left behind."""
    return not vm_list.first and bypass.consumers.next == bypass.consumers


def items_are_well_formed() -> bool:
    """The VM's list leads back to its head, both ways, whenever nobody holds its lock."""
    vm = vm_list.first
    if not vm:
        return True
    if vm.irqfds.lock.owner != 0:
        return True
    head = vm.irqfds.items
    return head.next.prev == head and head.prev.next == head


def consumers_are_well_formed() -> bool:
    """So does the list of consumers."""
    if bypass.lock.owner != 0:
        return True
    return bypass.consumers.next.prev == bypass.consumers


def the_file_goes_while_the_irqfd_does() -> bool:
    """POLLHUP comes late: somebody else has deactivated the irqfd."""
    return witness.hup_late


def a_shutdown_is_due_during_assign() -> bool:
    """The window: the irqfd is being made, and is to be shut down already."""
    return witness.assigning and irqfd_cleanup_wq.worklist[0] != NULL


def release_waits_for_a_shutdown() -> bool:
    """The VM's file is going, and an irqfd of the VM is still there."""
    return witness.flushing and (irqfd_cleanup_wq.worklist[0] != NULL or irqfd_cleanup_wq.worker[0] != 0)


def an_interrupt_is_injected() -> bool:
    return witness.injected


# -- set-up ----------------------------------------------------------------------------------


def give_irqfds(s: Setup, vmm: Vmm) -> None:
    """A VM without irqfds, with a table of routes."""
    INIT_LIST_HEAD(vmm.kvm.irqfds.items)
    INIT_LIST_HEAD(bypass.consumers)
    vmm.kvm.irq_routing = s.new(kvm_irq_routing_table, "irq_routing")
    if Irqs.reroutes:
        s.pool(kvm_irq_routing_table, 1)


def open_eventfd(s: Setup, vmm: Vmm, number: int, fops: Any) -> Any:
    """An eventfd in the process's table, and the irqfd that will be made of it; returns its context."""
    ctx = s.new(eventfd_ctx, f"eventfd{number}")
    eventfd_init(ctx, 2 if Irqs.signals and number == 0 else 1)
    opened = s.new(file, f"eventfd{number}_file", f_op=fops, private_data=reinterpret(void, ctx))
    opened.f_count.counter = 1
    vmm.files.fd[EVENT_FD + number] = opened
    return ctx


def start_assigner(s: Setup, vmm: Vmm, number: int) -> None:
    """The thread that makes one irqfd."""
    irqfd = s.new(kvm_kernel_irqfd, f"irqfd{number}", kvm=vmm.kvm)
    irqfd.wait.func = irqfd_wakeup
    irqfd.inject.func = irqfd_inject
    irqfd.shutdown.func = irqfd_shutdown
    name = f"assigner{number}" if Irqs.made > 1 else "assigner"
    s.thread(name, assigner, irqfd, EVENT_FD + number, task=task(s, name, vmm))


def start_worker(s: Setup, name: str, wq: Any) -> None:
    s.thread(name, worker, wq, task=s.static(task_struct, f"task_{name}", kthread=True), daemon=True)


@scenario(
    name="kvm/irqfd-release",
    variants={
        "v4.8": {"irqfds": True, "arch": "keeproot", "assign_srcu": False, "file_held": False},
        "b5020a8e6b54": {"irqfds": True, "arch": "keeproot", "file_held": False},
        "v4.19": {"irqfds": True, "arch": "keeproot"},
    },
    options=(Irqs, Irqfd, Counts, Mm, Kvm, Stage2, Arm),
    default="v4.19",
)
def irqfd_release(s: Setup) -> None:
    """Irqfds are made, their eventfd is closed, they are taken away, and the VM goes."""
    tasks = Irqs.made + Irqs.closes + 1 + Irqs.reroutes
    vmm = boot_files(s, sharers=tasks, max_fds=1 + Irqs.made)
    give_irqfds(s, vmm)
    fops = s.static(file_operations, "eventfd_fops", release=eventfd_release)
    contexts = [open_eventfd(s, vmm, i, fops) for i in range(Irqs.made)]
    for i in range(Irqs.made):
        start_assigner(s, vmm, i)
    if Irqs.closes:
        s.thread("closer", closer, task=task(s, "closer", vmm))
    s.thread("deassigner", deassigner, task=task(s, "deassigner", vmm))
    if Irqs.reroutes:
        s.thread("router", router, task=task(s, "router", vmm))
    for i in range(Irqs.workers):
        start_worker(s, f"cleanup{i}", irqfd_cleanup_wq)
    if Irqs.signals:
        s.thread("device", device, contexts[0], task=s.static(task_struct, "task_device"))
        start_worker(s, "events", system_wq)
        s.reachable(an_interrupt_is_injected)
    s.invariant(items_are_well_formed)
    s.invariant(consumers_are_well_formed)
    s.final(everything_is_gone)
    if Irqs.deassigns or (Irqs.closes and not Irqfd.file_held):
        s.reachable(a_shutdown_is_due_during_assign)
    s.reachable(release_waits_for_a_shutdown)
    if Irqs.closes and Irqs.deassigns:
        s.reachable(the_file_goes_while_the_irqfd_does)
