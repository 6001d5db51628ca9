"""`lastput claims`: what people said of this code, settled by experiments; and the designs compared."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lastput.cli import experiments, pages, terminal
from lastput.cli.tables import TABLES
from lastput.lang.errors import UsageError, nearest
from lastput.report import claims as text
from lastput.report.json import experiment_value
from lastput.report.style import style_for

if TYPE_CHECKING:
    from lastput.study.claims.claim import Claim


def run(args: argparse.Namespace) -> int:
    """Run what is asked for, print it, and return 0 if every experiment is as expected."""
    from lastput.study.claims import claims

    processes = experiments.jobs(args.jobs)
    names = list(dict.fromkeys(name.lower() for name in args.claims))
    chosen = _chosen(names, claims())
    tables = [name for name in TABLES if name in names or not names]
    runs = [exhibit.run for claim in chosen for exhibit in claim.exhibits]
    runs += [run for name in tables for run in TABLES[name].runs()]
    pages.require_writable(args)
    found = experiments.run_all(
        runs,
        processes=processes,
        fresh=args.fresh,
        costs="costs" in tables,
        pictures=args.html is not None,
    )
    if args.json:
        terminal.say(json.dumps(_value(chosen, tables, found), indent=2) + "\n")
    else:
        _print(chosen, tables, found, commands=bool(names))
    pages.claims(args, chosen, tables, found)
    return found.status


def _print(
    chosen: Sequence[Claim], tables: Sequence[str], found: experiments.Found, *, commands: bool
) -> None:
    style = style_for(sys.stdout)
    for claim in (claim for claim in chosen if found.of_any([e.run for e in claim.exhibits])):
        lines = text.brief(claim, found.by_run, style, commands=commands)
        terminal.say("\n".join(lines) + "\n\n")
    for name in tables:
        lines = TABLES[name].text(found, style, commands)
        terminal.say("\n".join(line.rstrip() for line in lines) + "\n\n")
    terminal.say(found.last_lines())


def _chosen(names: Sequence[str], known: Sequence[Claim]) -> list[Claim]:
    """The claims that `names` name; all if there is no name at all."""
    by_name = {claim.number.lower(): claim for claim in known}
    for name in names:
        if name not in by_name and name not in TABLES:
            listed = ", ".join([*(claim.number for claim in known), *TABLES])
            close = nearest(name, [*(claim.number for claim in known), *TABLES])
            raise UsageError(f"there is no claim {name.upper() or repr(name)}: {close}use one of {listed}")
    return [by_name[name] for name in names if name in by_name] if names else list(known)


def _value(chosen: Sequence[Claim], tables: Sequence[str], found: experiments.Found) -> dict[str, Any]:
    value: dict[str, Any] = {"schema": 1, "claims": [_claim(claim, found) for claim in chosen]}
    return {**value, **{name: TABLES[name].value(found) for name in tables}, "missing": found.missing}


def _claim(claim: Claim, found: experiments.Found) -> dict[str, Any]:
    return {
        "number": claim.number,
        "who": claim.who,
        "sentence": claim.sentence,
        "verdict": text.verdict(claim, found.by_run),
        "correction": claim.correction,
        "exhibits": [
            {"shows": exhibit.shows, **experiment_value(found.by_run[id(exhibit.run)])}
            for exhibit in claim.exhibits
            if id(exhibit.run) in found.by_run
        ],
    }
