"""A thread of the model performs the script of one task.

Model code. Between two calls a user task returns to user space, and does the work that was queued for it;
how long it stays there is anybody's guess. So each call begins with a step of its own. What passes from one
call to the next is in memory, so that a thread can be started anew with any of them: `perform(role, call)`.
"""

from __future__ import annotations

from lastput.kernel.exit import do_exit
from lastput.kernel.file import fget, fput, sys_close
from lastput.kernel.fork import ret_from_fork
from lastput.kernel.fs_types import file
from lastput.kernel.mmu_notifier import mmu_notifier_clear_young, mmu_notifier_test_young
from lastput.kernel.sched import current
from lastput.kernel.task_work import task_work_run, work_exited
from lastput.kernel.v6.close import delayed_fput
from lastput.kernel.v6.memory import change_page, change_protection, wp_page_copy
from lastput.kernel.v6.mmap import munmap_kvm_run, unmap_region, zap_page_range_single
from lastput.kvm.v6.kvm_main import file_vcpu
from lastput.lang import NULL, atomic, choose, ptr
from lastput.validate.acts import (
    age,
    clear_young,
    drop_message,
    execve,
    fork,
    mmap_run,
    mmget,
    mmput_held,
    oom_reap,
    receive,
    rmap_invalidate,
    send,
    test_young,
)
from lastput.validate.ioctl import (
    VM_FILE,
    create_vm,
    guest,
    held_for,
    kvm_vcpu_ioctl,
    kvm_vm_ioctl,
    open_debugfs,
)
from lastput.validate.resume import resumes
from lastput.validate.scene import Act, Scene, act_of, argument, is_optional, scene


def has_work(role: int) -> bool:
    """Whether something waits to be done on the way to user space (TIF_NOTIFY_RESUME)."""
    works = current().task_works
    return not scene.role[role].kthread and works != NULL and works != work_exited


def next_call(role: int, code: int) -> bool:
    """The step between two calls, any time after the first has ended; false if the second does not happen."""
    with atomic():
        happens = choose(1 + is_optional(code)) == 0
        pending = has_work(role)
    if pending:
        task_work_run()
    return happens


def on_file(filp: ptr[file], code: int) -> int:
    """A call that is made on a file of KVM, which is held meanwhile."""
    act = act_of(code)
    if held_for(code) == VM_FILE:
        return kvm_vm_ioctl(filp, act, code)
    return kvm_vcpu_ioctl(filp, act, code)


def end_run(role: int) -> None:
    """The way back from KVM_RUN, if there was one."""
    filp = scene.role[role].running
    if filp:
        scene.role[role].running = NULL
        fput(filp)


def on_vcpu(role: int, code: int) -> None:
    """A call between run and end_run, and that one. Nothing, if there was no run."""
    filp = scene.role[role].running
    if act_of(code) == Act.end_run:
        end_run(role)
    elif filp:
        guest(file_vcpu(filp), act_of(code), code)


def with_file(role: int, code: int) -> None:
    """A call that looks a file of KVM up. A mapping keeps its reference, and so does a run."""
    act = act_of(code)
    filp = fget(held_for(code))
    if filp:
        if Scene.acts & (1 << Act.mmap_run) and act == Act.mmap_run:
            mmap_run(argument(code, 0), filp)
        elif on_file(filp, code) == 0 and act == Act.run:
            scene.role[role].running = filp
        else:
            fput(filp)


def other(role: int, code: int) -> None:
    """A call that is not made on a file of KVM."""
    act = act_of(code)
    first = argument(code, 0)
    end = argument(code, 1)
    if Scene.acts & (1 << Act.create_vm) and act == Act.create_vm:
        create_vm()
    elif Scene.acts & (1 << Act.open_stats) and act == Act.open_stats:
        open_debugfs(code)
    elif Scene.acts & (1 << Act.close) and act == Act.close:
        sys_close(first)
    elif Scene.acts & (1 << Act.send) and act == Act.send:
        send(first)
    elif Scene.acts & (1 << Act.receive) and act == Act.receive:
        receive(first)
    elif Scene.acts & (1 << Act.drop_message) and act == Act.drop_message:
        drop_message()
    elif Scene.acts & (1 << Act.munmap_run) and act == Act.munmap_run:
        munmap_kvm_run(current().mm, first)
    elif Scene.acts & (1 << Act.fork) and act == Act.fork:
        fork(first, end, argument(code, 2))
    elif Scene.acts & (1 << Act.exec) and act == Act.exec:
        execve(first)
    elif Scene.acts & (1 << Act.exit) and act == Act.exit:
        end_run(role)
        do_exit()
    elif Scene.acts & (1 << Act.delayed_fput) and act == Act.delayed_fput:
        delayed_fput()
    elif Scene.acts & (1 << Act.mmget) and act == Act.mmget:
        mmget(role)
    elif Scene.acts & (1 << Act.mmput) and act == Act.mmput:
        mmput_held(role)
    else:
        memory(code, first, end)


def memory(code: int, first: int, end: int) -> None:
    """A call that is about memory: the caller's own, or the owner's."""
    act = act_of(code)
    if Scene.acts & (1 << Act.reap) and act == Act.reap:
        oom_reap(scene.mm, first, end)
    elif Scene.acts & (1 << Act.invalidate) and act == Act.invalidate:
        change_protection(current().mm, first, end)
    elif Scene.acts & (1 << Act.dontneed) and act == Act.dontneed:
        zap_page_range_single(current().mm, first, end, 0, 0)
    elif Scene.acts & (1 << Act.split) and act == Act.split:
        zap_page_range_single(current().mm, first, end, argument(code, 2), argument(code, 3))
    elif Scene.acts & (1 << Act.munmap) and act == Act.munmap:
        unmap_region(current().mm, first, end)
    elif Scene.acts & (1 << Act.cow) and act == Act.cow:
        wp_page_copy(current().mm, first)
    elif Scene.acts & (1 << Act.rmap_invalidate) and act == Act.rmap_invalidate:
        rmap_invalidate(first, end)
    elif Scene.acts & (1 << Act.age) and act == Act.age:
        age(first, end)
    elif Scene.acts & (1 << Act.clear_young) and act == Act.clear_young:
        clear_young(first, end)
    elif Scene.acts & (1 << Act.test_young) and act == Act.test_young:
        test_young(first)
    elif Scene.acts & (1 << Act.walk_age) and act == Act.walk_age:
        mmu_notifier_clear_young(scene.mm, first, end)
    elif Scene.acts & (1 << Act.walk_test) and act == Act.walk_test:
        mmu_notifier_test_young(scene.mm, first)
    elif Scene.acts & (1 << Act.change_pte) and act == Act.change_pte:
        change_page(scene.mm, first)


@resumes("call")
def perform(role: int, call: int) -> None:
    """Body of the thread of a role: the calls of the script from `call` on, to its last one."""
    me = scene.role[role]
    begin = me.first
    end = begin + me.calls
    while call <= end:
        if call == begin and me.forked:
            ret_from_fork()
        if call == end:
            leave(role)
        else:
            code = scene.code[call]
            if next_call(role, code):
                perform_call(role, code)
            if act_of(code) == Act.exit:
                exited()
                return
        call += 1


def perform_call(role: int, code: int) -> None:
    """One call."""
    act = act_of(code)
    if act == Act.touch or act == Act.mmio or act == Act.end_run:
        on_vcpu(role, code)
    elif held_for(code) >= 0:
        with_file(role, code)
    else:
        other(role, code)


def exited() -> None:
    """Nothing is left to be seen of the task: its parent has been told."""


def leave(role: int) -> None:
    """The script ends, and the task goes on in user space."""
    with atomic():
        pending = has_work(role)
    if pending:
        task_work_run()
