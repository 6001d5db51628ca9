"""What decides a verdict besides the search: events that were lost, and a VM that is no more."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from lastput.ftrace.event import Event
from lastput.ftrace.read import recording, sources
from lastput.ftrace.recording import Recording
from lastput.validate.emit import Emission
from lastput.validate.outcome import Refused
from lastput.validate.state import plain
from lastput.validate.validation import validate

ARCHIVE = Path(__file__).parents[1] / "data" / "traces" / "det-6.1-a57.tar.xz"


@cache
def recorded(name: str) -> Recording:
    (source,) = [one for one in sources(ARCHIVE) if one.path.endswith(f"/{name}.trace.txt")]
    return recording(source)


def test_a_recording_that_lost_events_is_not_accepted() -> None:
    whole = recorded("a7")
    assert validate(whole).word == "accepted"
    assert validate(replace(whole, lost=1)).word == "undecided"


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
