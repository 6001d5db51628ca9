"""`lastput needed`: remove each check, lock and wait of a scenario in turn, and see whether it holds."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from lastput import target
from lastput.cli import exits, interrupt, pages, terminal
from lastput.cli.experiments import ENDED, jobs
from lastput.cli.limits import seconds
from lastput.cli.progress import Live
from lastput.lang.errors import UsageError
from lastput.report.covered import reason
from lastput.report.layout import plural
from lastput.report.style import style_for

if TYPE_CHECKING:
    from lastput.needed.removals import Removal
    from lastput.needed.trials import Subject, Trial, Whole
    from lastput.report.needed import Row

TIMEOUT = 120.0
"""Seconds of search for one removal, unless --timeout says otherwise."""


class Unsettled(Exception):
    """The scenario as it is has no verdict, so that nothing can be said of a part of it."""


def run(args: argparse.Namespace) -> int:
    """Print the table, or one line of it in full; 0 if every removal that was tried is decided."""
    processes = jobs(args.jobs)
    pages.require_writable(args)
    try:
        subject, whole = _whole(args)
    except Unsettled as error:
        terminal.complain(f"lastput: {error}")
        return exits.INCOMPLETE
    if args.show is not None:
        return _show(args, subject, whole)
    trials = _settled(subject, whole.removals, processes, args.fresh)
    rows = [(i + 1, removal, trials[i]) for i, removal in enumerate(whole.removals)]
    drawn = rows if args.html is None else _drawn(subject, rows)
    interrupt.verdict_known()
    _print(args, subject, whole, rows)
    pages.needed(args, subject, whole.result, drawn)
    return exits.INCOMPLETE if any(t.answer == "incomplete" for t in trials) else exits.HOLDS


def _whole(args: argparse.Namespace) -> tuple[Subject, Whole]:
    """The variant asked for, searched as it is; without one, the first that holds."""
    scenario = target.find(args.target)
    settings = target.settings(args.set)
    one = target.variant(scenario, args.variant)
    for variant in [one] if one else scenario.variants:  # all of them, before the first takes time
        scenario.configure(variant, settings)
    timeout = TIMEOUT if args.timeout is None else seconds("--timeout", args.timeout)

    from lastput.needed.trials import Subject, whole

    for variant in [one] if one else scenario.variants:
        subject = Subject(args.target, scenario, variant, settings, timeout)
        with Live() as live:
            found = whole(subject, progress=live.update, phase=live.phase)
        if found.result.holds:
            return subject, found
        if found.result.verdict == "incomplete":
            raise Unsettled(f"variant {variant} is incomplete as it is: {reason(found.result)}")
    which = f"variant {variant} is" if one else "every variant is"
    violation = found.result.violation
    what = f"{violation.kind} in {violation.function}".removesuffix(" in ") if violation else ""
    raise UsageError(f"{which} violated as it is ({what}): a removal says something where all holds")


def _settled(
    subject: Subject, removals: tuple[Removal, ...], processes: int | None, fresh: bool
) -> list[Trial]:
    from lastput.needed.trials import Trial, settle

    done: dict[int, Trial] = {}
    stopped = ""
    with Live() as live:
        live.phase(f"trying {plural(len(removals), 'removal')}")
        interrupt.raising()
        try:
            for i, trial in settle(subject, removals, jobs=processes, fresh=fresh):
                done[i] = trial
                live.phase(f"{len(done)} of {plural(len(removals), 'removal')} settled")
        except KeyboardInterrupt:
            stopped = "it was interrupted"
        except BrokenProcessPool:
            stopped = ENDED
    return [done.get(i) or Trial("incomplete", stopped) for i in range(len(removals))]


def _drawn(subject: Subject, rows: list[Row]) -> list[Row]:
    """`rows` with the scenes of their witnesses; Ctrl-C leaves the rest as they are."""
    from lastput.needed.trials import pictured

    drawn: list[Row] = []
    with Live() as live:
        try:
            for number, removal, trial in rows:
                live.phase(f"drawing {number} of {len(rows)}")
                drawn.append((number, removal, pictured(subject, removal, trial)))
        except KeyboardInterrupt:
            drawn += rows[len(drawn) :]
    return drawn


def _show(args: argparse.Namespace, subject: Subject, whole: Whole) -> int:
    from lastput.needed.trials import settle
    from lastput.report.needed import shown

    number = int(args.show) if args.show.isdecimal() else 0
    if not 1 <= number <= len(whole.removals):
        raise UsageError(f"--show {args.show}: use a number from 1 to {len(whole.removals)}")
    removal = whole.removals[number - 1]
    with Live() as live:
        live.phase(f"trying removal {number}")
        interrupt.raising()
        ((_, trial),) = settle(subject, [removal], jobs=1, fresh=args.fresh)
    drawn = [] if args.html is None else _drawn(subject, [(number, removal, trial)])
    interrupt.verdict_known()
    if args.json:
        _print(args, subject, whole, [(number, removal, trial)])
    else:
        terminal.say(shown((number, removal, trial), style=style_for(sys.stdout), full=args.full))
    pages.needed(args, subject, whole.result, drawn)
    return exits.INCOMPLETE if trial.answer == "incomplete" else exits.HOLDS


def _print(args: argparse.Namespace, subject: Subject, whole: Whole, rows: list[Row]) -> None:
    from lastput.report.needed import table, value

    if args.json:
        terminal.say(json.dumps(value(whole.result, rows), indent=2) + "\n")
        return
    style, defaults = style_for(sys.stdout), subject.scenario.defaults
    terminal.say(table(whole.result, rows, style, defaults, chosen=args.variant is not None))
    if rows:
        terminal.say("The same command with --show NUMBER prints the witness of one line in full.\n")
