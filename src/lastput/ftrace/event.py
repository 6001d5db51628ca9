"""One event of a recording: what happened, when, on which CPU and in which task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["enter", "return", "inside", "tracepoint", "marker"]
Source = Literal["function", "graph", "kprobe", "tracepoint", "marker"]


@dataclass(frozen=True, slots=True)
class Event:
    """What one line says; of a function graph's `F();` there are two, its entry and its return.

    A function that has a kprobe and is in the function tracer's filter gives two events for one entry, one of
    each source. `kind` is "enter" and "return" for functions, "inside" for a kprobe behind a function's
    first instruction, "marker" for what user space or trace_printk wrote, "tracepoint" for all others.
    """

    number: int  # place in the recording, from 0, in order of time
    line: int  # place in the file, from 1
    time: int  # nanoseconds since the trace clock's zero; most files tell microseconds
    cpu: int  # -1 if the file does not tell
    comm: str  # name of the task at that time; ftrace writes <idle> and <...> (not known)
    pid: int  # of the thread; ftrace's and gettid()'s word for it
    tgid: int | None  # of its process; None if the file does not tell
    flags: str  # latency columns (irqs off, need resched ...) as printed; "" if there are none
    kind: Kind
    source: Source
    name: str  # the function, without what the compiler appended; a tracepoint's name; "" for a marker
    symbol: str  # the function as printed, such as kvm_free_memslots.part.0, without offset and module
    event: str  # name of the kprobe event or tracepoint; "" for function tracer, graph and markers
    caller: str | None  # the function that called it or that it returns to; None if the file does not tell
    args: Mapping[str, int | str]  # of a probe or tracepoint, as far as they are numbers or `key=text`
    message: str  # what a tracepoint or marker says, without its name
    stack: tuple[str, ...]  # the stack trace that was taken with the event, innermost function first
    text: str  # the whole line, without its end

    @property
    def task(self) -> str:
        """The task as ftrace writes it: name-pid."""
        return f"{self.comm}-{self.pid}"
