"""A thread of the model performs the script of one task.

Model code. Between two calls a user task returns to user space, and does the work that was queued for it;
how long it stays there is anybody's guess. So each call begins with a step of its own, where a thread can be
started anew: `perform(role, call)`.
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
from lastput.kernel.v6.memory import change_page, wp_page_copy
from lastput.kernel.v6.mmap import munmap_kvm_run, unmap_region, zap_page_range_single
from lastput.lang import NULL, atomic, ptr
from lastput.validate.acts import (
    age,
    clear_young,
    drop_message,
    execve,
    fork,
    invalidate,
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
    begins,
    create_vm,
    end_of_run,
    held_for,
    kvm_vcpu_ioctl,
    kvm_vm_ioctl,
    open_debugfs,
)
from lastput.validate.scene import Act, act_of, argument, scene


def has_work(role: int) -> bool:
    """Whether something waits to be done on the way to user space (TIF_NOTIFY_RESUME)."""
    works = current().task_works
    return not scene.role[role].kthread and works != NULL and works != work_exited


def next_call(role: int, code: int) -> bool:
    """The step between two calls; false if this one does not happen."""
    with atomic():
        happens = begins(code)
        pending = has_work(role)
    if pending:
        task_work_run()
    return happens


def on_file(role: int, filp: ptr[file], code: int, call: int, end: int, resumed: bool) -> int:
    """What is done with a file of KVM that is held meanwhile. Where the script goes on."""
    act = act_of(code)
    if act == Act.mmap_run:
        mmap_run(argument(code, 0), filp)
        return call
    if act == Act.run or act == Act.vcpu_ioctl or (act == Act.open_stats and argument(code, 1) != 0):
        scene.role[role].running = filp
        call = kvm_vcpu_ioctl(filp, act, call, end, resumed)
        if act == Act.run:
            if call == end:
                return call  # the trace ends here
            call += 1
        scene.role[role].running = NULL
    else:
        kvm_vm_ioctl(filp, act, code)
    fput(filp)
    return call


def other(role: int, code: int) -> None:
    """A call that is not made on a file of KVM."""
    act = act_of(code)
    first = argument(code, 0)
    end = argument(code, 1)
    if act == Act.create_vm:
        create_vm()
    elif act == Act.open_stats:
        open_debugfs(code)
    elif act == Act.close:
        sys_close(first)
    elif act == Act.send:
        send(first)
    elif act == Act.receive:
        receive(first)
    elif act == Act.drop_message:
        drop_message()
    elif act == Act.munmap_run:
        munmap_kvm_run(current().mm, first)
    elif act == Act.fork:
        fork(first, end, argument(code, 2))
    elif act == Act.exec:
        execve(first)
    elif act == Act.exit:
        do_exit()
    elif act == Act.delayed_fput:
        delayed_fput()
    elif act == Act.mmget:
        mmget(role)
    elif act == Act.mmput:
        mmput_held(role)
    else:
        memory(act, first, end)


def memory(act: int, first: int, end: int) -> None:
    """A call that is about memory: the caller's own, or the owner's."""
    if act == Act.reap:
        oom_reap(scene.mm, first, end)
    elif act == Act.invalidate:
        invalidate(current().mm, first, end)
    elif act == Act.dontneed:
        zap_page_range_single(current().mm, first, end)
    elif act == Act.munmap:
        unmap_region(current().mm, first, end)
    elif act == Act.cow:
        wp_page_copy(current().mm, first)
    elif act == Act.rmap_invalidate:
        rmap_invalidate(first, end)
    elif act == Act.age:
        age(first, end)
    elif act == Act.clear_young:
        clear_young(first, end)
    elif act == Act.test_young:
        test_young(first)
    elif act == Act.walk_age:
        mmu_notifier_clear_young(scene.mm, first, end)
    elif act == Act.walk_test:
        mmu_notifier_test_young(scene.mm, first)
    elif act == Act.change_pte:
        change_page(scene.mm, first)


def perform_call(role: int, code: int, call: int, end: int) -> int:
    """One call; `call` is where the script goes on. Where it does go on: a run takes what is inside of it."""
    number = held_for(code)
    if number < 0:
        other(role, code)
        return call
    filp = fget(number)
    if filp:
        return on_file(role, filp, code, call, end, False)
    if act_of(code) == Act.run:
        return min(end_of_run(call, end) + 1, end)
    return call


def perform(role: int, first: int) -> None:
    """Body of the thread of a role: its calls from number `first` on.

    A run that was begun goes on where it was (`running`), after its entry again.
    """
    me = scene.role[role]
    begin = me.first
    call = begin + first
    end = begin + me.calls
    if first == 0 and me.forked:
        ret_from_fork()
    if me.running:
        call = on_file(role, me.running, Act.run, call, end, True)
    while call < end:
        code = scene.code[call]
        call += 1
        if next_call(role, code):
            call = perform_call(role, code, call, end)
            if act_of(code) == Act.exit:
                return
    if not me.running:
        with atomic():
            pending = has_work(role)
        if pending:
            task_work_run()
