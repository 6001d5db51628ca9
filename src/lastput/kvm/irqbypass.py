"""Who takes interrupts past the host (Linux 4.12, virt/lib/irqbypass.c): the list of consumers only.

Producers (a passed-through device's vectors), and what is done when one meets its consumer, are left out.
"""

from __future__ import annotations

from lastput.kernel.list import list_add, list_del, list_head
from lastput.kernel.lock_types import mutex
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.lang import ptr, static, struct


@struct
class irq_bypass_consumer:
    node: list_head


@struct
class bypass_list:
    """`consumers`, and the lock that protects it. The set-up makes the list."""

    lock: mutex
    consumers: list_head


bypass = static(bypass_list)


def irq_bypass_register_consumer(consumer: ptr[irq_bypass_consumer]) -> None:
    """Make a consumer known. May sleep.

    Source: Linux 4.12, virt/lib/irqbypass.c.
    """
    mutex_lock(bypass.lock)
    list_add(consumer.node, bypass.consumers)
    mutex_unlock(bypass.lock)


def irq_bypass_unregister_consumer(consumer: ptr[irq_bypass_consumer]) -> None:
    """Forget a consumer, if it is known. May sleep.

    Source: Linux 4.12, virt/lib/irqbypass.c.
    """
    mutex_lock(bypass.lock)
    node = bypass.consumers.next
    while node != bypass.consumers:
        next = node.next
        if node == consumer.node:
            list_del(node)
        node = next
    mutex_unlock(bypass.lock)
