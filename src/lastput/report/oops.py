"""A violation as the kernel would print it: headline, call traces, allocation and free, the schedule."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.interleaving import OOPS, interleaving, which
from lastput.report.layout import WIDTH, listing, plural, wrapped
from lastput.report.style import Style
from lastput.result import Frame, Origin, Task, Victim, Violation


def oops(violation: Violation, *, style: Style, full: bool = False, table: bool = True) -> list[str]:
    """The whole report of one violation, as lines of at most WIDTH columns; `table` False: no schedule."""
    if violation.kind == "unreachable":
        return headline(violation, style)
    parts = [
        headline(violation, style),
        waiting(violation),
        *(task_lines(violation, task) for task in order(violation)),
        victim_lines(violation),
        _schedule(violation, style, full=full) if table else [],
    ]
    lines: list[str] = []
    for part in filter(None, parts):
        lines += [*([""] if lines else []), *part]
    return lines


def headline(violation: Violation, style: Style) -> list[str]:
    lines = [style.bad(line) for line in wrapped(violation.headline, hanging="  ")]
    if violation.message and violation.message not in violation.headline:
        lines += wrapped(violation.message, hanging="  ")
    return lines


def order(violation: Violation) -> list[Task]:
    """The task that broke the rule first; those that are done or never began, last and in short."""
    rank = {"running": 0, "blocked": 1, "ready": 2, "finished": 3}
    return sorted(violation.tasks, key=lambda task: (rank.get(task.state, 2), task.index))


def task_lines(violation: Violation, task: Task) -> list[str]:
    if not task.frames:
        what = "has finished" if task.state == "finished" else "has not begun"
        return [f"CPU: {task.index} Comm: {task.name} {what}"]
    if violation.kind == "deadlock" and task.state == "blocked" and not task.daemon:
        head = f"INFO: task {task.name}:{task.index} blocked for ever."
    else:
        head = f"CPU: {task.index} Comm: {task.name}{_doing(violation, task)}"
    lines = [head, *trace(task.frames)]
    if task.holds:
        lines += wrapped(f"{plural(len(task.holds), 'lock')} held by {task.name}: {', '.join(task.holds)}")
    return lines


def _doing(violation: Violation, task: Task) -> str:
    if violation.lasso is not None:
        still = task.index in violation.lasso.still
        return " (takes no step in the loop)" if still else " (here when the loop begins)"
    if task.state == "blocked" and task.daemon:
        return " (waits, as it may)"
    return {"running": "", "blocked": " (blocked)"}.get(task.state, " (stopped here, ready to run)")


def trace(frames: Sequence[Frame]) -> list[str]:
    """A call trace, innermost function first, with the source line on which the innermost stands."""
    lines = ["Call trace:"]
    for number, frame in enumerate(frames):
        lines += _frame(frame)
        if number == 0 and frame.text:
            lines += wrapped(frame.text, indent="      ", hanging="  ")
    return lines


def _frame(frame: Frame) -> list[str]:
    line = f"  {frame.function} ({frame.file}:{frame.line})"
    if len(line) <= WIDTH:
        return [line]
    return [f"  {frame.function}", *wrapped(f"({frame.file}:{frame.line})", indent="    ")]


def waiting(violation: Violation) -> list[str]:
    """Who waits for whom. Printed in full even where it is no cycle: that is the finding then."""
    if violation.kind != "deadlock":
        return []
    names = [task.name for task in violation.tasks]
    lines: list[str] = []
    for task in violation.tasks:
        if task.state != "blocked":
            continue
        whom = listing([names[other] for other in task.waits_for])
        text = f"{task.name} waits{' for ' * bool(whom)}{whom} in {task.statement}"
        lines += wrapped(text, indent="  ", hanging="  ")
    if not violation.cycle:
        return ["Who waits for whom:", *lines]
    ring = " -> ".join(names[i] for i in (*violation.cycle, violation.cycle[0]))
    return ["Who waits for whom:", *lines, *wrapped(f"The cycle: {ring}", hanging="  ")]


def victim_lines(violation: Violation) -> list[str]:
    victim = violation.victim
    if victim is None:
        return []
    names = [task.name for task in violation.tasks]
    lines: list[str] = []
    for verb, origin in (("Allocated", victim.allocated), ("Freed", victim.freed)):
        if origin is not None:
            lines += [*_origin(verb, origin, names), ""]
    return lines + _region(victim) if violation.address is not None else lines[:-1]


def _origin(verb: str, origin: Origin, names: list[str]) -> list[str]:
    if origin.thread is None:
        return [f"{verb} by the scenario's set-up"]
    head = f"{verb} by task {names[origin.thread]}:{origin.thread} in step {origin.step}:"
    return [head, *trace(origin.frames)[1:]]


def _region(victim: Victim) -> list[str]:
    state = "freed " if victim.freed else ""
    where = f"The buggy address is {plural(victim.offset, 'byte')} inside of {state}{victim.object}"
    what = f"struct {victim.struct} of size {victim.size}"
    field = f", field {victim.field}" if victim.field else ""
    return wrapped(f"{where} ({what}{field}).", hanging="  ")


def _schedule(violation: Violation, style: Style, *, full: bool) -> list[str]:
    table = interleaving(violation, full=full)
    size = f"{plural(len(violation.steps), 'step')}, {plural(violation.switches, 'context switch')}"
    if not table:
        return ["It is so in the initial state, before any step."]
    shown = [line.replace(OOPS, style.bad(OOPS)) for line in table]
    title = f"{which(violation)} ({size}):" if violation.steps else "In the initial state:"
    return [title, "", *shown]
