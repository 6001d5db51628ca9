"""`lastput claims`: what people said of this code, settled by experiments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lastput.cli import experiments, terminal
from lastput.lang.errors import UsageError
from lastput.report import claims as text
from lastput.report.json import experiment_value
from lastput.report.style import style_for

if TYPE_CHECKING:
    from lastput.study.claims.claim import Claim


def run(args: argparse.Namespace) -> int:
    """Run the claims asked for, print them, and return 0 if every exhibit is as expected."""
    from lastput.study.claims import claims

    processes = experiments.jobs(args.jobs)
    chosen = _chosen(args.claims, claims())
    runs = [exhibit.run for claim in chosen for exhibit in claim.exhibits]
    found = experiments.run_all(runs, processes=processes, fresh=args.fresh)
    if args.json:
        terminal.say(json.dumps(_value(chosen, found), indent=2) + "\n")
        return found.status
    for claim in chosen:
        lines = text.brief(claim, found.by_run, style_for(sys.stdout), commands=bool(args.claims))
        terminal.say("\n".join(lines) + "\n\n")
    terminal.say(found.last_lines())
    return found.status


def _chosen(names: list[str], known: Sequence[Claim]) -> list[Claim]:
    """The claims that `names` name; all if none."""
    by_name = {claim.number.lower(): claim for claim in known}
    for name in names:
        if name.lower() not in by_name:
            raise UsageError(f"there is no claim {name}: use one of {', '.join(c.number for c in known)}")
    return [by_name[name.lower()] for name in dict.fromkeys(names)] or list(known)


def _value(chosen: Sequence[Claim], found: experiments.Found) -> dict[str, Any]:
    return {
        "schema": 1,
        "claims": [
            {
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
            for claim in chosen
        ],
        "missing": found.missing,
    }
