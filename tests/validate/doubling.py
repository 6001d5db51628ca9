"""Recordings of two VMs, made of one: it, and later the same again with other tasks and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lastput.ftrace.event import Event
from lastput.ftrace.recording import Recording

PIDS = 100
"""Tasks with a greater pid are the experiment's, not the system's."""

FURTHER = 10_000
"""How far the second VM's pids are from the first's."""

KERNEL = 1 << 63
"""Where addresses of the kernel begin."""

AWAY = 0x4000_0000
"""How far the second VM's addresses in the kernel are from the first's."""


def doubled(whole: Recording, later: int) -> Recording:
    """The recording twice in one, `later` ns apart, the second time by other tasks about another VM."""
    return merged(whole, whole.events, other(whole, later))


def other(whole: Recording, later: int) -> list[Event]:
    """What the second VM's tasks do."""
    return [_moved(event, later) for event in whole.events if event.pid > PIDS]


def merged(whole: Recording, first: Sequence[Event], second: Sequence[Event]) -> Recording:
    """Two VMs' events in the order of time; of two at the same time the first's."""
    both = sorted([*first, *second], key=lambda event: event.time)
    return replace(whole, events=tuple(replace(e, number=n, line=n + 1) for n, e in enumerate(both)))


def _moved(event: Event, later: int) -> Event:
    tgid = None if event.tgid is None else _pid(event.tgid)
    args = {name: _value(name, value) for name, value in event.args.items()}
    return replace(event, pid=_pid(event.pid), tgid=tgid, time=event.time + later, args=args)


def _pid(pid: int) -> int:
    return pid + FURTHER if pid > PIDS else pid


def _value(name: str, value: int | str) -> int | str:
    if not isinstance(value, int):
        return value
    if name in ("pid", "child_pid"):
        return _pid(value)
    return value + AWAY if value > KERNEL else value
