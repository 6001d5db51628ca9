"""What a trace tells of one task: its script, and what is known of the VM before that is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lastput.validate.guest import Guest
from lastput.validate.ignored import Counts, count
from lastput.validate.script import Call
from lastput.validate.sights import Sight
from lastput.validate.tasks import Task

STATUS, TRANSLATION, ACCESS = 0x3C, 0x04, 0x08
"""What bits 2 to 5 of a fault's status mean (Arm ARM, ESR_EL2.ISS.DFSC)."""


RELEASED = {
    "kvm_vm_release": "vm",
    "kvm_vcpu_release": "vcpu",
    "kvm_vm_stats_release": "vm stats",
    "kvm_vcpu_stats_release": "vcpu stats",
    "kvm_debugfs_release": "debugfs",
}
"""What a file is of, by the function that releases it."""


@dataclass
class Made:
    """A call, and the number of the event at which it was recognized."""

    number: int
    call: Call
    file: str = ""
    """Which kind of file a close is of: a word of `RELEASED`. Which one of them is found out later."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the guest on a page of its memory."""

    number: int
    """Of the event."""
    page: int
    """The model's."""
    status: int
    """TRANSLATION, ACCESS or another; 0 if it was not recorded."""
    copies: bool = False
    """The owner's page was copied for it."""


@dataclass
class Script:
    """What a task was seen to do."""

    task: Task
    calls: list[Made] = field(default_factory=list)
    seen: list[Sight] = field(default_factory=list)
    ignored: Counts = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    inside: int | None = None
    """The vcpu that it is inside KVM_RUN of when the recording begins."""
    exits: int | None = None
    """Number of the event with which its end begins."""

    def copied(self) -> None:
        """The page of the last fault was copied."""
        self.faults[-1] = replace(self.faults[-1], copies=True)

    def ignore(self, sight: Sight, reason: str) -> None:
        """Count a sight that the model need not explain."""
        count(self.ignored, reason, sight.name or sight.kind, sight.events)


@dataclass
class Facts:
    """What the reader must know of the VM's life."""

    mm: int | None
    owner: set[int]
    """pids of the tasks that use the owner's address space."""
    guest: Guest
    vcpu_of: dict[int, int]
    """Number of each vcpu, by its address."""
    creates: int | None
    """Number of the event that registers the VM's notifier; None if the VM was there before."""
    vcpus: int
    begin: int
    """Number of the event with which the life begins; -1 if that was before the recording."""
    unregistered: int | None = None
    """Number of the event with which the VM's notifier is unregistered; None if there is none."""
