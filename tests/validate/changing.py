"""Committed recordings with one thing changed by hand, and what validate says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from lastput.ftrace.event import Event
from lastput.ftrace.read import recording, sources
from lastput.ftrace.recording import Recording
from lastput.validate.outcome import Refused
from lastput.validate.validation import Validation, validate

TRACES = Path(__file__).parents[1] / "data" / "traces"


@cache
def recorded(name: str, capture: str = "det-6.1-a57") -> Recording:
    """One of the committed recordings."""
    archive = TRACES / f"{capture}.tar.xz"
    (source,) = [one for one in sources(archive) if one.path.endswith(f"/{name}.trace.txt")]
    return recording(source)


def nth(whole: Recording, event: str, number: int = 0) -> Event:
    """The event of a probe, or else of a function, from the first, or last (-1)."""
    found = [e for e in whole.events if event in (e.event, e.name)]
    return found[number]


def with_args(whole: Recording, changed: Event, **args: int) -> Recording:
    """The recording with other arguments of one event."""
    assert args.keys() <= changed.args.keys()
    return _each(whole, lambda e: replace(e, args={**e.args, **args}) if e is changed else e)


def without(whole: Recording, *dropped: Event) -> Recording:
    """The recording without some events."""
    return _each(whole, lambda e: None if e in dropped else e)


def with_again(whole: Recording, repeated: Event) -> Recording:
    """The recording with one event twice."""
    kept = [e for one in whole.events for e in ([one, one] if one is repeated else [one])]
    return replace(whole, events=tuple(replace(e, number=number) for number, e in enumerate(kept)))


def _each(whole: Recording, change: Callable[[Event], Event | None]) -> Recording:
    kept = [one for one in map(change, whole.events) if one is not None]
    return replace(whole, events=tuple(replace(e, number=number) for number, e in enumerate(kept)))


def disagreements(made: Validation) -> list[str]:
    """What validate says is otherwise in a recording that it refuses, once each."""
    assert made.word == "refused"
    outcomes = [tried.outcome for tried in made.tried if isinstance(tried.outcome, Refused)]
    standing = [thread for outcome in outcomes for place in outcome.places for thread in place.threads]
    return sorted({str(wrong) for thread in standing for wrong in thread.disagreements})


def says(whole: Recording, label: str) -> bool:
    """Whether the recording is refused for an argument of this name, and no VM is made of the change."""
    made = validate(whole)
    ended = [e for e in whole.events if (e.name, e.kind) == ("kvm_destroy_vm", "return")]
    return len(made.tried) == len(ended) and any(
        text.startswith(f"{label}: ") for text in disagreements(made)
    )
