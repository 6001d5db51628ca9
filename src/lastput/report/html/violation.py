"""A violation on a page: the oops, the lanes, and what the scripts need to step through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastput.report.html import oops
from lastput.report.html.lanes import lanes
from lastput.report.html.page import escape
from lastput.report.html.parts import keys, legend, sign_buttons
from lastput.report.html.scene_data import scene_value
from lastput.report.interleaving import Line, interesting, note
from lastput.result import Frame, Source, Violation

SCRIPTS = ("lists.js", "arrows.js", "memory.js", "history.js", "source.js", "stepper.js", "keys.js")
STYLES = ("violation.css", "memory.css")


def has_picture(violation: Violation) -> bool:
    """Whether there is a state to look at: not where no state at all is as it should be."""
    return violation.kind != "unreachable"


def violation_section(violation: Violation, key: str) -> str:
    """Markup of one violation. `key` begins the ids in it, and is its name in the page's data."""
    head = oops.head(violation)
    if not has_picture(violation):
        return head
    key = escape(key)
    return f"""{head}
<div class="violation" id="{key}" data-violation="{key}">
{_controls(key)}
{_signs(violation)}
<div class="stage">
<div class="scroll" tabindex="0" role="region" aria-label="The interleaving">
{lanes(violation, key)}</div>
<div class="panel" hidden>
<section tabindex="0" aria-label="Source"><h3>Where each task stands</h3><div class="sources"></div></section>
<section class="state" tabindex="0" aria-label="Memory"><header><h3>Memory</h3>{legend()}</header>
<div class="memory"></div></section>
</div>
</div>
</div>
"""


def violation_data(violation: Violation) -> dict[str, Any]:
    """What the scripts of `violation_section` need, to be put under its key in the page's data."""
    frames = _Frames(violation.scene.sources if violation.scene else ())
    steps = [
        {
            "thread": step.thread,
            "statement": step.statement,
            "note": note(Line(step.function, step.statement, [step])),
            "frames": frames.numbers(_shown(step.frames, step.function)),
        }
        for step in violation.steps
    ]
    tasks = [
        {"name": task.name, "state": task.state, "frames": frames.numbers(_shown(task.frames, task.function))}
        for task in violation.tasks
    ]
    value: dict[str, Any] = {"steps": steps, "tasks": tasks, "frames": frames.found}
    value["sources"] = [
        {"file": source.file, "line": source.line, "lines": source.lines} for source in frames.sources
    ]
    value["oops"] = {"thread": violation.thread, "headline": violation.headline}
    if violation.scene:
        value["scene"] = scene_value(violation.scene)
    return value


class _Frames:
    """Numbers for frames, since most of a stack is that of the step before."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.found: list[list[str | int]] = []
        """Function, file, line, and which of the sources it is of; -1 without one."""
        self._known: dict[tuple[str, str, int], int] = {}

    def numbers(self, frames: Sequence[Frame]) -> list[int]:
        """The numbers of a call stack's frames, innermost first."""
        return [self._number(frame) for frame in frames]

    def _number(self, frame: Frame) -> int:
        key = (frame.function, frame.file, frame.line)
        if key not in self._known:
            self._known[key] = len(self.found)
            self.found.append([*key, self._source(frame)])
        return self._known[key]

    def _source(self, frame: Frame) -> int:
        for number, source in enumerate(self.sources):
            inside = source.line <= frame.line < source.line + len(source.lines)
            if source.file == frame.file and inside:
                return number
        return -1


def _shown(frames: Sequence[Frame], function: str) -> Sequence[Frame]:
    """The stack from the function in whose words a step is shown: not inside of `spin_lock`."""
    inner = next((i for i, frame in enumerate(frames) if frame.function == function), 0)
    return frames[inner:]


def _controls(key: str) -> str:
    buttons = (
        ("first", "|◀", "To the start (Home)"),
        ("back", "◀", "One step back (left, k)"),
        ("next", "▶", "One step on (right, j)"),
        ("last", "▶|", "To the end (End)"),
    )
    slider = (
        f'<label class="hidden" for="{key}-slider">Step</label>'
        f'<input type="range" id="{key}-slider" min="0" value="0" step="1">'
    )
    return f"""<div class="controls" role="group" aria-label="Steps" hidden>
<div class="buttons">{sign_buttons("data-go", buttons)}</div>{slider}
<label class="all"><input type="checkbox" data-all> all fields</label>
<button type="button" data-help aria-expanded="false" aria-label="Keys">?</button>
<p class="now" role="status"></p>
{_help()}
</div>"""


def _help() -> str:
    rows = (
        ("→ ↓ j", "one step on"),
        ("← ↑ k", "one step back"),
        ("Home", "to the start"),
        ("End", "to the violation"),
        ("n", "on to a step of another task"),
        ("p", "back to a step of another task"),
        ("?", "this help"),
    )
    return f'<dl class="help facts" hidden>{keys(rows)}</dl>'


def _signs(violation: Violation) -> str:
    """What the bars of the tasks and the dimmed steps are, as far as there are some."""
    bands = violation.scene.bands if violation.scene else ()
    said = {"lock": "held lock", "read lock": "lock held for reading", "read section": "read section"}
    kinds = [kind for kind in said if any(band.kind == kind for band in bands)]
    items = "".join(
        f'<li><span class="swatch {kind.replace(" ", "-")}" aria-hidden="true"></span> {said[kind]}</li>'
        for kind in kinds
    )
    if len(interesting(violation)) < len(violation.steps):
        items += '<li><span class="soft">dimmed</span>: touches nothing that another task uses</li>'
    return f'<ul class="legend">{items}</ul>' if items else ""
