"""An arm VM from beginning to end (Linux 4.12, virt/kvm/arm/arm.c).

Vgic, timers and per-cpu state are left out: nothing that runs concurrently with their end looks at them.
"""

from __future__ import annotations

from lastput.kvm.kvm_host import Kvm, kvm
from lastput.lang import NULL, kfree, ptr


def kvm_arch_destroy_vm(kvm: ptr[kvm]) -> None:
    """Free the vcpus. Stage 2 is not touched: it went with the release of the notifier.

    Source: Linux 4.12, virt/kvm/arm/arm.c.
    """
    for i in range(Kvm.vcpus):
        kfree(kvm.vcpus[i])
        kvm.vcpus[i] = NULL
