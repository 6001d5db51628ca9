"""Recordings changed on purpose: nearly all of what comes out never happened, and must be refused.

It works on the events of a recording and knows nothing of the model. One entry of a function may be recorded
twice, by a kprobe and by the function tracer: such events are one `Call` here, and change together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from lastput.ftrace.event import Event
from lastput.ftrace.recording import Recording

PAGE = 0x1000
APART = 10_000
"""How far apart, in ns, events of two CPUs are at least when they are exchanged: more than clocks differ."""


@dataclass(frozen=True)
class Mutant:
    """A recording with one change."""

    kind: str
    description: str
    """The change, in one line; numbers of events are those of the recording that was changed."""
    changed: tuple[int, ...]
    """Which events of that recording were changed, dropped, moved or repeated."""
    recording: Recording

    @property
    def name(self) -> str:
        return f"{self.recording.name}: {self.description}"


@dataclass(frozen=True)
class Call:
    """One end of a function: an event, or two events of one entry."""

    events: tuple[Event, ...]

    @property
    def first(self) -> Event:
        return self.events[0]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(event.number for event in self.events)

    def __str__(self) -> str:
        return f"event {self.first.number}, {self.first.task} {self.first.kind}s {self.first.name}"


def mutants(
    recording: Recording, *, seed: int, wanted: int, among: Collection[int] | None = None
) -> list[Mutant]:
    """Up to `wanted` different mutants, the kinds in turn; the same for the same arguments.

    `among` are the numbers of events that may be changed; without it, all entries and returns may be.
    Fewer come back if the recording has nothing left to change.
    """
    random = Random(seed)
    every = list(calls(recording.events))
    chosen = [call for call in every if among is None or not set(call.numbers).isdisjoint(among)]
    found: dict[str, Mutant] = {}
    kinds = dict(KINDS)
    while len(found) < wanted and kinds:
        for kind, change in list(kinds.items()):
            mutant = _another(kind, change, recording, chosen, random, found)
            if mutant is None:
                del kinds[kind]
            elif len(found) < wanted:
                found[mutant.description] = mutant
    return list(found.values())


def calls(events: Sequence[Event]) -> Iterator[Call]:
    """Entries and returns, in the order of the recording, the two records of one entry joined."""
    waiting: dict[int, Event] = {}  # by pid: an entry by a kprobe whose other record may follow
    joined: dict[int, Call] = {}
    for event in events:
        before = waiting.pop(event.pid, None)
        if event.kind == "enter" and event.source == "kprobe":
            waiting[event.pid] = event
        elif before and event.kind == "enter" and event.name == before.name:
            joined[before.number] = Call((before, event))
            joined[event.number] = Call(())
    for event in events:
        if event.kind in ("enter", "return"):
            call = joined.get(event.number, Call((event,)))
            if call.events:
                yield call


@dataclass(frozen=True)
class Change:
    """Events that take the place of others."""

    description: str
    removed: tuple[Event, ...]
    added: tuple[Event, ...]


def _another(
    kind: str,
    change: Callable[[Recording, list[Call], Random], Change | None],
    recording: Recording,
    chosen: list[Call],
    random: Random,
    found: dict[str, Mutant],
) -> Mutant | None:
    """A mutant of this kind that was not found before; None if forty draws give none."""
    for _ in range(40):
        changed = change(recording, chosen, random) if chosen else None
        if changed is not None and changed.description not in found:
            touched = changed.removed or changed.added
            numbers = tuple(sorted({event.number for event in touched}))
            events = _with(recording.events, changed)
            return Mutant(kind, changed.description, numbers, replace(recording, events=events))
    return None


def _with(events: Sequence[Event], change: Change) -> tuple[Event, ...]:
    """The events with the change made, in order of time and numbered anew."""
    gone = {event.number for event in change.removed}
    kept = [event for event in events if event.number not in gone]
    # Where stamps are equal, what was there stands before what came, and both in their order.
    ordered = sorted([*kept, *change.added], key=lambda event: event.time)
    return tuple(
        event if event.number == number else replace(event, number=number)
        for number, event in enumerate(ordered)
    )


def _swap(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """Two ends of functions that follow each other in one task, in the other order."""
    at = random.randrange(len(chosen))
    one = chosen[at]
    after = [call for call in chosen[at + 1 :] if call.first.pid == one.first.pid][:1]
    if not after or _same(one, after[0]) or one.first.time == after[0].first.time:
        return None
    return _exchanged(f"{one}; swapped with event {after[0].first.number}", one, after[0])


def _exchange(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """An event of one CPU and a later one of another CPU, each at the other's time."""
    at = random.randrange(len(chosen))
    one = chosen[at]
    others = [
        call
        for call in chosen[at + 1 : at + 40]
        if call.first.cpu != one.first.cpu and call.first.time - one.first.time > APART
    ]
    if not others:
        return None
    other = random.choice(others)
    return _exchanged(f"{one}; exchanged with event {other.first.number}, of {other.first.task}", one, other)


def _exchanged(description: str, one: Call, other: Call) -> Change:
    added = [*_at(one, other.first), *_at(other, one.first)]
    return Change(description, (*one.events, *other.events), tuple(added))


def _at(call: Call, place: Event) -> list[Event]:
    """The call's events, when and where another event was."""
    return [replace(event, time=place.time, cpu=place.cpu) for event in call.events]


def _drop(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    call = random.choice(chosen)
    return Change(f"{call}; dropped", call.events, ())


def _half(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """Of an entry that a probe and the tracer have recorded, one of the two is missing."""
    double = [call for call in chosen if len(call.events) == 2]
    if not double:
        return None
    call = random.choice(double)
    one = random.choice(call.events)
    return Change(f"{call}; only its {one.source} event dropped", (one,), ())


def _repeat(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """It happens twice."""
    call = random.choice(chosen)
    return Change(f"{call}; repeated", (), tuple(_at(call, call.events[-1])))


def _move(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    call, other = random.choice(chosen), random.choice(chosen).first
    if other.pid == call.first.pid:
        return None
    moved = tuple(replace(one, comm=other.comm, pid=other.pid, tgid=other.tgid) for one in call.events)
    return Change(f"{call}; moved to {other.task}", call.events, moved)


def _rename(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """Another function is entered, or left, in its place."""
    call, other = random.choice(chosen), random.choice(chosen).first
    if other.name == call.first.name or other.kind != call.first.kind or other.source != call.first.source:
        return None
    renamed = tuple(
        replace(one, name=other.name, symbol=other.symbol, event=one.event and other.event, args=other.args)
        for one in call.events
    )
    return Change(f"{call}; it is {other.name} as in event {other.number}", call.events, renamed)


def _argument(keys: tuple[str, ...], other: Callable[[int, Random, Event], int]) -> Any:
    """A change of one of these arguments, to what `other` makes of its value in this event."""

    def change(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
        having = [call for call in chosen if any(key in call.first.args for key in keys)]
        if not having:
            return None
        call = random.choice(having)
        key = random.choice([key for key in keys if key in call.first.args])
        value = call.first.args[key]
        if not isinstance(value, int):
            return None
        new = other(value, random, call.first)
        first = replace(call.first, args={**call.first.args, key: new})
        shown = f"{value:#x} to {new:#x}" if max(value, new) > 0xFFFF else f"{value} to {new}"
        return Change(f"{call}; {key} from {shown}", call.events, (first, *call.events[1:]))

    return change


def _root(value: int, random: Random, event: Event) -> int:
    return 0 if value else 0xFFFF_0000_0DEA_D000


def _address(value: int, random: Random, event: Event) -> int:
    """Another object's address."""
    return value + random.choice((0x1000, 0x4_0000, 0x8000))


def _near(value: int, random: Random, event: Event) -> int:
    return value + random.choice((1, -1) if value else (1,))


def _page(value: int, random: Random, event: Event) -> int:
    """An address, or a number of a page of the guest, one or two pages on."""
    return value + random.choice((1, 2)) * (1 if "gfn" in event.name else PAGE)


def _result(value: int, random: Random, event: Event) -> int:
    return random.choice([one for one in (0, 1, -11, -14) if one != value])


def _late(recording: Recording, chosen: list[Call], random: Random) -> Change | None:
    """A callback of the notifier once more, when the notifier has been unregistered."""
    callbacks = [call for call in chosen if call.first.kind == "enter" and _is_callback(call.first)]
    if not callbacks:
        return None
    call = random.choice(callbacks)
    gone = _unregistered(recording, call.first.args.get("mn"))
    if gone is None or gone.time <= call.first.time:
        return None
    again = tuple(replace(one, time=gone.time + 1000) for one in call.events)
    return Change(f"{call}; once more after event {gone.number}, unregistered", (), again)


def _is_callback(event: Event) -> bool:
    return event.name.startswith("kvm_mmu_notifier_")


def _unregistered(recording: Recording, notifier: int | str | None) -> Event | None:
    """The return of mmu_notifier_unregister of this notifier; of the only one, if no argument tells which."""
    begun = [event for event in recording.events if event.name == "mmu_notifier_unregister"]
    told = [event for event in begun if event.kind == "enter" and "mn" in event.args]
    started = [event for event in told if event.args["mn"] == notifier]
    if not started and len({event.args["mn"] for event in told}) <= 1:
        started = [event for event in begun if event.kind == "enter"]
    for start in started[:1]:
        for event in begun:
            if event.kind == "return" and event.pid == start.pid and event.time >= start.time:
                return event
    return None


def _same(one: Call, other: Call) -> bool:
    """Whether two calls cannot be told apart in the other order."""
    return all(
        getattr(one.first, field) == getattr(other.first, field)
        for field in ("kind", "name", "args", "caller")
    )


KINDS: dict[str, Callable[[Recording, list[Call], Random], Change | None]] = {
    "swap": _swap,
    "drop": _drop,
    "move": _move,
    "repeat": _repeat,
    "rename": _rename,
    "exchange": _exchange,
    "late callback": _late,
    "users": _argument(("users", "kvm_users"), _near),
    "root": _argument(("pgt",), _root),
    "sequence": _argument(("seq",), _near),
    "in progress": _argument(("inprog",), _near),
    "range": _argument(("start", "end", "addr", "gfn"), _page),
    "pointer": _argument(("mn", "kvm", "pgt", "mm", "vcpu", "slot"), _address),
    "half": _half,
    "result": _argument(("ret",), _result),
    "mm_users": _argument(("mm_users",), _near),
}
"""What a mutant's kind does; one kind for each sort of argument."""
