"""The columns of a line of `trace`, `trace_pipe` and `trace-cmd report`."""

from __future__ import annotations

import re

from lastput.ftrace.draft import Draft
from lastput.ftrace.graph import nanoseconds
from lastput.ftrace.said import marker

# The name has up to 15 letters of any kind, and `-PID` behind it; the first reading that fits the rest of the
# columns counts. TGID (options/record-tgid) and the latency columns (options/irq-info) need not be there.
_LINE = re.compile(
    r"""\s*(.{0,16}?)-(\d+)\s+
        (?:\(\s*(\d+|-+)\)\s+)?
        \[(\d+)\]\s+
        (?:([^\s:]{4,6})\s+)?
        (\d+)\.(\d{6,9}):\ +
        (.*)""",
    re.VERBOSE | re.DOTALL,
)
# options/latency-format, and clocks that count events or cycles
_OTHER_TIME = re.compile(
    r"\s*.{0,16}?-\d+\s+(?:\(\s*(?:\d+|-+)\)\s+)?(?:\d+\S{3,5}\s+\d+us\S?:|\[\d+\]\s+(?:\S{4,6}\s+)?\d+:)\s"
)


def columns(number: int, text: str) -> tuple[Draft, str] | None:
    """An event that says nothing yet, and the text behind its columns. None if the line has other columns."""
    match = _LINE.match(text)
    if match is None:
        return None
    comm, pid, tgid, cpu, flags, seconds, fraction, rest = match.groups()
    process = None if tgid is None or tgid[0] == "-" else int(tgid)
    time = nanoseconds(seconds, fraction)
    return Draft(number, time, int(cpu), comm, int(pid), process, flags or "", _NOTHING, text), rest


def has_other_time(text: str) -> bool:
    """Whether it is a line of ftrace whose time is not seconds since the clock's zero."""
    return _OTHER_TIME.match(text) is not None


_NOTHING = marker("")
