"""What the tasks of a trace did: for each task a script, the list of the calls that it made.

A `Stage` is all that `stage.build` needs to know; who found it out, and from what, is not its business.
Pages are numbers from 0 to `pages` - 1, in guest and owner alike; a range is first..end without `end`, and
`pages`..`pages` is one that hits nothing of the guest. Files are numbered: 0 is the VM's, 1 + n that of vcpu
n, behind them those of statistics. A file has its number as its descriptor in every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CALLS: Mapping[str, tuple[str, ...]] = {
    # the VM, by its owner or whoever has the file
    "create_vm": (),
    "create_vcpu": ("vcpu",),
    "set_memory": ("pages",),
    "vm_ioctl": (),
    "vcpu_ioctl": ("vcpu",),
    "run": ("vcpu",),
    "touch": ("page", "write"),
    "mmio": (),
    "end_run": (),
    # files
    "open_stats": ("number", "of"),
    "close": ("file",),
    "send": ("file",),
    "receive": ("file",),
    "drop_message": (),
    "mmap_run": ("vcpu",),
    "munmap_run": ("vcpu",),
    # tasks
    "fork": ("role", "share_vm", "share_files"),
    "exec": ("closes",),
    "exit": (),
    "delayed_fput": (),
    # an address space of somebody else
    "mmget": (),
    "mmput": (),
    "reap": ("first", "end"),
    # memory
    "invalidate": ("first", "end"),
    "dontneed": ("first", "end"),
    "munmap": ("first", "end"),
    "cow": ("page",),
    "rmap_invalidate": ("first", "end"),
    "age": ("first", "end"),
    "clear_young": ("first", "end"),
    "test_young": ("page",),
    "walk_age": ("first", "end"),
    "walk_test": ("page",),
    "change_pte": ("page",),
    # less common
    "log_dirty": ("pages",),
    "get_dirty": (),
    "split": ("first", "end", "first_inside", "end_inside"),
}
"""Every call, and what its arguments are.

create_vm       KVM_CREATE_VM: file 0 is in the caller's table from then on, and the caller is the owner
create_vcpu     KVM_CREATE_VCPU
set_memory      KVM_SET_USER_MEMORY_REGION: one slot of `pages` pages from page 0; 0 deletes it
vm_ioctl        any other ioctl of the VM's file: looked up, held, -EIO if the caller is not the owner
vcpu_ioctl      any other ioctl of a vcpu's file
run, end_run    KVM_RUN. Between the two, touch, mmio and cow only; -EIO and the like: nothing between them
touch           the guest accesses a page, and faults; accesses that do not are in no script
mmio            the guest accesses what is no memory
open_stats      open file `number` of statistics: `of` the VM (0), vcpu n (1 + n), or in debugfs (1 + vcpus)
send, receive   pass a file through a socket (SCM_RIGHTS); drop_message closes it with all that it holds
mmap_run        map kvm_run of a vcpu; munmap_run unmaps it
fork            make another role: in the same address space, with the same descriptor table, or with copies;
                what is invalidated on the way comes before it, as calls of its own
exec            `closes`: every file of KVM is O_CLOEXEC
exit            the end of the task; a killed process is one whose tasks exit
delayed_fput    a worker releases the files that kernel threads and dead tasks have put; waits for one
mmget, mmput    become a user of the owner's address space, and stop: by a file of /proc, say
reap            unmap an area of the owner's memory without blocking: process_mrelease, the OOM reaper
invalidate      start and end of a change of the caller's memory after which pages are still there: mprotect,
                clear_refs, copy_page_range of a fork
dontneed        MADV_DONTNEED: zap_page_range_single
munmap          unmap_region; also of the caller's memory outside of the guest
cow             copy on write of a page of the caller's memory: wp_page_copy
rmap_invalidate pages of the owner's memory go, by the reverse map: reclaim, migration, truncation
age, ...        ask for, and clear, the access flags of pages by the reverse map: clear_flush_young (age),
                clear_young, test_young
walk_age, ...   the same by the owner's address space, of which the caller is a user: DAMON (clear_young),
                khugepaged (test_young)
log_dirty       set_memory that has the slot's dirty pages logged: everything is write-protected
get_dirty       KVM_GET_DIRTY_LOG, which write-protects again
split           dontneed of a part of a huge page: it is split inside, with a notification of its own
change_pte      ksmd makes a page read-only, or puts an equal one in its place
"""

IN_RUN = ("touch", "mmio")
"""The calls that may be made between run and end_run, and only there. A cow may, too: on its way back into
the guest the kernel writes to the task's memory (rseq)."""


@dataclass(frozen=True)
class Call:
    """One thing that user space, or a kernel thread, does. ValueError if there is no such call."""

    name: str
    args: tuple[int, ...] = ()
    optional: bool = False
    """The model chooses whether it happens: a call that may leave no event in the trace."""

    def __post_init__(self) -> None:
        if self.name not in CALLS:
            raise ValueError(f"there is no call {self.name}")
        if len(self.args) != len(CALLS[self.name]):
            raise ValueError(f"{self.name} takes {CALLS[self.name]}, not {self.args}")


@dataclass
class Role:
    """One task of the trace."""

    name: str
    calls: list[Call] = field(default_factory=list)
    mm: bool = True
    """It uses the VM's address space when the life begins."""
    table: int | None = None
    """Number of its descriptor table then; tasks with the same number share it. None without one."""
    process: int | None = None
    """Number of its process: exec waits for the other tasks of the same number. None for a kernel thread,
    and where nobody calls exec."""
    running: int | None = None
    """If the VM is there when the life begins: the vcpu that it is inside KVM_RUN of then."""
    kthread: bool = False
    forked: bool = False
    """It begins when another role makes it: `mm` and `table` are what that leaves it, not what is here."""


@dataclass
class Stage:
    """What to build: a machine as it is when the life of the VM begins, and what its tasks do."""

    version: Literal["6.1", "6.12"]
    roles: list[Role] = field(default_factory=list)
    pages: int = 1
    """Pages of guest memory, 4096 at most."""
    vcpus: int = 0
    """Vcpus that there ever are."""
    stats: int = 0
    """Files of statistics that there ever are."""
    created: bool = False
    """The VM and its vcpus exist when the life begins, with a slot of all pages; else they are made."""
    files: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """If `created`: which files are in which table then."""
    kvm_run: tuple[int, ...] = ()
    """If `created`: the vcpus whose kvm_run the owner has mapped."""
    mapped: Mapping[int, bool] = field(default_factory=dict)
    """If `created`: the pages that stage 2 has, and whether each is young there."""
    present: frozenset[int] | None = None
    """Pages that the owner's memory has; those that are `mapped` if not given."""
    seq: int = 0
    """mmu_invalidate_seq when the life begins."""
    hardware_af: bool = False
    """The MMU sets access flags itself (HAFDBS): no access faults."""
    options: Mapping[str, bool | int | str] = field(default_factory=dict)
    """Options of the model that are to be otherwise than the version has them: for a model that is broken."""
