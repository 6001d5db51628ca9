"""The schedule as a table with one column per CPU: an RST grid table, as in the kernel's locking.rst.

Time runs downwards. A row is what one task does before another one goes on; a cell names the
function and shows its statements, with what they read or wrote where the statement does not tell.
Runs of steps that no other task's steps touch are folded into a line that counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from lastput.report.layout import WIDTH, plural, wrapped, wrapped_code
from lastput.result import Access, Step, Violation

FOLD = 3
"""Fewer uninteresting statements in a row than this are shown, not folded."""

LAST = 4
"""So many of the last statements before the violation are never folded."""

NARROWEST = 14
"""A column that would get less than this is not worth having: the table then has only one."""

OOPS = "OOPS!!!"

LOOP = "-- loop: what follows, again and again --"
END = "-- end: nobody can step --"

_VERBS = {"load": "reads", "store": "writes", "choose": "chooses", "alloc": "gets"}


Row = tuple[int | None, list[str]]
"""What a task does, by its number, up to a context switch; or, without one, a line over all columns."""


@dataclass
class Line:
    """A statement and the steps that ran it without another task in between."""

    function: str
    statement: str
    steps: list[Step] = field(default_factory=list)


def which(violation: Violation) -> str:
    """`The shortest interleaving`, or an interleaving where there may be a shorter one."""
    if violation.lasso is not None:
        return "An interleaving that goes on with a loop"
    return "The shortest interleaving" if violation.shortest else "An interleaving"


def interleaving(violation: Violation, *, full: bool = False, width: int = WIDTH) -> list[str]:
    """The table of `violation`, as lines; `full` folds nothing. Empty when there is no step."""
    rows = _rows(violation, full=full)
    blocked = _blocked(violation)
    columns = sorted({thread for thread, _ in rows if thread is not None} | blocked.keys())
    if not columns:
        return []
    inner = _widths(len(columns), width)
    if min(inner) < NARROWEST:
        return _single(violation, [*rows, *blocked.items()], width)
    heads = [[f"CPU {c} ({violation.tasks[c].name}):"] for c in columns]
    table = [_border(inner, "-"), *_cells(heads, inner), _border(inner, "=")]
    for thread, cell in rows:
        whole = thread is None
        shape = [sum(inner) + 3 * (len(inner) - 1)] if whole else inner
        cells = [cell] if whole else [cell if c == thread else [] for c in columns]
        table += [*_cells(cells, shape), _border(inner, "-")]
    if blocked:
        table += [*_cells([blocked.get(c, []) for c in columns], inner), _border(inner, "-")]
    return table + _conclusion(violation, sum(inner) + 3 * len(inner) + 1)


def _single(violation: Violation, rows: Sequence[Row], width: int) -> list[str]:
    """The same for more tasks than columns fit: the first column names the CPU."""
    names = [
        "" if thread is None else f"CPU {thread} ({violation.tasks[thread].name}):" for thread, _ in rows
    ]
    left = min(24, max(len(name) for name in names))
    inner = [left, width - left - 7]
    table = [_border(inner, "-")]
    for name, (_, cell) in zip(names, rows, strict=True):
        table += [*_cells([[name], cell], inner), _border(inner, "-")]
    return table + _conclusion(violation, sum(inner) + 7)


def _rows(violation: Violation, *, full: bool) -> list[Row]:
    """A row for every stretch between two context switches, and one where a loop begins."""
    lasso = violation.lasso
    if lasso is None:
        return _stretches(violation, violation.steps, full=full)
    before, loop = violation.steps[: lasso.begins], violation.steps[lasso.begins :]
    rows = [*_stretches(violation, before, full=full), (None, [LOOP if loop else END])]
    return [*rows, *_stretches(violation, loop, full=full)]


def _stretches(violation: Violation, some: Sequence[Step], *, full: bool) -> list[Row]:
    shown = interesting(violation)
    runs = [(thread, list(steps)) for thread, steps in groupby(some, key=lambda s: s.thread)]
    rows: list[Row] = []
    for number, (thread, steps) in enumerate(runs):
        lines = lines_of(steps)
        kept = {id(line) for line in lines if full or any(s.number in shown for s in line.steps)}
        if number == len(runs) - 1:
            kept |= {id(line) for line in lines[-LAST:]}
        cell = _cell(lines, kept)
        if number == len(runs) - 1 and violation.thread is not None:
            cell.append(f"      {OOPS}")
        rows.append((thread, cell))
    return rows


def _blocked(violation: Violation) -> dict[int, list[str]]:
    """In a deadlock: what each task cannot get."""
    if violation.kind != "deadlock":
        return {}
    return {
        task.index: [f"{task.function}()::", "", f"  {task.statement}", "      blocked for ever"]
        for task in violation.tasks
        if task.state == "blocked"
    }


def _conclusion(violation: Violation, width: int) -> list[str]:
    """A last row over all columns when no step but the state is what breaks the rule."""
    if violation.thread is not None or not violation.kind:
        return []
    text = wrapped(f"{OOPS} {violation.message}", width=width - 4)
    return [*(f"| {line:<{width - 4}} |" for line in text), "+" + "-" * (width - 2) + "+"]


def interesting(violation: Violation) -> set[int]:
    """Steps that must not be folded: choices, the victim's life, and what tasks do to each other.

    That is to write what another task reads or writes, and to read what another task writes.
    """
    touch: dict[str, set[int]] = {}
    write: dict[str, set[int]] = {}
    for step in violation.steps:
        for access in step.accesses:
            touch.setdefault(access.place, set()).add(step.thread)
            if access.kind != "load":
                write.setdefault(access.place, set()).add(step.thread)
    victim = violation.victim.object if violation.victim else None
    return {
        step.number
        for step in violation.steps
        for access in step.accesses
        if access.kind == "choose" or _is_life_of(victim, access) or _meets(access, step.thread, touch, write)
    }


def _meets(access: Access, thread: int, touch: dict[str, set[int]], write: dict[str, set[int]]) -> bool:
    if access.kind == "load":  # to look who holds a lock (lockdep_assert_held) is not to take part
        return not access.bookkeeping and bool(write.get(access.place, set()) - {thread})
    return bool(touch.get(access.place, set()) - {thread})


def _is_life_of(victim: str | None, access: Access) -> bool:
    return access.kind in ("alloc", "free") and access.place == victim


def lines_of(steps: Sequence[Step]) -> list[Line]:
    lines: list[Line] = []
    for step in steps:
        last = lines[-1] if lines else None
        if last and (last.function, last.statement) == (step.function, step.statement):
            last.steps.append(step)
        else:
            lines.append(Line(step.function, step.statement, [step]))
    return lines


def _cell(lines: list[Line], kept: set[int]) -> list[str]:
    cell: list[str] = []
    function = None
    for shown, some in groupby(lines, key=lambda line: id(line) in kept):
        group = list(some)
        if not shown and len(group) >= FOLD:
            cell += ["", _folded(group), ""]
            function = None
            continue
        for line in group:
            if line.function != function:
                function = line.function
                cell += ["", f"{function}()::", ""]
            cell.append(f"  {line.statement}")
            cell += [f"      {told}" for told in [note(line)] if told]
    return _without_doubled_blanks(cell)


def _folded(lines: list[Line]) -> str:
    functions = list(dict.fromkeys(line.function for line in lines))
    where = ", ".join(functions if len(functions) <= 3 else [*functions[:2], "...", functions[-1]])
    return f"({plural(sum(len(line.steps) for line in lines), 'step')} in {where})"


def note(line: Line) -> str:
    """What the statement does not tell by itself: values read, values computed and written."""
    told = [a for step in line.steps for a in step.accesses if a.kind in _VERBS and not a.bookkeeping]
    several = len({access.place for access in told}) > 1
    notes: dict[str, list[str]] = {}
    for access in told:
        if access.kind != "store" or not _told(line.statement, access.value):
            name = access.place.rpartition(".")[2]
            plain = not several or access.kind in ("alloc", "choose") or name == access.value
            value = access.value if plain else f"{name}={access.value}"
            notes.setdefault(_VERBS[access.kind], []).append(value)
    return ", ".join(f"{verb} {', '.join(dict.fromkeys(values))}" for verb, values in notes.items())


def _told(statement: str, value: str) -> bool:
    """Whether the statement itself says that it stores `value`."""
    words = {"0": ("0", "False"), "1": ("1", "True")}.get(value, (value,))
    return statement.endswith(tuple(f"= {word}" for word in words))


def _without_doubled_blanks(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _widths(columns: int, width: int) -> list[int]:
    """Text width of each column: what remains after borders and one blank on either side."""
    room = width - (3 * columns + 1)
    return [room // columns] * columns


def _border(inner: list[int], char: str) -> str:
    return "+" + "+".join(char * (w + 2) for w in inner) + "+"


def _cells(cells: list[list[str]], inner: list[int]) -> list[str]:
    fitted = [_fit(cell, width) for cell, width in zip(cells, inner, strict=True)]
    height = max(len(cell) for cell in fitted)
    padded = [cell + [""] * (height - len(cell)) for cell in fitted]
    return [
        "| " + " | ".join(f"{text:<{w}}" for text, w in zip(row, inner, strict=True)) + " |"
        for row in zip(*padded, strict=True)
    ]


def _fit(cell: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for text in cell:
        indent = " " * (len(text) - len(text.lstrip()))
        hanging = "  " if indent else ""
        lines += wrapped_code(text.strip(), indent=indent, hanging=hanging, width=width) if text else [""]
    return lines
