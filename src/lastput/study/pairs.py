"""Which of KVM's tasks can meet: every pair, with the runs that decide it and the set-up it takes.

The tasks are named in study/pairs_scenario.py. A yes is a run whose invariant "they do not meet" is
broken: its witness is the meeting. A no is a run that looks for the meeting, in its widest sense, and
has never seen it when everything was searched. Where one mechanism makes it a no, a yes without that
mechanism follows: the search does see them meet as soon as nothing keeps them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from lastput.lang.options import Value
from lastput.study.experiment import Expectation, Run, violated

NEVER = Expectation("violated", ("unreachable",))
"""A complete search has not seen it."""


@dataclass(frozen=True)
class Question:
    """Can they meet, in this set-up? `setup` says in words what `run` sets."""

    pair: str
    setup: str
    answer: bool
    run: Run


def yes(pair: str, setup: str, *moments: tuple[str, str], **settings: Value) -> Question:
    """They meet; the witness passes through `moments` in this order."""
    chosen: dict[str, Value] = {"pair": pair, "show": True, **settings}
    return Question(pair, setup, True, Run(SCENARIO, VARIANT, chosen, violated("invariant", story=moments)))


def no(pair: str, setup: str, **settings: Value) -> Question:
    """They never meet."""
    chosen: dict[str, Value] = {"pair": pair, **settings}
    return Question(pair, setup, False, Run(SCENARIO, VARIANT, chosen, NEVER))


SCENARIO = "kvm/pairs"
VARIANT = "7e5a672289c9"
RELEASE = "kvm_mmu_notifier_release"
AGE = "kvm_mmu_notifier_clear_flush_young"
INVALIDATE = "kvm_mmu_notifier_invalidate_range_start"
RUN = "kvm_vcpu_ioctl_run"

QUESTIONS = (
    yes("E+A", "the process exits", ("vmm", RELEASE), ("kswapd", AGE)),
    yes("E+I", "the process exits", ("vmm", RELEASE), ("punch", INVALIDATE)),
    yes("U+A", "the process closes the VM and lives on", ("vmm", RELEASE), ("kswapd", AGE), closes=True),
    yes(
        "U+I", "the process closes the VM and lives on", ("vmm", RELEASE), ("punch", INVALIDATE), closes=True
    ),
    no("E+U", "one process, one descriptor table"),
    no("E+U", "a second process was handed the descriptor; the first still has it", fd="handed"),
    yes(
        "E+U",
        "only a second process has the descriptor",
        ("foreign", "kvm_destroy_vm"),
        fd="moved",
    ),
    no("E+U", "the same, and kvm_run is mapped", fd="moved", vcpus=1, mapped_run=True),
    no("E+U", "the same without kvm_run; the process has the vcpu's descriptor", fd="moved", vcpus=1),
    yes(
        "E+U",
        "the descriptor is in the own table of a thread of the process",
        ("own", "kvm_destroy_vm"),
        fd="thread",
    ),
    yes(
        "E+U",
        "a reader of /proc drops the address space last",
        ("vmm", "kvm_destroy_vm"),
        holder="reader",
    ),
    yes(
        "E+U",
        "the same, with a vcpu whose kvm_run is not mapped",
        ("vmm", "kvm_destroy_vm"),
        holder="reader",
        vcpus=1,
    ),
    no("E+U", "the same, and kvm_run is mapped", holder="reader", vcpus=1, mapped_run=True),
    no("E+U", "an asynchronous page fault drops the address space, then the VM", holder="async_pf"),
    yes(
        "E+U",
        "the same, and the process closes the VM before it exits",
        ("kworker", "kvm_destroy_vm"),
        holder="async_pf",
        closes=True,
    ),
    yes(
        "E+U",
        "only a message has the descriptor: a kernel thread frees it, a worker releases the file",
        ("kworker", "kvm_destroy_vm"),
        fd="message",
        delayed_fput=True,
    ),
    yes(
        "E+U",
        "a worker releases a vhost device's file, which drops the address space last",
        ("vmm", "kvm_destroy_vm"),
        ("kworker", RELEASE),
        holder="vhost",
        delayed_fput=True,
    ),
    no("V+E", "the vcpu's thread and the process exit", vcpus=1),
    no("V+U", "the process closes all descriptors under the running vcpu", vcpus=1, closes=True),
    yes(
        "V+U",
        "the same, if an ioctl held no reference to its file",
        ("vmm", RELEASE),
        vcpus=1,
        closes=True,
        fdget=False,
    ),
    no("M+E", "a thread of the process", fd="kept"),
    no("M+E", "another process, which was handed the VM's descriptor", fd="handed"),
    yes(
        "M+E",
        "the same, if ioctls of the VM did not test the address space",
        ("vmm", RELEASE),
        fd="handed",
        mm_test=False,
    ),
    no("M+U", "a thread of the process, while another closes the VM", fd="kept", closes=True),
    yes(
        "M+U",
        "the same, if an ioctl held no reference to its file",
        ("vmm", RELEASE),
        fd="kept",
        closes=True,
        fdget=False,
    ),
    no("M+U", "another process, which was handed the VM's descriptor", fd="handed", closes=True),
    yes(
        "D+E",
        "another process has the descriptor of a device; no test of the address space (before ddba91801aeb)",
        ("vmm", RELEASE),
    ),
    no("D+E", "the same with the test", device_mm_test=True),
    no("D+U", "another process has the descriptor of a device; the process closes the VM", closes=True),
    yes("A+V", "always", ("vcpu0", RUN), vcpus=1),
    yes("I+V", "always", ("vcpu0", RUN), vcpus=1),
    yes("I+M", "always", ("ioctl", "locked_ioctl")),
)
"""The table of pairs."""

ORDERS = (
    yes("E<U", "the process exits", ("vmm", RELEASE)),
    no("U<E", "the process exits"),
    yes("U<E", "the process closes the VM and lives on", ("vmm", "kvm_destroy_vm"), closes=True),
    yes(
        "U<E",
        "the process exits; a reader of /proc holds its address space",
        ("vmm", "kvm_destroy_vm"),
        holder="reader",
    ),
    no("U<E", "the same, and kvm_run is mapped", holder="reader", vcpus=1, mapped_run=True),
    yes(
        "U<E",
        "the process exits; a vhost device's file holds its address space until a worker releases it",
        ("vmm", "kvm_destroy_vm"),
        holder="vhost",
        delayed_fput=True,
    ),
)
"""Which comes first: exit_mmap's release, or the end of the VM."""

STRANGERS = (
    yes("stranger", "a reader of /proc/PID/smaps drops it last", ("reader", RELEASE), holder="reader"),
    yes("stranger", "DAMON's kernel thread drops it last", ("kdamond", RELEASE), holder="damon"),
    yes(
        "stranger",
        "a worker drops it last, which releases a vhost device's file",
        ("kworker", "vhost_dev_release"),
        ("kworker", RELEASE),
        holder="vhost",
        delayed_fput=True,
    ),
    yes(
        "stranger",
        "LRU_GEN's walk of page tables drops it last: a worker tears it down",
        ("kswapd", "mmput_async"),
        ("kworker", RELEASE),
        holder="lru-gen",
    ),
    yes(
        "stranger-ends",
        "a reader of /proc/PID/smaps drops the address space last, in which kvm_run is mapped",
        ("reader", RELEASE),
        ("reader", "kvm_destroy_vm"),
        holder="reader",
        vcpus=1,
        mapped_run=True,
    ),
    yes(
        "stranger-ends",
        "DAMON's kernel thread drops it last: a worker releases the vcpu's file",
        ("kdamond", RELEASE),
        ("kworker", "kvm_destroy_vm"),
        holder="damon",
        delayed_fput=True,
        vcpus=1,
        mapped_run=True,
    ),
    yes(
        "stranger-ends",
        "LRU_GEN's walk drops it last: one worker tears it down, another releases the vcpu's file",
        ("kworker", RELEASE),
        ("kworker2", "kvm_destroy_vm"),
        holder="lru-gen",
        delayed_fput=True,
        vcpus=1,
        mapped_run=True,
    ),
    no("stranger-ends", "a reader drops it last; kvm_run is not mapped", holder="reader", vcpus=1),
)
"""Who else may tear the address space down, and the VM (recorded on real kernels, but for LRU_GEN's walk)."""

WINDOW = (
    yes("window", "the process exits, its descriptors are open", ("vmm", RELEASE)),
    yes("window-alive", "the process closes the VM and lives on", ("vmm", RELEASE), closes=True),
)
"""Stage 2 is gone, and the notifier is still called."""
