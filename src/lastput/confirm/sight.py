"""The window in a recording of a real kernel.

One task stays at the point where it is to be held, while another one, in the same VM, comes to the point
until which, and goes on behind that. Whether it was held there, or happened to be slow, is the same to the
kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lastput.ftrace.event import Event
from lastput.ftrace.recording import Recording
from lastput.validate.seen import At

LONGEST = 1_000_000_000
"""Nanoseconds for which a task is followed."""

TWICE = 50_000
"""Nanoseconds within which the tracer and a probe tell the same arrival."""

NEXT = 50_000_000
"""Nanoseconds behind the meeting in which the tasks' next events are looked for."""

AFTER = {True: 5, False: 2}
"""Events that are kept behind the meeting: of the task that was held, and of the other."""


@dataclass(frozen=True)
class Sighting:
    """The window, seen. `events` are those of both tasks from the hold on, the same arrival told once."""

    recording: str
    held: Event
    met: Event
    events: tuple[Event, ...]


def sightings(recording: Recording, hold: tuple[str, At], until: tuple[str, At]) -> Iterator[Sighting]:
    """Every window of this kind in a recording."""
    events = recording.events
    machines = _machines(events)
    for i, event in enumerate(events):
        if (event.name, event.kind) != hold or (i and _again(event, events, i)):
            continue
        j = _met(events, i, until)
        if j < 0 or _differ(machines[i], machines[j]) or not _goes_on(events, i, j):
            continue
        kept = (*_during(events, i, j), *_after(events, machines, i, j))
        yield Sighting(recording.name, event, events[j], kept)


def _during(events: Sequence[Event], i: int, j: int) -> list[Event]:
    tasks = events[i].pid, events[j].pid
    return [one for one in _once(events[i : j + 1]) if one.pid in tasks]


def _after(events: Sequence[Event], machines: Sequence[int | None], i: int, j: int) -> list[Event]:
    """What the tasks do next, in this VM."""
    end = events[j].time + NEXT
    later = takewhile(lambda k: events[k].time < end, range(j + 1, len(events)))
    left = {events[i].pid: AFTER[True], events[j].pid: AFTER[False]}
    kept = []
    for event in _once([events[k] for k in later if not _differ(machines[k], machines[i])]):
        if left.get(event.pid, 0) and event.kind in ("enter", "return"):
            left[event.pid] -= 1
            kept.append(event)
    return kept


def _met(events: Sequence[Event], i: int, until: tuple[str, At]) -> int:
    """The index of the other's arrival while the task of event `i` does nothing; -1 if there is none."""
    held = events[i]
    for j in range(i + 1, len(events)):
        event = events[j]
        if event.time > held.time + LONGEST:
            return -1
        if event.pid == held.pid:
            if (event.name, event.kind) == (held.name, held.kind) and event.time <= held.time + TWICE:
                continue
            return -1
        if (event.name, event.kind) == until:
            return j
    return -1


def _goes_on(events: Sequence[Event], i: int, j: int) -> bool:
    """Whether the task of event `i` comes to something behind event `j`: else it may have left long before,
    for where nothing is recorded."""
    later = takewhile(lambda event: event.time <= events[j].time + LONGEST, events[j + 1 :])
    return any(event.pid == events[i].pid and event.kind in ("enter", "return") for event in later)


def _again(event: Event, events: Sequence[Event], i: int) -> bool:
    """Whether the task's event before this one tells of the same arrival."""
    before = next((events[j] for j in range(i - 1, max(-1, i - 20), -1) if events[j].pid == event.pid), None)
    return before is not None and _same(before, event)


def _same(one: Event, other: Event) -> bool:
    return (
        (one.pid, one.name, one.kind) == (other.pid, other.name, other.kind)
        and one.source != other.source
        and other.time <= one.time + TWICE
    )


def _once(events: Sequence[Event]) -> list[Event]:
    """The events, of two that tell of one arrival the one with arguments."""
    kept: list[Event] = []
    last: dict[int, int] = {}
    for event in events:
        place = last.get(event.pid)
        if place is not None and _same(kept[place], event):
            if not kept[place].args:
                kept[place] = event
            continue
        last[event.pid] = len(kept)
        kept.append(event)
    return kept


def _machines(events: Sequence[Event]) -> list[int | None]:
    """Of each event the VM (address of its struct kvm), where its arguments tell.

    A notifier and a stage 2 are parts of a VM. How far from its beginning is learned from the release, which
    gets the notifier and calls what gets the VM, and from that, which calls what gets the stage 2. A return
    has the VM of the arrival.
    """
    release, flush, free = "kvm_mmu_notifier_release", "kvm_arch_flush_shadow_all", "kvm_free_stage2_pgd"
    parts = {
        "mn": _distance(events, (release, "mn"), (flush, "kvm")),
        "mmu": -_distance(events, (flush, "kvm"), (free, "mmu")),
    }
    entered: dict[tuple[int, str], int | None] = {}
    found: list[int | None] = []
    for event in events:
        own = event.args.get("kvm")
        for name, distance in parts.items():
            part = event.args.get(name)
            if own is None and isinstance(part, int) and distance:
                own = part - distance
        machine = own if isinstance(own, int) else None
        key = event.pid, event.name
        if event.kind == "enter" and (machine is not None or event.source == "kprobe"):
            entered[key] = machine
        if event.kind == "return" and machine is None:
            machine = entered.get(key)
        found.append(machine)
    return found


def _distance(events: Sequence[Event], outer: tuple[str, str], inner: tuple[str, str]) -> int:
    """How far the argument of a function is behind that of one which it calls; 0 if that is not seen.

    Each is a function and the name of its argument.
    """
    last: dict[int, int] = {}
    for event in events:
        for function, name in (outer, inner):
            value = event.args.get(name)
            if event.kind != "enter" or event.name != function or not isinstance(value, int):
                continue
            if function == outer[0]:
                last[event.pid] = value
            elif event.pid in last:
                return last[event.pid] - value
    return 0


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other
