"""Asynchronous page faults (Linux 4.12, virt/kvm/async_pf.c), as far as lifetimes go.

A fault that would sleep is handed to a worker: the work holds a reference to the VM and a user of the
address space, which the worker drops in that order reversed. Only x86 and s390 have this in 4.12.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_inc
from lastput.kernel.fork import mmput
from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.page import put_page
from lastput.kvm.kvm_host import kvm
from lastput.kvm.kvm_main import kvm_get_kvm, kvm_put_kvm
from lastput.lang import const, ptr, struct


@struct
class kvm_async_pf:
    kvm: const[ptr[kvm]]
    mm: const[ptr[mm_struct]]
    addr: const[int]


def kvm_setup_async_pf(work: ptr[kvm_async_pf]) -> None:
    """Take what the work holds, before it is queued. The caller is a vcpu, inside KVM_RUN.

    Source: Linux 4.12, virt/kvm/async_pf.c.
    """
    atomic_inc(work.mm.mm_users)
    kvm_get_kvm(work.kvm)


def async_pf_execute(work: ptr[kvm_async_pf]) -> None:
    """Fault the page in, in a kworker; then let go of the address space, and of the VM.

    Source: Linux 4.12, virt/kvm/async_pf.c.
    """
    page = get_user_pages(work.mm, work.addr)
    if page:
        put_page(page)
    mmput(work.mm)
    kvm_put_kvm(work.kvm)
