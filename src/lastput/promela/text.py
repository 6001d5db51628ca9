"""What is said of a Promela model and its check, as text 80 columns wide and as data for JSON."""

from __future__ import annotations

import re
from typing import Any

from lastput.promela.check import Answer, Counterexample
from lastput.promela.flow import automaton
from lastput.promela.tree import Model, Statement, Variable
from lastput.report.layout import WIDTH, bytes_text, plural, seconds_text, wrapped
from lastput.report.style import Style

PLAIN = Style()
_MOST_VALUES = 24
"""Elements of an array that are shown."""


def understood(model: Model, style: Style = PLAIN) -> list[str]:
    """What was read: processes with their automata, variables, channels, remarks."""
    lines = [style.strong(f"{model.name}: {plural(len(model.begin), 'process')} at the beginning")]
    for process in model.processes.values():
        made = automaton(process)
        edges = sum(len(out) for out in made.edges.values())
        variables = sum(v.elements for v in process.locals)
        count = f"{process.active} x " if process.active > 1 else ""
        lines += wrapped(
            f"{count}{process.name}: {plural(len(made.positions), 'position')}, {plural(edges, 'edge')}, "
            f"{plural(variables, 'variable')}",
            indent="  ",
            hanging="  ",
        )
    elements = sum(v.elements for v in model.variables if v.kept)
    kept = f"{plural(elements, 'global variable')}" if elements else "no global variable"
    buffered = sum(c.count for c in model.channels if c.capacity)
    rendezvous = sum(c.count for c in model.channels if not c.capacity)
    channels = f"{plural(buffered, 'channel')} that hold messages, {rendezvous} rendezvous"
    lines += wrapped(f"{kept}; {channels}" if model.channels else kept, indent="  ", hanging="  ")
    for note in dict.fromkeys(model.notes):
        lines += wrapped(f"note: {note}", indent="  ", hanging="  ")
    return lines


def report(answer: Answer, style: Style = PLAIN) -> str:
    """The whole report, ending in a newline."""
    lines = [*understood(answer.model, style), "", style.verdict(answer.verdict, answer.verdict)]
    if answer.verdict == "incomplete":
        told = f"INCOMPLETE: {_reason(answer.reason)}. This is no verdict."
        lines += [style.loud(line) for line in wrapped(told, hanging="  ")]
    elif answer.reason:
        lines += wrapped(f"The counts are of a part: {_reason(answer.reason)}.", hanging="  ")
    if answer.counterexample is not None:
        lines += ["", *counterexample(answer.counterexample, style)]
    lines += ["", *_searched(answer)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _reason(stop: str) -> str:
    return {
        "max-states": "the limit of --max-states was reached",
        "max-memory": "the memory for the search is used up (--max-memory)",
        "timeout": "the time is up (--timeout)",
        "interrupt": "interrupted",
    }.get(stop, stop)


def counterexample(found: Counterexample, style: Style = PLAIN) -> list[str]:
    """What is broken, and the steps that lead there as a table."""
    steps = f"a shortest way there has {plural(len(found.steps), 'step')}"
    lines = wrapped(f"{style.bad(found.message)}; {steps}")
    rows = [("step", "process", "line", "statement")]
    names = {pid: f"{pid} {running.process.name}" for pid, running in enumerate(found.state.processes)}
    for number, trail in enumerate(found.steps, 1):
        for place, (pid, statement) in enumerate(trail):
            name = names.get(pid, f"{pid} {_owner(statement)}")
            rows.append((str(number) if place == 0 else "", name, *_source(statement)))
    wide = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        head = f"  {row[0]:>{wide[0]}}  {row[1]:<{wide[1]}}  {row[2]:>{wide[2]}}  "
        lines.append(_fitted(head + row[3]))
    lines += ["", "The state before the last step:" if found.kind != "deadlock" else "The last state:"]
    return lines + _state(found)


def _owner(statement: Statement | None) -> str:
    return "" if statement is None else "(ended)"


def _source(statement: Statement | None) -> tuple[str, str]:
    """Line number and text of a statement's line."""
    if statement is None:
        return "", "(the process ends)"
    lines = statement.token.source.lines
    text = re.sub(r"//.*|/\*.*?(\*/|$)", "", lines[statement.line - 1])
    return str(statement.line), " ".join(text.split())


def _fitted(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _state(found: Counterexample) -> list[str]:
    state, lines = found.state, []
    for variable, values in zip(found.variables, state.values, strict=True):
        lines.append(_fitted(f"  {variable.name} = {_values(variable, values)}"))
    for pid, running in enumerate(state.processes):
        number, text = _source(running.position)
        here = f"line {number}: {text}" if number else "at its end"
        stuck = " (may not stop here)" if pid in found.stuck else ""
        lines.append(_fitted(f"  {pid} {running.process.name}{stuck}, {here}"))
        for variable, values in zip(running.process.locals, running.values, strict=True):
            lines.append(_fitted(f"      {variable.name} = {_values(variable, values)}"))
    return lines


def _values(variable: Variable, values: list[int]) -> str:
    if variable.size is None:
        return str(values[0])
    shown = ", ".join(map(str, values[:_MOST_VALUES]))
    return f"{{{shown}{', ...' if len(values) > _MOST_VALUES else ''}}}"


def _searched(answer: Answer) -> list[str]:
    outcome = answer.outcome
    lines = wrapped(
        f"Searched {plural(outcome.states, 'state')} and {plural(outcome.transitions, 'transition')}, "
        f"to depth {outcome.depth}."
    )
    lines += wrapped(
        f"{seconds_text(outcome.seconds)} of search, {seconds_text(answer.seconds)} in all; "
        f"{plural(answer.words * 8, 'byte')} per packed state, {bytes_text(outcome.peak_bytes)}."
    )
    if answer.made > 1:
        lines += wrapped(f"Compiled {answer.made} times: what was assumed from a sample did not hold.")
    told = [f"{plural(n, kind)}" for kind, n in sorted(answer.counted.items())]
    if told and outcome.stop != "violation":
        lines += wrapped(f"Met in all: {', '.join(told)}.")
    return lines


def data(answer: Answer) -> dict[str, Any]:
    """The answer for JSON (docs/reference/promela.md)."""
    outcome, found = answer.outcome, answer.counterexample
    steps = None
    if found is not None:
        steps = [
            [{"process": pid, "line": s.line if s else None, "text": _source(s)[1]} for pid, s in trail]
            for trail in found.steps
        ]
    return {
        "model": answer.model.name,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "states": outcome.states,
        "transitions": outcome.transitions,
        "depth": outcome.depth,
        "levels": outcome.levels,
        "seconds": {"compile": answer.compile_seconds, "search": outcome.seconds, "total": answer.seconds},
        "bytes_per_state": answer.words * 8,
        "peak_bytes": outcome.peak_bytes,
        "made": answer.made,
        "counted": answer.counted,
        "violation": None
        if found is None
        else {"kind": found.kind, "message": found.message, "steps": steps},
        "notes": list(dict.fromkeys(answer.model.notes)),
    }
