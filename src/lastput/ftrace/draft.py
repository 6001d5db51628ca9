"""An event while its file is being read: its stack may follow, and its place in time is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lastput.ftrace.event import Event, Kind, Source


@dataclass(slots=True)
class Said:
    """What a line says behind its columns: the fields mean what they mean in Event."""

    kind: Kind
    source: Source
    name: str
    symbol: str = ""
    event: str = ""
    caller: str | None = None
    args: Mapping[str, int | str] = field(default_factory=dict)
    message: str = ""


@dataclass(slots=True)
class Draft:
    """A line's columns and what it says."""

    line: int
    time: int
    cpu: int
    comm: str
    pid: int
    tgid: int | None
    flags: str
    said: Said
    text: str
    computed: bool = False  # the time is computed from a duration, not printed
    stack: list[str] | None = None

    def event(self, number: int) -> Event:
        """The finished event."""
        said = self.said
        return Event(
            number,
            self.line,
            self.time,
            self.cpu,
            self.comm,
            self.pid,
            self.tgid,
            self.flags,
            said.kind,
            said.source,
            said.name,
            said.symbol,
            said.event,
            said.caller,
            said.args,
            said.message,
            tuple(self.stack) if self.stack else (),
            self.text,
        )
