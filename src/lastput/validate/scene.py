"""The memory that the model code of `perform` works on besides the kernel's: scripts, and who is who.

A call is one number, so that a script of thousands of calls costs a cell for each.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import anon_vma, mm_struct
from lastput.kernel.sched import task_struct
from lastput.kvm.v6.arm64.kvm_host import kvm_pgtable
from lastput.kvm.v6.kvm_host import kvm, kvm_memslots, kvm_vcpu
from lastput.kvm.v6.options import Kvm6
from lastput.lang import array, const, ghost, length, option, options, ptr, static, struct, upto


@options
class Scene:
    """Sizes of a stage; `stage.build` counts them."""

    calls: int = option(1, "calls in all scripts together", low=0, high=1_000_000)
    roles: int = option(1, "tasks", low=0, high=63)
    acts: int = option((1 << 37) - 1, "bit mask of the calls that are in scripts", low=0, high=(1 << 37) - 1)
    files: int = option(1, "files of KVM that there ever are", low=0, high=64)
    slot_sets: int = option(1, "sets of memory slots that come into force", low=0, high=10_000)


class Act(IntEnum):
    """The calls of `script.CALLS`, in their order."""

    create_vm = 0
    create_vcpu = 1
    set_memory = 2
    vm_ioctl = 3
    vcpu_ioctl = 4
    run = 5
    touch = 6
    mmio = 7
    end_run = 8
    open_stats = 9
    close = 10
    send = 11
    receive = 12
    drop_message = 13
    mmap_run = 14
    munmap_run = 15
    fork = 16
    exec = 17
    exit = 18
    delayed_fput = 19
    mmget = 20
    mmput = 21
    reap = 22
    invalidate = 23
    dontneed = 24
    munmap = 25
    cow = 26
    rmap_invalidate = 27
    age = 28
    clear_young = 29
    test_young = 30
    walk_age = 31
    walk_test = 32
    change_pte = 33
    log_dirty = 34
    get_dirty = 35
    split = 36


ACTS = 64
"""A call is act + ACTS * (optional + 2 * (first argument + ARGS * (second + ARGS * third)))."""
ARGS = 1 << 14


@struct
class role_t:
    """One task's part."""

    first: const[int]
    """Where its calls begin in the script."""
    calls: const[int]
    forked: const[bool]
    kthread: const[bool]
    running: ghost[ptr[file]]
    """The vcpu's file that it is inside KVM_RUN of."""
    holds: ghost[Annotated[int, upto(15)]]
    """How many mm_users it holds of an address space that is not its own."""


@struct
class scene_t:
    code: const[array[int]] = length(lambda: max(1, Scene.calls))
    role: array[role_t] = length(lambda: max(1, Scene.roles))
    task: const[array[ptr[task_struct]]] = length(lambda: max(1, Scene.roles))
    mm: const[ptr[mm_struct]]
    """The owner's address space."""
    kept: const[int]
    """References to its structure that only the model has: kernel threads find it by other means."""
    ram: const[ptr[anon_vma]]
    """How guest memory is found by the reverse map."""
    kvm: const[ptr[kvm]]
    vcpu: const[array[ptr[kvm_vcpu]]] = length(lambda: max(1, Kvm6.vcpus))
    pgt: const[ptr[kvm_pgtable]]
    slots: const[array[ptr[kvm_memslots]]] = length(lambda: max(1, Scene.slot_sets))
    message: array[ptr[file]] = length(lambda: max(1, Scene.files))
    """Files in flight in a socket, by number."""


scene = static(scene_t)


def act_of(code: int) -> int:
    """Which call it is."""
    return code % ACTS


def is_optional(code: int) -> int:
    """1 if the call may not happen, else 0."""
    return (code // ACTS) % 2


def argument(code: int, number: int) -> int:
    """An argument, from 0."""
    rest = code // (2 * ACTS)
    for _skip in range(number):
        rest = rest // ARGS
    return rest % ARGS
