"""`lastput sweep`: one scenario under many configurations, as a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace

from lastput import plan as plans
from lastput import target
from lastput.cli import exits, experiments, interrupt, terminal
from lastput.cli.limits import count, seconds, size
from lastput.cli.progress import Live
from lastput.host import usable_cores
from lastput.lang.errors import UsageError
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.report.style import style_for
from lastput.report.sweep import table
from lastput.sweep import Point, Row, points, sweep, sweep_on, values


def run(args: argparse.Namespace) -> int:
    """Search every point, print the table, and return the exit status of the worst."""
    scenario = target.find(args.target)
    chosen: dict[str, list[Value]] = {
        name: values(str(text)) for name, text in target.settings(args.set).items()
    }
    if args.jobs is not None and args.cluster is not None:
        raise UsageError("--jobs is for this machine: a --cluster has as many jobs as cores")
    plan = plans.Plan(reduce=plans.reductions(args.reduce), store=args.store)
    place = plans.Plan(cluster=args.cluster)
    jobs = experiments.jobs(args.jobs) or usable_cores()
    searches = points(
        scenario,
        args.target,
        _variants(scenario, args.variant),
        chosen,
        plan,
        max_states=count("--max-states", args.max_states),
        max_memory=size("--max-memory", args.max_memory),
        timeout=seconds("--timeout", args.timeout),
    )
    if place.cluster is None:
        searches = [replace(point, beside=jobs) for point in searches]
    rows = _rows(searches, sweep(searches, jobs) if place.cluster is None else sweep_on(place, searches))
    if args.json:
        value = {"schema": 1, "scenario": scenario.name, "points": [asdict(row) for row in rows if row]}
        terminal.say(json.dumps(value | {"missing": rows.count(None)}, indent=2) + "\n")
    else:
        terminal.say(table(scenario.name, rows, style_for(sys.stdout)))
    return _status(rows)


def _rows(searches: list[Point], done: Iterator[tuple[int, Row]]) -> list[Row | None]:
    """What each search came to; None for those that Ctrl-C, or the end of a process, left out."""
    rows: list[Row | None] = [None] * len(searches)
    with Live() as live:
        live.phase(f"{len(searches)} searches")
        interrupt.raising()
        try:
            for number, row in done:
                rows[number] = row
                live.phase(f"{len(rows) - rows.count(None)} of {len(searches)} searches")
        except KeyboardInterrupt:
            if not any(rows):
                raise
            terminal.complain("lastput: interrupted. Known so far:")
        except BrokenProcessPool:
            terminal.complain(f"lastput: {experiments.ENDED}. Known so far:")
    interrupt.verdict_known()
    return rows


def _variants(scenario: Scenario, text: str | None) -> list[str]:
    """The variants that `--variant` names: all, or some with commas between them."""
    if text in (None, "all"):
        return list(scenario.variants)
    if "all" in str(text).split(","):
        raise UsageError(f"--variant {text}: all stands alone, or use names without it")
    return [name for part in str(text).split(",") if (name := target.variant(scenario, part)) is not None]


def _status(rows: list[Row | None]) -> int:
    verdicts = {row.verdict for row in rows if row}
    if "violated" in verdicts:
        return exits.VIOLATED
    return exits.INCOMPLETE if None in rows or "incomplete" in verdicts else exits.HOLDS
