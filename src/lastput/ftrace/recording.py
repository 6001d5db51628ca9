"""A recording: the events of one trace file, and what is known about how they were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lastput.ftrace.event import Event

At = Literal["enter", "return"]
Point = tuple[str, At]  # a function's name, and which end of it


@dataclass(frozen=True, slots=True)
class Recording:
    """All events of one file, in order of time; events of one CPU stand in the order of the file."""

    path: str  # as given; ARCHIVE:MEMBER for a file in an archive
    tracer: str  # function, function_graph, nop ...; without a header what the events tell, else ""
    events: tuple[Event, ...]
    lost: int  # events that the tracer dropped, as far as the file tells: header and "LOST n EVENTS" lines
    truncated: int  # lines at the end that were left out because they are cut off: 0 or 1
    entries_in_buffer: int | None  # of the header: what the ring buffer still had; None if it does not tell
    entries_written: int | None  # of the header: what was written to it, overwritten events included
    kernel: str | None  # the release that ran, such as 6.1.0-56-arm64, or a version, if something tells
    observable: frozenset[Point]  # ends of functions that the tracer was told to record
    partial: frozenset[str]  # observable functions of which only a part (.part, .cold) could be recorded
    twice: frozenset[str]  # functions of whose entries both a probe and the function tracer record each
    told_by: str  # where `observable` is from, for people to read

    @property
    def name(self) -> str:
        """The file's name without folder and endings: `b2` for det/b2.trace.txt."""
        return self.path.replace(":", "/").rpartition("/")[2].partition(".")[0]
