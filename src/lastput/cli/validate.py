"""`lastput validate`: is a recorded trace a behaviour of the model?"""

from __future__ import annotations

import argparse
import os

from lastput.cli import exits, terminal
from lastput.cli.limits import seconds
from lastput.lang.errors import UsageError

OF_WORD = {
    "accepted": exits.HOLDS,
    "refused": exits.VIOLATED,
    "undecided": exits.INCOMPLETE,
    "vacuous": exits.INCOMPLETE,
}


def run(args: argparse.Namespace) -> int:
    """Validate each recording, and print a report for one, a table for more; the worst verdict decides."""
    limit = seconds("--timeout", args.timeout)
    slack = _whole("--slack", args.slack, 0)
    jobs = os.cpu_count() or 1 if args.jobs is None else _whole("--jobs", args.jobs, 1)

    from lastput.report.validation import report, table
    from lastput.validate.several import several
    from lastput.validate.validation import SECONDS, Plan

    plan = Plan(seconds=SECONDS if limit is None else limit, slack=slack, kernel=args.kernel)
    made = []
    for one in several(args.trace, plan, jobs):
        made.append(one)
        if args.full or one.word in ("refused", "undecided"):
            terminal.say(report(one, full=args.full) + "\n")
    if not made:
        raise UsageError(f"{', '.join(args.trace)}: there is no trace in it")
    if len(made) > 1:
        terminal.say(table(made))
    elif not (args.full or made[0].word in ("refused", "undecided")):
        terminal.say(report(made[0]))
    words = {one.word for one in made}
    return exits.VIOLATED if "refused" in words else max(OF_WORD[word] for word in words)


def _whole(option: str, text: str, least: int) -> int:
    """A whole number, `least` or more; UsageError for all else."""
    if not text.isdecimal() or int(text) < least:
        raise UsageError(f"{option} {text}: use a whole number, {least} or more")
    return int(text)
