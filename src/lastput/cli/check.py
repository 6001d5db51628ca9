"""`lastput check`: search one variant of a scenario, or all of them one after the other."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lastput import plan as plans
from lastput import target
from lastput.cli import exits, interrupt, outputs, terminal
from lastput.cli.limits import count, seconds, size, within
from lastput.cli.progress import Live
from lastput.host import usable_cores
from lastput.lang.errors import UsageError
from lastput.lang.scenario import Scenario
from lastput.report.json import dumps, worst
from lastput.report.layout import pasteable
from lastput.report.saved import save
from lastput.report.style import style_for
from lastput.report.text import report, summary
from lastput.result import Result


def run(args: argparse.Namespace) -> int:
    """Check, print each result as it comes, and return the exit status of the worst."""
    limits = _limits(args)
    _nothing_ignored(args)
    plan = plans.Plan(
        reduce=plans.reductions(args.reduce),
        cores=within("--cores", args.cores, 1, plans.MOST_CORES) or usable_cores(),
        store=args.store,
        cluster=args.cluster,
        cluster_directory=_path(args.cluster_dir),
        disk=_path(args.disk),
        checkpoint=_path(args.checkpoint),
        checkpoint_every=seconds("--every", args.every) or plans.EVERY,
        resume=args.resume,
    )
    scenario = target.find(args.target)
    settings = target.settings(args.set)
    asked = _asked(args)
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
            result = _check(scenario, variant, settings, limits | asked, plan)
        except KeyboardInterrupt:
            if not results:
                raise
            result = unknown(scenario, variant, settings)
        if not args.json:
            show(result, first=not results, full=args.full)
        results.append(result)
        if result.reason == "interrupt":
            break
    interrupt.verdict_known()
    finish(args, scenario, results, _what_next)
    return exits.OF_VERDICT[worst(results)]


def _nothing_ignored(args: argparse.Namespace) -> None:
    """UsageError for an option that says nothing without, or together with, another one."""
    if args.every is not None and args.checkpoint is None and args.cluster is None:
        raise UsageError("--every is for checkpoints: add --checkpoint DIR")
    if args.cores is not None and args.cluster is not None:
        raise UsageError("--cores is for this machine: a --cluster searches with all that it has")
    if args.store in plans.APPROXIMATE and args.cores not in (None, "1"):
        raise UsageError(f"--cores {args.cores}: --store {args.store} searches with one core")


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _check(
    scenario: Scenario, variant: str, settings: dict[str, Any], limits: dict[str, Any], plan: plans.Plan
) -> Result:
    from lastput.checker import check

    def phase(text: str) -> None:
        live.phase(text)
        if text.startswith("searching"):
            interrupt.raising()

    with Live() as live:
        return check(
            scenario, variant, settings=settings, **limits, progress=live.update, phase=phase, plan=plan
        )


def unknown(scenario: Scenario, variant: str, settings: dict[str, Any]) -> Result:
    """The result of a variant that was interrupted before its search began."""
    values = scenario.configure(variant, settings)
    return Result(scenario.name, scenario.title, variant, "incomplete", "interrupt", values)


def show(result: Result, *, first: bool, full: bool) -> None:
    """Print a result, under a rule unless it is the first."""
    text = report(result, style=style_for(sys.stdout), full=full)
    terminal.say(text if first else f"\n{'-' * 80}\n\n{text}")


def finish(
    args: argparse.Namespace,
    scenario: Scenario,
    results: list[Result],
    what_next: Callable[[argparse.Namespace, Result], None],
) -> None:
    """Write what was asked for of all results; of a violation that was not saved, say `what_next`."""
    if args.json:
        terminal.say(dumps(results))
    elif len(results) > 1:
        terminal.say(f"\n{'-' * 80}\n\n{summary(results, style=style_for(sys.stdout))}")
    outputs.write(args, scenario, results)
    found = next((result for result in results if result.violation), None)
    if args.save is not None and found:
        save(Path(args.save), found, scenario, args.target)
        terminal.complain(f"Saved variant {found.variant}: lastput replay {shlex.quote(args.save)}")
    elif args.save is not None:
        terminal.complain(f"No violation, so {args.save} was not written.")
    elif found and not args.json:
        what_next(args, found)


def _what_next(args: argparse.Namespace, found: Result) -> None:
    """What to type to see more of a violation."""
    chosen = [word for pair in args.set for word in ("--set", pair)]
    same = [args.target, "--variant", found.variant, *chosen]
    asked = ["--progress"] * args.progress + (["--fairness", args.fairness] if args.fairness else [])
    text = "\nTo replay it:\n" + pasted("check", *same, *asked, "--save", "oops.json")
    text += "\n  lastput replay oops.json --pdb\nTo step through it, in a browser:\n"
    if args.html is None:
        text += pasted("check", *same, *asked, "--html", "oops.html") + "\n"
    terminal.say(text + pasted("explore", *same) + "\n")


def pasted(*words: str) -> str:
    """A command of lastput for the shell."""
    return "\n".join(pasteable([shlex.quote(word) for word in ("lastput", *words)], indent="  "))


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """What is asked besides what the scenario states."""
    return {"finishes": args.progress, "fairness": args.fairness}


def _limits(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "max_states": count("--max-states", args.max_states),
        "max_memory": size("--max-memory", args.max_memory),
        "timeout": seconds("--timeout", args.timeout),
    }
