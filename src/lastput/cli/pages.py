"""`--html` of the commands that print tables: `claims`, `corpus`, `needed`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.cli import outputs, terminal
from lastput.report.layout import plural

if TYPE_CHECKING:
    from lastput.cli.experiments import Found
    from lastput.needed.trials import Subject
    from lastput.report.needed import Row
    from lastput.result import Result
    from lastput.study.claims.claim import Claim
    from lastput.study.corpus.entry import Entry


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option that names the page."""
    parser.add_argument("--html", metavar="FILE", help="write a page, each witness behind its cell")


def require_writable(args: argparse.Namespace) -> None:
    """UsageError about a file that could not be written, before the work."""
    if args.html is not None:
        outputs.writable("--html", Path(args.html))


def claims(args: argparse.Namespace, chosen: Sequence[Claim], tables: Sequence[str], found: Found) -> None:
    """Write the page of `claims`, if there is to be one."""
    if args.html is None:
        return
    from lastput.cli.tables import TABLES
    from lastput.report.html import claims as html
    from lastput.report.html.experiments import tables_page
    from lastput.report.html.witnesses import Witnesses

    witnesses = Witnesses()
    sections = [html.section(chosen, found.by_run, witnesses)] if chosen else []
    sections += [TABLES[name].html(found, witnesses) for name in tables]
    _write(args, found, tables_page("What people said, settled", _about(found), sections, witnesses))


def corpus(args: argparse.Namespace, chosen: Sequence[Entry], found: Found) -> None:
    """Write the page of `corpus`, if there is to be one."""
    if args.html is None:
        return
    from lastput.report.html import corpus as html
    from lastput.report.html.experiments import tables_page
    from lastput.report.html.witnesses import Witnesses

    witnesses = Witnesses()
    section = html.section(chosen, found.by_run, witnesses)
    _write(args, found, tables_page("Known bugs, reproduced", _about(found), [section], witnesses))


def needed(args: argparse.Namespace, subject: Subject, whole: Result, rows: Sequence[Row]) -> None:
    """Write the page of `needed`, if there is to be one."""
    if args.html is None:
        return
    from lastput.report.html.needed import needed_page

    chosen = "".join(f" --set {name}={value}" for name, value in subject.settings.items())
    command = f"lastput needed {subject.target} --variant {subject.variant}{chosen}"
    outputs.write_text(
        "--html", Path(args.html), needed_page(whole, rows, command, subject.scenario.defaults)
    )


def _about(found: Found) -> str:
    from lastput.report.html.experiments import last_lines

    settled = list(found.by_run.values())
    return last_lines(settled, found.missing, found.seconds, stopped=bool(found.stopped))


def _write(args: argparse.Namespace, found: Found, text: str) -> None:
    if found.undrawn:
        terminal.complain(
            f"lastput: stopped; {plural(found.undrawn, 'witness')} in the page without a picture"
        )
    outputs.write_text("--html", Path(args.html), text)
