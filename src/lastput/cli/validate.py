"""`lastput validate`: is a recorded trace a behaviour of the model?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.cli import exits, interrupt, outputs, terminal
from lastput.cli.limits import count, seconds, within
from lastput.cli.progress import Live
from lastput.lang.errors import UsageError
from lastput.report.layout import plural

if TYPE_CHECKING:
    from lastput.validate.several import Found, Todo, Unread
    from lastput.validate.validation import Plan, Validation

OF_WORD = {
    "accepted": exits.HOLDS,
    "refused": exits.VIOLATED,
    "undecided": exits.INCOMPLETE,
    "vacuous": exits.INCOMPLETE,
}
MOST_SLACK = 1_000_000_000
"""Nanoseconds: no two CPUs' clocks are a second apart."""
VERSIONS = ("6.1", "6.12")
AT_LENGTH = ("refused", "undecided")
"""Verdicts that are told at length, however many recordings there are."""


@dataclass
class _All:
    """What the recordings came to, in their order; `stopped` is why some are missing, else empty."""

    todo: int
    found: dict[int, Found] = field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0

    @property
    def made(self) -> list[Validation]:
        from lastput.validate.validation import Validation

        return [one for _, one in sorted(self.found.items()) if isinstance(one, Validation)]

    @property
    def unread(self) -> list[Unread]:
        from lastput.validate.several import Unread

        return [one for _, one in sorted(self.found.items()) if isinstance(one, Unread)]


def run(args: argparse.Namespace) -> int:
    """Validate each recording; a report for one, a table for more, and a report on each that is not accepted.

    The worst decides: what cannot be read before what is refused, that before what is not known.
    """
    from lastput.host import usable_cores

    most = count("--max-steps", args.max_steps)
    limit = seconds("--timeout", args.timeout)
    slack = within("--slack", args.slack, 0, MOST_SLACK) or 0
    jobs = count("--jobs", args.jobs) or usable_cores()
    if args.kernel is not None and args.kernel not in VERSIONS:
        raise UsageError(f"--kernel {args.kernel}: there is no model of it: use 6.1 or 6.12")
    if args.html is not None:
        outputs.writable("--html", Path(args.html))

    from lastput.validate.several import traces
    from lastput.validate.validation import MOST_STEPS, SECONDS, Plan

    plan = Plan(most or MOST_STEPS, limit or SECONDS, slack, args.kernel)
    done = _validated(traces(args.trace), plan, jobs)
    _tell(args, done)
    for one in done.unread:
        terminal.complain("lastput: " + " ".join(one.why.split()))
    if done.unread and done.made:
        terminal.complain(f"lastput: {plural(len(done.unread), 'trace')} of {done.todo:,} could not be read")
    return _status(done)


def _validated(todo: Todo, plan: Plan, jobs: int) -> _All:
    """What all came to; Ctrl-C leaves out what is not finished, and a process that is killed does, too."""
    from lastput.validate.several import several

    done = _All(len(todo))
    began = time.perf_counter()
    with Live() as live:
        live.phase(plural(len(todo), "trace"))
        interrupt.raising()
        try:
            for place, one in several(todo, plan, jobs):
                done.found[place] = one
                live.phase(f"{len(done.found):,} of {plural(len(todo), 'trace')}")
        except KeyboardInterrupt:
            if not done.found:
                raise
            done.stopped = "interrupted"
        except BrokenProcessPool:
            done.stopped = "a process was killed (out of memory? use fewer --jobs)"
    interrupt.verdict_known()
    done.seconds = time.perf_counter() - began
    if done.stopped:
        known = f"{len(done.found):,} of {plural(done.todo, 'trace')}"
        terminal.complain(f"lastput: {done.stopped} after {known}. Known so far:")
    return done


def _tell(args: argparse.Namespace, done: _All) -> None:
    made = done.made
    if args.json:
        from lastput.report.validation_json import dumps

        terminal.say(dumps(made, done.unread, done.todo - len(done.found)))
    elif made:
        terminal.say(_text(made, args.full, done.todo, done.seconds))
    if args.html is not None and made:
        from lastput.report.html.validation import validation_page

        notes = [one.why for one in done.unread]
        if done.stopped:
            notes.append(f"{done.stopped}: {done.todo - len(done.found):,} of {done.todo:,} are missing")
        outputs.write_text("--html", Path(args.html), validation_page(made, notes, done.seconds))


def _text(made: Sequence[Validation], full: bool, todo: int, seconds: float) -> str:
    from lastput.report.validation import report
    from lastput.report.validations import table

    if todo == 1:
        return report(made[0], full=full)
    parts = [report(one, full=full) for one in made if full or one.word in AT_LENGTH]
    return "\n".join([*parts, table(made, seconds)])


def _status(done: _All) -> int:
    if done.unread:
        return exits.WRONG_INPUT
    words = {one.word for one in done.made}
    if "refused" in words:
        return exits.VIOLATED
    return exits.INCOMPLETE if done.stopped else max(OF_WORD[word] for word in words)
