"""What `lastput claims` and `lastput corpus` share: run experiments, show how far they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lastput.cli import exits, interrupt, terminal
from lastput.cli.progress import Live
from lastput.lang.errors import UsageError
from lastput.report.experiments import tally
from lastput.report.style import style_for

if TYPE_CHECKING:
    from lastput.study.costs_table import Row
    from lastput.study.experiment import Run
    from lastput.study.settle import Settled


ENDED = "a process was killed (out of memory? use fewer --jobs)"


@dataclass
class Found:
    """What the experiments came to, by `id(run)`, and how many are missing where something stopped them."""

    by_run: dict[int, Settled] = field(default_factory=dict)
    costs: list[Row] = field(default_factory=list)
    missing: int = 0
    seconds: float = 0.0
    stopped: str = ""
    """Why not all was run; empty if all was."""
    undrawn: int = 0
    """Witnesses that have no picture, because something stopped the drawing."""

    @property
    def status(self) -> int:
        """Exit status: 0 if all is as expected, 1 if something is not, 3 if something was not settled."""
        wrong = [one for one in self.by_run.values() if one.wrong]
        if any(one.result.verdict != "incomplete" for one in wrong):
            return exits.VIOLATED
        return exits.INCOMPLETE if wrong or self.stopped else exits.HOLDS

    def last_lines(self) -> str:
        """How many there were, and whether all is as expected."""
        settled = list(self.by_run.values())
        lines = tally(settled, self.missing, self.seconds, style_for(sys.stdout), stopped=bool(self.stopped))
        return "\n".join(lines) + "\n"

    def of_any(self, runs: Sequence[Run]) -> bool:
        """Whether there is anything to show of `runs`."""
        return not self.stopped or any(id(run) in self.by_run for run in runs)


def jobs(text: str | None) -> int | None:
    """The number behind --jobs; UsageError if it is none."""
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--jobs {text}: use a number from 1")
    return int(text)


def run_all(
    runs: Sequence[Run],
    *,
    processes: int | None,
    fresh: bool,
    costs: bool = False,
    pictures: bool = False,
) -> Found:
    """Settle every run, count what designs cost and make the pictures of the witnesses if asked to; Ctrl-C
    leaves the rest out, and so does a process that something ends. Before anything is known Ctrl-C is a
    KeyboardInterrupt.
    """
    from lastput.study.settle import settle

    found = Found()
    began = time.perf_counter()
    with Live() as live:
        live.phase(f"{len(runs)} experiments")
        interrupt.raising()
        try:
            for settled in settle(runs, jobs=processes, fresh=fresh):
                found.by_run[id(settled.run)] = settled
                live.phase(f"{len(found.by_run)} of {len(runs)} experiments, last {settled.run.scenario}")
            if costs:
                _count(found, live, processes)
        except KeyboardInterrupt:
            if not found.by_run and not found.costs:
                raise
            found.stopped = "interrupted"
        except BrokenProcessPool:
            found.stopped = ENDED
        if pictures:
            _draw(found, live, processes)
    interrupt.verdict_known()
    if found.stopped:
        terminal.complain(f"lastput: {found.stopped}. Known so far:")
    found.missing = len({id(run) for run in runs}) - len(found.by_run)
    found.seconds = time.perf_counter() - began
    return found


def _draw(found: Found, live: Live, processes: int | None) -> None:
    """Give the witnesses their scenes; what stops this takes nothing from what is known."""
    from lastput.study.scenes import pictured, witnesses

    settled = list(found.by_run.values())
    todo = {one.run.words for one in witnesses(settled)}
    drawn: dict[str, Settled] = {}
    if found.stopped:
        found.undrawn = len(todo)
        return
    try:
        for one in pictured(settled, jobs=processes):
            drawn[one.run.words] = one
            live.phase(f"{len(drawn)} of {len(todo)} witnesses drawn")
    except (KeyboardInterrupt, BrokenProcessPool):
        found.undrawn = len(todo) - len(drawn)
    for key, one in found.by_run.items():
        if one.run.words in drawn:
            found.by_run[key] = replace(one, result=drawn[one.run.words].result)


def _count(found: Found, live: Live, processes: int | None) -> None:
    from lastput.study.costs_table import table

    for row in table(processes):
        found.costs.append(row)
        live.phase(f"costs of {row.design}, {row.path.name}")
