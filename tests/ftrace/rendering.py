"""Events written as the kernel writes them, by code that shares nothing with the reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Happened:
    """One event: in what columns, and what it says."""

    time: int  # nanoseconds
    cpu: int
    comm: str
    pid: int
    says: str  # what stands behind the columns


def line(event: Happened, *, tgid: int | None, flags: str | None, shape: Literal["trace", "report"]) -> str:
    """The line of `trace` (and trace_pipe), or of `trace-cmd report -t`, that has nanoseconds."""
    task = f"{event.comm:>16}-{event.pid:<7}"
    if tgid is not None:
        task += f" ({tgid:>7})" if tgid else " (-------)"
    columns = f"{task} [{event.cpu:03}]" + (f" {flags}" if flags is not None else "")
    seconds, nanoseconds = divmod(event.time, 1_000_000_000)
    if shape == "trace":
        return f"{columns} {seconds:>5}.{nanoseconds // 1000:06}: {event.says}\n"
    return f"{columns} {seconds:>5}.{nanoseconds:09}: {event.says}\n"


@dataclass(frozen=True)
class Step:
    """Something that the graph tracer records: a call or a return, or an event between them."""

    time: int  # nanoseconds
    cpu: int
    comm: str
    pid: int
    kind: Literal["enter", "return", "tracepoint"]
    function: str  # what is called or returns; the text of a tracepoint


def graph(steps: list[Step], *, proc: bool, tail: bool) -> str:
    """The text of these steps, in order of time: a call whose return is its CPU's next record is one line."""
    lines: list[str] = []
    running: dict[int, Step] = {}
    entered: dict[int, list[int]] = {}  # when the open calls of each task began
    leaves: set[int] = set()  # steps that a line before has told
    for at, step in enumerate(steps):
        if at in leaves:
            continue
        before = running.get(step.cpu)
        if before and before.pid != step.pid:
            rule = " " + "-" * 42 + "\n"
            lines.append(f"{rule} {step.cpu}) {_task(before)}  => {_task(step)}\n{rule}\n")
        running[step.cpu] = step
        open_calls = entered.setdefault(step.pid, [])
        said, took = "", " " * 15
        if step.kind == "tracepoint":
            said = "  " * len(open_calls) + f"/* {step.function} */"
        elif step.kind == "return":
            took = f" {(step.time - open_calls.pop()) / 1000:.3f} us ".rjust(15)
            said = "  " * len(open_calls) + "}" + (f" /* {step.function} */" if tail else "")
        else:
            said = "  " * len(open_calls) + f"{step.function}()"
            after = next((n for n in range(at + 1, len(steps)) if steps[n].cpu == step.cpu), at)
            own = next((n for n in range(at + 1, len(steps)) if steps[n].pid == step.pid), at)
            if after == own and steps[after].kind == "return":
                leaves.add(after)
                took = f" {(steps[after].time - step.time) / 1000:.3f} us ".rjust(15)
                said += ";"
            else:
                open_calls.append(step.time)
                said += " {"
        rounded = (step.time + 500) // 1000
        task = f"{_task(step)} | " if proc else ""
        lines.append(f"{rounded // 10**6:>5}.{rounded % 10**6:06} |  {step.cpu:>2}) {task}{took}|  {said}\n")
    return "".join(lines)


def _task(step: Step) -> str:
    return f"{step.comm[:7]}-{step.pid}".center(14)
