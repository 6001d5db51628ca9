"""What the first events of a recording that begins late tell of the VM."""

from __future__ import annotations

from typing import Any

from lastput.validate.beginning import first_told
from lastput.validate.guest import Guest
from lastput.validate.reading import read
from lastput.validate.sights import Sight
from lastput.validate.tasks import Task
from lastput.validate.told import ACCESS, TRANSLATION, Facts, Fault, Script

GUEST = Guest((0x80000, 0x80001, 0x80002), distance=0)
WRITES = 0x93C98047
"""What hsr says of a write to a page that stage 2 has not."""


def sight(number: int, name: str, caller: str | None = None, kind: Any = "enter", **args: int) -> Sight:
    return Sight(number, number, number, 0, 7, "vcpu0-7", kind, name, caller, args)


def test_a_copy_belongs_to_the_fault_around_it() -> None:
    facts = Facts(None, {7}, GUEST, {1: 0}, None, 1, -1)
    script = read(
        Task(7, "vcpu0-7"),
        [
            sight(0, "kvm_handle_guest_abort", vcpu=1, kvm=2),
            sight(1, "kvm_guest_fault", kind="tracepoint", ipa=0x80001000, hsr=WRITES),
            sight(2, "__gfn_to_pfn_memslot", gfn=0x80001),
            sight(3, "hva_to_pfn"),
            sight(4, "__mmu_notifier_invalidate_range_start", caller="do_wp_page"),
        ],
        facts,
    )
    assert script.faults == [Fault(0, 1, TRANSLATION, copies=True)]
    assert [made.call.name for made in script.calls if made.call.name != "end_run"] == ["touch"]


def test_a_page_that_is_copied_first_could_not_be_written_to() -> None:
    """c3-lrugen (6.12), from the middle on: the owner had forked before."""
    script = Script(Task(7, "vcpu0-7"))
    script.faults = [Fault(0, 0, TRANSLATION, copies=True), Fault(1, 1, TRANSLATION)]
    assert first_told([script], GUEST) == ({}, {0}, 0)


def test_nothing_is_told_of_a_page_that_was_changed_or_that_stage_2_had() -> None:
    script = Script(Task(7, "vcpu0-7"))
    script.faults = [Fault(0, 0, TRANSLATION), Fault(1, 0, TRANSLATION, copies=True)]
    script.faults.append(Fault(2, 1, ACCESS, copies=True))
    assert first_told([script], GUEST) == ({1: False}, set(), 0)
