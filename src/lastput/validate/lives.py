"""The VMs of a recording: for each its addresses, and when it lived.

A probe's arguments name a VM by one of three addresses: the `struct kvm`, the notifier in it, the stage-2
MMU in it. How far the two are from the first depends on the kernel's configuration; it is learned from
pairs of events in which one task is asked about a notifier and acts on its VM. The allocator gives an
address to the next VM as soon as one is destroyed; a life therefore ends with kvm_destroy_vm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lastput.validate.impostors import meant
from lastput.validate.sights import Sight

BY_KVM = {
    "kvm_arch_flush_shadow_all",
    "kvm_age_gfn",
    "kvm_test_age_gfn",
    "kvm_set_spte_gfn",
    "kvm_unmap_gfn_range",
    "kvm_put_kvm",
    "kvm_destroy_vm",
    "kvm_handle_guest_abort",
}
"""Functions whose probes have an argument `kvm`."""

BY_NOTIFIER = {
    "kvm_mmu_notifier_release",
    "kvm_mmu_notifier_invalidate_range_start",
    "kvm_mmu_notifier_invalidate_range_end",
    "kvm_mmu_notifier_clear_flush_young",
    "kvm_mmu_notifier_clear_young",
    "kvm_mmu_notifier_test_young",
    "mmu_notifier_unregister",
}
"""Functions whose probes have an argument `mn`."""

CREATES = "__mmu_notifier_register"
"""A VM is made: its notifier is registered."""

CREATION = ("kvm_dev_ioctl", "kvm_init_stage2_mmu", "mmu_notifier_register")
"""What its maker runs before, in the same call; the first one is the call."""

DESTROYS = "kvm_destroy_vm"
"""Its end. Its address may be another VM's from the return on."""


@dataclass
class Life:
    """One VM, from its creation, or the first that is seen of it, to its end."""

    kvm: int | None = None
    """Address of its struct kvm; None if no probe has an argument that tells."""
    first: int = 0
    """Number of the first event that belongs to it."""
    last: int = 0
    created: bool = False
    """Its creation is in the recording."""
    destroyed: bool = False
    """So is its end."""
    end: int | None = None
    """Number of the return of kvm_destroy_vm in the task that destroys it; None if none is recorded."""
    after: bool = False
    """Its address was that of a VM that the recording destroys before."""
    numbers: set[int] = field(default_factory=set)
    """Events that name it by an address."""
    owners: Counter[int] = field(default_factory=Counter)
    """How many of these name which mm_struct as its owner's."""

    @property
    def mm(self) -> int | None:
        """Address of its owner's mm_struct: what most say; None if no probe tells."""
        return self.owners.most_common(1)[0][0] if self.owners else None

    @property
    def name(self) -> str:
        return "the VM" if self.kvm is None else f"kvm={self.kvm:#x}"


def lives(found: Sequence[Sight]) -> list[Life]:
    """The lives of all VMs, in the order of their beginning; without addresses, one for each creation."""
    offset = _offset(found)
    made = _by_address(found, offset, {})
    wrong = meant(found, {number: life for life in made for number in life.numbers})
    if wrong:
        made = _by_address(found, offset, wrong)
    _creations(found, made)
    return made


def _by_address(found: Sequence[Sight], offset: int | None, meant: Mapping[int, int]) -> list[Life]:
    """The lives that events name. `meant` has other addresses for those of these numbers."""
    made: list[Life] = []
    living: dict[int, Life] = {}
    destroying: dict[int, int] = {}
    """Which VM a task is destroying."""
    for sight in found:
        if sight.kind == "return" and sight.name == DESTROYS and sight.pid in destroying:
            ended = living.pop(destroying.pop(sight.pid), None)
            if ended is not None:
                ended.end = sight.number
        kvm = meant.get(sight.number, _kvm(sight, offset))
        if kvm is None:
            continue
        life = living.get(kvm)
        if life is None:
            life = living[kvm] = Life(kvm, first=sight.number)
            life.after = any(earlier.kvm == kvm for earlier in made)
            made.append(life)
        _note(life, sight)
        if sight.name == DESTROYS:
            life.destroyed = True
            destroying[sight.pid] = kvm
    return made


def _note(life: Life, sight: Sight) -> None:
    life.last = sight.number
    life.numbers.add(sight.number)
    mm = sight.arg("mm")
    if mm is not None:
        life.owners[mm] += 1


def _kvm(sight: Sight, offset: int | None) -> int | None:
    if sight.kind != "enter":
        return None
    if sight.name in BY_KVM:
        return sight.arg("kvm")
    notifier = sight.arg("mn") if sight.name in BY_NOTIFIER else None
    # Without a pair that tells how far the two are apart the notifier's own address serves as well.
    return None if notifier is None else notifier - (offset or 0)


def _offset(found: Sequence[Sight]) -> int | None:
    """How far the notifier is from the beginning of struct kvm: what most pairs of events say."""
    votes: Counter[int] = Counter()
    asked: dict[int, int] = {}
    destroyed: dict[int, int] = {}
    for sight in found:
        if sight.kind != "enter":
            continue
        notifier, kvm = sight.arg("mn"), sight.arg("kvm")
        if sight.name in BY_NOTIFIER and notifier is not None:
            if sight.pid in destroyed:
                votes[notifier - destroyed.pop(sight.pid)] += 1
            asked[sight.pid] = notifier
        elif sight.name in BY_KVM and kvm is not None:
            if sight.name == DESTROYS:
                destroyed[sight.pid] = kvm
            elif sight.pid in asked:
                votes[asked.pop(sight.pid) - kvm] += 1
    likely = [offset for offset, _ in votes.most_common() if 0 < offset < 1 << 16]
    return likely[0] if likely else None


def _creations(found: Sequence[Sight], made: list[Life]) -> None:
    """Give each creation to the life that begins next and that its maker has to do with; without addresses it
    is all that is known of one."""
    begins = [_beginning(found, s) for s in found if s.kind == "enter" and s.name == CREATES]
    if not made:
        ended = any(s.kind == "enter" and s.name == DESTROYS for s in found)
        made.extend(Life(first=s.number, created=True, destroyed=ended) for s in begins)
        return
    tasks = {s.number: s.pid for s in found}
    for life in made:
        own = {tasks[number] for number in life.numbers}
        earlier = [s for s in begins if s.number < life.first and s.pid in own]
        if earlier:
            life.first, life.created = earlier[-1].number, True
            begins.remove(earlier[-1])


def _beginning(found: Sequence[Sight], registers: Sight) -> Sight:
    """The first sight of the call in which a notifier is registered."""
    first = registers
    for sight in reversed([s for s in found if s.pid == registers.pid and s.number < registers.number]):
        if sight.kind == "enter" and sight.name in CREATION:
            first = sight
        if sight.name in (CREATION[0], "sys_exit_ioctl"):
            break
    return first
