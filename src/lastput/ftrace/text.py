"""From the text of a recording to its events, in order of time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from lastput.ftrace import columns, words
from lastput.ftrace.draft import Draft
from lastput.ftrace.event import Event
from lastput.ftrace.graph import Graph, first_tasks
from lastput.ftrace.probes import Probe
from lastput.ftrace.said import Unnamed, said
from lastput.lang.errors import UsageError

_TRACER = re.compile(r"# tracer: (\S+)")
_ENTRIES = re.compile(r"# entries-in-buffer/entries-written: (\d+)/(\d+)")
_LOST = re.compile(r"CPU:\s?\d+ \[(?:LOST(?: (\d+))? EVENTS|(?:(\d+) )?EVENTS DROPPED)\]")
_NO_EVENT = re.compile(
    r"\s*(?:#.*|-{10,}|cpus=\d+|version = \S+|CPU \d+ is empty|CPU:\d+ buffer started.*)?\s*$"
)
_FRAME = re.compile(r"\s*=>\s*(.*?)(?: \(\w+\))?( \*/)?\s*$")
_STACK = re.compile(r"(?:kernel_stack:\s+)?<stack trace ?>")
_USER_STACK = re.compile(r"(?:user_stack:\s+)?<user stack trace ?>")


@dataclass
class Text:
    """What a text told: its events, and its header."""

    tracer: str = ""  # function, function_graph, nop ...; "" if nothing tells
    entries_in_buffer: int | None = None
    entries_written: int | None = None
    lost: int = 0
    truncated: int = 0
    events: tuple[Event, ...] = ()
    symbols: set[str] = field(default_factory=set)  # of the functions that occur, as printed


def parse(path: str, text: str, probes: Mapping[str, Probe]) -> Text:
    """Read a whole text; `path` is for messages. Raises UsageError for a line that ftrace does not write."""
    reader = _Reader(path, probes, first_tasks(text))
    lines = text.split("\n")
    # Every line of ftrace ends with a newline. What follows the last one was cut, anywhere in a number.
    reader.told.truncated = int(lines.pop().strip() != "")
    for number, line in enumerate(lines, start=1):
        reader.line(number, line.removesuffix("\r"))
    return reader.end()


class _Reader:
    """Line by line: what the text told so far."""

    def __init__(self, path: str, probes: Mapping[str, Probe], running: dict[int, tuple[str, int]]) -> None:
        self.path = path
        self.probes = probes
        self.told = Text()
        self.drafts: list[Draft] = []
        self.graph = Graph(path, running)
        self.frames: list[str] | None = None  # the stack whose lines are being read
        self.open: Draft | None = None  # a marker that may go on in the next line
        self.last: dict[tuple[int, int], Draft] = {}  # the latest event, by CPU and task

    def line(self, number: int, line: str) -> None:
        if self.frames is not None:
            if self._frame(self.frames, line):
                return
            self.frames = None
        parsed = columns.columns(number, line)
        try:
            if parsed is None:
                self._other(number, line)
            else:
                self._event(number, line, *parsed)
        except Unnamed as probe:
            raise UsageError(
                f"{self.path}:{number}: the probe {probe} tells an address, no function: put the tracer's"
                " kprobe_events beside the file, as kprobe_events.txt"
            ) from None

    def end(self) -> Text:
        told = self.told
        if told.entries_in_buffer is not None and told.entries_written is not None:
            told.lost += told.entries_written - told.entries_in_buffer
        told.tracer = told.tracer or _tracer(self.drafts)
        told.symbols = {draft.said.symbol for draft in self.drafts if draft.said.symbol}
        told.events = tuple(draft.event(n) for n, draft in enumerate(_in_order(self.path, self.drafts)))
        return told

    def _event(self, number: int, line: str, draft: Draft, text: str) -> None:
        """A line with the columns of an event."""
        if self._stack(draft, text):
            return
        if text.startswith("funcgraph_e"):
            found = self.graph.event(draft, text, self.probes)
            if found is None:
                raise self._unknown(number, line)
            self._add(found)
            return
        event = said(text, self.probes)
        if event is None:
            raise self._unknown(number, line)
        draft.said = event
        self._add([draft])

    def _add(self, found: list[Draft]) -> None:
        self.drafts.extend(found)
        if found:
            self.last[found[-1].cpu, found[-1].pid] = found[-1]
        self.open = found[-1] if found and found[-1].said.kind == "marker" else None
        self._close()

    def _stack(self, draft: Draft, text: str) -> bool:
        """Whether a stack trace begins here; it belongs to the latest event of this task on this CPU."""
        if text[:1] not in "<ku" or not (_STACK.match(text) or _USER_STACK.match(text)):
            return False
        owner = self.last.get((draft.cpu, draft.pid))
        self.frames = []
        if owner and _STACK.match(text):
            owner.stack = self.frames
        self.open = None
        return True

    def _frame(self, frames: list[str], line: str) -> bool:
        """Whether it is one more line of a stack trace."""
        frame = _FRAME.match(line)
        if frame is None:
            return False
        frames.append(words.function(frame[1].partition("+")[0].partition(" ")[0]))
        return True

    def _other(self, number: int, line: str) -> None:
        """A line without the columns of an event: header, losses, a line of a graph, more of a marker."""
        if self._header(line) or _NO_EVENT.match(line):
            return
        if self.open is not None:
            self._goes_on(self.open, line)
            return
        found = self._of_graph(number, line)
        if found is not None:
            self._add(found)
            return
        if columns.has_other_time(line):
            raise UsageError(
                f"{self.path}:{number}: the time is not in seconds: unset options/latency-format and write"
                " global to trace_clock"
            )
        raise self._unknown(number, line)

    def _header(self, line: str) -> bool:
        tracer, entries, lost = _TRACER.match(line), _ENTRIES.match(line), _LOST.match(line)
        if tracer:
            self.told.tracer = tracer[1]
        if entries:
            self.told.entries_in_buffer, self.told.entries_written = int(entries[1]), int(entries[2])
        if lost:
            self.told.lost += int(lost[1] or lost[2] or 1)  # without a number it was at least one
        return bool(tracer or entries or lost)

    def _of_graph(self, number: int, line: str) -> list[Draft] | None:
        found = self.graph.line(number, line, self.probes)
        if found and found[0].said.kind == "marker" and _STACK.match(found[0].said.message):
            self._stack(found[0], found[0].said.message)
            return []
        return found

    def _goes_on(self, marker: Draft, line: str) -> None:
        """User space may write several lines at once; ftrace prints them as they are."""
        marker.text += f"\n{line}"
        marker.said.message += "\n" + line.removesuffix(" */")
        self._close()

    def _close(self) -> None:
        """In a graph a marker is a comment, and ends with it."""
        if self.open is not None and self.open.text.endswith("*/"):
            self.open = None

    def _unknown(self, number: int, line: str) -> UsageError:
        shown = line if len(line) <= 80 else f"{line[:77]}..."
        return UsageError(f"{self.path}:{number}: not a line of ftrace: {shown!r}")


def _tracer(drafts: list[Draft]) -> str:
    """The tracer, where no header tells it: `trace_pipe` and `trace-cmd report` have none."""
    sources = {draft.said.source for draft in drafts}
    return "function_graph" if "graph" in sources else "function" if "function" in sources else ""


def _in_order(path: str, drafts: list[Draft]) -> list[Draft]:
    """By time; events of one CPU stay in the order of the file.

    The text has the events of each CPU in their order, with times rounded to microseconds. A return whose
    time is computed from a duration in nanoseconds can so seem to come after the next event of its CPU: it is
    moved before it.
    """
    by_cpu: dict[int, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_cpu[draft.cpu if draft.cpu >= 0 else ~draft.pid].append(draft)
    for own in by_cpu.values():
        for this, following in reversed(list(pairwise(own))):
            if this.computed:
                this.time = min(this.time, following.time)
            if this.time > following.time:
                raise UsageError(f"{path}:{following.line}: the time goes back on CPU {following.cpu}")
    return sorted(drafts, key=lambda draft: draft.time)
