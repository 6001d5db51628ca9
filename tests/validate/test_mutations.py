"""The generator of mutants: each has the one change that it says, and no two are the same."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from lastput.ftrace.recording import Recording
from tests.ftrace.test_traces import committed
from tests.validate.mutations import KINDS, Mutant, calls, mutants

ARGUMENTS = {
    "users": {"users", "kvm_users"},
    "root": {"pgt"},
    "sequence": {"seq"},
    "in progress": {"inprog"},
    "range": {"start", "end", "addr", "gfn"},
    "result": {"ret"},
    "mm_users": {"mm_users"},
    "pointer": {"mn", "kvm", "pgt", "mm", "vcpu", "slot"},
}


@pytest.fixture(scope="module")
def trace() -> Recording:
    return committed("det-6.1-a57")["b2"]


@pytest.fixture(scope="module")
def some(trace: Recording) -> list[Mutant]:
    return mutants(trace, seed=1, wanted=200)


def what(recording: Recording) -> Counter[tuple[object, ...]]:
    """The events without their place in time."""
    return Counter((e.pid, e.kind, e.source, e.name, tuple(e.args.items()), e.text) for e in recording.events)


def test_every_kind_occurs_and_none_twice(trace: Recording, some: list[Mutant]) -> None:
    assert len(some) == 200
    assert {one.kind for one in some} == set(KINDS)
    assert len({one.description for one in some}) == 200
    assert not any("\n" in one.name for one in some)
    changed = [[(e.time, e.text, e.pid, e.args, e.name) for e in one.recording.events] for one in some]
    as_it_was = [(e.time, e.text, e.pid, e.args, e.name) for e in trace.events]
    assert as_it_was not in changed


def test_the_same_seed_gives_the_same_mutants(trace: Recording, some: list[Mutant]) -> None:
    assert mutants(trace, seed=1, wanted=200) == some
    assert mutants(trace, seed=2, wanted=200) != some


def test_mutants_are_recordings(some: list[Mutant]) -> None:
    for one in some:
        events = one.recording.events
        assert [event.number for event in events] == list(range(len(events)))
        assert all(before.time <= after.time for before, after in pairwise(events))


def test_each_kind_changes_what_it_says(trace: Recording, some: list[Mutant]) -> None:
    before = what(trace)
    for one in some:
        after = what(one.recording)
        lost, new = before - after, after - before
        match one.kind:
            case "swap" | "exchange":
                assert not lost
                assert not new
            case "drop" | "half":
                assert lost
                assert not new
            case "repeat" | "late callback":
                assert new
                assert not lost
            case "move":
                assert lost.total() == new.total()
                assert {key[1:] for key in lost} == {key[1:] for key in new}
            case "rename":
                assert {key[0] for key in lost} == {key[0] for key in new}
                assert {key[3] for key in lost}.isdisjoint({key[3] for key in new})
            case _:
                (old,), (other,) = lost, new
                differ = set(old[4]) ^ set(other[4])  # type: ignore[call-overload]
                assert {key for key, _ in differ} <= ARGUMENTS[one.kind]
                assert len(differ) == 2


def test_two_records_of_one_entry_change_together(trace: Recording) -> None:
    joined = [call for call in calls(trace.events) if len(call.events) == 2]
    assert len(joined) > 30
    assert {call.first.source for call in joined} == {"kprobe"}
    assert all(call.events[0].name == call.events[1].name for call in joined)
    numbers = {number for call in joined for number in call.numbers}
    drops = [one for one in mutants(trace, seed=3, wanted=60, among=numbers) if one.kind == "drop"]
    halves = [one for one in mutants(trace, seed=3, wanted=60, among=numbers) if one.kind == "half"]
    assert halves
    assert all(len(one.recording.events) == len(trace.events) - 1 for one in halves)
    assert drops
    assert all(len(one.recording.events) == len(trace.events) - 2 for one in drops)


def test_only_what_may_be_changed_is(trace: Recording) -> None:
    few = [event.number for event in trace.events if event.event in ("free_pgd", "destroy_vm")]
    for one in mutants(trace, seed=4, wanted=30, among=few):
        assert set(one.changed) & set(few) or one.kind == "half", "that may drop the tracer's of a probe"


def test_a_late_callback_is_of_the_notifier_that_went(some: list[Mutant]) -> None:
    late = [one for one in some if one.kind == "late callback"]
    assert late
    for one in late:
        events = one.recording.events
        gone = next(e for e in events if (e.name, e.kind) == ("mmu_notifier_unregister", "return"))
        after = [e for e in events if e.time == gone.time + 1000 and e.name.startswith("kvm_mmu_notifier_")]
        assert after


def test_a_short_recording_gives_what_it_can(trace: Recording) -> None:
    nothing = mutants(trace, seed=1, wanted=10, among=[])
    one = mutants(trace, seed=1, wanted=100, among=[trace.events[3].number])
    assert not nothing
    assert 0 < len(one) < 5
