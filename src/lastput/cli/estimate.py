"""`lastput estimate`: what a search would take."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from lastput import target
from lastput.cli import exits, terminal
from lastput.cli.limits import seconds
from lastput.cli.progress import Live


def run(args: argparse.Namespace) -> int:
    """Search for a moment and print the forecast; always 0, because an estimate is no verdict."""
    scenario = target.find(args.target)
    settings = target.settings(args.set)
    chosen = target.variant(scenario, args.variant)
    scenario.configure(chosen, settings)
    time = seconds("--seconds", args.seconds)
    assert time is not None

    from lastput.estimate import estimate
    from lastput.report.estimate import report

    with Live() as live:
        found = estimate(scenario, chosen, settings=settings, seconds=time, phase=live.phase)
    terminal.say(json.dumps(asdict(found), indent=2) + "\n" if args.json else report(found))
    return exits.HOLDS
