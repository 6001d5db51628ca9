"""`lastput hunt`: look for a violation of one variant of a scenario, or of each, by running a part of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lastput import target
from lastput.cli import check, exits, interrupt, outputs, terminal
from lastput.cli.limits import count, seconds, size, within
from lastput.cli.progress import Live
from lastput.lang.errors import UsageError
from lastput.lang.scenario import Scenario
from lastput.plan import HUNT_NUMBERS
from lastput.report.json import worst
from lastput.report.layout import listing
from lastput.result import Result

WALKING, WITHIN = ("random", "pct"), ("preemptions", "switches")
TAKEN_BY = {
    "seed": WALKING,
    "walks": WALKING,
    "depth": (*WALKING, "deepening"),
    "bound": ("pct", *WITHIN),
    "max_states": (*WITHIN, "deepening"),
    "max_memory": (*WITHIN, "deepening"),
}
"""Which hunts an option says something to."""


def run(args: argparse.Namespace) -> int:
    """Hunt, print each result as it comes, and return the exit status of the worst."""
    how = _how(args)
    scenario = target.find(args.target)
    settings = target.settings(args.set)
    one = target.variant(scenario, args.variant)
    variants = list(scenario.variants) if one is None else [one]
    for variant in variants:  # all of them, before the first of them takes time
        scenario.configure(variant, settings)
    if args.save is not None:
        outputs.writable("--save", Path(args.save))
    outputs.require_writable(args, len(variants))
    results: list[Result] = []
    for variant in variants:
        try:
            result = _hunt(scenario, variant, settings, how)
        except KeyboardInterrupt:
            if not results:
                raise
            result = check.unknown(scenario, variant, settings)
        if not args.json:
            check.show(result, first=not results, full=args.full)
        results.append(result)
        if result.reason == "interrupt":
            break
    interrupt.verdict_known()
    check.finish(args, scenario, results, _what_next)
    return exits.OF_VERDICT[worst(results)]


def _how(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `hunter.hunt`; UsageError for one that is wrong."""
    _nothing_ignored(args)
    numbers = {name: within(f"--{name}", getattr(args, name), *HUNT_NUMBERS[name]) for name in HUNT_NUMBERS}
    return {name: number for name, number in numbers.items() if number is not None} | {
        "by": args.by,
        "max_states": count("--max-states", args.max_states),
        "max_memory": size("--max-memory", args.max_memory),
        "timeout": seconds("--timeout", args.timeout),
    }


def _nothing_ignored(args: argparse.Namespace) -> None:
    """UsageError for an option that none of the hunts asked for has a use for."""
    asked = set(args.by.split(","))
    for name, hunts in TAKEN_BY.items():
        if getattr(args, name) is not None and asked <= _ALL and not asked & set(hunts):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} says nothing to a hunt by {args.by}: it is for {listing(hunts)}")


_ALL = {hunt for hunts in TAKEN_BY.values() for hunt in hunts}


def _hunt(scenario: Scenario, variant: str, settings: dict[str, Any], how: dict[str, Any]) -> Result:
    from lastput.hunter import hunt

    def phase(text: str) -> None:
        live.phase(text)
        if text.startswith("hunting"):
            interrupt.raising()

    with Live() as live:
        return hunt(scenario, variant, settings=settings, **how, told=live.say, phase=phase)


def _what_next(args: argparse.Namespace, found: Result) -> None:
    """What to type to have the violation again, as a file."""
    assert found.hunt is not None
    chosen = [word for pair in args.set for word in ("--set", pair)]
    by = found.hunt.found_by
    given = {name: getattr(args, name) for name in HUNT_NUMBERS} | {"seed": found.hunt.seed}
    taken = [name for name, value in given.items() if value is not None and by in TAKEN_BY[name]]
    how = ["--by", by, *(word for name in taken for word in (f"--{name}", str(given[name])))]
    same = [args.target, "--variant", found.variant, *chosen, *how, "--save", "oops.json"]
    replay = "  lastput replay oops.json --pdb\n"
    terminal.say(f"\nTo have it again, and debug it:\n{check.pasted('hunt', *same)}\n{replay}")
