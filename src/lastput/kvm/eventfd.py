"""irqfd: an eventfd whose events are interrupts of a VM (Linux 4.12, virt/kvm/eventfd.c).

An irqfd holds its eventfd's context, and nothing of the VM: it must be gone before the VM is, which the
release of the VM's file sees to. Three tasks may begin its end: an ioctl, the last put of the eventfd's
file (POLLHUP, under the lock of the wait queue), the release of the VM's file. Whoever takes it off the
VM's list, under irqfds.lock, queues the one work that ends it.

Left out: resamplers; the copy of an MSI route in the irqfd, with its seqcount (an event always goes by the
work `inject`); ioeventfds. Of 4.12 the releases around it were read, 4.8 and 4.14.y, which agree but for
the two fixes at the options, and the cleanup workqueue, which had one worker in 4.8.
"""

from __future__ import annotations

from lastput.kernel.eventfd import (
    eventfd_ctx,
    eventfd_ctx_fdget,
    eventfd_ctx_fileget,
    eventfd_ctx_put,
    eventfd_ctx_remove_wait_queue,
    eventfd_poll,
    poll_table,
)
from lastput.kernel.file import EBADF, fget, fput
from lastput.kernel.fs_types import file
from lastput.kernel.list import INIT_LIST_HEAD, list_add_tail, list_del_init, list_empty, list_head
from lastput.kernel.spinlock import lockdep_assert_held, spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, synchronize_srcu
from lastput.kernel.wait_func import POLLHUP, POLLIN, add_wait_queue, wait_queue_func_head, wait_queue_t
from lastput.kernel.workqueue import flush_work, flush_workqueue, queue_work, work_struct, workqueue_struct
from lastput.kvm.irqbypass import (
    irq_bypass_consumer,
    irq_bypass_register_consumer,
    irq_bypass_unregister_consumer,
)
from lastput.kvm.irqchip import kvm_set_irq
from lastput.kvm.kvm_host import kvm
from lastput.lang import (
    BUG_ON,
    const,
    container_of,
    ghost,
    kfree,
    option,
    options,
    ptr,
    static,
    struct,
)

EBUSY = 16


@options
class Irqfd:
    """How an irqfd begins and ends; the defaults are Linux 4.19, which agrees with 5.10."""

    assign_srcu: bool = option(
        True, "assign is inside irq_srcu until it is done with the irqfd, and shutdown waits (b5020a8e6b54)"
    )
    file_held: bool = option(
        True, "assign holds the eventfd's file until the irqfd is a consumer, too (9432a3175770)"
    )
    flush: str = option(
        "workqueue",
        "what deassign and release wait for: all of the workqueue, the work of the irqfd that they looked at "
        "last (3706feacd007), or nothing",
        values=("workqueue", "last", "nothing"),
    )
    release_first: bool = option(True, "the VM's file lets go of its irqfds before it lets go of the VM")


@struct
class kvm_kernel_irqfd:
    kvm: const[ptr[kvm]]
    wait: wait_queue_t
    inject: work_struct
    eventfd: ptr[eventfd_ctx]
    list: list_head
    pt: poll_table
    shutdown: work_struct
    consumer: irq_bypass_consumer


@struct
class irqfd_witness:
    """What properties ask; nothing of it is the kernel's. True for a moment only, but for `quiet`."""

    assigning: ghost[bool]
    """The irqfd is in the VM's list, and its assignment is not over."""
    hup_late: ghost[bool]
    """POLLHUP has found the irqfd deactivated by somebody else."""
    quiet: ghost[bool]
    """Deassign has returned to user space, and had something to deassign."""
    injected: ghost[bool]
    """An interrupt is being injected."""
    flushing: ghost[bool]
    """The release of the VM's file waits."""


witness = static(irqfd_witness)
irqfd_cleanup_wq = static(workqueue_struct)
system_wq = static(workqueue_struct)


def irqfd_at(node: ptr[list_head]) -> ptr[kvm_kernel_irqfd]:
    """The irqfd that embeds a node of the VM's list."""
    return container_of(node, kvm_kernel_irqfd, lambda i: i.list)


# -- its end ---------------------------------------------------------------------------------


def irqfd_inject(work: ptr[work_struct]) -> None:
    """An event has come: inject the interrupt. P-QUIET: not after deassign has returned.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    irqfd = container_of(work, kvm_kernel_irqfd, lambda i: i.inject)
    kvm = irqfd.kvm
    assert not witness.quiet, "an interrupt of an irqfd that was deassigned"
    witness.injected = True
    kvm_set_irq(kvm)
    witness.injected = False


def irqfd_shutdown(work: ptr[work_struct]) -> None:
    """Nobody can find the irqfd in the VM's list any more: unhook it, let what is under way end, free it.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    irqfd = container_of(work, kvm_kernel_irqfd, lambda i: i.shutdown)
    if Irqfd.assign_srcu:
        synchronize_srcu(irqfd.kvm.irq_srcu)
    eventfd_ctx_remove_wait_queue(irqfd.eventfd, irqfd.wait)
    flush_work(irqfd.inject)
    irq_bypass_unregister_consumer(irqfd.consumer)
    eventfd_ctx_put(irqfd.eventfd)
    kfree(irqfd)


def irqfd_is_active(irqfd: ptr[kvm_kernel_irqfd]) -> bool:
    """Whether it is in the VM's list. Holds irqfds.lock.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    return not list_empty(irqfd.list)


def irqfd_deactivate(irqfd: ptr[kvm_kernel_irqfd]) -> None:
    """Take it off the VM's list, and have it shut down. Holds irqfds.lock.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    lockdep_assert_held(irqfd.kvm.irqfds.lock)
    BUG_ON(not irqfd_is_active(irqfd))
    list_del_init(irqfd.list)
    queue_work(irqfd_cleanup_wq, irqfd.shutdown)


def irqfd_wakeup(wait: ptr[wait_queue_t], key: int) -> None:
    """The eventfd was signalled, or is going. Called under the lock of its wait queue, interrupts off.

    That lock is what keeps the irqfd: its shutdown must take it before anything else. Whoever deactivated
    the irqfd before has it shut down.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    irqfd = container_of(wait, kvm_kernel_irqfd, lambda i: i.wait)
    kvm = irqfd.kvm
    if key & POLLIN:
        srcu_read_lock(kvm.irq_srcu)
        queue_work(system_wq, irqfd.inject)
        srcu_read_unlock(kvm.irq_srcu)
    if key & POLLHUP:
        spin_lock(kvm.irqfds.lock)
        witness.hup_late = list_empty(irqfd.list)
        if irqfd_is_active(irqfd):
            irqfd_deactivate(irqfd)
        witness.hup_late = False
        spin_unlock(kvm.irqfds.lock)


def flush_shutdowns(last: ptr[kvm_kernel_irqfd]) -> None:
    """Wait for the irqfds that were deactivated, by anybody."""
    if Irqfd.flush == "workqueue":
        flush_workqueue(irqfd_cleanup_wq)
    elif Irqfd.flush == "last":
        flush_work(last.shutdown)


def kvm_irqfd_release(kvm: ptr[kvm]) -> None:
    """The VM's file goes: all of its irqfds do. Waits, because they hold no reference to the VM.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    spin_lock(kvm.irqfds.lock)
    node = kvm.irqfds.items.next
    while node != kvm.irqfds.items:
        next = node.next
        irqfd_deactivate(irqfd_at(node))
        node = next
    spin_unlock(kvm.irqfds.lock)
    witness.flushing = True
    flush_shutdowns(irqfd_at(node))
    witness.flushing = False


def kvm_irqfd_deassign(kvm: ptr[kvm], fd: int) -> int:
    """KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN: no interrupt of this eventfd once it returns.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    eventfd = eventfd_ctx_fdget(fd)
    if not eventfd:
        return -EBADF
    found = False
    spin_lock(kvm.irqfds.lock)
    node = kvm.irqfds.items.next
    while node != kvm.irqfds.items:
        next = node.next
        irqfd = irqfd_at(node)
        if irqfd.eventfd == eventfd:
            irqfd_deactivate(irqfd)
            found = True
        node = next
    spin_unlock(kvm.irqfds.lock)
    eventfd_ctx_put(eventfd)
    flush_shutdowns(irqfd_at(node))
    if found:
        witness.quiet = True
    return 0


# -- its beginning ---------------------------------------------------------------------------


def irqfd_ptable_queue_proc(filp: ptr[file], wqh: ptr[wait_queue_func_head], pt: ptr[poll_table]) -> None:
    """The poll shows the eventfd's queue: get on it.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    irqfd = container_of(pt, kvm_kernel_irqfd, lambda i: i.pt)
    add_wait_queue(wqh, irqfd.wait)


def is_assigned(kvm: ptr[kvm], eventfd: ptr[eventfd_ctx]) -> bool:
    """Whether an irqfd of the VM has this eventfd. Holds irqfds.lock."""
    found = False
    node = kvm.irqfds.items.next
    while node != kvm.irqfds.items:
        if irqfd_at(node).eventfd == eventfd:
            found = True
        node = node.next
    return found


def hook(irqfd: ptr[kvm_kernel_irqfd], filp: ptr[file]) -> None:
    """What assign does with an irqfd that others can find already: get on the queue, and be a consumer."""
    if eventfd_poll(filp, irqfd.pt) & POLLIN:
        queue_work(system_wq, irqfd.inject)
    if not Irqfd.file_held:
        fput(filp)
    irq_bypass_register_consumer(irqfd.consumer)


def kvm_irqfd_assign(kvm: ptr[kvm], new: ptr[kvm_kernel_irqfd], fd: int) -> int:
    """KVM_IRQFD: the events of an eventfd become interrupts. `new` stands for what the allocation returns.

    Source: Linux 4.12, virt/kvm/eventfd.c.
    """
    irqfd = new
    INIT_LIST_HEAD(irqfd.list)
    filp = fget(fd)
    if not filp:
        kfree(irqfd)
        return -EBADF
    irqfd.eventfd = eventfd_ctx_fileget(filp)
    irqfd.pt._qproc = irqfd_ptable_queue_proc
    spin_lock(kvm.irqfds.lock)
    if is_assigned(kvm, irqfd.eventfd):
        spin_unlock(kvm.irqfds.lock)
        eventfd_ctx_put(irqfd.eventfd)
        fput(filp)
        kfree(irqfd)
        return -EBUSY
    if Irqfd.assign_srcu:
        srcu_read_lock(kvm.irq_srcu)
    list_add_tail(irqfd.list, kvm.irqfds.items)
    spin_unlock(kvm.irqfds.lock)
    witness.assigning = True
    hook(irqfd, filp)
    witness.assigning = False
    if Irqfd.assign_srcu:
        srcu_read_unlock(kvm.irq_srcu)
    if Irqfd.file_held:
        fput(filp)
    return 0
