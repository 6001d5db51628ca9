"""What decides a verdict besides the search: events that were lost, and a VM that is no more."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace

import pytest

from lastput.ftrace.event import Event
from lastput.ftrace.files import File
from lastput.validate import several
from lastput.validate.emit import Emission
from lastput.validate.ignored import AFTER, BEFORE, PARTIAL
from lastput.validate.outcome import Refused
from lastput.validate.several import Unread
from lastput.validate.state import plain
from lastput.validate.validation import Plan, validate
from tests.cli.traces import ARCHIVE
from tests.validate.changing import nth, recorded, without


def test_a_recording_that_lost_events_is_not_accepted() -> None:
    whole = recorded("a7")
    assert validate(whole).word == "accepted"
    made = validate(replace(whole, lost=1))
    assert made.word == "undecided"
    assert [tried.word for tried in made.tried] == ["undecided"], "of each VM, too"


def test_nor_is_it_refused() -> None:
    """Whatever does not fit may be for want of what was lost (c3-lrugen of 6.12)."""
    whole = recorded("a7")
    holed = without(whole, nth(whole, "kvm_free_stage2_pgd"))
    assert validate(holed).word == "refused"
    made = validate(replace(holed, lost=1))
    assert [made.word, *(tried.word for tried in made.tried)] == ["undecided"] * 2


def test_a_vm_is_used_after_its_end() -> None:
    """The creation of a VM is recorded in a1: nobody has made another one at the address."""
    whole = recorded("a1")
    asked = next(e for e in whole.events if e.event == "inv_start")
    late = _later(whole.events[-1], asked)
    made = validate(replace(whole, events=(*whole.events, late)))
    assert made.word == "refused"
    last = made.tried[-1].outcome
    assert isinstance(last, Refused)
    assert "used after kvm_destroy_vm" in last.why


def _later(last: Event, event: Event) -> Event:
    return replace(event, number=last.number + 1, line=last.line + 1, time=last.time + 1_000_000)


def test_errors_that_differ_are_two_states() -> None:
    """-1 and -2 have one hash in CPython."""
    queues = [(Emission("f", "return", (), error, ()),) for error in (-1, -2)]
    assert plain(queues[0]) != plain(queues[1])
    assert hash(plain(queues[0])) == hash(plain(queues[1])), "else this shows nothing"


def test_the_longest_recordings_begin_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each takes only what lies beside it with it, not the other recordings."""
    given: list[File] = []

    class Pool:
        def submit(self, _: object, file: File, plan: Plan) -> Future[Unread]:
            given.append(file)
            done: Future[Unread] = Future()
            done.set_result(Unread(file.path, ""))
            return done

    monkeypatch.setattr(several, "processes", lambda jobs: nullcontext(Pool()))
    found = dict(several.several(several.traces([str(ARCHIVE)]), Plan(), 2))
    assert [file.size for file in given] == sorted((file.size for file in given), reverse=True)
    assert [one.path for _, one in sorted(found.items())] == sorted(file.path for file in given)
    assert len(pickle.dumps(given[-1])) < given[-1].size + given[0].size


@pytest.mark.parametrize(("name", "reason"), [("b2", BEFORE), ("b9", AFTER)])
def test_every_event_is_matched_or_ignored(name: str, reason: str) -> None:
    """For each VM, those before it and those of other VMs, too."""
    whole = recorded(name)
    made = validate(whole)
    for tried in made.tried:
        numbers = {seen.number for seen in tried.seen}
        matched = sum(sight.events for _, sight in tried.cast.seen if sight.number in numbers)
        ignored = sum(sum(names.values()) for names in tried.ignored.values())
        assert matched + ignored == len(whole.events)
    assert any(reason in tried.ignored for tried in made.tried)


def test_a_last_event_is_missed_when_the_parent_was_told() -> None:
    """exit_notify comes behind the last release of a task."""
    whole = recorded("a7")
    last = [e for e in whole.events if e.kind == "return"][-1]
    assert last.name == "kvm_destroy_vm"
    cut = without(whole, last)
    made = validate(cut)
    assert made.word == "refused"
    assert [tried.around[-1].split(", ")[0] for tried in made.tried] == [
        "line 103: 18.591414 kvmlab-358 tells signal_generate"
    ]
    untold = without(cut, nth(cut, "signal_generate"))
    assert validate(untold).word == "accepted", "the recording may end before it comes"


def test_do_exit_never_returns() -> None:
    """The model's does, and a function graph would have shown it before the parent is told."""
    made = validate(recorded("a1-graph"))
    assert made.word == "accepted"
    assert any(seen.shows_end for tried in made.tried for seen in tried.seen)


def test_a_thread_ends_with_its_process() -> None:
    """Only the last task of a process tells the parent, for all of them."""
    whole = recorded("a3")
    (tried,) = validate(whole).tried
    ends = {seen.thread: seen for seen in tried.seen if seen.shows_end}
    assert len(ends) == 3
    assert len({seen.number for seen in ends.values()}) == 1
    teller = whole.events[ends[0].number].pid
    for thread in ends:
        *_, last, _ = [seen for seen in tried.seen if seen.thread == thread]
        dropped = whole.events[last.number]
        if dropped.pid != teller:
            assert validate(without(whole, dropped)).word == "refused"


def test_a_function_of_which_only_a_part_can_be_traced() -> None:
    """The compiler may split a function: an entry that does not come to the part leaves no event."""
    whole = recorded("b3")
    entries = [e for e in whole.events if (e.name, e.kind) == ("synchronize_srcu", "enter")]
    assert len(entries) > 1
    lacking = without(whole, *entries[:-1])
    assert validate(lacking).word == "refused"
    (tried,) = validate(replace(lacking, partial=whole.partial | {"synchronize_srcu"})).tried
    assert tried.word == "accepted"
    assert tried.ignored[PARTIAL] == {"synchronize_srcu": 1}
    # Of this one the committed kernels have only a part, and the model enters it just as that is.
    assert "kvm_free_memslots" in whole.partial
    assert tried.matched["kvm_free_memslots", "enter"] == 1
