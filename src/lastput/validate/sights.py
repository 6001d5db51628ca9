"""What a task was seen to do, one thing at a time: the events of a recording, with doubles joined.

A function that has a kprobe and is in the function tracer's filter gives two events for each entry: the
kprobe's knows the arguments, the tracer's the caller. They are one `Sight`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lastput.ftrace.event import Event, Kind


@dataclass(frozen=True, slots=True)
class Sight:
    """One entry, return, tracepoint or marker of one task."""

    number: int
    """Of the (first) event in the recording."""
    line: int
    time: int
    cpu: int
    pid: int
    task: str
    """As ftrace writes it: name-pid."""
    kind: Kind
    name: str
    caller: str | None
    args: Mapping[str, int | str]
    message: str = ""
    events: int = 1
    """How many events of the recording this is."""

    def arg(self, name: str) -> int | None:
        """A number among the arguments; None if there is none of that name."""
        found = self.args.get(name)
        return found if isinstance(found, int) else None


def sights(events: Sequence[Event]) -> list[Sight]:
    """All sights, in the order of the recording."""
    found: list[Sight] = []
    latest: dict[int, int] = {}
    """Of each task, where its last sight is in `found`."""
    inside: dict[int, list[str]] = {}
    """Of each task in a function graph, the functions that it has entered and not left."""
    for event in events:
        before = found[latest[event.pid]] if event.pid in latest else None
        if before is not None and _same_entry(before, event):
            found[latest[event.pid]] = _join(before, event)
            continue
        latest[event.pid] = len(found)
        found.append(_sight(event, _caller(event, inside.setdefault(event.pid, []))))
    return found


def _caller(event: Event, inside: list[str]) -> str | None:
    """The caller that an event names; in a function graph the traced function around it."""
    if event.source != "graph" or event.kind not in ("enter", "return"):
        return event.caller
    if event.kind == "return":
        while inside and inside.pop() != event.name:
            pass
        return inside[-1] if inside else None
    around = inside[-1] if inside else None
    inside.append(event.name)
    return around


def _same_entry(before: Sight, event: Event) -> bool:
    return (
        event.kind == before.kind == "enter"
        and event.name == before.name
        and before.events == 1
        and bool(before.args) != bool(event.args)
        and event.cpu == before.cpu
    )


def _join(before: Sight, event: Event) -> Sight:
    return Sight(
        before.number,
        before.line,
        before.time,
        before.cpu,
        before.pid,
        before.task,
        before.kind,
        before.name,
        before.caller or event.caller,
        before.args or event.args,
        events=2,
    )


def _sight(event: Event, caller: str | None) -> Sight:
    return Sight(
        event.number,
        event.line,
        event.time,
        event.cpu,
        event.pid,
        event.task,
        event.kind,
        event.name,
        caller,
        event.args,
        event.message,
    )


def halves(found: Sequence[Sight], twice: Collection[str]) -> set[int]:
    """Numbers of the entries of which one of two events is missing; `twice` are recorded by two means.

    A CPU's first entry, and its last, may have been cut between the two.
    """
    of_cpu: dict[int, list[Sight]] = {}
    for sight in found:
        of_cpu.setdefault(sight.cpu, []).append(sight)
    inner = (sight for own in of_cpu.values() for sight in own[1:-1])
    return {s.number for s in inner if s.kind == "enter" and s.name in twice and s.events == 1}


def returned_again(found: Sequence[Sight]) -> set[int]:
    """Numbers of the returns after which the task returns from that function again, not having entered it.

    As far as entries of the function are recorded, and from when on every CPU's events are there.
    """
    entered = {sight.name for sight in found if sight.kind == "enter"}
    began: dict[int, int] = {}
    for sight in found:
        began.setdefault(sight.cpu, sight.time)
    inside: Counter[tuple[int, str]] = Counter()
    """How often a task is inside of a function; it may call itself."""
    left: dict[tuple[int, str], Sight] = {}
    """The last return of a task from a function."""
    again: set[int] = set()
    for sight in found:
        key = sight.pid, sight.name
        if sight.kind == "enter":
            inside[key] += 1
        elif sight.kind == "return" and sight.name in entered:
            if inside[key]:
                inside[key] -= 1
            elif key in left and left[key].time >= max(began.values()):
                again.add(left[key].number)
            left[key] = sight
    return again


def of_tasks(found: Iterable[Sight]) -> dict[int, list[Sight]]:
    """The sights of each task, by pid."""
    tasks: dict[int, list[Sight]] = {}
    for sight in found:
        tasks.setdefault(sight.pid, []).append(sight)
    return tasks
