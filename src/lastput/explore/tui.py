"""A walk in the terminal, with Textual: the same as the page, over ssh, in 80 columns and 24 lines."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option as Entry

from lastput.explore import tui_text
from lastput.explore.moments import KINDS, Kind
from lastput.explore.walk import Walk
from lastput.lang.errors import LastputError
from lastput.report.saved import write

AROUND = 4
"""Lines of source above and below the current one."""


class Terminal(App[None]):
    """The application. `save` names the file that `s` writes."""

    TITLE = "lastput explore"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #said { height: auto; max-height: 4; padding: 0 1; background: $surface; }
    .pane { border: round $primary; padding: 0 1; }
    .pane:focus, .pane:focus-within { border: round $accent; }
    #left { width: 1fr; }
    #right { width: 1fr; }
    #steps { height: 1fr; }
    #source { height: 1fr; }
    #memory { height: 3fr; }
    #path { height: 2fr; }
    #source_text, #path { text-wrap: nowrap; text-overflow: ellipsis; }
    #expression { display: none; height: 3; }
    #expression.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,k,backspace", "by(-1)", "back", key_display="←"),
        Binding("right,j", "by(1)", "on", key_display="→"),
        Binding("home", "start", "start", show=False, priority=True),
        Binding("end", "end", "end", show=False, priority=True),
        Binding("v", "violation", "oops"),
        Binding("n", "moment('')", "next"),
        Binding("f", "moment('free')", "free"),
        Binding("l", "moment('lock')", "lock"),
        Binding("b", "moment('branch')", "branch"),
        Binding("e,slash", "expression", "state", key_display="e"),
        Binding("s", "save", "save"),
        Binding("escape", "give_up", "give up", show=False),
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        *(Binding(str(number), f"take({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(self, walk: Walk, save: Path | None = None) -> None:
        super().__init__()
        self.walk = walk
        self.save_to = save
        self.wrong = ""

    def compose(self) -> ComposeResult:
        """Steps and source to the left, memory and the way here to the right."""
        yield Static(id="said", markup=False)
        with Horizontal():
            with Vertical(id="left"):
                yield OptionList(id="steps", classes="pane")
                with VerticalScroll(id="source", classes="pane", can_focus=True):
                    yield Static(id="source_text", markup=False)
            with Vertical(id="right"):
                with VerticalScroll(id="memory", classes="pane", can_focus=True):
                    yield Static(id="memory_text", markup=False)
                yield OptionList(id="path", classes="pane")
        yield Input(id="expression", placeholder="a state in which, as kvm.users_count == 0")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin."""
        titles = {"steps": "What can be done next", "source": "Source", "memory": "Memory", "path": "Path"}
        for name, title in titles.items():
            self.query_one(f"#{name}").border_title = title
        model = self.walk.model
        self.query_one("#steps").border_subtitle = f"{self.walk.scenario.name}, {model.variant}"
        self.query_one("#steps", OptionList).focus()
        self.set_interval(0.25, self.look)
        self.show()

    # -- what it shows ----------------------------------------------------------------------------

    def show(self) -> None:
        """Show where the walk stands."""
        self._said()
        self._steps()
        self._path()
        self.query_one("#source_text", Static).update(tui_text.source_text(self.walk, AROUND))
        self.query_one("#memory_text", Static).update(tui_text.memory_text(self.walk))
        self.query_one("#memory").scroll_home(animate=False)
        self.query_one("#source").scroll_home(animate=False)

    def _said(self) -> None:
        said = tui_text.headline(self.walk)
        if self.wrong:
            said = Text(self.wrong, "bold red")
        self.query_one("#said", Static).update(said)

    def _steps(self) -> None:
        """Each task, and under it the steps that it can take."""
        here = self.walk.session.here()
        entries: list[Entry] = []
        for task in here.tasks:
            entries.append(Entry(tui_text.task_line(task, here), disabled=True))
            for number, option in enumerate(here.options, 1):
                if option.thread == task.index:
                    entries.append(Entry(tui_text.step_line(number, option, here), id=f"take-{number}"))
        listed = self.query_one("#steps", OptionList)
        listed.clear_options()
        listed.add_options(entries)
        able = [index for index, entry in enumerate(entries) if not entry.disabled]
        listed.highlighted = able[0] if able else None

    def _path(self) -> None:
        session = self.walk.session
        lines = tui_text.path_lines(session.here(), len(session.ahead))
        listed = self.query_one("#path", OptionList)
        listed.clear_options()
        listed.add_options(
            Entry(line, id=f"go-{number}", disabled=number > len(session.path))
            for number, line in enumerate(lines)
        )
        listed.highlighted = len(session.path)
        listed.scroll_to_highlight()

    # -- what is asked of it ----------------------------------------------------------------------

    def do(self, action: Callable[[], object]) -> None:
        """Do something with the walk, and show where it stands then, or why it cannot be done."""
        self.wrong = ""
        try:
            action()
        except LastputError as error:
            self.wrong = " ".join(str(error).split())
        self.show()

    def look(self) -> None:
        """See whether a search has come to an end."""
        if self.walk.finder.under_way is None:
            return
        try:
            if self.walk.look():
                self.show()
        except LastputError as error:
            self.wrong = " ".join(str(error).split())
        self._said()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A line of the steps or of the path was chosen."""
        kind, _, number = (event.option.id or "").partition("-")
        if kind == "take":
            self.action_take(int(number))
        elif kind == "go":
            self.do(lambda: self.walk.goto(int(number)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """An expression was typed."""
        self._typing(False)
        if event.value.strip():
            self.do(lambda: self.walk.find(event.value))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Home and End are the path's, but in the line of the expression."""
        return action not in ("start", "end") or not self.query_one("#expression").has_class("shown")

    def _typing(self, on: bool) -> None:
        line = self.query_one("#expression", Input)
        line.set_class(on, "shown")
        (line if on else self.query_one("#steps", OptionList)).focus()

    def action_take(self, number: int) -> None:
        """Take the step of that number."""
        options = self.walk.session.here().options
        if number <= len(options):
            option = options[number - 1]
            self.do(lambda: self.walk.take(option.thread, option.choice))

    def action_by(self, steps: int) -> None:
        """Go back, or on again."""
        self.do(lambda: self.walk.by(steps))

    def action_start(self) -> None:
        """Go to the start."""
        self.do(lambda: self.walk.goto(0))

    def action_end(self) -> None:
        """Go to the end of the path."""
        self.do(lambda: self.walk.by(len(self.walk.session.ahead)))

    def action_moment(self, kind: str) -> None:
        """Go to the next moment worth a look, or the next one of a kind."""
        kinds: tuple[Kind, ...] = tuple(known for known in KINDS if kind in ("", known))
        self.do(lambda: self.walk.moment(kinds))

    def action_violation(self) -> None:
        """Search for the nearest violation."""
        self.do(lambda: self.walk.find(None))

    def action_expression(self) -> None:
        """Ask for an expression."""
        self._typing(True)

    def action_give_up(self) -> None:
        """Leave the line of the expression, or give up the search."""
        if self.query_one("#expression").has_class("shown"):
            self._typing(False)
        elif self.walk.finder.under_way is not None:
            self.do(self.walk.give_up)

    def action_save(self) -> None:
        """Write the path."""
        if self.save_to is None:
            self.wrong = "start with --save FILE to save"
            self._said()
            return
        path = self.save_to
        self.do(lambda: write(path, self.walk.saved()))
        if not self.wrong:
            self.walk.said = f"saved: lastput replay {shlex.quote(str(path))}"
            self._said()
