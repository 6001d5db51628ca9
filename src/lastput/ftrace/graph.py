"""Lines of the function_graph tracer: nested calls, one line for a call without others in it.

The columns are those of the kernel's trace_functions_graph.c; which of them there are is set by the trace
options funcgraph-abstime, -cpu, -proc, -duration, -tail, -retval, -retaddr and -args.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lastput.ftrace import words
from lastput.ftrace.draft import Draft, Said
from lastput.ftrace.probes import Probe
from lastput.ftrace.said import marker, said
from lastput.lang.errors import UsageError

_LINE = re.compile(
    r"""\s*(?:(?P<seconds>\d+)\.(?P<fraction>\d{6,9})\ +\|\ +)?   # funcgraph-abstime
        (?:[\d.]+\ us\ +\|\ +)?                                   # funcgraph-reltime
        (?:(?P<cpu>\d+)\)\ +)?                                    # funcgraph-cpu
        (?:(?P<comm>.{1,16}?)-(?P<pid>\d+)\ +\|\ )?               # funcgraph-proc; seven letters of the name
        (?:\ *(?P<flags>[.\w#]{4,6})\ +\|\ )?                     # latency-format
        (?P<duration>[$@*\#!+]?\ *(?P<us>[\d.]+)\ us\ +|\ +|\ *(?:=+>|<=+)\ *)\|
        (?P<rest>.*)""",
    re.VERBOSE | re.DOTALL,
)
_SWITCH = re.compile(r"\s*(\d+)\)\s+(.{1,16}?)-(\d+)\s+=>\s+(.{1,16}?)-(\d+)\s*$")
_FIRST = re.compile(r"^ *(\d+)\) +(.{1,16}?)-(\d+) +=> ", re.MULTILINE)
_SYMBOL = r"(?P<symbol>(?!ret=)[\w.$]+)(?: \[[^\]\s]+\])?"
# The returned value, and the caller's address, stand in comments; trace-cmd puts them elsewhere.
_TAIL = r"(?P<tail>(?: /\*.*\*/)?(?: \(ret=[^)]*\))?(?: \(\d+\))?)"
_ENTRY = re.compile(rf"{_SYMBOL}\((?P<args>.*?)\)(?P<before> /\* <-\S+ \*/)?(?P<end> \{{|;){_TAIL}")
_EXIT = re.compile(rf"\}}{_TAIL}")
_LEFT = re.compile(rf"/\* {_SYMBOL}")
_RESULT = re.compile(r"(?:= |ret=)(0x[0-9a-f]+|-?\d+)\b")
_CALLER = re.compile(r"<-([^\s+*]+)")
# A tracepoint's name begins with a small letter. A marker in a graph has none, so this can be mistaken for
# one if user space wrote `word: ...`.
_TRACEPOINT = re.compile(r"[a-z]\w*(?::| -> |\()")
_EVENTS = re.compile(r"\s*(?:funcgraph_entry|funcgraph_exit):\s*(?P<us>[\d.]+)?.*?\|(?P<rest>.*)")


@dataclass(slots=True)
class Graph:
    """What one file's lines have told so far: who runs on which CPU, and what each task is in."""

    path: str
    running: dict[int, tuple[str, int]]  # by CPU: name and pid
    inside: dict[int, list[str]] = field(default_factory=dict)  # by pid: the functions, outermost first

    def line(self, number: int, text: str, probes: Mapping[str, Probe]) -> list[Draft] | None:
        """The events of one line: none for a task switch, two for `F();`. None: of no graph."""
        switched = _SWITCH.match(text)
        if switched:
            self.running[int(switched[1])] = (switched[4].strip(), int(switched[5]))
            return []
        match = _LINE.match(text)
        if match is None:
            return None
        rest = match["rest"].strip()
        if not rest:  # an arrow: an interrupt begins or ends
            return []
        if match["seconds"] is None:
            raise UsageError(
                f"{self.path}:{number}: the graph has no time stamps: set options/funcgraph-abstime"
            )
        return self.call(self._columns(number, text, match), rest, match["us"], probes)

    def event(self, draft: Draft, text: str, probes: Mapping[str, Probe]) -> list[Draft] | None:
        """The same from `funcgraph_entry: ... | F() {`, as trace-cmd writes it."""
        match = _EVENTS.match(text)
        return self.call(draft, match["rest"].strip(), match["us"], probes) if match else None

    def call(
        self, draft: Draft, rest: str, duration: str | None, probes: Mapping[str, Probe]
    ) -> list[Draft] | None:
        """The events of what stands behind a graph's last column."""
        nest = self.inside.setdefault(draft.pid, [])
        entry = _ENTRY.fullmatch(rest)
        if entry:
            draft.said = _entered(entry)
            if entry["end"] == ";":
                return [draft, self._leaf(draft, duration, entry["tail"])]
            nest.append(draft.said.symbol)
            return [draft]
        left = _EXIT.fullmatch(rest)
        if left:
            draft.said = self._left(draft.line, nest, left["tail"])
            return [draft]
        if rest.startswith("/* "):
            draft.said = _comment(rest.removeprefix("/* ").removesuffix(" */"), probes)
            return [draft]
        return None

    def _columns(self, number: int, text: str, match: re.Match[str]) -> Draft:
        cpu = -1 if match["cpu"] is None else int(match["cpu"])
        if match["pid"] is not None:
            comm, pid = match["comm"].strip(), int(match["pid"])
        elif cpu in self.running:
            comm, pid = self.running[cpu]
        else:
            raise UsageError(
                f"{self.path}:{number}: the graph does not tell which task ran: set options/funcgraph-proc"
            )
        time = nanoseconds(match["seconds"], match["fraction"])
        return Draft(number, time, cpu, comm, pid, None, match["flags"] or "", marker(""), text)

    def _leaf(self, entry: Draft, duration: str | None, comment: str) -> Draft:
        """The return of `F();`, when its duration is over."""
        if duration is None:
            raise UsageError(
                f"{self.path}:{entry.line}: the graph does not tell how long {entry.said.name} took: set"
                " options/funcgraph-duration"
            )
        took = round(float(duration) * 1000)
        back = Said("return", "graph", entry.said.name, entry.said.symbol, args=_result(comment))
        return Draft(
            entry.line,
            entry.time + took,
            entry.cpu,
            entry.comm,
            entry.pid,
            entry.tgid,
            entry.flags,
            back,
            entry.text,
            computed=True,
        )

    def _left(self, line: int, nest: list[str], tail: str) -> Said:
        """A return: of the function in the comment, else of the innermost one."""
        told = _LEFT.search(tail)
        if told is None:
            if not nest:
                raise UsageError(
                    f"{self.path}:{line}: a return, and nothing tells of what: set options/funcgraph-tail"
                )
            symbol = nest.pop()
        else:
            symbol = told["symbol"]
            if symbol in nest:  # returns may be lost, so what lies above is gone, too
                while nest.pop() != symbol:
                    pass
        return Said("return", "graph", words.function(symbol), symbol, args=_result(tail))


def first_tasks(text: str) -> dict[int, tuple[str, int]]:
    """By CPU, who ran on it until the first switch of tasks: a graph without task column tells it there."""
    first: dict[int, tuple[str, int]] = {}
    for cpu, comm, pid in _FIRST.findall(text):
        first.setdefault(int(cpu), (comm.strip(), int(pid)))
    return first


def nanoseconds(seconds: str, fraction: str) -> int:
    """A time stamp of seconds with six digits, or nine, behind the point."""
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _entered(match: re.Match[str]) -> Said:
    symbol = match["symbol"]
    back = _CALLER.search(match["before"] or match["tail"])
    return Said(
        "enter",
        "graph",
        words.function(symbol),
        symbol,
        caller=words.function(back[1]) if back else None,
        args=words.arguments(match["args"]),
    )


def _comment(text: str, probes: Mapping[str, Probe]) -> Said:
    event = said(text, probes) if _TRACEPOINT.match(text) else None
    return event or marker(text)


def _result(tail: str) -> dict[str, int | str]:
    """The returned value, if options/funcgraph-retval was set."""
    found = _RESULT.search(tail)
    return {"ret": words.value(found[1])} if found else {}
