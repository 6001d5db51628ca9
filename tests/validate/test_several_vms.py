"""Recordings of two VMs at once: each is held against the model by itself, and wrongly refused is neither.

Each is made of an accepted recording of one VM. What each of the two must show is what that one must, up to
the return of kvm_destroy_vm, with which a life ends.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lastput.ftrace.recording import Recording
from lastput.validate.validation import validate
from tests.validate.changing import recorded, without
from tests.validate.doubling import FURTHER, doubled, merged, other

TOGETHER, APART = 1_000, 100_000_000_000
"""Both VMs live at the same time, and one after the other; ns."""

JOINED = 20_000
"""Two events of one entry, a probe's and the function tracer's, are at most this far apart in time, ns."""

WITHIN = ("kvm_free_stage2_pgd", "kvm_vm_release")
"""Functions on the way to the end of a VM, of which no entry can be missing."""


def _until_destroyed(whole: Recording) -> int:
    """How many events one VM alone must show until kvm_destroy_vm returns."""
    (tried,) = validate(whole).tried
    (end,) = [e.number for e in whole.events if (e.name, e.kind) == ("kvm_destroy_vm", "return")]
    return sum(seen.number <= end and not seen.shows_end for seen in tried.seen)


AT_ONCE = ("b3", "b5", "b6", "a4")


@pytest.mark.parametrize(("name", "later"), [*((name, TOGETHER) for name in AT_ONCE), ("a1", APART)])
def test_two_vms_are_accepted(name: str, later: int) -> None:
    made = validate(doubled(recorded(name), later))
    assert [tried.word for tried in made.tried] == ["accepted"] * 2
    assert [tried.cast.life.created for tried in made.tried] == [name != "b6"] * 2
    assert [tried.wanted for tried in made.tried] == [_until_destroyed(recorded(name))] * 2


@pytest.mark.parametrize("name", WITHIN)
def test_one_of_them_lacks_an_entry(name: str) -> None:
    """The second VM lacks both events of a function's last entry; the first is not blamed."""
    both = doubled(recorded("b3"), TOGETHER)
    entries = [e for e in both.events if (e.name, e.kind) == (name, "enter") and e.pid > FURTHER]
    lacking = [e for e in entries if e.time > entries[-1].time - JOINED]
    made = validate(without(both, *lacking))
    assert [tried.word for tried in made.tried] == ["accepted", "refused"]


def test_one_of_them_returns_in_another_order() -> None:
    """In the second VM the outer function returns before the inner one."""
    whole = recorded("b3")
    second = other(whole, TOGETHER)
    inner, outer = (
        next(n for n, e in enumerate(second) if (e.name, e.kind) == (name, "return"))
        for name in ("kvm_free_stage2_pgd", "kvm_arch_flush_shadow_all")
    )
    assert outer == inner + 1
    second[inner], second[outer] = (
        replace(second[outer], time=second[inner].time),
        replace(second[inner], time=second[outer].time),
    )
    made = validate(merged(whole, whole.events, second))
    assert [tried.word for tried in made.tried] == ["accepted", "refused"]
