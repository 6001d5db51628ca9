"""Why a recording that was changed is still a behaviour: what was changed is nothing that the model must
explain, or is explained by another beginning, another order, or another thing that user space did.

Each rule compares what must be seen in the model before the change and after it. A mutant that is accepted
and that no rule is about is a hole in what `validate` compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lastput.validate.seen import Seen
from lastput.validate.validation import Tried, Validation
from tests.validate.mutations import Mutant

OF_THE_OWNER = (
    "kvm_mmu_notifier_invalidate_range_start",
    "kvm_mmu_notifier_invalidate_range_end",
    "kvm_mmu_notifier_clear_flush_young",
    "kvm_mmu_notifier_clear_young",
    "kvm_mmu_notifier_test_young",
)
"""Functions that are told addresses of the owner."""

WITHOUT_EFFECT = ("kvm_vm_ioctl", "kvm_vcpu_ioctl", "kvm_arch_vcpu_ioctl_run")
"""Ioctls that do nothing by themselves. KVM_RUN in which the guest does not fault is one of them."""

Row = tuple[int, str, str, tuple[tuple[str, int | None], ...]]
"""Thread, function, which end of it, and what its arguments must be."""


def reason(before: Validation, mutant: Mutant, after: Validation) -> str | None:
    """Why this mutant, which was accepted, is a behaviour; None if no rule says so."""
    return next((rule.__doc__ for rule in RULES if rule(before, mutant, after)), None)


def ignored(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """the event need not be explained, for a reason that the verdict names"""
    return (
        mutant.kind != "late callback"
        and not any(sight.number in mutant.changed for sight in _seen(before))
        and _rows(before) == _rows(after)
    )


def beside_ignored(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """the event changed places with one that need not be explained"""
    return mutant.kind in ("swap", "exchange") and _rows(before) == _rows(after)


def outside(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """an address of the owner where no memory of the guest is, before and after"""
    if mutant.kind != "range" or _rows(before) != _rows(after):
        return False
    hit = [
        (tried, check.want)
        for tried in before.tried
        for event in tried.seen
        if event.number in mutant.changed and event.function in OF_THE_OWNER
        for check in event.checks
        if check.label in ("start", "end", "page")
    ]
    return bool(hit) and all(want == tried.cast.facts.guest.pages for tried, want in hit)


def nowhere(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """an address of the owner, in a recording that does not tell where the guest's memory is"""
    return (
        mutant.kind == "range"
        and _rows(before) == _rows(after)
        and any(
            event.function in OF_THE_OWNER and tried.cast.facts.guest.distance is None
            for tried in before.tried
            for event in tried.seen
            if event.number in mutant.changed
        )
    )


def beginning(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """the VM was there before the recording, and this event is the first to tell how it was"""
    if mutant.kind not in ("result", "sequence"):
        return False
    pairs = list(zip(before.tried, after.tried, strict=True))
    return any(
        one.cast.stage.created and _began(one) != _began(other)
        for one, other in pairs
        if any(event.number in mutant.changed for event in one.seen)
    )


def other_order(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """each task does what it did, in its own order: the model can run the tasks in this order, too"""
    return mutant.kind in ("swap", "exchange") and _by_thread(before) == _by_thread(after)


def other_call(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """user space asked for one ioctl more, or one less, or for another: of those without an effect here"""
    if mutant.kind not in ("drop", "repeat", "move", "rename"):
        return False
    was, came = Counter(_rows(before)), Counter(_rows(after))
    differing = [*(was - came), *(came - was)]
    return bool(differing) and all(
        function in WITHOUT_EFFECT and at == "enter" for _, function, at, _ in differing
    )


def no_call(before: Validation, mutant: Mutant, after: Validation) -> bool:
    """the event was all that was recorded of a call, and the task can do without that call"""
    was, came = Counter(_rows(before)), Counter(_rows(after))
    return (
        mutant.kind == "drop"
        and not came - was
        and (was - came).total() == 1
        and _calls(before) == _calls(after) + 1
    )


RULES: tuple[Callable[[Validation, Mutant, Validation], bool], ...] = (
    ignored,
    beside_ignored,
    outside,
    nowhere,
    beginning,
    other_order,
    other_call,
    no_call,
)


def _seen(validation: Validation) -> Iterator[Seen]:
    for tried in validation.tried:
        yield from tried.seen


def _rows(validation: Validation) -> list[Row]:
    """What must be seen, without when."""
    return [
        (event.thread, event.function, event.at, tuple((check.label, check.want) for check in event.checks))
        for tried in validation.tried
        for event in tried.seen
    ]


def _by_thread(validation: Validation) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in _rows(validation):
        found.setdefault(row[0], []).append(row)
    return found


def _began(tried: Tried) -> tuple[Mapping[int, bool], int]:
    return tried.cast.stage.mapped, tried.cast.stage.seq


def _calls(validation: Validation) -> int:
    return sum(len(script.calls) for tried in validation.tried for script in tried.cast.scripts)
