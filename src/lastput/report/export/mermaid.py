"""A Mermaid sequence diagram of one violation: tasks and the objects that they meet at.

GitHub, GitLab and many wikis render it. A task's statement is an arrow to the object that it reads or
writes, or a note over the task; steps that no other task's steps touch are folded as in the table of the
report. Only what Mermaid's grammar has since version 9 is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from lastput.report.interleaving import FOLD, LAST, OOPS, Line, interesting, lines_of, note
from lastput.report.layout import plural
from lastput.result import Result, Step, Violation


def text(results: Sequence[Result]) -> str:
    """The first of `results`, which is violated."""
    result = results[0]
    assert result.violation is not None
    lines = [
        "sequenceDiagram",
        "    autonumber",
        f"    %% {_plain(result.scenario)} {_plain(result.variant)}",
    ]
    return "\n".join([*lines, *(f"    {line}" for line in _Diagram(result.violation).lines())]) + "\n"


Group = tuple[int, bool, list[Line]]
"""A task, whether its statements are shown, and the statements."""


class _Diagram:
    def __init__(self, found: Violation) -> None:
        self.found = found
        shown = interesting(found) | {step.number for step in found.steps[-LAST:]}
        begins = len(found.steps) if found.lasso is None else found.lasso.begins
        self.groups = list(_groups(found.steps[:begins], shown))
        self.loop = list(_groups(found.steps[begins:], shown))
        told = [line for _, kept, lines in [*self.groups, *self.loop] for line in lines if kept]
        objects = dict.fromkeys(name for name in map(_object, told) if name)
        self.objects = {name: f"O{number}" for number, name in enumerate(objects)}

    def lines(self) -> Iterator[str]:
        for task in self.found.tasks:
            yield f"participant T{task.index} as {_escaped(task.name)}"
        for name, known in self.objects.items():
            yield f"participant {known} as {_escaped(name)}"
        yield from self._told(self.groups)
        if self.loop:
            yield "loop for ever"
            yield from self._told(self.loop)
            yield "end"
        yield from self._end()

    def _told(self, groups: Sequence[Group]) -> Iterator[str]:
        for thread, kept, lines in groups:
            yield from (self._shown(thread, line) for line in lines) if kept else [_folded(thread, lines)]

    def _shown(self, thread: int, line: Line) -> str:
        name, told = _object(line), note(line)
        words = f"{line.function}: {line.statement}" + f" ({told})" * bool(told)
        if name is None:
            return f"Note over T{thread}: {_escaped(words)}"
        writes = any(a.kind != "load" for step in line.steps for a in step.accesses)
        arrow = "->>" if writes else "-->>"
        return f"T{thread}{arrow}{self.objects[name]}: {_escaped(words)}"

    def _end(self) -> Iterator[str]:
        found = self.found
        for task in found.tasks:
            if task.state == "blocked" and found.kind == "deadlock":
                yield f"Note over T{task.index}: {_escaped(f'blocked for ever in {task.statement}')}"
        last = len(found.tasks) - 1
        over = f"T{found.thread}" if found.thread is not None else f"T0,T{last}" if last else "T0"
        yield f"Note over {over}: {_escaped(f'{OOPS} {found.headline}')}"


def _groups(all_steps: Sequence[Step], shown: set[int]) -> Iterator[Group]:
    """The groups of some steps, in order: few statements that need not be shown are, too."""
    for thread, steps in groupby(all_steps, key=lambda step: step.thread):
        lines = lines_of(list(steps))
        for kept, some in groupby(lines, key=lambda line: any(s.number in shown for s in line.steps)):
            group = list(some)
            yield thread, kept or len(group) < FOLD, group


def _object(line: Line) -> str | None:
    """The object that a statement writes first, or else reads last; None for none.

    A second object of a name is called `name.2`.
    """
    accesses = [access for step in line.steps for access in step.accesses if access.place]
    writes = [access.place for access in accesses if access.kind != "load"]
    places = writes[:1] or [access.place for access in accesses][-1:]
    found = re.match(r"[^.]+(\.\d+(?=\.|$))?", places[0]) if places else None
    return found[0] if found else None


def _folded(thread: int, lines: Sequence[Line]) -> str:
    functions = list(dict.fromkeys(line.function for line in lines))
    where = ", ".join(functions if len(functions) < 4 else [*functions[:2], "...", functions[-1]])
    steps = plural(sum(len(line.steps) for line in lines), "step")
    return f"Note over T{thread}: {_escaped(f'({steps} in {where})')}"


def _escaped(words: str) -> str:
    """Text of a message: one line, and no character that Mermaid takes for its own.

    An entity is `#` and `;` there. `end` as a word closes a block in some versions.
    """
    line = " ".join(words.split())
    safe = "".join(f"#{ord(c)};" if c in '#;<>&"`{}%' else c for c in line)
    return "#101;nd" if safe == "end" else safe or "#32;"


def _plain(words: str) -> str:
    """Text of a comment, in which `{` would begin a directive."""
    return " ".join(words.split()).replace("{", "(").replace("}", ")")
