"""Routing of interrupts (Linux 4.12, virt/kvm/irqchip.c), as far as the life of the table goes.

What the table says, and what an interrupt does to a vcpu, are left out: an injection looks at the table.
"""

from __future__ import annotations

from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, synchronize_srcu
from lastput.kvm.kvm_host import kvm, kvm_irq_routing_table
from lastput.lang import kfree, kzalloc, ptr


def kvm_set_irq(kvm: ptr[kvm]) -> None:
    """Inject: find the interrupt's route, inside irq_srcu.

    Source: Linux 4.12, virt/kvm/irqchip.c.
    """
    srcu_read_lock(kvm.irq_srcu)
    irq_rt = kvm.irq_routing
    _entries = irq_rt.nr_rt_entries
    srcu_read_unlock(kvm.irq_srcu)


def kvm_set_irq_routing(kvm: ptr[kvm]) -> None:
    """KVM_SET_GSI_ROUTING: publish another table, and free the old one when nobody looks at it.

    kvm_irq_routing_update, which renews the copy of a route in each irqfd, is left out with that copy.

    Source: Linux 4.12, virt/kvm/irqchip.c.
    """
    new = kzalloc(kvm_irq_routing_table)
    mutex_lock(kvm.irq_lock)
    old = kvm.irq_routing
    kvm.irq_routing = new
    mutex_unlock(kvm.irq_lock)
    synchronize_srcu(kvm.irq_srcu)
    kfree(old)


def kvm_free_irq_routing(kvm: ptr[kvm]) -> None:
    """The VM has no user left, and no irqfd.

    Source: Linux 4.12, virt/kvm/irqchip.c.
    """
    kfree(kvm.irq_routing)
