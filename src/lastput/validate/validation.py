"""Whether a recording is a behaviour of the model: the whole way from a file to a verdict."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lastput.ftrace.event import Event
from lastput.ftrace.recording import Point, Recording
from lastput.lang.errors import UsageError
from lastput.validate.cast import Cast, casts, version
from lastput.validate.checks import checks
from lastput.validate.emit import EmittingProgram
from lastput.validate.follow import follow
from lastput.validate.ignored import NOT_MODELLED, PARTIAL, REASONS, WHOLE_IN_MODEL, Counts, count
from lastput.validate.lives import CREATES
from lastput.validate.outcome import Accepted, Effort, Refused, Undecided
from lastput.validate.script import Stage
from lastput.validate.seen import VERB, Observable, Seen
from lastput.validate.sights import Sight
from lastput.validate.stage import build
from lastput.validate.vocabulary import VOCABULARY

Word = Literal["accepted", "refused", "undecided", "vacuous"]

OF_INTEREST = ("kvm_", "__mmu_notifier_", "mmu_notifier_")
"""Beginnings of the names of functions that the model is about. Tasks that exit are not, by themselves."""

EARLY = ("kvm_vcpu_ioctl", "kvm_arch_vcpu_ioctl_run")
"""Functions that the model leaves early: what the guest does meanwhile are calls of their own."""

NEVER_LEFT = ("do_exit",)
"""A function that the model leaves, and the kernel does not."""

END: Point = ("exit_notify", "enter")
"""What a task comes to last."""

DIED = "sig=11"
"""What signal_generate says of a task that dies of SIGSEGV. No experiment means to: emulation has it
happen at times, and then no more of the capture is to be believed."""

LINES_BEFORE = 3
"""Lines that are shown before the one that does not fit."""

_GIVEN = re.compile(r"\b\w+=[^\s()]+")

MOST_STEPS = 2_000_000
SECONDS = 900.0


@dataclass
class Tried:
    """One VM of a recording, held against the model."""

    cast: Cast
    seen: tuple[Seen, ...]
    outcome: Accepted | Refused | Undecided
    ignored: Counts
    """Events that the model need not explain: how many, by reason and function."""
    around: tuple[str, ...] = ()
    """Of a recording that was not accepted: the last lines that fit, and the first that does not."""
    lost: int = 0
    """How many events of the recording were lost."""

    @property
    def word(self) -> Word:
        """The verdict. A recording of which nothing of interest was matched says nothing about the model."""
        if isinstance(self.outcome, Accepted) and not self.interesting:
            return "vacuous"
        # What fits may be the rest of what would not have, and what does not may be for want of the rest.
        if self.lost or isinstance(self.outcome, Undecided):
            return "undecided"
        return "accepted" if isinstance(self.outcome, Accepted) else "refused"

    @property
    def interesting(self) -> int:
        """How many matched events are of functions that the model is about."""
        return sum(n for (name, _), n in self.matched.items() if name.startswith(OF_INTEREST))

    @property
    def matched(self) -> Counter[tuple[str, Literal["enter", "return"]]]:
        """How many events of each kind were found; of a refused recording, before the one that was not."""
        if isinstance(self.outcome, Accepted):
            return self.outcome.counts
        return Counter((s.function, s.at) for s in self.seen[: self.outcome.position] if not s.shows_end)

    @property
    def wanted(self) -> int:
        """How many events the model must show."""
        return sum(not event.shows_end for event in self.seen)


@dataclass
class Validation:
    """A recording, held against the model."""

    name: str
    """The recording's, without folder and endings."""
    events: int
    """How many it has."""
    lost: int
    """How many were lost when it was made, as far as the file tells."""
    told_by: str
    """How it is known what could be recorded."""
    tried: list[Tried] = field(default_factory=list)
    seconds: float = 0.0
    path: str = ""
    """The file's, as given; ARCHIVE:MEMBER in an archive."""

    @property
    def word(self) -> Word:
        """The worst verdict of any VM; vacuous if there is none."""
        words = {tried.word for tried in self.tried}
        order: tuple[Word, ...] = ("refused", "undecided", "accepted")
        return next((word for word in order if word in words), "vacuous")


@dataclass(frozen=True)
class Plan:
    """How to validate."""

    most_steps: int = MOST_STEPS
    """Steps of the model for each VM; beyond them the verdict is `undecided`."""
    seconds: float = SECONDS
    """Time for each VM, for a machine that does not come so far; the same."""
    slack: int = 0
    """Events of different CPUs whose time stamps are at most this apart, in ns, may be in either order."""
    kernel: str | None = None
    """Version of the kernel, for recordings beside which nothing tells it."""


def validate(recording: Recording, plan: Plan | None = None) -> Validation:
    """Hold each VM's life in `recording` against the model of its kernel's version.

    UsageError if the recording cannot be cast: of another kernel, or of several VMs that no probe tells
    apart; and if it is no capture to rely on.
    """
    began = time.perf_counter()
    _require_sound(recording)
    plan = plan or Plan()
    if plan.kernel is not None and recording.kernel is None:
        recording = replace(recording, kernel=plan.kernel)
    elif plan.kernel is not None and version(recording) != plan.kernel:
        raise UsageError(f"{recording.path}: --kernel {plan.kernel}, but it is of Linux {recording.kernel}")
    made = Validation(recording.name, len(recording.events), recording.lost, recording.told_by)
    made.path = recording.path
    for cast in casts(recording):
        dead = cast.life.after and not cast.life.created and (CREATES, "enter") in recording.observable
        made.tried.append(_used_after(cast, recording.lost) if dead else _try(recording, cast, plan))
    made.seconds = time.perf_counter() - began
    return made


def _require_sound(recording: Recording) -> None:
    for event in recording.events:
        if event.event == "signal_generate" and DIED in event.message.split():
            raise UsageError(
                f"{recording.path}:{event.line}: {event.args.get('comm', 'a task')} died of SIGSEGV "
                f"(signal_generate: {DIED}): a capture that is not to be relied on; make it again"
            )


def _used_after(cast: Cast, lost: int) -> Tried:
    """No VM was made at the address since one was destroyed there, which would have been recorded."""
    why = f"{cast.life.name} is used after kvm_destroy_vm, and no VM was made there since"
    return Tried(cast, (), Refused(0, why, (), 0, Effort(0, 0, 0.0)), cast.ignored, lost=lost)


def _try(recording: Recording, cast: Cast, plan: Plan) -> Tried:
    words = VOCABULARY[cast.stage.version]
    points = recording.observable | _tracepoints(recording)
    partial = recording.partial - {*WHOLE_IN_MODEL}
    observable = frozenset(p for p in points if p[0] in words - partial and _may_be_seen(p))
    ignored = {reason: dict(names) for reason, names in cast.ignored.items()}
    seen = []
    for role, sight in cast.seen:
        at: Literal["enter", "return"] = "return" if sight.kind == "return" else "enter"
        if (sight.name, at) in observable or sight.name in REASONS:
            found = checks(sight, cast.facts, cast.contradictions.get(sight.number, ()))
            seen.append(Seen(sight.number, sight.time, sight.cpu, role, sight.name, at, found, sight.line))
        else:
            count(ignored, PARTIAL if sight.name in partial else NOT_MODELLED, sight.name, sight.events)
    if cast.ends:
        observable |= {END}
        seen += [_end(role, sight) for role, sight in cast.ends]
        seen.sort(key=lambda event: event.number)
    # What is left out must be seen only where it cannot have happened (Reader): the model never shows it.
    late = {(event.function, event.at) for event in seen if event.function in REASONS}
    program = _program(cast.stage, observable)
    outcome = follow(
        program.world,
        seen,
        observable | late,
        most_steps=plan.most_steps,
        seconds=plan.seconds,
        slack=plan.slack,
        program=program,
    )
    around = () if isinstance(outcome, Accepted) else _around(recording, seen, outcome.position)
    return Tried(cast, tuple(seen), outcome, ignored, around, recording.lost)


def _end(role: int, sight: Sight) -> Seen:
    return Seen(sight.number, sight.time, sight.cpu, role, *END, line=sight.line, shows_end=True)


def _tracepoints(recording: Recording) -> frozenset[Point]:
    """A tracepoint is entered, as it were. One that never occurs was not recorded."""
    return frozenset((event.name, "enter") for event in recording.events if event.kind == "tracepoint")


_latest: dict[str, EmittingProgram] = {}
"""The program of the stage before, by all that it is made of: traces that are much alike come in rows."""


def _program(stage: Stage, observable: Observable) -> EmittingProgram:
    key = f"{stage} {sorted(observable)}"
    if key not in _latest:
        _latest.clear()
        _latest[key] = EmittingProgram(build(stage), observable)
    return _latest[key]


def _around(recording: Recording, seen: Sequence[Seen], position: int) -> tuple[str, ...]:
    numbers = [s.number for s in seen[max(0, position - LINES_BEFORE) : position + 1]]
    return tuple(_line(recording.events[number]) for number in numbers)


def _line(event: Event) -> str:
    """Where in the file, when, who, what, and the arguments as printed: what tells one line from another."""
    verb = VERB.get(event.kind, "tells")
    given = " ".join(_GIVEN.findall(event.text))
    what = f"line {event.line:,}: {event.time / 1e9:.6f} {event.task} {verb} {event.name}"
    return f"{what}, {given}" if given else what


def _may_be_seen(point: Point) -> bool:
    """Whether an end of a function, if it was recorded, must be found in the model."""
    name, at = point
    return name not in REASONS and not (at == "return" and name in (*EARLY, *NEVER_LEFT))
