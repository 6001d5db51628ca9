"""What the lines of a recording say against each other, whatever the model is.

The addresses of the kernel mean nothing in the model, but within one life each names one thing: a VM has one
notifier, one stage 2 and one owner, and an address space that is put is the one that is torn down. What most
of a life's events say of a thing is its address; the others are wrong. So it is with the ranges of one
notification, wherever in memory they are: outside of the guest's the model knows no pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lastput.validate.impostors import END, START
from lastput.validate.lives import BY_NOTIFIER, DESTROYS, Life
from lastput.validate.sights import Sight


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An argument of an event, and what it would have to be for what other events say."""

    label: str
    said: int
    meant: int


Found = tuple[Sight, Contradiction]

OF_VM = ("mn", "pgt")
"""Arguments of which a VM has one. A stage 2 that is NULL is none: that is for the model to say."""

NAMES_OWNER = (DESTROYS, *BY_NOTIFIER)
"""Functions whose argument `mm` is the address space of the VM's owner."""

TEARS_DOWN = {"exit_mmap": "mmput", "__mmu_notifier_release": "exit_mmap"}
"""Functions that are called for one address space, and by which function of the same."""

WORKER = "kworker/"
"""Beginning of the name of a task that works for others."""

TELLS = {
    "kvm_mmu_notifier_invalidate_range_start": ("kvm_unmap_hva_range", "range", "range_end"),
    "kvm_mmu_notifier_clear_flush_young": ("kvm_age_hva", "hva", "hva_end"),
    "kvm_mmu_notifier_clear_young": ("kvm_age_hva", "hva", "hva_end"),
    "kvm_mmu_notifier_test_young": ("kvm_test_age_hva", "hva", None),
}
"""Callbacks, and the tracepoint in each that tells its range again: what that calls beginning and end."""

CHANGES_SLOTS = "kvm_set_memslot"
SLOT = "slot"


def contradictions(
    life: Life,
    seen: Sequence[Sight],
    own: Mapping[int, Sequence[Sight]],
    halves: Collection[int],
    again: Collection[int],
) -> dict[int, tuple[Contradiction, ...]]:
    """All of a life, by the number of the event.

    `seen` is what must be seen in the model, `own` all that each task was seen to do, both in order;
    `halves` are the entries of which one of two events is missing, `again` the returns that come twice.
    """
    found: dict[int, tuple[Contradiction, ...]] = {}
    for sight, one in _all(life, seen, own, halves, again):
        found[sight.number] = (*found.get(sight.number, ()), one)
    return found


def _all(
    life: Life,
    seen: Sequence[Sight],
    own: Mapping[int, Sequence[Sight]],
    halves: Collection[int],
    again: Collection[int],
) -> Iterator[Found]:
    yield from _of_vm(life, seen)
    yield from _slots(life, seen)
    for sight in seen:
        if sight.number in halves:
            yield sight, Contradiction("events of this entry", 1, 2)
        if sight.number in again:
            yield sight, Contradiction("returns of this entry", 2, 1)
    for sights in own.values():
        yield from _torn_down(sights)
        yield from _invalidations(sights)
        yield from _told_again(sights)


def _of_vm(life: Life, seen: Sequence[Sight]) -> Iterator[Found]:
    """Events that name another VM, notifier, stage 2 or owner than the life's."""
    known = {"kvm": life.kvm, "mm": life.mm}
    for name in OF_VM:
        told = Counter(value for sight in seen if (value := sight.arg(name)))
        known[name] = told.most_common(1)[0][0] if told else None
    for sight in seen:
        for name, right in known.items():
            value = sight.arg(name)
            if value and right and value != right and (name != "mm" or sight.name in NAMES_OWNER):
                yield sight, Contradiction(name, value, right)


def _slots(life: Life, seen: Sequence[Sight]) -> Iterator[Found]:
    """Faults in another slot of memory than those before, without a change of the slots."""
    if not life.created:
        return
    changes = 0
    known: list[int] = []
    for sight in seen:
        changes += sight.name == CHANGES_SLOTS and sight.kind == "enter"
        slot = sight.arg(SLOT)
        if slot is None or slot in known:
            continue
        if changes and len(known) >= changes:
            yield sight, Contradiction(SLOT, slot, known[-1])
        else:
            known.append(slot)


def _torn_down(sights: Sequence[Sight]) -> Iterator[Found]:
    """An address space is torn down that is not the one that the same task has just put.

    A worker tears down (mmput_async_fn) what others have put.
    """
    before: Sight | None = None
    for sight in sights:
        mm = sight.arg("mm")
        if before is not None and (sight.kind, sight.name) == ("return", before.name):
            before = None  # that one is done
        if sight.kind != "enter" or mm is None:
            continue
        by = TEARS_DOWN.get(sight.name)
        if by == "mmput" and sight.task.startswith(WORKER):
            before = None
        if before is not None and by == before.name and before.arg("mm") != mm:
            yield sight, Contradiction("mm", mm, before.arg("mm") or 0)
        before = sight


def _invalidations(sights: Sequence[Sight]) -> Iterator[Found]:
    """An invalidation that ends has another range than the one that began."""
    began: list[tuple[int, int]] = []
    for sight in sights:
        start, end = sight.arg("start"), sight.arg("end")
        if sight.kind != "enter" or start is None or end is None:
            continue
        if sight.name == START:
            began.append((start, end))
        elif sight.name == END and (start, end) in began:
            began.remove((start, end))
        elif sight.name == END and began:
            yield from _differing(sight, (start, end), began.pop())


def _told_again(sights: Sequence[Sight]) -> Iterator[Found]:
    """A callback has another range than the tracepoint inside of it tells."""
    callback: Sight | None = None
    for sight in sights:
        if sight.kind == "enter":
            callback = sight if sight.name in TELLS else None
        elif callback is None:
            continue
        elif sight.kind == "return" and sight.name == callback.name:
            callback = None
        elif sight.kind == "tracepoint" and sight.name == TELLS[callback.name][0]:
            _, first, last = TELLS[callback.name]
            start = callback.arg("start")
            start = callback.arg("addr") if start is None else start
            end = callback.arg("end") if last else None
            told = sight.arg(first), sight.arg(last) if last else None
            if start is not None:
                yield from _differing(callback, (start, end), told)
            callback = None


def _differing(
    sight: Sight, said: tuple[int, int | None], meant: tuple[int | None, int | None]
) -> Iterator[Found]:
    for label, one, other in zip(("start", "end"), said, meant, strict=True):
        if one is not None and other is not None and one != other:
            yield sight, Contradiction(label, one, other)
