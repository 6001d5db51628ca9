"""`lastput hunt`: look for a violation of one variant of a scenario, or of each, by running a part of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lastput import target
from lastput.cli import check, exits, interrupt, outputs, terminal
from lastput.cli.limits import count, number, seconds, size
from lastput.cli.progress import Live
from lastput.lang.scenario import Scenario
from lastput.report.json import worst
from lastput.result import Result

WALKS = "100000"
"""The default of --walks."""


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
    return {
        "by": args.by,
        "seed": number("--seed", args.seed),
        "walks": count("--walks", args.walks),
        "depth": count("--depth", args.depth),
        "bound": number("--bound", args.bound),
        "max_states": count("--max-states", args.max_states),
        "max_memory": size("--max-memory", args.max_memory),
        "timeout": seconds("--timeout", args.timeout),
    }


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
    how = [word for name in ("walks", "depth", "bound") for word in _given(args, name)]
    seed = ["--by", found.hunt.found_by, "--seed", str(found.hunt.seed)]
    same = [args.target, "--variant", found.variant, *chosen, *seed, *how, "--save", "oops.json"]
    replay = "  lastput replay oops.json --pdb\n"
    terminal.say(f"\nTo have it again, and debug it:\n{check.pasted('hunt', *same)}\n{replay}")


def _given(args: argparse.Namespace, name: str) -> list[str]:
    """An option as it was typed; none where it was left out."""
    value = getattr(args, name)
    return [] if value in (None, WALKS) else [f"--{name}", value]
