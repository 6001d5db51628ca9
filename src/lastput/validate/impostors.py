"""Addresses that one event alone has, inside of a call that is about another VM: they are wrong.

Nothing makes a VM of its own of such an event. It belongs to the VM that the call around it is about, where
its address contradicts what the others say (`contradictions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lastput.validate.sights import Sight

if TYPE_CHECKING:
    from lastput.validate.lives import Life

INNER = {
    "kvm_mmu_notifier_release": ("kvm_arch_flush_shadow_all",),
    "kvm_mmu_notifier_invalidate_range_start": ("kvm_unmap_gfn_range",),
    "kvm_mmu_notifier_clear_flush_young": ("kvm_age_gfn",),
    "kvm_mmu_notifier_clear_young": ("kvm_age_gfn",),
    "kvm_mmu_notifier_test_young": ("kvm_test_age_gfn",),
    "kvm_mmu_notifier_change_pte": ("kvm_set_spte_gfn",),
    "kvm_destroy_vm": ("mmu_notifier_unregister",),
    "mmu_notifier_unregister": ("kvm_mmu_notifier_release",),
}
"""Functions, and which of those that name a VM they enter next, for their own."""

START, END = "kvm_mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_end"


def meant(found: Sequence[Sight], life_of: Mapping[int, Life]) -> dict[int, int]:
    """By the number of each event with a wrong address: the address of the `struct kvm` that it is about.

    `life_of` has the VM that each event names, by its number.
    """
    right: dict[int, int] = {}
    for one, other in _together(found, life_of):
        wrong, life = sorted((one, other), key=lambda life: (len(life.numbers), -life.first))
        (number, *more) = wrong.numbers
        if not more and life.kvm is not None and life.first not in right:
            right[number] = life.kvm
    return right


def _together(found: Sequence[Sight], life_of: Mapping[int, Life]) -> Iterator[tuple[Life, Life]]:
    """Pairs of different VMs that what belongs together names."""
    before: dict[int, Sight] = {}
    """Of each task, the last event that named a VM."""
    began: dict[int, list[Sight]] = {}
    """Of each task, the invalidations that it began and has not ended."""
    vcpus: dict[int, Life] = {}
    """Whose each vcpu is, by its address."""
    for sight in found:
        life = life_of.get(sight.number)
        if life is None:
            continue
        named = [life_of[outer.number] for outer in _outer(sight, before)]
        if sight.name == START:
            began.setdefault(sight.pid, []).append(sight)
        elif sight.name == END:
            named += [life_of[start.number] for start in _start(sight, life, began, life_of)]
        vcpu = sight.arg("vcpu")
        if vcpu is not None:
            named.append(vcpus.get(vcpu, life))
            if named[-1].destroyed and named[-1].last < sight.number:
                named.pop()
            vcpus[vcpu] = life
        before[sight.pid] = sight
        yield from ((life, other) for other in named if other is not life)


def _outer(sight: Sight, before: Mapping[int, Sight]) -> list[Sight]:
    """What entered the function: the event before, if it is of one that enters this one next."""
    outer = before.get(sight.pid)
    return [outer] if outer is not None and sight.name in INNER.get(outer.name, ()) else []


def _start(
    end: Sight, life: Life, began: Mapping[int, list[Sight]], life_of: Mapping[int, Life]
) -> list[Sight]:
    """The start of an invalidation that ends; of its own VM, or else of another one."""
    same = [s for s in began.get(end.pid, []) if _range(s) == _range(end)]
    own = [s for s in same if life_of[s.number] is life]
    for start in (own or same)[-1:]:
        began[end.pid].remove(start)
        return [start]
    return []


def _range(sight: Sight) -> tuple[int | None, int | None]:
    return sight.arg("start"), sight.arg("end")
