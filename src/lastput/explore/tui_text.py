"""What the panes of the terminal show, as text with styles; names of a model are never markup."""

from __future__ import annotations

import textwrap

from rich.text import Text

from lastput.evidence.objects import Objects
from lastput.explore.picture import Picture
from lastput.explore.session import Place
from lastput.explore.steps import Option
from lastput.explore.view import chosen, function_at, told, used
from lastput.explore.walk import Walk
from lastput.report.html.page import TASK_MARKS
from lastput.report.layout import plural
from lastput.result import Task, Thing

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red", "white", "bright_black")

_EMPTY = ("0", "NULL", "free", "nobody", "never written")


def mark(thread: int) -> Text:
    """A task's shape in its colour."""
    return Text(TASK_MARKS[thread % len(TASK_MARKS)], COLOURS[thread % len(COLOURS)])


def task_line(task: Task, here: Place) -> Text:
    """A task, and what it is at if no step of it can be taken."""
    line = Text.assemble(mark(task.index), " ", (task.name, "bold"), f" {task.state}")
    if task.state == "blocked":
        whom = ", ".join(here.tasks[other].name for other in task.waits_for)
        line.append(f"{' by ' if whom else ''}{whom} in {task.statement}")
    if task.state == "running":
        line.append(f", broke a rule in {task.statement}", "red")
    if task.holds:
        line.append(f" holds {', '.join(task.holds)}", "dim")
    return line


def step_line(number: int, option: Option, here: Place) -> Text:
    """A step that can be taken."""
    key = f" {number} " if number < 10 else "   "
    line = Text.assemble((key, "reverse"), " ", here.tasks[option.thread].statement)
    label = chosen(option, here.options)
    if label:
        line.append(f"  {label}", "dim")
    if option.breaks or option.wrong:
        line.append(f"  ! {option.wrong or 'breaks a rule: ' + option.breaks}", "bold red")
    return line


def path_lines(here: Place, ahead: int) -> list[Text]:
    """The steps that were taken; line 0 is the start."""
    lines = [Text("  0   the start")]
    for step in here.steps:
        line = Text.assemble(f"{step.number:>3} ", mark(step.thread), f" {step.statement}")
        if told(step):
            line.append(f"  {told(step)}", "dim")
        lines.append(line)
    if ahead:
        lines.append(Text(f"      {ahead} more ahead: →", "dim"))
    return lines


def source_text(walk: Walk, around: int) -> Text:
    """Where each task stands, with the lines around; most of them for the task that ran last."""
    here = walk.session.here()
    order = sorted(here.tasks, key=lambda task: task.index != here.thread)
    parts = [
        _standing(walk, task, around if task.index == here.thread else 1) for task in order if task.frames
    ]
    return Text("\n\n").join(parts)


def _standing(walk: Walk, task: Task, around: int) -> Text:
    frame = task.frames[0]
    calls = " > ".join(f.function for f in reversed(task.frames[:3]))
    text = Text.assemble(
        mark(task.index), " ", (task.name, "bold"), f" {frame.file}:{frame.line}\n", (calls, "dim")
    )
    source = function_at(walk.session, frame)
    if source is None:
        return text.append(f"\n{frame.text}")
    at = frame.line - source.line
    first = max(0, at - around)
    shown = textwrap.dedent("\n".join(source.lines[first : at + around + 1])).split("\n")
    for number, line in enumerate(shown, first):
        style = "reverse" if number == at else ""
        sign = "▶" if number == at else " "
        text.append("\n").append(f"{sign}{source.line + number:>4} {line}", style)
    return text


def memory_text(walk: Walk) -> Text:
    """The objects in use, those of the last step first, with the cells that are not empty."""
    objects = Objects(walk.session.world, walk.session.program.memory)
    here = walk.session.here()
    things = objects.things()
    recent = dict.fromkeys(number for number, _ in here.picture.touched)
    order = [*recent, *sorted(used(here, objects) - set(recent))]
    found = [_thing(number, things[number], here.picture) for number in order]
    return Text("\n").join(found) if found else Text("nothing is touched yet", "dim")


def _thing(number: int, thing: Thing, picture: Picture) -> Text:
    text = Text.assemble((thing.name, "bold"), (f" {thing.struct}" * (thing.struct != thing.name), "dim"))
    if number in picture.freed:
        text.append(" freed now" if number in picture.released else " freed", "bold red")
    elif not picture.contents[number]:
        text.append(" not allocated", "dim")
    elif number in picture.allocated:
        text.append(" allocated now", "bold green")
    changed = dict(picture.changed)
    for index, cell in enumerate(thing.cells):
        line = _cell((number, index), cell.path, picture, changed.get((number, index)), cell.kind == "ghost")
        if line is not None:
            text.append("\n").append_text(line)
    return text


def _cell(
    place: tuple[int, int], path: str, picture: Picture, before: str | None, ghost: bool
) -> Text | None:
    """A cell worth a line: one that is not empty, or that the last step read or wrote."""
    thing, index = place
    contents = picture.contents[thing]
    touched = place in picture.touched
    if not touched and (not contents or contents[index].text in _EMPTY):
        return None
    value = contents[index].text if contents else "gone"
    sign = "✎" if before is not None else "!" if touched and not contents else "◉" if touched else " "
    line = Text.assemble((f"{sign} {path} = ", "dim" if ghost or not touched else ""))
    if before is not None:
        line.append(f"{before} → ", "dim")
    return line.append(value, "bold" if touched else "")


def headline(walk: Walk) -> Text:
    """What there is to say: of the search, of a broken rule, of the last command."""
    here, search = walk.session.here(), walk.finder.under_way
    if search is not None:
        what = "a violation" if search.expression is None else search.expression
        return Text(f"Searching for {what}: {search.seconds:.0f} s. Esc gives up.")
    parts: list[Text] = [Text(found.headline, "bold red") for found in here.violations]
    if here.bound:
        parts.append(Text(f"A bound of the model, not a violation: {here.bound}", "yellow"))
    said = f"{walk.said} - " if walk.said else ""
    parts.append(Text(f"{said}{plural(len(here.steps), 'step')} taken{_over(here)}"))
    return Text("\n").join(parts)


def _over(here: Place) -> str:
    over = not (here.options or here.violations or here.bound)
    return ", nothing more can be done: no rule is broken" if over else ""
