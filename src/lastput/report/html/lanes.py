"""The interleaving as a table: a lane per task, time downwards, and bars for locks, counts and lives.

It needs no script. Row n is step n and the state after it; row 0 is the state before any step.
"""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.html.bars import Bar, Segment, band_columns, counts, lives
from lastput.report.html.page import TASK_MARKS, escape, task_class, task_mark
from lastput.report.interleaving import OOPS, Line, interesting, note
from lastput.result import Frame, Moment, Scene, Step, Violation

ROOM = 5
"""Bars longer than so many rows have room for their name."""

DEEPEST = 16
"""Calls nested deeper than this are not indented any further."""

BEGINS = "the loop begins: from here to the end, again and again"
ENDS = "nobody can step any more"

_EMPTY = Scene((), (), (), ())


def lanes(violation: Violation, key: str) -> str:
    """The table; its rows have the ids `{key}-s0`, `{key}-s1`, ..."""
    return _Lanes(violation, key).table()


class _Lanes:
    def __init__(self, violation: Violation, key: str) -> None:
        self.violation, self.key = violation, key
        self.scene = violation.scene or _EMPTY
        self.steps = violation.steps
        self.last = len(self.steps)
        self.loop = violation.lasso.begins if violation.lasso else None
        self.tasks = [task.index for task in violation.tasks]
        self.bands = {
            task: band_columns((b for b in self.scene.bands if b.thread == task), self.last)
            for task in self.tasks
        }
        victim = violation.victim.object if violation.victim else None
        self.counts = counts(self.scene)
        self.lives = lives(self.scene, victim)
        self.bright = interesting(violation)

    def table(self) -> str:
        rows = [self._start()]
        stacks: dict[int, Sequence[Frame]] = {}
        for step in self.steps:
            stack = _shown_stack(step)
            rows.append(self._row(step, stack, stacks.get(step.thread, ())))
            stacks[step.thread] = stack
        rows += self._end()
        caption = f'<caption class="hidden">Every step, one task per column; {self.last} steps</caption>'
        body = "".join(rows)
        return f'<table class="lanes">{caption}{self._head()}<tbody>{body}</tbody></table>\n'

    # -- head -------------------------------------------------------------------------------------

    def _head(self) -> str:
        heads = '<th scope="col" class="number">Step</th>'
        for task in self.violation.tasks:
            span = 1 + len(self.bands[task.index])
            kind = f"task {task_class(task.index)}"
            name = f"{task_mark(task.index)} {escape(task.name)} <small>CPU {task.index}</small>"
            heads += f'<th colspan="{span}" scope="col" class="{kind}">{name}</th>'
        for what, bars in (("references", self.counts), ("life", self.lives)):
            for bar in bars:
                title = escape(f"{bar.name}: {what}")
                heads += f'<th scope="col" class="bar" title="{title}"><span>{escape(bar.name)}</span></th>'
        return f"{self._columns()}<thead><tr>{heads}</tr></thead>"

    def _columns(self) -> str:
        columns = '<col class="number">'
        for task in self.tasks:
            columns += '<col class="band">' * len(self.bands[task]) + '<col class="lane">'
        columns += '<col class="bar">' * (len(self.counts) + len(self.lives))
        return f"<colgroup>{columns}</colgroup>"

    # -- rows -------------------------------------------------------------------------------------

    def _start(self) -> str:
        return self._cells(0, "start", {}, "start")

    def _row(self, step: Step, stack: Sequence[Frame], before: Sequence[Frame]) -> str:
        number = step.number
        kinds = ["step", task_class(step.thread)]
        if number == 1 or self.steps[number - 2].thread != step.thread:
            kinds.append("switch")
        broken = number == self.last and self.violation.thread == step.thread
        if number not in self.bright and not broken:
            kinds.append("dull")
        if self.loop is not None and number > self.loop:
            kinds.append("loop")
        begins = [BEGINS] if self.loop is not None and number == self.loop + 1 else []
        told = [*begins, *self._events(number, step), *([OOPS] if broken else [])]
        lane = _statement(step, stack, before, told)
        return self._cells(number, " ".join(kinds), {step.thread: lane}, str(number))

    def _cells(self, row: int, kind: str, lanes: dict[int, str], label: str) -> str:
        link = f'<a href="#{self.key}-s{row}">{label}</a>'
        cells = f'<th scope="row" class="number">{link}</th>'
        for task in self.tasks:
            cells += "".join(self._bar(bar, row, f" {task_class(task)}") for bar in self.bands[task])
            content = lanes.get(task, "")
            idle = "" if content else " idle"
            name = escape(f"{TASK_MARKS[task % len(TASK_MARKS)]} {self.violation.tasks[task].name}")
            cells += f'<td class="lane {task_class(task)}{idle}" data-task="{name}">{content}</td>'
        cells += "".join(self._bar(bar, row) for bar in (*self.counts, *self.lives))
        return f'<tr id="{self.key}-s{row}" class="{kind}">{cells}</tr>\n'

    def _bar(self, bar: Bar, row: int, extra: str = "") -> str:
        """The cell that begins in `row`; nothing where one from above reaches down here."""
        before = [s for s in bar.segments if s.first < row]
        if before and before[-1].last >= row:
            return ""
        here = next((s for s in bar.segments if s.first == row), None)
        if here is not None:
            return _segment(bar, here, extra)
        if row and not (before and before[-1].last == row - 1):
            return ""
        after = next((s.first for s in bar.segments if s.first > row), self.last + 1)
        return f'<td class="gap" rowspan="{after - row}"></td>'

    def _events(self, number: int, step: Step) -> list[str]:
        """What the step does to locks, objects and counts, in words."""
        told = []
        for band in self.scene.bands:
            if band.thread == step.thread and number in (band.first, band.last):
                verb = {"read section": ("enters", "leaves")}.get(band.kind, ("takes", "drops"))
                told.append(f"{verb[number != band.first]} {band.kind} {band.name}")
        if number <= len(self.scene.moments):
            told += self._lives(self.scene.moments[number - 1])
        for bar in self.counts:
            told += [f"{bar.name} is {s.text} now" for s in bar.segments if s.first == number]
        for bar in self.lives:
            told += [f"touches {bar.name} after free" for s in bar.segments if _touched(s, number)]
        return told

    def _lives(self, moment: Moment) -> list[str]:
        things = self.scene.things
        told = [f"allocates {things[thing].name}" for thing in moment.allocated]
        return told + [f"frees {things[thing].name}" for thing in moment.freed]

    def _end(self) -> list[str]:
        """What is wrong at the end where no step is to blame."""
        rows = []
        columns = (
            1 + len(self.tasks) + sum(map(len, self.bands.values())) + len(self.counts) + len(self.lives)
        )
        if self.violation.kind == "deadlock":
            names = [task.name for task in self.violation.tasks]
            for task in self.violation.tasks:
                if task.state == "blocked":
                    whom = ", ".join(names[other] for other in task.waits_for)
                    why = f", waits for {escape(whom)}" if whom else ""
                    text = f"<code>{escape(task.statement)}</code> blocked for ever{why}"
                    rows.append(_wide(columns, f"{task_mark(task.index)} {escape(task.name)}: {text}"))
        if self.loop is not None:
            back = f"back to step {self.loop + 1}, again and again" if self.loop < self.last else ENDS
            rows.append(_wide(columns, f"<b>{back}</b>", "loop"))
        if self.violation.thread is None:
            rows.append(_wide(columns, f"<b>{OOPS}</b> {escape(self.violation.message)}", "oops"))
        return rows


def _wide(columns: int, markup: str, kind: str = "") -> str:
    return f'<tr class="end {kind}"><td colspan="{columns}">{markup}</td></tr>\n'


def _touched(segment: Segment, number: int) -> bool:
    return segment.kind == "touched-after" and segment.first <= number <= segment.last


def _segment(bar: Bar, segment: Segment, extra: str) -> str:
    """A stretch of a bar. What it says is written along it where there is room, and is its title."""
    rows = segment.last - segment.first + 1
    kind, text, name = segment.kind, escape(segment.text), escape(bar.name)
    if kind == "count":
        title = f"{name} is {text}"
        label = f"<span><b>{text}</b>{f' {name}' if rows > ROOM else ''}</span>"
    else:
        title = f"{name} is {text}" if name else f"{kind.replace('-', ' ')}: {text}"
        label = f'<span class="hidden">{text}</span>'
        if kind == "touched-after":
            label += '<span class="sign" aria-hidden="true">⚠</span>'
        elif rows > 1:
            label = f"<span>{name} {text}</span>" if rows > ROOM else f"<span>{text}</span>"
    return f'<td class="seg {kind}{extra}" rowspan="{rows}" title="{title}">{label}</td>'


def _shown_stack(step: Step) -> Sequence[Frame]:
    """The step's call stack, outermost first, down to the function in whose words it is shown."""
    stack = list(reversed(step.frames))
    while len(stack) > 1 and stack[-1].function != step.function:
        stack.pop()
    return stack


def _statement(step: Step, stack: Sequence[Frame], before: Sequence[Frame], told: list[str]) -> str:
    """The calls that the task has made since its step before, the statement, and what it does."""
    lines = []
    for depth in range(_common(stack, before), len(stack)):
        name = f"{escape(stack[depth].function)}()"
        lines.append(f'<div class="call d{min(depth, DEEPEST)}">{name}</div>')
    depth = min(len(stack), DEEPEST)
    inner = f"<code>{escape(step.statement)}</code>"
    noted = note(Line(step.function, step.statement, [step]))
    inner += f'<span class="note">{escape(noted)}</span>' if noted else ""
    for text in told:
        inner += f'<span class="event{" oops" if text == OOPS else ""}">{escape(text)}</span>'
    lines.append(f'<div class="did d{depth}">{inner}</div>')
    return "".join(lines)


def _common(stack: Sequence[Frame], before: Sequence[Frame]) -> int:
    """How many outer calls of `stack` were under way already in `before`."""
    for depth, (now, then) in enumerate(zip(stack, before, strict=False)):
        if (now.function, now.file) != (then.function, then.file):
            return depth
        if now.line != then.line:
            return depth + 1
    return min(len(stack), len(before))
