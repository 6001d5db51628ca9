"""Which of KVM's tasks can meet, and what set-up of files and descriptors it takes.

E  exit_mmap calls the release of the notifier     U  mmu_notifier_unregister, in kvm_destroy_vm
A  reclaim ages a page                             I  a range is unmapped by way of the file
V  a vcpu is inside KVM_RUN                        M  an ioctl of the VM;  D  of a device

One question each run: do these two meet? For E and U, "meet" is inside the callback with the other when
the answer is yes; where it is no, the question is the widest one: with the address space without users,
or the VM in destruction. study/pairs.py has the questions of the whole table.

Also asked: orders. "E<U": exit has taken the notifier away, and the VM is not yet in destruction. "U<E":
the VM is destroyed, and the address space still has a user. "stranger": the
release of exit_mmap runs in a task that is none of the process, and "stranger-ends": so does the
destruction of the VM. "window": stage 2 is gone, the notifier
is hashed, and the VM has references; "window-alive": and the address space has users.

Default: one page, one pgd entry pair, one vcpu where there is one, two to four tasks.
"""

from __future__ import annotations

from typing import Any

from lastput.kernel.file import Files, delayed_fput, get_file
from lastput.kernel.fs_types import file, file_operations, files_struct, void
from lastput.kernel.hlist import hlist_empty
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.sched import task_struct
from lastput.kernel.v6.lru_gen_walk import async_put_work, mmput_async, mmput_async_fn
from lastput.kernel.vhost import vhost_dev, vhost_dev_set_owner
from lastput.kernel.vmscan import shrink_active_list
from lastput.kvm.arm64.kvm_host import Arm
from lastput.kvm.arm64.pgtable import Stage2, pmd_page, pte_page
from lastput.kvm.async_pf import async_pf_execute, kvm_async_pf, kvm_setup_async_pf
from lastput.kvm.kvm_host import Kvm, vm_list
from lastput.kvm.kvm_main import kvm_vm_release
from lastput.kvm.witness import witness
from lastput.lang import NULL, Setup, ptr, reinterpret, scenario
from lastput.study.invariants import listed_pages_are_held
from lastput.study.kvm_invariants import notifier_is_listed, tables_count_entries
from lastput.study.pairs_actors import (
    Pairs,
    actors,
    foreign_device_ioctl,
    foreign_process,
    foreign_vm_ioctl,
    free_message,
    memory_holder,
    needs,
    own_table_thread,
    process,
    punch_hole,
    vcpu_release_seen,
    vcpu_thread,
    vhost_release,
    vm_ioctl_thread,
    vm_release_seen,
)
from lastput.study.unmap_vs_release import back_with_file
from lastput.study.vmm import VM_FD, Vmm, boot, task, vcpu_fd

# -- the questions ---------------------------------------------------------------------------


def hashed(mm: ptr[mm_struct]) -> bool:
    """The notifier is in the list."""
    return not hlist_empty(mm.mmu_notifier_mm.list)


def exit_meets_unregister(mm: ptr[mm_struct]) -> bool:
    """Shown: both are inside the callback. Else: the exit has not unhashed, and unregister has begun."""
    if Pairs.show:
        return witness.exit_inside and witness.destroy_inside
    return mm.mm_users.counter == 0 and hashed(mm) and witness.destroying


def exit_meets(mm: ptr[mm_struct], inside: bool) -> bool:
    """Shown: inside the callback. Else: at any time after the last user has gone."""
    if Pairs.show:
        return inside and witness.exit_inside
    return inside and mm.mm_users.counter == 0


def unregister_meets(mm: ptr[mm_struct], inside: bool) -> bool:
    """Shown: inside the callback, with the address space in use. Else: at any time in unregister."""
    if Pairs.show:
        return inside and witness.destroy_inside and mm.mm_users.counter != 0
    return inside and witness.destroying


def in_order(mm: ptr[mm_struct]) -> bool:
    """The questions about orders, about the window, and about who does it."""
    if Pairs.pair == "E<U":
        return mm.mm_users.counter == 0 and not hashed(mm) and vm_list.first != NULL
    if Pairs.pair == "U<E":
        return not vm_list.first and not witness.destroying and mm.mm_users.counter != 0
    if Pairs.pair == "window":
        return witness.released and hashed(mm) and vm_list.first != NULL
    if Pairs.pair == "window-alive":
        return witness.released and hashed(mm) and mm.mm_users.counter != 0
    if Pairs.pair == "stranger-ends":
        return actors.ending and witness.destroying
    return (actors.holder or async_put_work.inside) and witness.exit_inside


def they_meet(mm: ptr[mm_struct]) -> bool:
    """The question of this run."""
    if Pairs.pair == "E+U":
        return exit_meets_unregister(mm)
    if Pairs.pair == "E+A":
        return exit_meets(mm, witness.aging)
    if Pairs.pair == "E+I":
        return exit_meets(mm, witness.invalidating != 0)
    if Pairs.pair == "U+A":
        return unregister_meets(mm, witness.aging)
    if Pairs.pair == "U+I":
        return unregister_meets(mm, witness.invalidating != 0)
    if Pairs.pair == "V+E":
        return exit_meets(mm, witness.running != 0)
    if Pairs.pair == "V+U":
        return unregister_meets(mm, witness.running != 0)
    if Pairs.pair == "M+E" or Pairs.pair == "D+E":
        return exit_meets(mm, witness.ioctls != 0)
    if Pairs.pair == "M+U" or Pairs.pair == "D+U":
        return unregister_meets(mm, witness.ioctls != 0)
    if Pairs.pair == "A+V":
        return witness.aging and witness.running != 0
    if Pairs.pair == "I+V":
        return witness.invalidating != 0 and witness.running != 0
    if Pairs.pair == "I+M":
        return witness.invalidating != 0 and witness.ioctls != 0
    return in_order(mm)


def they_do_not_meet(mm: ptr[mm_struct]) -> bool:
    """The answer no, as a rule: breaking it takes a witness."""
    return not they_meet(mm)


# -- set-up ----------------------------------------------------------------------------------


def foreign_table(s: Setup, held: Any) -> Any:
    """Another process with a file in its table; the reference is the caller's to give."""
    files = s.new(files_struct, "foreign_files", max_fds=1)
    files.count.counter = 1
    files.fd[VM_FD] = held
    return s.static(task_struct, "task_foreign", files=files)


def device_file(s: Setup, vmm: Vmm) -> Any:
    """The file of a device: like the VM's, it holds a reference to the VM until its release."""
    ops = s.static(file_operations, "kvm_device_fops", release=kvm_vm_release)
    made = s.new(file, "device_file", f_op=ops, private_data=reinterpret(void, vmm.kvm))
    made.f_count.counter = 1
    vmm.kvm.users_count.counter += 1
    return made


def start_descriptor_holder(s: Setup, vmm: Vmm) -> None:
    """Somebody outside of the process's table has the VM's descriptor."""
    if Pairs.fd == "thread":
        vmm.files.fd[VM_FD] = NULL
        files = s.new(files_struct, "own_files", max_fds=1)
        files.count.counter = 1
        files.fd[VM_FD] = vmm.vm_file
        own = s.static(task_struct, "task_own", mm=vmm.mm, active_mm=vmm.mm, files=files)
        s.thread("own", own_table_thread, task=own)
    elif Pairs.fd == "message":
        vmm.files.fd[VM_FD] = NULL
        start_kernel_thread(s, vmm.vm_file)
    elif Pairs.fd != "kept":
        if Pairs.fd == "handed":
            get_file(vmm.vm_file)
        else:
            vmm.files.fd[VM_FD] = NULL
        body = foreign_vm_ioctl if needs("M") else foreign_process
        s.thread("foreign", body, task=foreign_table(s, vmm.vm_file))
    if needs("D"):
        s.thread("foreign", foreign_device_ioctl, task=foreign_table(s, device_file(s, vmm)))


def start_kernel_thread(s: Setup, held: Any) -> None:
    """A kernel thread puts a file, and a worker releases it if that was the last put."""
    s.thread("kthread", free_message, held, task=s.static(task_struct, "task_kthread", kthread=True))
    start_worker(s, "kworker")


def start_worker(s: Setup, name: str) -> None:
    """The worker that releases what kernel threads have put."""
    worker = s.static(task_struct, f"task_{name}", kthread=True)
    s.thread(name, delayed_fput, task=worker, daemon=True)


def give_vhost(s: Setup, vmm: Vmm) -> None:
    """The process has a vhost device, and so has a message that it sent."""
    dev = s.static(vhost_dev, "vhost")
    vhost_dev_set_owner(dev, vmm.mm)
    ops = s.static(file_operations, "vhost_net_fops", release=vhost_release)
    made = s.new(file, "vhost_file", f_op=ops, private_data=reinterpret(void, dev))
    made.f_count.counter = 2
    vmm.files.fd[vmm.files.max_fds] = made
    vmm.files.max_fds += 1
    start_kernel_thread(s, made)


def start_memory_holder(s: Setup, vmm: Vmm) -> None:
    """Somebody holds the address space for a while."""
    if Pairs.holder == "async_pf":
        work = s.static(kvm_async_pf, "work", kvm=vmm.kvm, mm=vmm.mm)
        kvm_setup_async_pf(work)
        s.thread("kworker", async_pf_execute, work, task=s.static(task_struct, "task_kworker"))
    elif Pairs.holder == "vhost":
        give_vhost(s, vmm)
    elif Pairs.holder == "lru-gen":
        start_walk(s, vmm)
    elif Pairs.holder != "none":
        start_reader(s, vmm)


def start_reader(s: Setup, vmm: Vmm) -> None:
    """Somebody who looks at the address space. Files that a kernel thread puts are released by a worker."""
    vmm.mm.mm_users.counter += 1
    damon = Pairs.holder == "damon"
    name = "kdamond" if damon else "reader"
    made = s.static(task_struct, f"task_{name}", kthread=damon)
    s.thread(name, memory_holder, vmm.mm, task=made)
    if not damon:
        actors.stranger = made
    elif Files.delayed_fput:
        start_worker(s, "kworker")


def start_walk(s: Setup, vmm: Vmm) -> None:
    """Reclaim has walked the page tables, and lets go of the address space; a worker does what follows."""
    vmm.mm.mm_users.counter += 1
    s.thread("kswapd", mmput_async, vmm.mm, task=s.static(task_struct, "task_kswapd", kthread=True))
    worker = s.static(task_struct, "task_kworker", kthread=True)
    s.thread("kworker", mmput_async_fn, task=worker, daemon=True)
    if Files.delayed_fput:
        start_worker(s, "kworker2")


def watch_releases(vmm: Vmm) -> None:
    """The witness sees who releases files of KVM."""
    vmm.vm_file.f_op.release = vm_release_seen
    for i in range(Kvm.vcpus):
        vmm.files.fd[vcpu_fd(i)].f_op.release = vcpu_release_seen


def start_process(s: Setup) -> Vmm:
    """The process, its threads as the pair asks for them."""
    own_ioctl = needs("M") and Pairs.fd == "kept"
    tasks = 1 + (Kvm.vcpus if needs("V") else 0) + (1 if own_ioctl else 0)
    users = tasks + (1 if Pairs.fd == "thread" else 0)
    untouched = needs("V") and not needs("A")
    vmm = boot(
        s,
        users=users,
        sharers=tasks,
        map_kvm_run=Pairs.mapped_run,
        mapped=Mm.pages,
        in_stage2=0 if untouched else Mm.pages,
        mm_stays=True,
    )
    s.thread("vmm", process, task=task(s, "vmm", vmm))
    if needs("V"):
        for i in range(Kvm.vcpus):
            s.thread(f"vcpu{i}", vcpu_thread, i, task=task(s, f"vcpu{i}", vmm))
        s.pool(page, 2)
        s.pool(pmd_page, 2)
        s.pool(pte_page, 2)
    if own_ioctl:
        s.thread("ioctl", vm_ioctl_thread, task=task(s, "ioctl", vmm))
    return vmm


@scenario(
    name="kvm/pairs",
    variants={"7e5a672289c9": {"age_guard": True}},
    options=(Pairs, Files, Mm, Kvm, Stage2, Arm, Notifiers),
)
def pairs(s: Setup) -> None:
    """Which of KVM's tasks can meet, and what set-up of files and descriptors it takes."""
    vmm = start_process(s)
    if Pairs.pair == "stranger-ends":
        watch_releases(vmm)
    start_descriptor_holder(s, vmm)
    start_memory_holder(s, vmm)
    if needs("A"):
        s.thread("kswapd", shrink_active_list, task=s.static(task_struct, "task_kswapd"))
    if needs("I"):
        mapping = back_with_file(s, vmm)
        s.thread("punch", punch_hole, mapping, task=s.static(task_struct, "task_punch"))
    s.invariant(listed_pages_are_held)
    s.invariant(notifier_is_listed, vmm.kvm, vmm.mm)
    s.invariant(tables_count_entries, vmm.kvm)
    if Pairs.show:
        s.invariant(they_do_not_meet, vmm.mm)
    else:
        s.reachable(they_meet, vmm.mm)
