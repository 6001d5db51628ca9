"""Memory slots change while an invalidation is between its start and its end: Linux 5.15 and later.

Both look the slots up, and take mmu_lock only if they find one (071064f14d87). If the slots change in
between, one of them raises or lowers mmu_invalidate_in_progress without the other. What keeps changes out
is a count (52ac8b358b0c); its first version was a semaphore, held from start to end, which deadlocks when
an invalidation is inside of another one: the kernel splits a huge page while it zaps. A VM may also be
destroyed in between: the end then never comes, and whoever waits for the count waits for ever.

Two threads of a process: one gives page 1 back, with an invalidation inside of the other if `split`; the
other one adds the slot of page 1, deletes it, or closes the VM. Then both exit. A slot of its own for page 0
is always there.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import fget, fput, sys_close
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmap import zap_pte
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.rwsem import Rwsem
from lastput.kernel.sched import current
from lastput.kernel.task_work import task_work_run
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.kvm_host import kvm_memslots, vm_list
from lastput.kvm.v6.kvm_main import file_kvm
from lastput.kvm.v6.memslots import kvm_set_memslot
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.witness import witness6
from lastput.lang import Setup, option, options, ptr, scenario
from lastput.study.v6_invariants import watch
from lastput.study.v6_versions import V6_1, V7_3, with_
from lastput.study.v6_vmm import VM_FD, boot, memslots, task


@options
class Slots6:
    """What happens in kvm/v6-memslots."""

    change: str = option("add", "what the other thread does", values=("add", "delete", "close"))
    split: bool = option(False, "an invalidation inside of the other one, as for a huge page that is split")


# -- threads ---------------------------------------------------------------------------------


def zapper() -> None:
    """A thread of the process that gives page 1 back, and exits."""
    mm = current().mm
    change_begin(mm, 1, 2)
    if Slots6.split:
        change_begin(mm, 1, 2)
        change_end(mm, 1, 2)
    zap_pte(mm, 1)
    change_end(mm, 1, 2)
    do_exit()


def kvm_vm_ioctl_set_memory_region(fd: int, slots: ptr[kvm_memslots]) -> None:
    """ioctl(fd, KVM_SET_USER_MEMORY_REGION): the file is held for the call.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    filp = fget(fd)
    kvm_set_memslot(file_kvm(filp), slots)
    fput(filp)


def updater(slots: ptr[kvm_memslots]) -> None:
    """A thread of the process that changes the slots, and exits."""
    kvm_vm_ioctl_set_memory_region(VM_FD, slots)
    do_exit()


def closer() -> None:
    """A thread of the process that closes the VM, and exits."""
    sys_close(VM_FD)
    task_work_run()
    do_exit()


# -- properties ------------------------------------------------------------------------------


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


def update_waits() -> bool:
    """The change of the slots has found an invalidation under way."""
    return witness6.swap_waits


def destroyed_between_start_and_end() -> bool:
    """The VM is destroyed, and its count says that an invalidation is under way."""
    return witness6.unfinished


# -- set-up ----------------------------------------------------------------------------------


@scenario(
    name="kvm/v6-memslots",
    variants={
        "elided-only": with_(V6_1, pages=2, slots=2, memslot_update="nothing"),
        "elided-only-delete": with_(V7_3, pages=2, slots=2, memslot_update="nothing", change="delete"),
        "not-elided": with_(V6_1, pages=2, slots=2, memslot_update="nothing", elide_lock=False),
        "52ac8b358b0c-rwsem": with_(V6_1, pages=2, slots=2, memslot_update="rwsem", fair=True, split=True),
        "52ac8b358b0c": with_(V6_1, pages=2, slots=2, split=True),
        "v6.1": with_(V6_1, pages=2, slots=2),
        "v7.3": with_(V7_3, pages=2, slots=2),
        "v7.3-delete": with_(V7_3, pages=2, slots=2, change="delete"),
        "no-reset": with_(V6_1, pages=2, slots=2, change="close", internal_slots=True, reset_active=False),
        "v6.1-close": with_(V6_1, pages=2, slots=2, change="close", internal_slots=True),
    },
    options=(Slots6, Mm, Kvm6, Arm6, Rwsem, Notifiers),
)
def change_slots(s: Setup) -> None:
    """Slots change while an invalidation is under way."""
    before = 2 if Slots6.change == "delete" else 1
    made = boot(s, users=2, sharers=2, mapped=2, touched=(), slots=before)
    s.thread("zapper", zapper, task=task(s, "zapper", made))
    if Slots6.change == "close":
        s.pool(kvm_memslots, 1)
        s.thread("closer", closer, task=task(s, "closer", made))
        s.reachable(destroyed_between_start_and_end)
    else:
        new = memslots(s, "new_memslots", used=1 if Slots6.change == "delete" else 2)
        s.thread("updater", updater, new, task=task(s, "updater", made))
        if Kvm6.memslot_update == "count":
            s.reachable(update_waits)
    watch(s, made, others=2)
    s.final(vm_is_gone)
