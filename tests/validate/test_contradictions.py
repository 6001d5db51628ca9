"""Lines of a recording that contradict each other: in addresses, in ranges, in how often an entry is told.

Each recording is accepted as it is; with the one change that a test makes it is refused, at the changed line.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lastput.ftrace.event import Event, Kind
from lastput.validate.contradictions import contradictions
from lastput.validate.impostors import END, START
from lastput.validate.lives import Life, lives
from lastput.validate.sights import Sight, halves, returned_again, sights
from lastput.validate.validation import validate
from tests.validate.changing import disagreements, nth, recorded, says, with_again, with_args, without

WRONG = 0xFFFF_0000_0DEA_D000


@pytest.mark.parametrize(
    ("trace", "event", "argument"),
    [
        ("a7", "kvm_mn_release", "mn"),
        ("a7", "inv_start", "mn"),
        ("a7", "inv_end", "mn"),
        ("a7", "unregister", "mn"),
        ("a7", "flush_shadow_all", "kvm"),
        ("a7", "destroy_vm", "kvm"),
        ("a7", "flush_shadow_all", "pgt"),
        ("a7", "free_pgd", "pgt"),
        ("a7", "pgt_destroy", "pgt"),
        ("a7", "exit_mmap", "mm"),
        ("a7", "mm_release", "mm"),
        ("a7", "unregister", "mm"),
        ("b6", "unmap_gfn", "kvm"),
        ("b6", "unmap_gfn", "pgt"),
        ("a2", "guest_abort", "kvm"),
        ("a2", "pfn", "slot"),
        ("m2-age-across-release", "clear_flush_young", "mm"),
    ],
)
def test_an_address_that_others_contradict(trace: str, event: str, argument: str) -> None:
    """It is the VM's own address that is wrong: no other VM is made of it."""
    whole = recorded(trace)
    changed = nth(whole, event, -1)
    assert changed.args[argument] not in (0, WRONG)
    assert says(with_args(whole, changed, **{argument: WRONG}), argument)


def test_a_wrong_notifier_is_shown_where_it_is() -> None:
    whole = recorded("a7")
    changed = nth(whole, "kvm_mn_release")
    (tried,) = validate(with_args(whole, changed, mn=WRONG)).tried
    assert tried.around[-1].startswith(f"line {changed.line}: ")
    assert disagreements(validate(with_args(whole, changed, mn=WRONG))) == [
        f"mn: {WRONG:#x} in the trace, {changed.args['mn']:#x} by other events"
    ]


def test_two_vms_of_one_process_are_two() -> None:
    """Notifiers of one address space are told in turn: the second VM is none that is named by mistake."""
    whole = recorded("b9")
    found = sights(whole.events)
    assert len(lives(found)) == 5
    both = [s for s in found if s.name in (START, END)]
    assert both
    other = [replace(s, number=s.number + 1_000_000, args={**s.args, "mn": WRONG}) for s in both]
    told = sorted([*found, *other], key=lambda s: s.time)
    assert len(lives([replace(s, number=n) for n, s in enumerate(told)])) == 6


def test_a_fault_of_another_vcpu_than_runs() -> None:
    whole = recorded("a3", "det-6.12-a57")
    faults = [e for e in whole.events if e.event == "guest_abort"]
    again = next(e for e in faults[1:] if e.args["vcpu"] == faults[0].args["vcpu"])
    other = next(e.args["vcpu"] for e in faults if e.args["vcpu"] != again.args["vcpu"])
    assert isinstance(other, int)
    assert says(with_args(whole, again, vcpu=other), "vcpu")


@pytest.mark.parametrize(
    ("event", "argument"), [("inv_start", "start"), ("inv_end", "end"), ("inv_end", "start")]
)
def test_a_range_outside_of_the_guest(event: str, argument: str) -> None:
    """The start and the end of one invalidation are told the same range."""
    whole = recorded("a7")
    changed = nth(whole, event)
    value = changed.args[argument]
    assert isinstance(value, int)
    label = "start" if argument == "start" else "end"
    assert says(with_args(whole, changed, **{argument: value + 0x1000}), label)


def test_a_callback_and_its_tracepoint_have_one_range() -> None:
    whole = recorded("m6-damon-across-release", "det-6.12-a57")
    changed = nth(whole, "test_young")
    value = changed.args["addr"]
    assert isinstance(value, int)
    assert says(with_args(whole, changed, addr=value + 0x1000), "start")


@pytest.mark.parametrize("source", ["kprobe", "function"])
def test_one_of_two_records_of_an_entry_is_missing(source: str) -> None:
    whole = recorded("a2")
    assert "kvm_destroy_vm" in whole.twice
    dropped = next(
        e for e in whole.events if e.name == "kvm_destroy_vm" and (e.kind, e.source) == ("enter", source)
    )
    assert says(without(whole, dropped), "events of this entry")


def test_an_entry_at_the_edge_may_have_one_record() -> None:
    """A CPU's buffer begins and ends anywhere."""
    whole = recorded("a2")
    last = [e for e in whole.events if e.name in whole.twice and e.kind == "enter"][-1]
    cut = replace(whole, events=tuple(e for e in whole.events if e.number < last.number))
    found = sights(cut.events)
    assert [s.events for s in found if s.cpu == last.cpu][-1] == 1
    assert not halves(found, whole.twice)


def test_a_function_that_returns_twice_from_one_entry() -> None:
    """Also where the life of the VM is over with the first of the two returns."""
    whole = recorded("m2-age-across-release")
    made = validate(with_again(whole, nth(whole, "destroy_vm_ret")))
    assert disagreements(made) == ["returns of this entry: 2 in the trace, 1 by other events"]


def test_returns_that_belong_to_an_entry_each() -> None:
    """A function may be inside of itself, and may have been entered before the recording."""
    whole = recorded("m2-age-across-release")
    enter, leave = nth(whole, "destroy_vm"), nth(whole, "destroy_vm_ret")

    def told(*events: Event) -> set[int]:
        return returned_again(sights([replace(e, number=n) for n, e in enumerate(events)]))

    assert told(leave, enter, enter, leave, leave, enter, leave) == set()
    assert told(enter, leave, leave) == {1}
    assert told(leave, leave) == set()  # entries are not recorded


def _contradicted(task: str, *told: tuple[Kind, str, dict[str, int | str]]) -> list[int]:
    """Which of what one task does contradicts what it did before."""
    own = [
        Sight(number, number + 1, number, 0, 7, task, kind, name, None, args)
        for number, (kind, name, args) in enumerate(told)
    ]
    return list(contradictions(Life(), [], {7: own}, (), ()))


def test_a_range_is_told_by_its_own_callback() -> None:
    """A young page's address says nothing of the invalidation before, nor of a callback that has returned."""
    young = "kvm_mmu_notifier_clear_young"
    asked: tuple[Kind, str, dict[str, int | str]] = ("enter", young, {"start": 0x1000, "end": 0x2000})
    other: tuple[Kind, str, dict[str, int | str]] = ("enter", START, {"start": 0x1000, "end": 0x2000})
    tells: tuple[Kind, str, dict[str, int | str]] = ("tracepoint", "kvm_age_hva", {"hva": 0x5000})
    assert _contradicted("vmm-7", asked, tells) == [0]
    assert _contradicted("vmm-7", asked, ("return", young, {}), tells) == []
    assert _contradicted("vmm-7", other, tells) == []


def test_a_worker_tears_down_what_others_put() -> None:
    puts: tuple[Kind, str, dict[str, int | str]] = ("enter", "mmput", {"mm": 1})
    torn: tuple[Kind, str, dict[str, int | str]] = ("enter", "exit_mmap", {"mm": 2})
    assert _contradicted("vmm-7", puts, torn) == [1]
    assert _contradicted("vmm-7", puts, ("return", "mmput", {}), torn) == []
    assert _contradicted("kworker/0:1-7", puts, torn) == []
